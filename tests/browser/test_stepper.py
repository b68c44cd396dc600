"""The stepper in a real browser: live in JupyterLab, and its static page from file://.

Run with `make test-browser`. Screenshots are written to the folder that the environment variable
MF_SHOTS names, when it is set.
"""
import json
import os
import shutil
import socket
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import NamedTuple

import pytest
from playwright.sync_api import sync_playwright

from mambaflow.app.stepper import ExactFlow, ModelSet
from mambaflow.data.images import load_images

ROOT = Path(__file__).parents[2]
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


@pytest.fixture(scope='session')
def browser():
    "One Chromium for all tests."
    assert CHROMIUM, 'no chromium found: install it (Debian: apt-get install chromium)'
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


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
        'HMA': tmp_path_factory.mktemp('none')/'missing.safetensors'})
    path = tmp_path_factory.mktemp('page')/'page.html'
    return models.save_html(path, seeds=(3, 5, 8), labels=range(10), title='Stepper')


class Static:
    "The page in a browser, with everything that it requests, and its errors."
    def __init__(self, browser, path, **context):
        size = {'width': 1000, 'height': 900}
        self.page = browser.new_context(viewport=size, **context).new_page()
        self.requests = []
        self.errors = []
        self.page.on('request', lambda request: self.requests.append(request.url))
        self.page.on('pageerror', lambda error: self.errors.append(str(error)))
        self.open(path.as_uri())

    def open(self, address):
        self.page.goto(address)
        self.page.wait_for_selector('body[data-ready]')

    def models(self): return pixels(self.page, '.card canvas')
    def noise(self): return pixels(self.page, '#noisy')
    def where(self): return text(self.page, '#where')
    def seed(self): return text(self.page, '#seed option:checked')
    def digit(self): return text(self.page, '#digits [aria-checked=true]')
    def press(self, key): self.page.keyboard.press(key)

    def click_digit(self, digit):
        self.page.locator('#digits button', has_text=str(digit)).click()

    def click_step(self, step):
        self.page.locator('.strip').first.locator('.steps canvas').nth(step).click()

    def brightness(self):
        "Of the background, 0 to 765."
        rgb = self.page.evaluate(BACKGROUND).strip('rgb()')
        return sum(map(int, rgb.split(',')))


def test_static_first(browser, static):
    s = Static(browser, static)
    assert len(s.models()) == 2
    assert s.page.locator('.steps canvas.now').count() == 3
    assert 'no such file' in text(s.page, '.card .problem:visible')


def test_static_mouse(browser, static):
    s = Static(browser, static)
    first, first_noise = s.models(), s.noise()
    s.click_digit(7)
    seven = s.models()
    assert s.digit() == '7'
    assert seven != first
    assert s.noise() == first_noise
    s.page.locator('#noise').click()
    assert s.seed() == '5'
    assert s.noise() != first_noise
    assert s.models() != seven
    s.page.locator('#seed').select_option(label='3')
    assert s.noise() == first_noise
    assert s.models() == seven
    s.page.locator('#again').click()
    assert s.seed() == '5'


def test_static_steps_and_play(browser, static):
    s = Static(browser, static)
    last = s.models()
    s.click_step(0)
    assert s.where() == 'step 0 of 10, t = 0.00'
    assert set(s.models()) == set(s.noise())
    s.page.locator('#play').click()
    until(lambda: s.where().startswith('step 10 of 10'))
    assert s.models() == last


def test_static_asks_nothing_of_the_network(browser, static):
    s = Static(browser, static)
    s.click_digit(7)
    s.page.locator('#noise').click()
    s.press('Space')
    until(lambda: s.where().startswith('step 10 of 10'))
    outside = [url for url in s.requests if not url.startswith(('file:', 'data:'))]
    assert s.requests, 'no request was seen at all'
    assert outside == []
    assert s.errors == []


def test_static_arrows(browser, static):
    s = Static(browser, static)
    keys = {'ArrowLeft': 9, 'Home': 0, 'End': 10}
    for key, step in keys.items():
        s.press(key)
        assert s.where().startswith(f'step {step} of 10'), key
    s.press('ArrowRight')
    assert s.where().startswith('step 10 of 10')
    s.press('Home')
    s.press('ArrowLeft')
    assert s.where().startswith('step 0 of 10')
    s.press('ArrowRight')
    assert s.where().startswith('step 1 of 10')


def test_static_keys(browser, static):
    s = Static(browser, static)
    first = s.models()
    s.press('4')
    assert s.digit() == '4'
    assert s.models() != first
    s.press('r')
    assert s.seed() == '5'
    s.page.locator('#digits button').first.focus()
    s.press('Enter')
    assert s.digit() == '0'
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


def test_static_on_a_telephone(browser, static):
    s = Static(browser, static)
    s.page.set_viewport_size({'width': 390, 'height': 800})
    assert s.page.evaluate('document.documentElement.scrollWidth') <= 390
    shot(s.page, 'static_phone')


# ---------------------------------------------------------------- live, in JupyterLab

NOTEBOOK = 'nbs/play.ipynb'


def make_root(folder):
    "A repository that holds the notebook and no weights."
    (folder/'nbs').mkdir(parents=True)
    (folder/'settings.ini').touch()
    shutil.copy(ROOT/'nbs'/'experiments'/'play.ipynb', folder/NOTEBOOK)


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
    python = {'PYTHONPATH': os.pathsep.join(filter(None, paths))}
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
        server.wait(20)


