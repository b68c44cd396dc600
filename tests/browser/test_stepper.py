"""The stepper in a real browser: live in JupyterLab, and its static page from file://.

Run with `make test-browser`. Screenshots are written to the folder that the environment variable
MF_SHOTS names, when it is set.
"""
import atexit
import functools
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import NamedTuple

import nbformat
import psutil
import pytest
import torch
from playwright.sync_api import sync_playwright

from mambaflow.app.stepper import ExactFlow, ModelSet
from mambaflow.data.images import load_images, to_uint8
from mambaflow.flow.path import x1_to_velocity
from mambaflow.nets.backbones import BackboneConfig
from mambaflow.training.checkpoints import save_model

ROOT = Path(__file__).parents[2]
JUDGE = ROOT/'outputs'/'judges'/'mnist'/'judge.safetensors'
BROWSERS = ('chromium', 'chromium-browser', 'google-chrome')
CHROMIUM = next(filter(None, map(shutil.which, BROWSERS)), None)
FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-background-networking',
         '--disable-component-update', '--disable-sync', '--no-first-run']
PIXELS = '''element => {
  if (element.tagName === 'CANVAS') return element.toDataURL();
  const [width, height] = [element.naturalWidth, element.naturalHeight];
  const canvas = Object.assign(document.createElement('canvas'), {width, height});
  canvas.getContext('2d').drawImage(element, 0, 0);
  return canvas.toDataURL();
}'''
BACKGROUND = 'getComputedStyle(document.body).backgroundColor'
VISIBILITY = 'element => getComputedStyle(element).visibility'


@functools.cache
def launch():
    "One Chromium for all files of tests: playwright starts only once in a process."
    assert CHROMIUM, 'no chromium found: install it (Debian: apt-get install chromium)'
    playwright = sync_playwright().start()
    atexit.register(playwright.stop)
    return playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)


@pytest.fixture(scope='session')
def browser(): return launch()


def shot(page, name):
    "A picture for people, when they ask for it."
    folder = os.environ.get('MF_SHOTS')
    if folder: page.screenshot(path=str(Path(folder)/f'{name}.png'), full_page=True)


def pixels(page, selector):
    "What the visible pictures show, each as an address that holds it."
    elements = page.locator(selector).all()
    return [e.evaluate(PIXELS) for e in elements if e.is_visible()]


def text(page, selector):
    return page.locator(selector).inner_text()


def violations(page, part):
    "Serious violations that axe-core finds in a part of a page. Skips the test without axe-core."
    why = 'axe-core is not installed: pip install axe-playwright-python'
    axe = pytest.importorskip('axe_playwright_python.sync_playwright', reason=why)
    found = axe.Axe().run(page, part).response['violations']
    return [(v['id'], node['target'], node['html'][:100]) for v in found
            if v['impact'] in ('serious', 'critical') for node in v['nodes']]


def unnamed_pictures(page):
    "Pictures of the stepper that a screen reader does not name."
    pictures = page.locator('.mf-stepper').locator('canvas, svg, img').all()
    return [e.evaluate('e => e.outerHTML') for e in pictures
            if e.is_visible() and not (e.get_attribute('aria-label') or e.get_attribute('alt'))]


def until(condition, seconds=30):
    "Wait for a condition, and return its last value. Fails when time is over."
    end = time.monotonic() + seconds
    while not (value := condition()) and time.monotonic() < end: time.sleep(.05)
    assert value, f'not reached within {seconds} s: {value!r}'
    return value


# ---------------------------------------------------------------- the static page

@pytest.fixture(scope='session')
def static(tmp_path_factory):
    "A page of two exact flows, and of a model whose file is missing."
    digits = load_images('digits', size=16, limit=300)
    models = ModelSet({
        'PM': ExactFlow(digits.images, digits.labels),
        'PT': ExactFlow(digits.images[:100], digits.labels[:100]),
        'HMA': tmp_path_factory.mktemp('none')/'missing.safetensors'}, judge=JUDGE)
    path = tmp_path_factory.mktemp('page')/'page.html'
    return models.save_html(path, seeds=(3, 5, 8), labels=range(10), title='Stepper')


