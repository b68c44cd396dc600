"""A question that is typed into the site's search finds its page among the first three results: in Chromium, on the site
that `make docs` builds. Run by `make test-docs`."""
import shutil
import subprocess
import sys
from pathlib import Path
import pytest
import yaml
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT/'_docs'
SOURCES = ('docs/questions.yaml', 'docs/scorer.js', 'docs/conf.py')
FIRST = 3

# typed -> the page that answers; most of their words stand in no question of docs/questions.yaml
TYPED = {
    'out of memory': 'how_to/several_gpus',
    'CUDA out of memory error': 'how_to/several_gpus',
    'nan loss': 'how_to/debug_fields',
    'my samples are speckled': 'how_to/debug_fields',
    'resume training': 'how_to/workflow',
    'continue a run that was killed': 'how_to/workflow',
    'use my own pictures': 'how_to/add_data',
    'How do I train on my own photos?': 'how_to/add_data',
    'export mesh': 'library/data/meshes',
    'which backbone is best': 'results',
    'install without gpu': 'how_to/reproduce',
    'two gpus': 'how_to/several_gpus',
    'multi gpu training': 'how_to/several_gpus',
    'load pretrained weights': 'how_to/load_checkpoint',
    'import a .pt checkpoint': 'how_to/load_checkpoint',
    'cloud machine': 'how_to/rented_gpu',
    'slurm': 'how_to/cluster',
    'write a new model': 'how_to/add_backbone',
    'plot loss curves of my runs': 'how_to/read_record',
    'faster scan in python': 'how_to/loop_to_kernel',
    'how to reproduce a record': 'how_to/reproduce',
    'where to start': 'tour',
    'try the stepper': 'experiments/play',
    # names stay what they were: their definition comes first
    'selective_scan': 'library/ssm/scan',
    'mamba2': 'library/nets/mamba',
}


def build():
    "The site, if it is missing or older than what the search is made of."
    index = SITE/'searchindex.js'
    if index.exists() and all(index.stat().st_mtime > (ROOT/name).stat().st_mtime for name in SOURCES): return
    subprocess.run([sys.executable, 'tools/docs.py'], cwd=ROOT, check=True, timeout=1800)


@pytest.fixture(scope='module')
def page():
    "The page of the search in Chromium, with what went wrong in it."
    build()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which('chromium'), args=['--no-sandbox', '--allow-file-access-from-files'])
        page = browser.new_page()
        page.faults = []
        page.on('pageerror', lambda e: page.faults.append(str(e)))
        page.goto(f'file://{SITE}/search.html')
        page.wait_for_function('Search.hasIndex()')
        yield page
        browser.close()


def found(page, text):
    "The pages of the first results, the first one first."
    return page.evaluate('''([text, count]) =>
        Search._performSearch(...Search._parseQuery(text)).slice(-count).reverse().map(result => result[0])''', [text, FIRST])


def test_typed_as_a_reader_does(page):
    "Control and K, words, Enter: results with the question that the page answers, and a click leads there."
    page.keyboard.press('Control+k')
    page.locator('input[name="q"]:visible').first.fill('use my own pictures')
    page.keyboard.press('Enter')
    first = page.locator('ul.search > li').first
    first.wait_for()
    assert 'Add a data set' in first.inner_text() and 'How to use my own photos, pictures or data set?' in first.inner_text(), first.inner_text()
    page.wait_for_function('document.querySelector(".search-summary").textContent', timeout=60_000)
    first.locator('a').click()
    page.wait_for_url('**/how_to/add_data.html*')
    assert not page.faults
    page.goto(f'file://{SITE}/search.html')
    page.wait_for_function('Search.hasIndex()')


def test_other_words(page):
    "Words of a reader that are not those of the page."
    wrong = {text: got for text, want in TYPED.items() if want not in (got := found(page, text))}
    assert not wrong and len(TYPED) >= 15, wrong


def test_questions(page):
    "Every question of the table, with and without its capitals."
    table = yaml.safe_load((ROOT/'docs'/'questions.yaml').read_text(encoding='utf8'))
    at = {name: name if (SITE/f'{name}.html').exists() else f'library/{name}' for name in table}
    wrong = {q: got for name, asked in table.items() for q in asked for text in (q, q.lower()) if at[name] not in (got := found(page, text))}
    assert not wrong, wrong


def test_nothing_to_answer(page):
    "What nobody wrote about gets no answer, and no fault."
    assert found(page, 'zzzqqq') == [] and found(page, '') == [] and not page.faults
    assert not page.evaluate('answersTo([...Search._parseQuery("zzzqqq xyzzy")[1]]).length')