@pytest.fixture(scope='session')
def lab(tmp_path_factory):
    home = tmp_path_factory.mktemp('lab')
    make_root(home/'repo')
    yield from start_lab(home, home/'repo')


class Live:
    "The notebook in Lab with all cells run, and the stepper idle in it."
    def __init__(self, browser, lab):
        size = {'width': 1450, 'height': 1500}
        self.page = browser.new_context(viewport=size).new_page()
        self.page.goto(f'{lab.url}/doc/tree/{NOTEBOOK}?reset&token=test')
        self.wait_for_kernel()
        for item in ('Run', 'Run All Cells'):
            self.page.get_by_role('menuitem', name=item, exact=True).click()
        self.page.wait_for_selector('.mf-stepper', timeout=90_000)
        self.settle()

    def wait_for_kernel(self):
        name = self.page.locator('.jp-Toolbar-kernelName').first
        name.wait_for(timeout=60_000)
        until(lambda: 'ython' in name.inner_text(), 60)
        idle = ".jp-Notebook-ExecutionIndicator[data-status='idle']"
        self.page.wait_for_selector(idle, timeout=60_000)

    def models(self): return pixels(self.page, '.mf-image')
    def noise(self): return pixels(self.page, '.mf-noise')
    def strips(self): return pixels(self.page, '.mf-strip')
    def status(self): return text(self.page, '.mf-status')
    def where(self): return text(self.page, '.mf-where')
    def press(self, key): self.page.keyboard.press(key)
    def click(self, selector): self.page.locator(selector).first.click()
    def warning(self): return self.page.locator('.mf-late').evaluate(VISIBILITY)

    def click_digit(self, digit):
        self.page.locator('.mf-label button', has_text=digit).click()

    def is_idle(self):
        busy = self.page.locator('.mf-busy').count()
        return busy == 0 and ' steps' in self.status() and len(self.models()) == 3

    def settle(self): until(self.is_idle, 60)

    def change(self, act, look=None):
        "Do something, wait until what `look` sees has changed and all is computed."
        look = look or self.models
        before = look()
        act()
        until(lambda: look() != before)
        self.settle()
        return look()

    def reset(self):
        "The first request again: seed 0, any digit, euler; the last step."
        self.page.locator('.mf-seed input').fill('0')
        self.press('Enter')
        self.click_digit('any')
        self.page.locator('.mf-sampler select').select_option('euler')
        until(lambda: self.status() == 'seed 0, euler, 10 steps')
        self.settle()
        self.page.locator('.mf-k .noUi-handle').focus()
        self.press('End')
        until(lambda: self.where() == '10 of 10, t = 1.00')


@pytest.fixture(scope='session')
def open_live(browser, lab): return Live(browser, lab)


@pytest.fixture
def live(open_live):
    "One open notebook for several tests."
    open_live.reset()
    return open_live


def test_live_first(live):
    assert len(live.models()) == 3
    assert len(live.strips()) == 3
    assert live.warning() == 'hidden'


def test_live_steps(live):
    first = live.models()
    live.page.locator('.mf-k .noUi-handle').focus()
    live.change(lambda: live.press('ArrowLeft'))
    until(lambda: live.where() == '9 of 10, t = 0.90')
    live.change(lambda: live.press('ArrowRight'))
    until(lambda: live.models() == first)


def test_live_digit_and_seeds(live):
    seven = live.change(lambda: live.click_digit('7'))
    until(lambda: 'digit 7' in live.status())
    noise = live.noise()
    live.change(lambda: live.click('.mf-over'))
    until(lambda: 'seed 1' in live.status())
    assert live.noise() != noise
    live.change(lambda: live.click('.mf-reseed'), live.noise)
    until(lambda: 'seed 2' in live.status())
    live.page.locator('.mf-seed input').fill('0')
    live.press('Enter')
    until(lambda: 'seed 0' in live.status() and live.noise() == noise)
    live.settle()
    until(lambda: live.models() == seven)


def test_live_sampler(live):
    choice = live.page.locator('.mf-sampler select')
    live.change(lambda: choice.select_option('heun'), live.strips)
    until(lambda: 'heun' in live.status())


def test_live_play(live):
    "The film begins at the noise, shows most steps, and ends at the last."
    live.click('.mf-play button')
    seen = set()
    def complete():
        seen.add(live.where())
        return len(seen) > 8 and '10 of 10, t = 1.00' in seen
    until(complete)
    assert '0 of 10, t = 0.00' in seen


def test_live_clicks_do_not_queue_up(live):
    for _ in range(8): live.click('.mf-reseed')
    until(lambda: 'seed 8' in live.status())
    live.settle()
    shot(live.page, 'live_light')


def test_live_dead_kernel(browser, lab):
    "When the kernel is gone, the page says so."
    live = Live(browser, lab)
    for kernel in json.load(lab.api('/kernels')): lab.api(f"/kernels/{kernel['id']}", 'DELETE')
    until(lambda: live.warning() == 'visible', 40)
    assert 'restart it' in text(live.page, '.mf-late')
    shot(live.page, 'live_dead')
