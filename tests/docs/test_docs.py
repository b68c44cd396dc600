"""What `make docs` takes and what it refuses: every test breaks a small copy of this repository in one place and builds its site. Run by `make docs`."""
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

ROOT = Path(__file__).resolve().parents[2]
FRONT = [new_markdown_cell('# front\n\n> Why.'), new_markdown_cell('## Use it\n\n`choose`, `00_config`')]
ERROR = new_output('error', ename='ValueError', evalue='broken', traceback=[])

def small_copy(root):
    "One module, its notebook, a front page and a report."
    for name in ('tools/docs.py', 'tools/pages.py', 'tools/check_site.py', 'settings.ini', 'mambaflow/__init__.py', 'mambaflow/config.py', 'nbs/00_config.ipynb'):
        (root/name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT/name, root/name)
    shutil.copytree(ROOT/'docs', root/'docs')
    write(root/'nbs'/'index.ipynb', FRONT)
    write(root/'outputs'/'new'/'run'/'report.ipynb', [new_markdown_cell('# A report'), new_code_cell('1')])

def write(file, cells):
    file.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(new_notebook(cells=cells), file)

def build(change):
    "Build a copy after a change. Returns the exit status, what was said, and the pages by name."
    with tempfile.TemporaryDirectory() as tmp:
        root = Path(tmp)
        small_copy(root)
        change(root)
        done = subprocess.run([sys.executable, 'tools/docs.py'], cwd=root, capture_output=True, text=True, timeout=120)
        return done.returncode, done.stdout + done.stderr, {str(f.relative_to(root/'_docs')): f.read_text(encoding='utf8') for f in root.glob('_docs/**/*.html')}

def replace(root, old, new, *files):
    for f in files:
        text = (root/f).read_text(encoding='utf8')
        assert old in text, (f, old)
        (root/f).write_text(text.replace(old, new), encoding='utf8')

def front(*more): return lambda root: write(root/'nbs'/'index.ipynb', [*FRONT, *more])

def refused(change, words):
    "The build fails, says why, and leaves no site behind."
    code, said, pages = build(change)
    assert code and 'FAILED' in said and words in said and not pages, (words, code, said)

def test_whole():
    code, said, pages = build(lambda root: None)
    assert code == 0, said
    assert 'href="library/config.html#config-choose"' in pages['index.html'] and 'href="library/config.html#config"' in pages['index.html'] and 'mambaflow_batch' in pages['index.html']
    assert 'id="config-choose"' in pages['library/config.html'] and 'what is being chosen' in pages['library/config.html']      # an entry with its docments
    assert 'A report' in pages['reports/new/run-report.html'] and 'new/index.html' in pages['reports/index.html']               # a folder that nobody named joins by itself

def test_stepper():
    def add(root): (root/'outputs'/'stepper').mkdir(); (root/'outputs'/'stepper'/'stepper.html').write_text('<title>walk</title>')
    code, said, pages = build(add)
    assert code == 0 and 'iframe src="stepper.html"' in pages['index.html'] and 'mambaflow_batch' not in pages['index.html'] and pages['stepper.html'] == '<title>walk</title>', said

def test_error_output():
    refused(front(new_code_cell('1/0', outputs=[ERROR])), 'nbs/index.ipynb: holds the output of an error, ValueError: broken')
    refused(lambda root: write(root/'outputs'/'new'/'bad.ipynb', [new_markdown_cell('# Bad'), new_code_cell('1/0', outputs=[ERROR])]), 'outputs/new/bad.ipynb: holds the output of an error')

def test_missing_picture(): refused(front(new_markdown_cell('![the answer](../outputs/none.png)')), 'links to ../outputs/none.png, which is not there')

def test_undocumented_symbol():
    doc = 'Return `name` if it is one of `valid`, otherwise raise a ValueError that lists them.'
    refused(lambda root: replace(root, doc, '', 'nbs/00_config.ipynb', 'mambaflow/config.py'), 'config.choose: a public symbol without a docstring')
    refused(lambda root: replace(root, "'choose', ", "'choose', 'hidden', ", 'mambaflow/config.py'), 'config: public symbols without an entry: hidden')

def test_title(): refused(lambda root: write(root/'outputs'/'new'/'bad.ipynb', [new_markdown_cell('No title.')]), 'outputs/new/bad.ipynb: does not begin with a title')

def test_broken_link(): refused(front(new_markdown_cell('[there](#nowhere)')), 'nowhere')

def test_from_elsewhere(): refused(front(new_markdown_cell('```{raw} html\n<img src="https://example.org/picture.png">\n```')), 'loads https://example.org/picture.png')

if __name__ == '__main__':
    tests = [f for name, f in globals().copy().items() if name.startswith('test_')]
    with ThreadPoolExecutor(min(4, os.cpu_count())) as pool: list(pool.map(lambda f: f(), tests))     # each waits for a process of its own
    print(f'{len(tests)} passed: what is wrong with a site is found')
