"""Fields and shapes from weights: on the static page, and in the notebook that `make lab` opens.

Run with `make test-browser`. Screenshots are written to the folder that the environment variable
MF_SHOTS names, when it is set.
"""
import pytest
import torch
from test_stepper import (Live, Static, browser, make_root, pixels, shot, start_lab,  # noqa: F401
                          text, unnamed_pictures, until, violations)

from mambaflow.app.stepper import find_weights
from mambaflow.fields.presets import make_field
from mambaflow.nets.volumes import VolumeConfig
from mambaflow.training.checkpoints import save_model

NAMES = ['V2', 'V3']


def make_weights(runs):
    "Two models of fields and one of shapes, with random weights."
    torch.manual_seed(0)
    cubes = VolumeConfig(kind='PT', classes=6, size=16, patch=4, width=12, depth=2, heads=1,
                         mlp_width=16, cond_width=8)
    configs = {'fields/V2': make_field('V2-small', width=16, heads=2, cond_width=16),
               'fields/V3': make_field('V3-small', width=16, depth=1), 'shapes/PT': cubes}
    for name, config in configs.items():
        model = config.build()
        for p in model.parameters(): p.data += .05 * torch.randn_like(p)
        save_model(runs/name/'model.safetensors', model, config)


@pytest.fixture(scope='session')
def fields(tmp_path_factory):
    "A page of two models that complete one photo."
    folder = tmp_path_factory.mktemp('fields')
    make_weights(folder)
    models = find_weights(folder/'fields')()
    assert list(models.models) == NAMES and not models.problems
    return models.save_html(folder/'page.html', (0, 1))


def test_the_photo_stands_beside_the_noise(browser, fields):  # noqa: F811
    s = Static(browser, fields)
    assert not s.page.locator('.mf-digits').is_visible()
    names = s.page.locator('.mf-context h2').all_inner_texts()
    assert [name.lower() for name in names] == ['observed', 'truth']
    observed, truth = pixels(s.page, '.mf-context img')
    assert set(s.models()) == set(s.noise())
    s.press('End')
    first, second = s.models()
    assert len({first, second, observed, truth}) == 4
    assert unnamed_pictures(s.page) == []
    shot(s.page, 'fields_static')
    assert s.errors == []


@pytest.mark.parametrize('scheme', ['light', 'dark'])
def test_fields_accessible(browser, fields, scheme):  # noqa: F811
    s = Static(browser, fields, color_scheme=scheme)
    assert violations(s.page, 'body') == []


def test_the_view_stands_beside_the_noise(browser, tmp_path):  # noqa: F811
    "A model that draws from a view is given a chair's, which the page shows, and the other is not."
    torch.manual_seed(0)
    cubes = dict(kind='PT', size=16, patch=4, width=12, depth=2, heads=1, mlp_width=16, cond_width=8)
    for name, more in (('PM', dict(condition_tokens=64, condition_width=20)), ('PT', {})):
        model = VolumeConfig(**cubes, **more).build()
        for p in model.parameters(): p.data += .05 * torch.randn_like(p)
        save_model(tmp_path/name/'model.safetensors', model, model.config)
    models = find_weights(tmp_path)()
    s = Static(browser, models.save_html(tmp_path/'page.html', (0,)))
    names = s.page.locator('.mf-context h2').all_inner_texts()
    assert [name.lower() for name in names] == ['view']
    view, = pixels(s.page, '.mf-context img')
    assert view not in {*s.noise(), *s.models()}
    size = s.page.locator('.mf-context img').evaluate('e => [e.naturalWidth, e.naturalHeight]')
    assert size == [32, 32]
    assert violations(s.page, 'body') == [] and unnamed_pictures(s.page) == [] and s.errors == []
    shot(s.page, 'view_static')


def test_live_fields_then_shapes(browser, tmp_path):  # noqa: F811
    "The notebook finds what `make fields` and `make shapes` leave, and no judge is in their way."
    root = tmp_path/'repo'
    make_root(root)
    make_weights(root/'runs')
    running = start_lab(tmp_path, root)
    live = Live(browser, next(running))
    assert live.status().endswith('weights fields')
    assert 'They complete a photo from a fifth of its pixels.' in text(live.page, '.jp-Notebook')
    choices = live.page.locator('select.mf-weights option').all_inner_texts()
    assert choices == ['fields: runs/fields', 'shapes: runs/shapes']
    observed, truth = pixels(live.page, '.mf-context canvas')
    assert not live.page.locator('.mf-digits').is_visible()
    live.focus()
    live.press('End')
    until(lambda: live.where().startswith('step 10 of 10'))
    assert len({*live.models(), observed, truth}) == 4
    assert unnamed_pictures(live.page) == []
    shot(live.page, 'fields_live')
    live.choose('weights', 'shapes')
    until(lambda: live.status().endswith('weights shapes') and live.is_idle())
    assert pixels(live.page, '.mf-context canvas') == []
    live.page.locator('.mf-digits button', has_text='2').click()
    until(lambda: 'class 2' in live.status() and live.is_idle())
    assert len(live.models()) == 1 and live.errors == []
    running.close()
