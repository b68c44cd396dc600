"""The guide in a real browser, from file://: each chapter by mouse and by keys, on every screen.

Run with `make test-browser`. Screenshots are written to the folder that the environment variable
MF_SHOTS names, when it is set. What the page computes is compared with torch and with the package,
in the browser itself; nbs/app/05_guide compares more of it, in node.
"""
import json

import pytest
import torch
from test_stepper import browser, shot, text, until  # noqa: F401

from mambaflow.app.guide import guide_data, guide_html, show_guide
from mambaflow.config import repo_path
from mambaflow.geometry.curves import CURVES, curve_order
from mambaflow.geometry.grid import center_grid
from mambaflow.ssm.scan import discretize, selective_scan
from mambaflow.ssm.ssd import ssd
from mambaflow.studies.records import read_record

CHAPTERS = ('state', 'selection', 'matrix', 'orders', 'costs')
UNNAMED = '''() => [...document.querySelectorAll('input, select, button, [tabindex], [role=img]')]
  .filter(e => !(e.labels && e.labels.length && e.labels[0].innerText.trim()))
  .filter(e => !(e.getAttribute('aria-label') || e.innerText || '').trim())
  .map(e => e.outerHTML.slice(0, 120))'''
CUT_OFF = '''() => [...document.querySelectorAll('svg text')].filter(t => {
  const [a, b] = [t.getBoundingClientRect(), t.ownerSVGElement.getBoundingClientRect()];
  return a.left < b.left - 1 || a.right > b.right + 1
    || a.top < b.top - 1 || a.bottom > b.bottom + 1;
}).map(t => `${t.ownerSVGElement.id}: ${t.textContent}`)'''
FOCUS = '''() => { const e = document.activeElement;
  const inner = e.querySelector('rect.hit');
  const visible = getComputedStyle(e).outlineStyle !== 'none'
    || inner && getComputedStyle(inner).stroke !== 'none';
  return [e.tagName, e.id || e.getAttribute('aria-label') || e.textContent, Boolean(visible)]; }'''
DOUBLED = '''() => { const ids = [...document.querySelectorAll('[id]')].map(e => e.id);
  return ids.filter((id, k) => ids.indexOf(id) !== k); }'''
LUMINANCE = '''selector => { const e = document.querySelector(selector);
  const light = c => c.match(/[\\d.]+/g).slice(0, 3).map(v => v / 255)
    .map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((sum, v, k) => sum + v * [.2126, .7152, .0722][k], 0);
  let back = e;
  const filled = b => getComputedStyle(b).backgroundColor;
  while (filled(back) === 'rgba(0, 0, 0, 0)') back = back.parentElement;
  const style = getComputedStyle(e);
  const color = e.namespaceURI.endsWith('svg') ? style.fill : style.color;
  return [light(color), light(filled(back))]; }'''


@pytest.fixture(scope='session')
def file(tmp_path_factory):
    "The guide's file."
    path = tmp_path_factory.mktemp('guide')/'guide.html'
    path.write_text(guide_html(guide_data()), encoding='utf8')
    return path


class Guide:
    "The page, with everything that it requests, and its errors."
    def __init__(self, browser, file, width=1000, **context):
        size = {'width': width, 'height': 900}
        self.page = browser.new_context(viewport=size, **context).new_page()
        self.requests, self.errors = [], []
        self.page.on('request', lambda request: self.requests.append(request.url))
        self.page.on('pageerror', lambda error: self.errors.append(str(error)))
        self.page.on('console', lambda message: self.errors.append(message.text))
        self.page.goto(file.as_uri())
        self.page.wait_for_selector('body[data-ready]')

    def reading(self, chapter): return text(self.page, f'#{chapter}-reading')
    def press(self, key): self.page.keyboard.press(key)
    def slider(self, label): return self.page.get_by_label(label, exact=True)
    def click(self, label): self.page.get_by_role('button', name=label, exact=True).click()
    def picture(self, selector): return self.page.locator(selector).evaluate('e => e.outerHTML')
    def maths(self, expression): return self.page.evaluate(expression)

    def drag(self, selector, start, end):
        "Press in a picture at a share of its width and height, move, and let go."
        element = self.page.locator(selector)
        element.scroll_into_view_if_needed()
        box = element.bounding_box()
        places = [(box['x'] + x * box['width'], box['y'] + y * box['height'])
                  for x, y in (start, end)]
        self.page.mouse.move(*places[0])
        self.page.mouse.down()
        self.page.mouse.move(*places[1], steps=4)
        self.page.mouse.up()


