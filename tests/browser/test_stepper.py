"""The stepper in a real browser: live in JupyterLab, and its static page from file://. Run with `make test-browser`.

Screenshots are written to the folder that the environment variable MF_SHOTS names, when it is set.
"""
import json, os, shutil, socket, subprocess, time, urllib.request
from pathlib import Path
import pytest
from playwright.sync_api import sync_playwright
from mambaflow.data import load_images
from mambaflow.stepper import ExactFlow, Lineup

ROOT = Path(__file__).parents[2]
CHROMIUM = shutil.which('chromium') or shutil.which('chromium-browser') or shutil.which('google-chrome')
FLAGS = '--no-sandbox --disable-gpu --disable-background-networking --disable-component-update --disable-sync --no-first-run'.split()
PIXELS = '''e => { const c = e.tagName === 'CANVAS' ? e : Object.assign(document.createElement('canvas'), {width: e.naturalWidth, height: e.naturalHeight});
  if (c !== e) c.getContext('2d').drawImage(e, 0, 0); return c.toDataURL(); }'''


@pytest.fixture(scope='session')
def browser():
    "One Chromium for all tests."
    assert CHROMIUM, 'no chromium found: install it (Debian: apt-get install chromium)'
    with sync_playwright() as p:
        b = p.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield b
        b.close()


def shot(page, name):
    "A picture for people, when they ask for it."
    if folder := os.environ.get('MF_SHOTS'): page.screenshot(path=str(Path(folder)/f'{name}.png'), full_page=True)


def pixels(page, selector): return [e.evaluate(PIXELS) for e in page.locator(selector).all() if e.is_visible()]


def until(what, seconds=30):
    "Wait for a condition, and return its last value."
    end = time.time() + seconds
    while not (value := what()) and time.time() < end: time.sleep(.05)
    assert value
    return value


# ---------------------------------------------------------------- the static page

@pytest.fixture(scope='session')
def static(tmp_path_factory):
    "A page of two exact flows, one of which has no labels for `any` only."
    d = load_images('digits', size=16, limit=300)
    lineup = Lineup({'PM': ExactFlow(d.images, d.labels), 'PT': ExactFlow(d.images[:100], d.labels[:100]), 'HMA': tmp_path_factory.mktemp('none')/'missing.safetensors'})
    return lineup.save_html(tmp_path_factory.mktemp('page')/'page.html', seeds=(3, 5, 8), labels=range(10), title='Stepper')


def open_static(browser, static, **context):
    "The page, with everything that it asks the network for."
    page = browser.new_context(viewport={'width': 1000, 'height': 900}, **context).new_page()
    page.asked, page.errors = [], []
    page.on('request', lambda r: page.asked.append(r.url)); page.on('pageerror', lambda e: page.errors.append(str(e)))
    page.goto(static.as_uri()); page.wait_for_selector('body[data-ready]')
    return page


def test_static_mouse(browser, static):
    page = open_static(browser, static)
    big, noise = lambda: pixels(page, '.card canvas'), lambda: pixels(page, '#noisy')
    assert page.locator('.steps canvas.now').count() == 3 and len(big()) == 2
    assert 'no such file' in page.locator('.card .problem:visible').inner_text()
    last, first_noise = big(), noise()
    page.locator('#digits button', has_text='7').click()
    assert big() != last and noise() == first_noise and page.locator('#digits [aria-checked=true]').inner_text() == '7'
    seven = big()
    page.locator('#noise').click()
    assert noise() != first_noise and big() != seven and page.locator('#seed option:checked').inner_text() == '5'
    page.locator('#seed').select_option(label='3')
    assert noise() == first_noise and big() == seven
    page.locator('.strip').first.locator('.steps canvas').nth(0).click()
    assert set(big()) == set(noise()) and 'step 0 of 10, t = 0.00' in page.locator('#where').inner_text()
    page.locator('#play').click()
    until(lambda: 'step 10 of 10' in page.locator('#where').inner_text())
    assert big() == seven
    assert all(u.startswith(('file:', 'data:')) for u in page.asked) and not page.errors, (page.asked, page.errors)