class Static:
    "The page in a browser, with everything that it requests, and its errors."
    def __init__(self, browser, path, width=1000, **context):
        size = {'width': width, 'height': 900}
        self.page = browser.new_context(viewport=size, **context).new_page()
        self.requests = []
        self.errors = []
        self.page.on('request', lambda request: self.requests.append(request.url))
        self.page.on('pageerror', lambda error: self.errors.append(str(error)))
        self.open(path.as_uri())

    def open(self, address):
        self.page.goto(address)
        self.page.wait_for_selector('body[data-ready]')

    def models(self): return pixels(self.page, '.mf-card canvas')
    def noise(self): return pixels(self.page, '.mf-noise canvas')
    def where(self): return text(self.page, '.mf-where')
    def seed(self): return text(self.page, '.mf-seed option:checked')
    def digit(self): return text(self.page, '.mf-digits [aria-checked=true]')
    def press(self, key): self.page.keyboard.press(key)

    def click_digit(self, digit):
        self.page.locator('.mf-digits button', has_text=str(digit)).click()

    def click_step(self, k):
        self.page.locator('.mf-thumbs').first.locator('canvas').nth(k).click()

    def brightness(self):
        "Of the background, 0 to 765."
        rgb = self.page.evaluate(BACKGROUND).strip('rgb()')
        return sum(map(int, rgb.split(',')))


def test_static_first(browser, static):
    "It begins at the noise, with a digit, and with no picture that is missing."
    s = Static(browser, static)
    assert len(s.models()) == 2
    assert set(s.models()) == set(s.noise())
    assert (s.where(), s.digit()) == ('step 0 of 10, t = 0.00', '0')
    assert s.page.locator('.mf-thumbs canvas.mf-now').count() == 3
    assert 'no such file' in text(s.page, '.mf-card .mf-problem:visible')
    assert s.page.locator('img').count() == 0


def test_static_mouse(browser, static):
    s = Static(browser, static)
    s.press('End')
    first, first_noise = s.models(), s.noise()
    s.click_digit(7)
    seven = s.models()
    assert s.digit() == '7'
    assert seven != first
    assert s.noise() == first_noise
    s.page.locator('.mf-noise').click()
    assert s.seed() == '5'
    assert s.noise() != first_noise
    assert s.models() != seven
    s.page.locator('.mf-seed').select_option(label='3')
    assert s.noise() == first_noise
    assert s.models() == seven
    s.page.locator('.mf-again').click()
    assert s.seed() == '5'


def test_static_steps_and_play(browser, static):
    s = Static(browser, static)
    s.click_step(10)
    last = s.models()
    s.click_step(0)
    assert s.where() == 'step 0 of 10, t = 0.00'
    assert set(s.models()) == set(s.noise())
    s.page.locator('.mf-play').click()
    until(lambda: s.where().startswith('step 10 of 10'))
    assert s.models() == last


def test_static_judge_and_difference(browser, static):
    "The curve of every step, and what two models draw differently."
    s = Static(browser, static)
    lines = s.page.locator('.mf-plot polyline')
    assert [len(line.get_attribute('points').split()) for line in lines.all()] == [11, 11, 0]
    assert 'At step 0: PM' in s.page.locator('.mf-plot svg').get_attribute('aria-label')
    box = s.page.locator('.mf-plot').bounding_box()
    s.page.mouse.click(box['x'] + .7 * box['width'], box['y'] + 20)
    assert s.where().startswith('step 7 of 10')
    for k in range(2):
        s.page.locator(f'.mf-{["first", "second"][k]}').select_option('PM')
    assert text(s.page, '.mf-difference p') == 'no difference'
    same = pixels(s.page, '.mf-difference canvas')
    s.page.locator('.mf-second').select_option('PT')
    assert pixels(s.page, '.mf-difference canvas') != same


def test_static_asks_nothing_of_the_network(browser, static):
    s = Static(browser, static)
    s.click_digit(7)
    s.page.locator('.mf-noise').click()
    s.press('Space')
    until(lambda: s.where().startswith('step 10 of 10'))
    outside = [url for url in s.requests if not url.startswith(('file:', 'data:'))]
    assert s.requests, 'no request was seen at all'
    assert outside == []
    assert s.errors == []


def test_static_arrows(browser, static):
    s = Static(browser, static)
    for key, step in (('ArrowRight', 1), ('End', 10), ('ArrowRight', 10), ('ArrowLeft', 9),
                      ('Home', 0), ('ArrowLeft', 0)):
        s.press(key)
        assert s.where().startswith(f'step {step} of 10'), key


