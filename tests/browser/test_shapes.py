"""Shapes in the stepper: panes that turn, on the static page from file:// and live in JupyterLab.

Run with `make test-browser`. Screenshots are written to the folder that the environment variable
MF_SHOTS names, when it is set.
"""
import nbformat
import pytest
from test_stepper import (Live, Static, browser, make_root, pixels, shot, start_lab,  # noqa: F401
                          text, unnamed_pictures, until, violations)

from mambaflow.app.stepper import ExactFlow, ModelSet
from mambaflow.data.shapes import FURNITURE, draw_furniture
from mambaflow.nets.volumes import VolumeConfig
from mambaflow.training.checkpoints import save_model

CELL = """
from mambaflow.app.live import TrajectoryStepper
from mambaflow.app.stepper import ExactFlow, ModelSet, Request
from mambaflow.data.shapes import draw_furniture
voxels, kinds = draw_furniture(12, size=16)
voxels = 255 * voxels.view(-1, 1, 16, 16, 16)
models = {name: ExactFlow(voxels[:n], kinds[:n]) for name, n in (('PM', 12), ('PT', 6))}
TrajectoryStepper(ModelSet(models), Request(steps=4))
"""


@pytest.fixture(scope='session')
def shapes(tmp_path_factory):
    "A page of two exact flows to furniture."
    voxels, kinds = draw_furniture(30, size=16)
    voxels = 255 * voxels.view(-1, 1, 16, 16, 16)
    models = ModelSet({'PM': ExactFlow(voxels, kinds), 'PT': ExactFlow(voxels[:3], kinds[:3])})
    return models.save_html(tmp_path_factory.mktemp('page')/'shapes.html', (0, 1), (None, 0))


def panes(page):
    "What the panes show, when their frames are drawn."
    page.wait_for_timeout(300)
    return pixels(page, '.mf-card canvas')


def drag(page):
    "From the middle of the first pane to the right and upwards."
    box = page.locator('.mf-card canvas').first.bounding_box()
    x, y = box['x'] + box['width'] / 2, box['y'] + box['height'] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 40, y - 20, steps=4)
    page.mouse.up()


def test_the_panes_follow_the_step(browser, shapes):  # noqa: F811
    s = Static(browser, shapes)
    first = panes(s.page)
    assert len(first) == 2 and first[0] == first[1]    # the noise that they share
    s.press('End')
    last = panes(s.page)
    assert last[0] != first[0]
    s.page.locator('input.mf-step').fill('3')
    third = panes(s.page)
    assert s.where().startswith('step 3 of 10') and third[0] not in (first[0], last[0])
    s.page.locator('.mf-thumbs').first.locator('canvas').nth(10).click()
    assert panes(s.page) == last
    s.press('r')
    assert s.seed() == '1' and panes(s.page) != last


def test_a_drag_and_keys_turn_all_panes(browser, shapes):  # noqa: F811
    s = Static(browser, shapes)
    s.press('End')
    before = panes(s.page)
    drag(s.page)
    turned = panes(s.page)
    assert all(a != b for a, b in zip(before, turned))
    s.press('Shift+ArrowRight')
    s.press('Shift+ArrowRight')
    s.press('Shift+ArrowUp')
    assert panes(s.page) == before                     # 20 degrees to the right, 10 upwards
    assert s.where().startswith('step 10 of 10')       # a drag does not play, keys do not step
    assert s.errors == []


def test_no_judge_and_a_class(browser, shapes):  # noqa: F811
    s = Static(browser, shapes)
    assert not s.page.locator('.mf-judge').is_visible()
    assert s.page.locator('.mf-digits').get_attribute('aria-label') == 'class'
    outside = [url for url in s.requests if not url.startswith(('file:', 'data:'))]
    assert outside == []


@pytest.mark.parametrize('width', [1440, 400])
def test_classes_have_names(browser, tmp_path, width):  # noqa: F811
    "Weights that were trained with furniture: each number with its name, and keys choose numbers."
    config = VolumeConfig(kind='PT', classes=6, size=16, patch=4, width=12, depth=1, heads=1,
                          mlp_width=16, cond_width=8)
    file = save_model(tmp_path/'PT.safetensors', config.build(), config,
                      data={'name': 'furniture/train'})
    page = ModelSet({'PT': file}).save_html(tmp_path/'page.html', (0,))
    s = Static(browser, page, width)
    words = s.page.locator('.mf-digits button').all_inner_texts()
    assert words == [f'{number} {name}' for number, name in enumerate(FURNITURE)]
    s.press('4')
    assert s.page.locator('.mf-digits [aria-checked=true]').inner_text() == '4 sofa'
    cut = s.page.locator('.mf-digits button').evaluate_all(
        'all => all.filter(b => b.scrollWidth > b.clientWidth + 1).length')
    assert cut == 0
    assert s.page.evaluate('document.documentElement.scrollWidth') <= width
    assert violations(s.page, 'body') == [] and s.errors == []
    shot(s.page, f'shapes_named_{width}')


@pytest.mark.parametrize('scheme', ['light', 'dark'])
@pytest.mark.parametrize('width', [1440, 400])
def test_shapes_accessible(browser, shapes, scheme, width):  # noqa: F811
    s = Static(browser, shapes, width, color_scheme=scheme)
    s.press('End')
    assert s.page.evaluate('document.documentElement.scrollWidth') <= width
    assert unnamed_pictures(s.page) == []
    assert violations(s.page, 'body') == []
    s.page.wait_for_timeout(300)
    shot(s.page, f'shapes_{scheme}_{width}')


def test_live_shapes(browser, tmp_path):  # noqa: F811
    root = tmp_path/'repo'
    make_root(root)
    kernel = {'kernelspec': {'name': 'python3', 'display_name': 'Python 3', 'language': 'python'}}
    notebook = nbformat.v4.new_notebook(metadata=kernel, cells=[nbformat.v4.new_code_cell(CELL)])
    nbformat.write(notebook, root/'runs'/'shapes.ipynb')
    running = start_lab(tmp_path, root)
    live = Live(browser, next(running), 'runs/shapes.ipynb')
    live.focus()
    noise = panes(live.page)
    live.press('End')
    last = panes(live.page)
    assert last[0] != noise[0]
    drag(live.page)
    turned = panes(live.page)
    assert all(a != b for a, b in zip(last, turned))
    shot(live.page, 'shapes_live')
    live.page.locator('.mf-digits button', has_text='2').click()
    until(lambda: 'class 2' in live.status())
    assert live.errors == []
    running.close()