def test_static_keyboard(browser, static):
    page = open_static(browser, static)
    where, start = lambda: page.locator('#where').inner_text(), pixels(page, '.card canvas')
    for key, at in (('ArrowLeft', 9), ('ArrowLeft', 8), ('ArrowRight', 9), ('Home', 0), ('ArrowLeft', 0), ('End', 10), ('ArrowRight', 10)):
        page.keyboard.press(key); assert f'step {at} of 10' in where(), key
    page.keyboard.press('4'); assert page.locator('#digits [aria-checked=true]').inner_text() == '4' and pixels(page, '.card canvas') != start
    page.keyboard.press('r'); assert page.locator('#seed option:checked').inner_text() == '5'
    page.locator('#digits button').first.focus(); page.keyboard.press('Enter'); assert page.locator('#digits [aria-checked=true]').inner_text() == '0'
    page.keyboard.press('Space'); until(lambda: 'step 3 of 10' in where())
    page.keyboard.press('Space'); stopped = where(); page.wait_for_timeout(800)
    assert where() == stopped and page.locator('#digits [aria-checked=true]').inner_text() == '0'


@pytest.mark.parametrize('scheme', ['light', 'dark'])
def test_static_colours_and_width(browser, static, scheme):
    page = open_static(browser, static, color_scheme=scheme)
    ground = lambda: sum(map(int, page.evaluate("getComputedStyle(document.body).backgroundColor").strip('rgb()').split(',')))
    assert (ground() > 600) == (scheme == 'light')
    page.keyboard.press('5'); page.locator('.strip').first.locator('.steps canvas').nth(6).click()
    shot(page, f'static_{scheme}')
    page.set_viewport_size({'width': 390, 'height': 800})
    assert page.evaluate('document.documentElement.scrollWidth') <= 390
    shot(page, f'static_phone_{scheme}')
    other = {'light': 'dark', 'dark': 'light'}[scheme]
    page.goto('about:blank'); page.goto(f'{static.as_uri()}#{other}'); page.wait_for_selector('body[data-ready]')
    assert (ground() > 600) == (other == 'light')


# ---------------------------------------------------------------- live, in JupyterLab

def start_lab(tmp_path_factory, theme='light'):
    "A JupyterLab of its own, on a folder that holds the notebook and no weights, or on the folder that MF_LAB_ROOT names. Yields its address."
    home = tmp_path_factory.mktemp('lab')
    root = Path(os.environ.get('MF_LAB_ROOT', home/'repo'))
    if not root.exists():
        (root/'nbs').mkdir(parents=True); (root/'settings.ini').touch()
        shutil.copy(ROOT/'nbs'/'experiments'/'play.ipynb', root/'nbs'/'stepper.ipynb')
    dirs = {f'JUPYTER_{k}_DIR': str(home/k.lower()) for k in ('CONFIG', 'DATA', 'RUNTIME')} | {'JUPYTERLAB_SETTINGS_DIR': str(home/'settings'), 'JUPYTERLAB_WORKSPACES_DIR': str(home/'workspaces'), 'IPYTHONDIR': str(home/'ipython')}
    news = home/'settings'/'@jupyterlab'/'apputils-extension'; news.mkdir(parents=True)
    (news/'notification.jupyterlab-settings').write_text(json.dumps({'fetchNews': 'false', 'checkForUpdates': False}))
    themes = home/'settings'/'@jupyterlab'/'apputils-extension'/'themes.jupyterlab-settings'
    themes.write_text(json.dumps({'theme': f'JupyterLab {theme.title()}'}))
    with socket.socket() as s: s.bind(('127.0.0.1', 0)); port = s.getsockname()[1]
    env = os.environ | dirs | {'PYTHONPATH': os.pathsep.join(filter(None, [str(ROOT), os.environ.get('PYTHONPATH')]))}
    log = (home/'lab.log').open('w')
    server = subprocess.Popen(['jupyter', 'lab', '--no-browser', '--ip=127.0.0.1', f'--port={port}', '--IdentityProvider.token=test', '--allow-root', f'--notebook-dir={root}', '--LabApp.news_url=None'], env=env, stdout=log, stderr=log)
    url = f'http://127.0.0.1:{port}'
    def up():
        assert server.poll() is None, (home/'lab.log').read_text()[-3000:]
        try: return urllib.request.urlopen(f'{url}/api/status?token=test', timeout=2).status == 200
        except OSError: return False
    try: until(up, 60); yield url
    finally: server.terminate(); server.wait(20)