def test_static_keys(browser, static):
    s = Static(browser, static)
    s.press('End')
    first = s.models()
    s.press('4')
    assert s.digit() == '4'
    assert s.models() != first
    s.press('r')
    assert s.seed() == '5'
    s.page.locator('.mf-digits button').first.focus()
    s.press('Enter')
    assert s.digit() == '0'
    s.press('Home')
    s.press('Space')
    until(lambda: s.where().startswith('step 3 of 10'))
    s.press('Space')
    stopped = s.where()
    s.page.wait_for_timeout(800)
    assert s.where() == stopped
    assert s.digit() == '0'


@pytest.mark.parametrize('scheme', ['light', 'dark'])
def test_static_colours(browser, static, scheme):
    "The browser's preference chooses the colours; the hash of the address overrides it."
    s = Static(browser, static, color_scheme=scheme)
    assert (s.brightness() > 600) == (scheme == 'light')
    s.press('5')
    s.click_step(6)
    shot(s.page, f'static_{scheme}')
    other = {'light': 'dark', 'dark': 'light'}[scheme]
    s.page.goto('about:blank')
    s.open(f'{static.as_uri()}#{other}')
    assert (s.brightness() > 600) == (other == 'light')


def side_by_side(page):
    "Are the models in one row, and is nothing cut off?"
    boxes = [card.bounding_box() for card in page.locator('.mf-card').all()]
    root = page.locator('.mf-stepper').bounding_box()
    right = root['x'] + root['width'] + 1
    one_row = len({round(box['y']) for box in boxes}) == 1
    return one_row and all(box['width'] > 60 and box['x'] + box['width'] <= right for box in boxes)


@pytest.mark.parametrize('width', [1440, 800, 400])
def test_static_widths(browser, static, width):
    "Three models side by side on every screen."
    s = Static(browser, static, width)
    assert s.page.evaluate('document.documentElement.scrollWidth') <= width
    assert side_by_side(s.page)
    shot(s.page, f'static_{width}')


def test_static_fields(browser, tmp_path):
    "Fields walk in the same stepper: the observations and the truth beside the noise, no digits."
    truth = torch.linspace(-1, 1, 256).view(1, 256, 1)
    def towards(x_t, t): return x1_to_velocity(truth, x_t, t)
    def show(states): return to_uint8(states.view(-1, 1, 16, 16))
    models = ModelSet({'V1': towards}, shape=(256, 1), show=show,
                      context={'reference': show(truth)[0]})
    s = Static(browser, models.save_html(tmp_path/'fields.html', seeds=(0, 1)))
    assert set(s.models()) == set(s.noise())
    s.press('End')
    assert s.models() == pixels(s.page, '.mf-context img')
    assert not s.page.locator('.mf-digits').is_visible()
    assert s.errors == []


@pytest.mark.parametrize('scheme', ['light', 'dark'])
def test_static_accessible(browser, static, scheme):
    s = Static(browser, static, color_scheme=scheme)
    assert unnamed_pictures(s.page) == []
    assert violations(s.page, 'body') == []


# ---------------------------------------------------------------- live, in JupyterLab

NOTEBOOK = 'runs/play.ipynb'                         # a copy, as `make lab` opens it
SLOW = 'runs/slow.ipynb'
SLOW_CELL = """
import os, time
from mambaflow.app.live import TrajectoryStepper
from mambaflow.app.stepper import ExactFlow, ModelSet, Request
from mambaflow.data.images import load_images
digits = load_images('digits', size=16, limit=300)
class Slow(ExactFlow):
    "A model that takes a while, longer for a batch, and counts its pictures."
    computed = 0
    def forward(self, x_t, t, label=None):
        Slow.computed += len(x_t)
        time.sleep(.06 if len(x_t) == 1 else .3)
        return super().forward(x_t, t, label)
def three(count):
    return ModelSet({name: Slow(digits.images[:count], digits.labels[:count])
                     for name in ('PM', 'HMA', 'PT')}, judge=os.environ['MF_JUDGE'])
stepper = TrajectoryStepper({'conditional': lambda: three(300), 'protocol': lambda: three(50)},
                            Request(label=3))
stepper
"""


def make_root(folder):
    "A repository that holds the notebook and no weights, and one of slow models."
    own = Path('nbs')/'experiments'/'play.ipynb'
    for name in (own.parent, 'runs'): (folder/name).mkdir(parents=True)
    (folder/'settings.ini').touch()
    shutil.copy(ROOT/own, folder/own)
    copy = [sys.executable, ROOT/'tools'/'open_copy.py', own, NOTEBOOK]
    subprocess.run(copy, cwd=folder, check=True)
    kernel = {'kernelspec': {'name': 'python3', 'display_name': 'Python 3', 'language': 'python'}}
    cells = [nbformat.v4.new_code_cell(SLOW_CELL)]
    nbformat.write(nbformat.v4.new_notebook(metadata=kernel, cells=cells), folder/SLOW)


