"""Pictures of the stepper for the README, on the weights that nbs/experiments/play.ipynb finds.

    python tests/browser/screenshots.py outputs/stepper
"""
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).parent))
import test_stepper as t


def link_outputs(root):
    "Let the notebook find the weights of this repository."
    for name in ('outputs', 'runs'):
        if not (t.ROOT/name).is_dir() or (root/name).exists(): continue
        (root/name).symlink_to(t.ROOT/name)


def show_seven(live):
    "A 7, three steps before its end."
    if live.page.locator('.mf-digits button', has_text='7').count(): live.digit('7')
    live.focus()
    for key in ('End', 'ArrowLeft', 'ArrowLeft', 'ArrowLeft'): live.press(key)
    t.until(lambda: live.where().startswith('step 7 of 10'))
    live.page.wait_for_timeout(500)


def main(out):
    "live_light.png and live_dark.png in the folder `out`."
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        root = Path(folder)/'repo'
        t.make_root(root)
        link_outputs(root)
        browser = playwright.chromium.launch(executable_path=t.CHROMIUM, args=t.FLAGS)
        for theme in ('light', 'dark'):
            running = t.start_lab(Path(folder)/theme, root, theme)
            live = t.Live(browser, next(running))
            show_seven(live)
            live.page.locator('.mf-stepper').screenshot(path=str(out/f'live_{theme}.png'))
            running.close()


if __name__ == '__main__': main(*sys.argv[1:])