@pytest.fixture(scope='session')
def lab(tmp_path_factory): yield from start_lab(tmp_path_factory)


def run_all(browser, lab, path='nbs/stepper.ipynb'):
    "The notebook in Lab with all cells run, and the stepper idle in it."
    page = browser.new_context(viewport={'width': 1450, 'height': 1500}).new_page()
    page.goto(f'{lab}/doc/tree/{path}?reset&token=test'); page.wait_for_selector('.jp-Toolbar-kernelName', timeout=60_000)
    until(lambda: 'ython' in page.locator('.jp-Toolbar-kernelName').first.inner_text(), 60)
    page.wait_for_selector(".jp-Notebook-ExecutionIndicator[data-status='idle']", timeout=60_000)
    page.get_by_role('menuitem', name='Run', exact=True).click(); page.get_by_role('menuitem', name='Run All Cells', exact=True).click()
    page.wait_for_selector('.mf-stepper', timeout=90_000); idle(page)
    return page


def idle(page): until(lambda: page.locator('.mf-busy').count() == 0 and ' steps' in page.locator('.mf-status').inner_text() and len(pixels(page, '.mf-image')) == 3, 60)


def test_live(browser, lab):
    page = run_all(browser, lab)
    big, noise, status = lambda: pixels(page, '.mf-image'), lambda: pixels(page, '.mf-noise'), lambda: page.locator('.mf-status').inner_text()
    def changes(act, seen=big):
        before = seen(); act(); until(lambda: seen() != before); idle(page); return seen()
    assert len(big()) == 3 and len(pixels(page, '.mf-strip')) == 3 and page.locator('.mf-late').evaluate("e => getComputedStyle(e).visibility") == 'hidden'
    first = big()
    handle = page.locator('.mf-k .noUi-handle'); handle.focus()
    changes(lambda: page.keyboard.press('ArrowLeft')); until(lambda: '9 of 10' in page.locator('.mf-where').inner_text())
    changes(lambda: page.keyboard.press('ArrowRight')); until(lambda: big() == first)
    seven = changes(lambda: page.locator('.mf-label button', has_text='7').click()); until(lambda: 'digit 7' in status())
    before = noise()
    changes(lambda: page.locator('.mf-over').click()); until(lambda: 'seed 1' in status()); assert noise() != before
    changes(lambda: page.locator('.mf-reseed').click(), noise); until(lambda: 'seed 2' in status())
    page.locator('.mf-seed input').fill('0'); page.keyboard.press('Enter')
    until(lambda: 'seed 0' in status() and noise() == before); idle(page); until(lambda: big() == seven)
    changes(lambda: page.locator('.mf-sampler select').select_option('heun'), lambda: pixels(page, '.mf-strip')); until(lambda: 'heun' in status())
    page.locator('.mf-sampler select').select_option('euler'); until(lambda: 'euler' in status()); idle(page)
    page.locator('.mf-play button').first.click()
    seen = set(); until(lambda: seen.add(page.locator('.mf-where').inner_text()) or len(seen) > 8 and any('10 of 10' in s for s in seen), 30)
    assert any('0 of 10, t = 0.00' in s for s in seen), seen
    for _ in range(8): page.locator('.mf-reseed').click()
    until(lambda: 'seed 8' in status()); idle(page)
    shot(page, 'live_light')


def test_live_dead_kernel(browser, lab):
    "When the kernel is gone, the page says so."
    page = run_all(browser, lab)
    def api(path, method='GET'): return urllib.request.urlopen(urllib.request.Request(f'{lab}/api/kernels{path}', method=method, headers={'Authorization': 'token test'}))
    for k in json.load(api('')): api(f"/{k['id']}", 'DELETE')
    until(lambda: page.locator('.mf-late').evaluate("e => getComputedStyle(e).visibility") == 'visible', 40)
    assert 'restart it' in page.locator('.mf-late').inner_text()
    shot(page, 'live_dead')