def write_settings(folder, theme):
    "JupyterLab's own settings: no news, and a theme."
    own = folder/'@jupyterlab'/'apputils-extension'
    own.mkdir(parents=True)
    news = {'fetchNews': 'false', 'checkForUpdates': False}
    (own/'notification.jupyterlab-settings').write_text(json.dumps(news))
    colours = {'theme': f'JupyterLab {theme.title()}'}
    (own/'themes.jupyterlab-settings').write_text(json.dumps(colours))


def lab_environment(home):
    "Nothing of the user's own Jupyter is read or written."
    folders = {f'JUPYTER_{kind}_DIR': home/kind.lower() for kind in ('CONFIG', 'DATA', 'RUNTIME')}
    folders['JUPYTERLAB_SETTINGS_DIR'] = home/'settings'
    folders['JUPYTERLAB_WORKSPACES_DIR'] = home/'workspaces'
    folders['IPYTHONDIR'] = home/'ipython'
    paths = [str(ROOT), os.environ.get('PYTHONPATH', '')]
    python = {'PYTHONPATH': os.pathsep.join(filter(None, paths)), 'MF_JUDGE': str(JUDGE)}
    return os.environ | {name: str(path) for name, path in folders.items()} | python


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


class Lab(NamedTuple):
    "A server of JupyterLab."
    url: str
    server: subprocess.Popen
    log: Path

    def api(self, path, method='GET'):
        headers = {'Authorization': 'token test'}
        request = urllib.request.Request(f'{self.url}/api{path}', method=method, headers=headers)
        return urllib.request.urlopen(request, timeout=10)

    def is_up(self):
        assert self.server.poll() is None, self.log.read_text()[-3000:]
        try: return self.api('/status').status == 200
        except OSError: return False


def start_lab(home, root, theme='light'):
    "A JupyterLab of its own on the folder `root`. Yields it, and stops it."
    write_settings(home/'settings', theme)
    port = free_port()
    command = ['jupyter', 'lab', '--no-browser', '--ip=127.0.0.1', f'--port={port}',
               '--IdentityProvider.token=test', '--allow-root', f'--notebook-dir={root}',
               '--LabApp.news_url=None']
    log = home/'lab.log'
    with log.open('w') as file:
        server = subprocess.Popen(command, env=lab_environment(home), stdout=file, stderr=file)
    lab = Lab(f'http://127.0.0.1:{port}', server, log)
    try:
        until(lab.is_up, 60)
        yield lab
    finally:
        server.terminate()
        try: server.wait(60)
        except subprocess.TimeoutExpired: server.kill()      # a busy machine is no fault of ours


@pytest.fixture(scope='session')
def lab(tmp_path_factory):
    home = tmp_path_factory.mktemp('lab')
    make_root(home/'repo')
    yield from start_lab(home, home/'repo')


class Live:
    "A notebook in Lab with all cells run, and the stepper idle in it."
    def __init__(self, browser, lab, notebook=NOTEBOOK, width=1450):
        size = {'width': width, 'height': 1500}
        self.page = browser.new_context(viewport=size).new_page()
        self.errors = []
        self.page.on('pageerror', lambda error: self.errors.append(str(error)))
        self.page.goto(f'{lab.url}/doc/tree/{notebook}?reset&token=test')
        self.wait_for_kernel()
        for item in ('Run', 'Run All Cells'):
            self.page.get_by_role('menuitem', name=item, exact=True).click()
        self.page.wait_for_selector('.mf-stepper .mf-card', timeout=90_000)
        self.settle()

    def wait_for_kernel(self):
        name = self.page.locator('.jp-Toolbar-kernelName').first
        name.wait_for(timeout=60_000)
        until(lambda: 'ython' in name.inner_text(), 60)
        idle = ".jp-Notebook-ExecutionIndicator[data-status='idle']"
        self.page.wait_for_selector(idle, timeout=60_000)

    def models(self): return pixels(self.page, '.mf-card canvas')
    def noise(self): return pixels(self.page, '.mf-noise canvas')
    def strips(self): return pixels(self.page, '.mf-thumbs canvas')
    def status(self): return text(self.page, '.mf-status')
    def where(self): return text(self.page, '.mf-where')
    def press(self, key): self.page.keyboard.press(key)
    def click(self, selector): self.page.locator(selector).first.click()
    def is_late(self): return self.page.locator('.mf-late').is_visible()
    def is_idle(self): return self.status().startswith('seed')
    def settle(self): until(self.is_idle, 90)
    def focus(self): self.page.locator('.mf-play').focus()

    def digit(self, digit):
        "Choose a digit, and wait for it."
        self.page.locator('.mf-digits button', has_text=digit).click()
        until(lambda: f'digit {digit}' in self.status() or digit == 'any')
        self.settle()

    def enter(self, name, value):
        "Type into a field of numbers, and wait."
        field = self.page.locator(f'input.mf-{name}')
        field.fill(str(value))
        field.press('Enter')
        self.settle()

    def choose(self, name, value):
        self.page.locator(f'select.mf-{name}').select_option(value)
        self.settle()

    def reset(self):
        "The first request again, and the first step."
        self.enter('seed', 0)
        self.choose('sampler', 'euler')
        self.digit('3')
        self.focus()
        self.press('Home')
        until(lambda: self.where() == 'step 0 of 10, t = 0.00')