@pytest.fixture
def guide(browser, file):
    "A page of its own for each test, which must leave no error and ask for nothing."
    guide = Guide(browser, file)
    yield guide
    assert guide.errors == []
    assert len(guide.requests) == 1 and guide.requests[0].startswith('file:')
    guide.page.context.close()


# ---------------------------------------------------------------- the chapters, by mouse and keys

def test_state(guide):
    "Euler's rule explodes beyond its limit, in words, in colour and in the table."
    decay, step = guide.slider('decay, −Re A'), guide.slider('step Δ')
    guide.click('calm')
    assert 'All three rules decay' in guide.reading('state')
    step.focus()
    guide.press('End')
    assert 'explodes' in guide.reading('state')
    assert '|1 + Δ A| = 2.00' in guide.reading('state').replace('\u00a0', ' ')
    assert guide.page.locator('#state-table td.bad').inner_text() == 'explodes'
    assert guide.page.locator('#state-response .bad').count() > 0
    shot(guide.page, 'guide_exploding')
    guide.press('Home')
    assert 'All three rules decay' in guide.reading('state')
    assert guide.page.locator('#state-response .bad').count() == 0
    assert decay.get_attribute('aria-valuetext') == '1.5'


def test_state_plane(guide):
    "A drag in the plane changes A, and so do the arrow keys."
    decay, turn = guide.slider('decay, −Re A'), guide.slider('turning, Im A')
    guide.drag('#state-plane', (.6, .5), (.6, .3))
    assert float(turn.input_value()) > 1
    assert ' i' in text(guide.page, '#state-table')
    before = float(decay.input_value())
    guide.page.locator('#state-plane').focus()
    for _ in range(3): guide.press('ArrowLeft')
    assert float(decay.input_value()) > before
    guide.drag('#state-plane', (.6, .3), (.02, .5))
    assert 'explodes' in guide.reading('state')


def share(guide, picture):
    "The marked token's share of the last state, percent."
    words = guide.page.locator(f'{picture} .share').text_content()
    return float(words.strip('<% '))


def test_selection(guide):
    "A long last token forgets the marked one; keys and the pointer set the bars."
    assert share(guide, '#selective') > 80
    bars = guide.page.locator('#selective .token')
    bars.nth(3).focus()
    for _ in range(2): guide.press('ArrowDown')
    assert float(bars.nth(3).get_attribute('aria-valuenow')) == pytest.approx(5 / 1.5**2, abs=.001)
    guide.press('ArrowRight')
    guide.press('End')
    focused = guide.page.evaluate("document.activeElement.getAttribute('aria-label')")
    assert focused == 'step of token 5'
    assert share(guide, '#selective') < 2
    guide.press('m')
    assert share(guide, '#selective') > 80
    assert guide.slider('marked token').input_value() == '5'
    guide.drag('#selective', (.8, .6), (.8, .4))
    assert share(guide, '#selective') < 30
    low = share(guide, '#selective')
    for _ in range(9): guide.press('ArrowDown')      # the bar that was dragged has the focus
    assert share(guide, '#selective') > low + 20
    guide.click('remember the marked one')
    assert share(guide, '#selective') > 80


def test_selection_beside_a_constant_step(guide):
    "The best constant step is found, and no other does better."
    shares = []
    guide.click('best for the marked one')
    best = share(guide, '#constant')
    slider = guide.slider('Δ of every token')
    slider.focus()
    for key in ('Home', 'PageUp', 'PageUp', 'PageUp', 'End'):
        guide.press(key)
        shares.append(share(guide, '#constant'))
    assert len(set(shares)) > 2
    assert max(shares) <= best + .1
    assert f'{best:g}' in guide.reading('selection')


