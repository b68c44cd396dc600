"""Pictures of the stepper for the README, on the weights that nbs/experiments/play.ipynb finds: `python tests/browser/screenshots.py outputs/stepper`."""
import os, shutil, sys, tempfile
from pathlib import Path
from types import SimpleNamespace

sys.path.insert(0, str(Path(__file__).parent))
import test_stepper as t
from playwright.sync_api import sync_playwright


def main(out):
    "live_light.png and live_dark.png in the folder `out`."
    out = Path(out); out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as tmp, sync_playwright() as p:
        tmp = Path(tmp); root = tmp/'repo'; (root/'nbs').mkdir(parents=True); (root/'settings.ini').touch()
        for folder in ('outputs', 'runs'):
            if (t.ROOT/folder).is_dir(): (root/folder).symlink_to(t.ROOT/folder)
        shutil.copy(t.ROOT/'nbs'/'experiments'/'play.ipynb', root/'nbs')
        os.environ['MF_LAB_ROOT'] = str(root)
        browser = p.chromium.launch(executable_path=t.CHROMIUM, args=t.FLAGS)
        for theme in ('light', 'dark'):
            lab = t.start_lab(SimpleNamespace(mktemp=lambda name: Path(tempfile.mkdtemp(dir=tmp))), theme)
            page = t.run_all(browser, next(lab))
            if (seven := page.locator('.mf-label button', has_text='7')).is_enabled(): seven.click(); t.until(lambda: 'digit 7' in page.locator('.mf-status').inner_text()); t.idle(page)
            page.locator('.mf-k .noUi-handle').focus()
            for _ in range(3): page.keyboard.press('ArrowLeft')
            t.until(lambda: '7 of 10' in page.locator('.mf-where').inner_text()); page.wait_for_timeout(500)
            page.locator('.mf-stepper').screenshot(path=str(out/f'live_{theme}.png'))
            lab.close()


if __name__ == '__main__': main(*sys.argv[1:])