@pytest.fixture(scope='session')
def open_live(browser, lab): return Live(browser, lab)


@pytest.fixture(scope='session')
def open_slow(browser, lab): return Live(browser, lab, SLOW)


@pytest.fixture
def live(open_live):
    "One open notebook for several tests, which must leave no error."
    open_live.reset()
    yield open_live
    assert open_live.errors == []


@pytest.fixture
def slow(open_slow):
    "The same with models that take a while, at a seed that nobody has seen."
    seeds = open_slow.page.__dict__.setdefault('seeds', iter(range(100, 100_000, 100)))
    open_slow.enter('seed', next(seeds))
    yield open_slow
    assert open_slow.errors == []


def test_live_first(live):
    "It begins at step 0 with a digit, without a missing picture; stand-ins say what they are."
    assert len(set(live.models())) == 1 and live.models()[0] == live.noise()[0]
    assert live.page.locator('.mf-digits [aria-checked=true]').inner_text() == '3'
    assert live.page.locator('.mf-stepper img').count() == 0
    assert not live.is_late()
    assert 'No weights here' in text(live.page, '.jp-Notebook')


def test_live_steps_are_clickable(live):
    live.page.locator('.mf-thumbs').nth(1).locator('canvas').nth(4).click()
    assert live.where() == 'step 4 of 10, t = 0.40'
    assert live.page.locator('.mf-thumbs canvas.mf-now').count() == 3
    live.page.locator('.mf-card canvas').first.click()           # a picture plays
    until(lambda: live.where() == 'step 10 of 10, t = 1.00')


def test_live_keys(live):
    "Keys work wherever the focus is in the widget, and JupyterLab does not take them."
    live.page.locator('.mf-answers').click(position={'x': 3, 'y': 3})
    cells = live.page.locator('.jp-Notebook .jp-Cell').count()
    for key, step in (('ArrowRight', 1), ('End', 10), ('ArrowLeft', 9), ('Home', 0)):
        live.press(key)
        until(lambda: live.where().startswith(f'step {step} of 10'))
    live.press('7')
    until(lambda: 'digit 7' in live.status())
    for _ in range(2): live.press('0')                           # in Lab: restart the kernel
    until(lambda: 'digit 0' in live.status())
    assert live.page.locator('.jp-Dialog').count() == 0
    live.press('r')
    until(lambda: 'seed 1' in live.status())
    live.press('Space')
    until(lambda: live.where() == 'step 10 of 10, t = 1.00')
    assert live.page.locator('.jp-Notebook .jp-Cell').count() == cells


def test_live_numbers_can_be_typed(live):
    live.page.locator('input.mf-seed').click()
    live.press('ControlOrMeta+a')
    for key in ('4', '2', 'Enter'): live.press(key)
    until(lambda: live.status().startswith('seed 42, digit 3'))


def test_live_reseed_by_the_noise(live):
    "The hint stands on the noise, and a click on it re-seeds."
    assert text(live.page, '.mf-noise .mf-hint') == 'click to re-seed'
    before = live.noise()
    live.click('.mf-noise')
    until(lambda: live.status().startswith('seed 1,'))
    assert live.noise() != before
    live.enter('seed', 0)
    until(lambda: live.noise() == before)


