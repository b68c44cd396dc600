"""A mesh that turns, in a real browser: as a page from file://, and in the frame of a notebook's output.

Run with `make test-browser`. Screenshots are written to the folder that the environment variable
MF_SHOTS names, when it is set.
"""
import base64
import io

import numpy as np
import pytest
import torch
from PIL import Image
from test_stepper import browser, shot, until  # noqa: F401

from mambaflow.data.meshes import mesh_html, shaded, show_mesh, to_mesh

SIDE = 200                                      # pixels of the canvas


def letter_l():
    "Voxels that fill their cube and look different from every side."
    v = torch.zeros(1, 1, 24, 24, 24)
    v[..., :6, :, :] = 1
    v[..., :, :6, :8] = 1
    v[..., 6:12, 18:, 16:] = 1
    return v


@pytest.fixture
def page(browser, tmp_path):
    "The page of a mesh that stands still at first, with all that it asks for from elsewhere."
    file = tmp_path/'mesh.html'
    file.write_text(mesh_html(to_mesh(letter_l()), 'a letter L', SIDE), encoding='utf8')
    page = browser.new_page(viewport={'width': 300, 'height': 300}, reduced_motion='reduce')
    page.elsewhere, page.mistakes = [], []
    page.on('request', lambda r: page.elsewhere.append(r.url))
    page.on('pageerror', lambda e: page.mistakes.append(str(e)))
    page.goto(file.as_uri())
    yield page
    page.close()


def picture(page):
    "What the canvas shows, (SIDE, SIDE, 3)."
    address = page.locator('canvas').evaluate('c => c.toDataURL()')
    file = io.BytesIO(base64.b64decode(address.split(',')[1]))
    return np.asarray(Image.open(file).convert('RGB'))


def outline(pixels):
    "Which pixels are the shape: red is above blue on it, and not behind it."
    return pixels[..., 0].astype(int) > pixels[..., 2]


def agreement(page, azimuth, elevation):
    "Intersection over union of the shape's outline and that of `shaded`."
    ours = shaded(letter_l(), azimuth, elevation, size=SIDE)[0, 0].numpy() > 20
    theirs = outline(picture(page))
    return (ours & theirs).sum() / (ours | theirs).sum()


def press(page, key, times=1):
    "Press a key, and wait for the frames."
    page.locator('canvas').focus()
    for _ in range(times): page.keyboard.press(key)
    page.wait_for_timeout(100)


def test_it_shows_the_shape_and_asks_for_nothing(page):
    shot(page, 'mesh')
    assert agreement(page, -60, 25) > .97
    assert len(page.elsewhere) == 1 and page.elsewhere[0].startswith('file:')
    assert not page.mistakes


def test_keys_turn_it(page):
    press(page, 'ArrowRight', 3)
    assert agreement(page, -30, 25) > .97
    press(page, 'ArrowUp', 4)
    assert agreement(page, -30, 65) > .97
    press(page, 'ArrowUp', 9)
    assert agreement(page, -30, 90) > .97        # no further than from above


def test_a_drag_turns_it(page):
    page.mouse.move(100, 100)
    page.mouse.down()
    page.mouse.move(140, 80, steps=4)
    page.mouse.up()
    page.wait_for_timeout(100)
    assert agreement(page, -60 - 20, 25 - 10) > .97
    page.mouse.move(60, 60)                     # without a button
    page.wait_for_timeout(100)
    assert agreement(page, -60 - 20, 25 - 10) > .97


def test_space_starts_and_stops_it(page):
    still = picture(page)
    page.wait_for_timeout(200)
    assert (picture(page) == still).all()
    press(page, ' ')
    until(lambda: (picture(page) != still).any())
    press(page, ' ')
    stopped = picture(page)
    page.wait_for_timeout(200)
    assert (picture(page) == stopped).all()


def test_it_turns_in_the_frame_of_a_notebook(browser, tmp_path):
    file = tmp_path/'notebook.html'
    output = show_mesh(to_mesh(letter_l()), 'a "letter" L', SIDE).data
    file.write_text(f'<!doctype html><title>notebook</title>{output}', encoding='utf8')
    page = browser.new_page(viewport={'width': 300, 'height': 300})
    page.goto(file.as_uri())
    frame = page.frames[-1]
    first = picture(frame)
    assert outline(first).sum() > 1000
    until(lambda: (picture(frame) != first).any())
    page.close()