def test_matrix(guide):
    "Pointer and arrow keys read a cell; decay and state change the matrix; both forms agree."
    assert guide.reading('matrix').startswith('Token 8 reads token 4')
    guide.page.locator('#scan').focus()
    guide.press('ArrowDown')
    guide.press('ArrowLeft')
    assert guide.reading('matrix').startswith('Token 9 reads token 3')
    for _ in range(12): guide.press('ArrowRight')
    assert 'future' in guide.reading('matrix')
    guide.drag('#attention', (.1, .1), (.3, .6))
    assert 'future' not in guide.reading('matrix')
    before = guide.picture('#scan')
    guide.slider('decay, −A').focus()
    guide.press('End')
    assert guide.picture('#scan') != before
    before = guide.picture('#attention')
    guide.page.get_by_label('attention reads the past only').uncheck()
    assert guide.picture('#attention') != before
    for _ in range(3):
        guide.click('other numbers')
        difference = guide.reading('dual').split('(rings): ')[1].split(',')[0]
        assert float(difference) < 1e-13


def test_orders(guide):
    "Steps, the size of the grid, a chosen cell and the memory."
    token = guide.slider('token')
    token.focus()
    guide.press('Home')
    assert token.get_attribute('aria-valuetext') == '1 of 64'
    guide.click('step ▶')
    assert token.get_attribute('aria-valuetext') == '2 of 64'
    guide.page.locator('#order-hilbert').focus()
    before = text(guide.page, '#order-raster-numbers')
    for _ in range(3): guide.press('ArrowUp')
    assert text(guide.page, '#order-raster-numbers') != before
    chosen = text(guide.page, '#order-raster-numbers')
    guide.drag('#order-raster', (.9, .9), (.95, .95))
    assert text(guide.page, '#order-raster-numbers') != chosen
    guide.slider('cells a side').focus()
    guide.press('End')
    assert token.get_attribute('aria-valuetext') == '1024 of 1024'
    assert '16.5 tokens apart' in text(guide.page, '#order-raster-numbers')
    assert 'Longest step: 1 cell.' in text(guide.page, '#order-hilbert-numbers')
    before = guide.reading('orders')
    guide.slider('memory, tokens').focus()
    guide.press('Home')
    assert guide.reading('orders') != before


def test_orders_as_measured(guide):
    "What the orders do to digits is the record's."
    study = read_record(repo_path('outputs/scans/study/run.json'))
    rows = {row['run']: row for row in study['rows']}
    words = text(guide.page, '#orders-measured')
    for name, more in (('alternating-s0', 'more'), ('hilbert-s0', 'fewer')):
        gain, error = (100 * abs(rows[name][k]) for k in ('difference', 'difference_se'))
        assert f'{gain:.1f} ± {error:.1f} points {more}' in words
    chairs = next(row for row in read_record(repo_path('outputs/crossing/study/run.json'))['orders']
                  if (row['backbone'], row['tokens'], row['budget']) == ('PM-mamba2', 4096, 300))
    assert f"{-100 * chairs['change'] / chairs['morton_loss']:.1f} ± " in words and 'no difference' in words
    for run in ('scans/alternating-s0', 'crossing/PM-4096-300-alternating-s0'):
        assert f'outputs/{run}' in text(guide.page, '#orders-source')


def test_orders_play(guide):
    "Play draws the paths, pause holds them."
    token = guide.slider('token')
    guide.click('▶ play')
    until(lambda: 3 < int(token.input_value()) < 60)
    guide.click('❚❚ pause')
    held = token.input_value()
    guide.page.wait_for_timeout(300)
    assert token.input_value() == held
    points = guide.page.locator('#order-hilbert .path').get_attribute('points').split()
    assert len(points) == int(held)
    guide.click('▶ play')
    until(lambda: token.input_value() == '64')
    until(lambda: guide.page.get_by_role('button', name='▶ play').count())