def test_live_sampler_steps_guidance(live):
    "Each changes the pictures; numbers have right plurals; guidance is off where it does nothing."
    before = live.strips()
    live.choose('sampler', 'heun')
    until(lambda: 'heun' in live.status() and live.strips() != before)
    live.enter('steps', 1)
    until(lambda: live.status().endswith('1 step, weights stand-ins'))
    assert '2 calls' in text(live.page, '.mf-card .mf-cost >> nth=0')
    live.choose('sampler', 'euler')
    until(lambda: re.search(r'\b1 call$', text(live.page, '.mf-card .mf-cost >> nth=0')))
    live.enter('steps', 10)
    guidance = live.page.locator('.mf-guidance')
    assert guidance.is_enabled()
    live.digit('any')
    assert guidance.is_disabled()


def test_live_play(live):
    "The film begins at the noise, shows most steps, and ends at the last."
    live.press('End')
    live.click('.mf-play')
    seen = set()
    def complete():
        seen.add(live.where())
        return len(seen) > 8 and 'step 10 of 10, t = 1.00' in seen
    until(complete)
    assert 'step 0 of 10, t = 0.00' in seen


def test_live_difference(live):
    "Of two models that the user chooses, at the step that is shown."
    live.press('End')
    for side in ('first', 'second'): live.page.locator(f'.mf-{side}').select_option('100 digits')
    until(lambda: text(live.page, '.mf-difference p') == 'no difference')
    live.page.locator('.mf-second').select_option('100 blurred')
    until(lambda: 'apart on average' in text(live.page, '.mf-difference p'))
    live.press('Home')


def test_live_accessible(live):
    assert unnamed_pictures(live.page) == []
    assert violations(live.page, '.mf-stepper') == []


@pytest.mark.parametrize('width', [1440, 800, 400])
def test_live_widths(live, width):
    "Three models side by side on every screen; the file browser is closed on narrow ones."
    live.page.set_viewport_size({'width': width, 'height': 1500})
    try:
        until(lambda: side_by_side(live.page))
        root = live.page.locator('.mf-stepper')
        assert root.evaluate('e => e.scrollWidth <= e.clientWidth + 1')
        shot(live.page, f'live_{width}')
    finally: live.page.set_viewport_size({'width': 1450, 'height': 1500})


def test_live_clicks_do_not_queue_up(live):
    for _ in range(8): live.click('.mf-again')
    until(lambda: 'seed 8' in live.status())
    live.settle()
    shot(live.page, 'live_light')


# what comes when, with models that take 0.6 s and more for a trajectory

FRAMES = """([selector, seed]) => new Promise(finish => {
  const root = document.querySelector('.mf-stepper');
  const noisy = root.querySelector('.mf-noise canvas');
  const before = noisy.toDataURL();
  const frames = [];
  const look = () => {
    const steps = [...root.querySelectorAll('.mf-thumbs')]
      .map(row => [...row.children].filter(thumb => thumb.width > 1).length);
    frames.push({steps, noise: noisy.toDataURL() !== before});
    if (root.classList.contains('mf-busy')) requestAnimationFrame(look);
    else finish(frames);
  };
  const field = root.querySelector('input.mf-seed');
  if (seed !== null) Object.assign(field, {value: seed}).dispatchEvent(new Event('change'));
  else root.querySelector(selector).click();
  look();
})"""


def frames(live, selector):
    "Click, and see in each frame how many steps of each model are drawn, until all are."
    return live.page.evaluate(FRAMES, [selector, None])


def frames_of_unseen(live):
    "The same for a seed that nobody has asked for, and that idle time has not computed."
    seed = int(live.page.locator('input.mf-seed').input_value()) + 50
    return live.page.evaluate(FRAMES, [None, seed])


def was_computed(seen):
    "Was a model seen at a step between the first and the last? What is known comes as a whole."
    return any(1 < count < 11 for frame in seen for count in frame['steps'])


def test_live_each_step_as_it_is_computed(slow):
    "The noise comes before any step, steps one by one, and a model ends before the others."
    seen = frames_of_unseen(slow)
    assert any(frame['noise'] and sum(frame['steps']) < 12 for frame in seen)
    for model in range(3):
        counts = [frame['steps'][model] for frame in seen if frame['noise']]
        assert counts == sorted(counts) and counts[-1] == 11
    assert was_computed(seen)
    assert any(11 in frame['steps'] and sum(frame['steps']) < 33 for frame in seen)


def test_live_noise_at_once(slow):
    "The noise of the next seed is there before the click, so the first frame has it."
    slow.click('.mf-again')
    slow.settle()
    seen = frames(slow, '.mf-again')
    assert seen[1]['noise'] and sum(seen[1]['steps']) < 33


