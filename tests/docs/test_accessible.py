"""axe-core finds no serious fault on pages of the site that `make docs` builds, in light and dark. Run by `make test-docs`."""
import shutil
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright
from test_search import SITE, build

PAGES = ('index', 'results', 'stepper', 'tour', 'library/app/guide', 'library/fields/metrics', 'experiments/fields/v3',
         'how_to/debug_fields', 'reports/index')


@pytest.fixture(scope='module')
def browser():
    build()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which('chromium'), args=['--no-sandbox', '--allow-file-access-from-files'])
        yield browser
        browser.close()


@pytest.mark.parametrize('scheme', ['light', 'dark'])
@pytest.mark.parametrize('name', PAGES)
def test_accessible(browser, name, scheme):
    "Images without words, text that does not stand out, controls without a name: none of them."
    page = browser.new_context(color_scheme=scheme).new_page()
    page.goto(f'file://{SITE}/{name}.html')
    page.wait_for_load_state('load')
    found = Axe().run(page).response['violations']
    page.close()
    serious = [(v['id'], len(v['nodes']), v['nodes'][0]['target'], v['nodes'][0]['html'][:160]) for v in found if v['impact'] in ('serious', 'critical')]
    assert serious == [], f'{name}, {scheme}: {serious}'