def test_orders_without_motion(browser, file):
    "Who wants less motion gets the whole path at once."
    guide = Guide(browser, file, reduced_motion='reduce')
    guide.slider('token').focus()
    guide.press('Home')
    guide.click('show the whole path')
    assert guide.slider('token').input_value() == '64'


def test_costs(guide):
    "Each choice shows other records' numbers; a drag moves the cursor; sources are named."
    first = text(guide.page, '#speed-table')
    guide.drag('#speed', (.9, .5), (.1, .5))
    assert guide.reading('speed').startswith('At 49 tokens')
    assert text(guide.page, '#speed-table') != first
    guide.slider('tokens of a picture').focus()
    guide.press('ArrowRight')
    assert guide.reading('speed').startswith('At 196 tokens')
    before = guide.picture('#speed')
    for label, value in (('cost of a step', 'memory'), ('width of the model', '512'),
                         ('how', 'none'), ('cost of a step', 'several')):
        guide.slider(label).select_option(value)
        assert guide.picture('#speed') != before, label
        before = guide.picture('#speed')
    layer, fields = guide.picture('#layer'), guide.picture('#fields')
    guide.slider('cost of the layer').select_option('time')
    guide.drag('#layer', (.9, .5), (.1, .5))
    assert guide.picture('#layer') != layer
    guide.slider('fields compared by').select_option('psnr')
    assert guide.picture('#fields') != fields
    assert 'outputs/step_benchmark/h200' in text(guide.page, '#speed-source')
    assert 'NVIDIA H200' in text(guide.page, '#fields-source')


def test_costs_are_those_of_the_record(guide):
    "The table's median, as the record has it."
    record = json.loads(guide.page.locator('#data').text_content())['speed']['rows']
    rows = [dict(zip(record, values)) for values in zip(*record.values())]
    wanted = dict(name='PT@64', width=128, tokens=32761, task='train', compile='reduce-overhead')
    row, = (r for r in rows if wanted.items() <= r.items())
    line = guide.page.locator('#speed-table tr', has_text='PT@64').inner_text()
    assert f"{row['ms']:.3g}" in line


# ---------------------------------------------------------------- every screen

@pytest.mark.parametrize('scheme', ['light', 'dark'])
@pytest.mark.parametrize('width', [1000, 400])
def test_screens(browser, file, scheme, width):
    "The page keeps to its width, no letter is cut off, and words stand out from what is behind."
    guide = Guide(browser, file, width, color_scheme=scheme)
    assert guide.page.evaluate('document.documentElement.scrollWidth') <= width
    assert guide.page.evaluate(CUT_OFF) == []
    for selector in ('.reading', '#state p', 'svg text', '.key', 'td.good', 'nav a', '.source',
                     'th'):
        front, back = sorted(guide.page.evaluate(LUMINANCE, selector))
        assert (back + .05) / (front + .05) >= 4.5, selector
    for chapter in CHAPTERS:
        picture = guide.page.locator(f'#{chapter}')
        picture.scroll_into_view_if_needed()
    shot(guide.page, f'guide_{scheme}_{width}')
    guide.page.set_viewport_size({'width': 700, 'height': 900})
    until(lambda: guide.page.evaluate('document.documentElement.scrollWidth') <= 700)
    until(lambda: guide.page.evaluate(CUT_OFF) == [])
    assert guide.errors == []


def test_everything_has_a_name(guide):
    "Controls and pictures have names, ids are single, headings descend by one."
    assert guide.page.evaluate(UNNAMED) == []
    assert guide.page.evaluate(DOUBLED) == []
    headings = "[...document.querySelectorAll('h1,h2,h3')].map(h => +h.tagName[1])"
    levels = guide.page.evaluate(headings)
    assert levels[0] == 1
    assert all(below - above <= 1 for above, below in zip(levels, levels[1:]))


def test_keys_reach_every_control(guide):
    "Tab goes through all controls, and what has the focus shows it."
    wanted = guide.page.locator('a, input, select, button, [tabindex="0"]').count()
    seen, hidden = set(), []
    for _ in range(wanted + 2):
        guide.press('Tab')
        tag, name, visible = guide.page.evaluate(FOCUS)
        seen.add(name)
        if tag != 'BODY' and not visible: hidden.append(name)
    assert len(seen) >= wanted - 1
    assert hidden == []