def test_live_cache(slow):
    "What has been seen comes again as a whole."
    assert was_computed(frames_of_unseen(slow))
    assert was_computed(frames(slow, '[data-label="5"]'))
    assert not was_computed(frames(slow, '[data-label="3"]'))


def test_live_idle_time_computes_the_next_seed_and_other_digits(slow):
    slow.page.wait_for_timeout(18_000)                              # it takes about eight
    assert not was_computed(frames(slow, '[data-label="8"]'))
    slow.digit('3')
    assert not was_computed(frames(slow, '.mf-again'))


def kernels(lab):
    "The processes of a Lab's kernels."
    children = psutil.Process(lab.server.pid).children()
    return [process for process in children if 'ipykernel' in ' '.join(process.cmdline())]


def test_live_seen_needs_no_kernel(lab, slow):
    "What has been seen is shown while the kernel stands still, and goes on afterwards."
    slow.press('End')
    first, status = slow.models(), slow.status()
    slow.digit('5')
    for kernel in kernels(lab): kernel.suspend()
    try:
        slow.page.locator('[data-label="3"]').click()
        until(lambda: slow.models() == first and slow.status() == status, 3)
    finally:
        for kernel in kernels(lab): kernel.resume()
    assert not slow.is_late()
    assert was_computed(frames_of_unseen(slow))


def test_live_idle_work_is_given_up(slow):
    "In the middle of the work ahead a click has its noise, and its steps, as without it."
    slow.page.wait_for_timeout(1_000)                               # the work has begun
    seen = frames_of_unseen(slow)
    assert seen[-1]['noise'] and was_computed(seen)


def test_live_judge_reads_every_step(slow):
    "A curve for each model, with as many points as steps; the reading is that of the step."
    lines = slow.page.locator('.mf-plot polyline')
    assert [len(line.get_attribute('points').split()) for line in lines.all()] == [11, 11, 11]
    slow.focus()
    readings = set()
    for key in ('Home', 'End'):
        slow.press(key)
        until(lambda: slow.where().startswith({'Home': 'step 0', 'End': 'step 10'}[key]))
        readings.add(text(slow.page, '.mf-card .mf-reading >> nth=0'))
    assert len(readings) == 2 and all(r.startswith('judge: ') for r in readings)
    slow.click('.mf-plot')
    assert slow.where().startswith('step 5 of 10')


def make_weights(root):
    "Untrained backbones where `make demo` and the protocol leave theirs; those know no digits."
    sizes = dict(image_size=16, patch=4, width=16, depth=2, heads=2, mlp_width=16, cond_width=8)
    for kind in ('PM', 'HMA', 'PT'):
        for place, classes in ((f'demo/{kind}/model', 10), (f'protocol/{kind}-s0/half', 0)):
            config = BackboneConfig(kind=kind, d_state=4, classes=classes, **sizes)
            save_model(root/'runs'/f'{place}.safetensors', config.build(), config)


def test_live_choice_of_weights(browser, tmp_path):
    "The widget says which weights it shows, where they come from, and has all others to choose."
    root = tmp_path/'repo'
    make_root(root)
    make_weights(root)
    running = start_lab(tmp_path, root)
    live = Live(browser, next(running))
    assert live.status().endswith('weights protocol')
    choices = live.page.locator('select.mf-weights option').all_inner_texts()
    assert choices == ['protocol: runs/protocol', 'demo: runs/demo']
    headline = text(live.page, '.jp-Notebook')
    assert 'Weights: protocol, from runs/protocol.' in headline
    assert 'Not here: conditional (git checkout outputs/conditional makes them)' in headline
    assert not live.page.locator('.mf-digits').is_visible()
    live.focus()
    live.press('End')
    until(lambda: live.where().startswith('step 10 of 10'))
    before = live.models()
    assert len(before) == 3
    shot(live.page, 'live_weights')
    live.choose('weights', 'demo')
    until(lambda: live.status().endswith('weights demo') and live.is_idle())
    assert live.page.locator('.mf-digits').is_visible()
    live.digit('4')
    live.choose('weights', 'protocol')
    until(lambda: live.models() == before)                       # they know no digits: any is shown
    assert live.errors == []
    running.close()