def test_links_lead_to_the_chapters(guide):
    for chapter, link in zip(CHAPTERS, guide.page.locator('nav a').all()):
        link.click()
        top = f"document.getElementById('{chapter}').getBoundingClientRect().top"
        assert abs(guide.page.evaluate(top)) < 400
        assert guide.page.evaluate('document.activeElement.id') == chapter


def test_it_works_in_the_frame_of_a_notebook(browser, tmp_path):
    "The links of its chapters stay in the frame."
    file = tmp_path/'notebook.html'
    file.write_text(f'<!doctype html><title>notebook</title>{show_guide().data}', encoding='utf8')
    page = browser.new_page(viewport={'width': 900, 'height': 800})
    page.goto(file.as_uri())
    frame = page.frames[-1]
    frame.wait_for_selector('body[data-ready]')
    frame.locator('nav a').last.click()
    page.wait_for_timeout(200)
    assert frame.evaluate("document.getElementById('costs').getBoundingClientRect().top") < 300
    assert page.frames[-1].locator('#speed-table tr').count() > 2
    page.close()


# ---------------------------------------------------------------- what it computes

def close(got, expected, tolerance=1e-10):
    got, expected = (torch.as_tensor(x, dtype=torch.float64) for x in (got, expected))
    torch.testing.assert_close(got, expected, rtol=tolerance, atol=1e-12)


def test_discretisation(guide):
    cases = ((-1.5, .4, 'zoh'), (-1.5, .4, 'mamba'), (-5., 2., 'zoh'), (-.1, .05, 'mamba'))
    for A, dt, rule in cases:
        step = torch.full((1, 1), dt, dtype=torch.float64)
        kept, taken = discretize(step, torch.full((1, 1, 1), A, dtype=torch.float64), rule)
        got = guide.maths(f'Maths.RULES.{rule}([{A}, 0], {dt})')
        close([got['keep'][0], got['take'][0]], [kept.item(), taken.item()])


def test_states_under_selection(guide):
    draw = torch.Generator().manual_seed(1)
    u = torch.randn(16, generator=draw, dtype=torch.float64)
    dt = torch.rand(16, generator=draw, dtype=torch.float64) * 5
    one = torch.ones(1, 1, dtype=torch.float64)
    expected = selective_scan(u[None, None], dt[None, None], -one, one, one, discretization='zoh')
    close(guide.maths(f'Maths.states({u.tolist()}, {dt.tolist()})'), expected[0, 0])


def test_matrix_is_ssd(guide):
    draw = torch.Generator().manual_seed(2)
    L, N = 9, 3
    B, C = torch.randn(2, L, N, generator=draw, dtype=torch.float64)
    dt = torch.rand(L, generator=draw, dtype=torch.float64)
    impulses = torch.eye(L, dtype=torch.float64)[..., None, None]
    keys, queries = (w.expand(L, L, N)[:, :, None] for w in (B, C))
    rate = torch.tensor([-.7], dtype=torch.float64)
    columns = ssd(impulses, dt.expand(L, L)[..., None], rate, keys, queries)[..., 0, 0]
    arguments = ', '.join(map(str, (-.7, dt.tolist(), B.tolist(), C.tolist())))
    close(guide.maths(f'Maths.scanMatrix({arguments})'), columns.T)
    scores = (C @ B.T / N**.5).masked_fill(~torch.ones(L, L).tril().bool(), -torch.inf)
    got = guide.maths(f'Maths.attentionMatrix({B.tolist()}, {C.tolist()}, true)')
    close(got, scores.softmax(1))


def test_orders_are_the_packages(guide):
    for curve in (c for c in CURVES if c != 'none'):
        for bits in range(1, 6):
            expected = curve_order(center_grid(2**bits), curve, bits)
            assert guide.maths(f"Maths.order(Maths.places('{curve}', {bits}))") == expected.tolist()