def test_live_sets_of_weights_keep_their_pictures(slow):
    "From one set to another and back: the status says which, and the pictures are those of before."
    slow.press('End')
    before = slow.models()
    slow.choose('weights', 'protocol')
    until(lambda: slow.status().endswith('weights protocol') and slow.is_idle())
    assert slow.models() != before
    slow.choose('weights', 'conditional')
    until(lambda: slow.status().endswith('weights conditional') and slow.is_idle())
    until(lambda: slow.models() == before)


def test_live_reload(slow):
    "Reloaded, the browser shows the same again."
    before, status = slow.strips(), slow.status()
    slow.page.keyboard.press('ControlOrMeta+s')
    slow.page.reload()
    slow.page.wait_for_selector('.mf-stepper .mf-card', timeout=60_000)
    until(lambda: slow.status() == status and slow.strips() == before)


def test_live_playing_leaves_the_notebook_clean(lab, live):
    "A notebook that Lab has saved holds no widget's pictures, and so passes tools/check.sh."
    live.page.keyboard.press('ControlOrMeta+s')
    live.page.wait_for_timeout(1_500)
    saved = next(lab.log.parent.rglob(NOTEBOOK)).read_text()
    assert 'jupyter.widget-state' not in saved


# ---------------------------------------------------------------- measured, with real weights

WATCH = """selector => new Promise(finish => {
  // looks every 10 ms: a loop over frames takes a core. Times are those of painted frames
  const root = document.querySelector('.mf-stepper');
  const noisy = root.querySelector('.mf-noise canvas');
  const before = noisy.getAttribute('aria-label');
  const times = {};
  const pending = new Set();
  let fresh = false;                                 // what was shown before is gone
  const complete = () => [...root.querySelectorAll('.mf-cost')]
    .filter(cost => /calls?$/.test(cost.textContent)).length;
  const start = performance.now();
  const note = (name, there) => {
    if (!there || pending.has(name)) return;
    pending.add(name);
    requestAnimationFrame(() => setTimeout(() => {
      times[name] = (performance.now() - start) / 1000;
    }));
  };
  const look = () => {
    fresh ||= complete() < 3 || !root.classList.contains('mf-busy');
    note('noise', noisy.getAttribute('aria-label') !== before);
    note('first backbone', fresh && complete() > 0);
    note('all', fresh && !root.classList.contains('mf-busy'));
    if ('all' in times) finish(times);
    else setTimeout(look, 10);
  };
  root.querySelector(selector).click();
  look();
})"""


def test_live_measured(browser, tmp_path):
    "Seconds beside the goals, on the weights of this repository. Only other work can make it slow."
    if not list(ROOT.glob('outputs/conditional/*/half.safetensors')): pytest.skip('no weights')
    root = tmp_path/'repo'
    make_root(root)
    (root/'outputs').symlink_to(ROOT/'outputs')
    running = start_lab(tmp_path, root)
    lab = next(running)
    live = Live(browser, lab)
    kernel, = kernels(lab)
    def seconds(): return sum(kernel.cpu_times()[:2])
    def measure(selector, what):
        cpu = seconds()
        times = live.page.evaluate(WATCH, selector)
        shown = ', '.join(f'{name} {t:.2f} s' for name, t in times.items())
        load = os.getloadavg()[0]
        print(f'{what}: {shown}; the kernel {seconds() - cpu:.1f} s of CPU, load {load:.1f}')
        return times
    print('\ngoals: noise 0.1 s, first backbone 0.6 s, all 1.5 s; seen again 0.1 s')
    for seed in (100, 200):
        live.enter('seed', seed)
        measure('.mf-again', 're-seed at once, guidance 2')
        live.settle()
    live.page.wait_for_timeout(15_000)
    ahead = measure('.mf-again', 're-seed after a while')
    live.digit('any')
    for seed in (100, 200):
        live.enter('seed', seed)
        times = measure('.mf-again', 're-seed at once, any digit')
        live.settle()
    live.digit('3')
    live.digit('any')
    again = measure('.mf-digits [data-label="3"]', 'seen again')
    shot(live.page, 'live_real')
    running.close()
    assert times['noise'] < times['all']
    assert max(again['all'], ahead['noise']) < times['all']


def test_live_dead_kernel(browser, lab):
    "When the kernel is gone, the page says so."
    live = Live(browser, lab)
    for kernel in json.load(lab.api('/kernels')): lab.api(f"/kernels/{kernel['id']}", 'DELETE')
    live.page.wait_for_timeout(1_000)
    live.click('.mf-again')
    until(live.is_late, 20)
    assert 'restart it' in text(live.page, '.mf-late')
    shot(live.page, 'live_dead')
