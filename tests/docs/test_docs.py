"""What `make docs` takes and what it refuses: a small copy of this repository is broken and its site is built. Run by `make test-docs`."""
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT/'tools'))
from check_site import check_site

FRONT = [new_markdown_cell('# front\n\n> Why.'), new_markdown_cell('## See it\n\nA picture.', metadata={'tags': ['stepper']}), new_markdown_cell('## Use it\n\n`choose`, `config`')]
ERROR = new_output('error', ename='ValueError', evalue='broken', traceback=[])

def small_copy(root):
    "One module, its notebook, a front page and a report."
    for name in ('tools/docs.py', 'tools/pages.py', 'tools/check_site.py', 'settings.ini', 'mambaflow/__init__.py', 'mambaflow/config.py', 'nbs/config.ipynb'):
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
        env = {**os.environ, 'PYTHONPATH': str(root)}         # the copy's modules, whatever is installed or set
        done = subprocess.run([sys.executable, 'tools/docs.py'], cwd=root, env=env, capture_output=True, text=True, timeout=300)
        return done.returncode, done.stdout + done.stderr, {str(f.relative_to(root/'_docs')): f.read_text(encoding='utf8') for f in root.glob('_docs/**/*.html')}

def replace(root, old, new, *files):
    for f in files:
        text = (root/f).read_text(encoding='utf8')
        assert old in text, (f, old)
        (root/f).write_text(text.replace(old, new), encoding='utf8')

def refused(change, *words):
    "The build fails, says why, and leaves no site behind."
    code, said, pages = build(change)
    assert code and 'FAILED' in said and all(w in said for w in words) and not pages, (words, code, said)

def page(*cells): return [new_markdown_cell('# Bad'), *cells]

def test_whole():
    code, said, pages = build(lambda root: None)
    assert code == 0, said
    assert 'href="library/config.html#config-choose"' in pages['index.html'] and 'href="library/config.html#nb-config"' in pages['index.html'] and 'snakemake conditional' in pages['index.html']
    assert 'id="config-choose"' in pages['library/config.html'] and 'what is being chosen' in pages['library/config.html']      # an entry with its docments
    assert 'A report' in pages['reports/new/run-report.html'] and 'new/index.html' in pages['reports/index.html']               # a folder that nobody named joins by itself

def test_stepper():
    def add(root): (root/'outputs'/'stepper').mkdir(); (root/'outputs'/'stepper'/'stepper.html').write_text('<title>trajectory</title>')
    code, said, pages = build(add)
    assert code == 0 and 'iframe src="stepper.html"' in pages['index.html'] and 'snakemake conditional' not in pages['index.html'] and pages['stepper.html'] == '<title>trajectory</title>', said

def test_pages():
    "Six things that are wrong in one copy are all named, and there is no site."
    doc = 'Return `name` if it is one of `valid`, otherwise raise a ValueError that lists them.'
    def spoil(root):
        write(root/'nbs'/'index.ipynb', [*FRONT, new_code_cell('1/0', outputs=[ERROR]), new_markdown_cell('![the answer](../outputs/none.png)')])
        write(root/'outputs'/'new'/'bad.ipynb', page(new_code_cell('#| hide\n1/0', outputs=[ERROR])))
        write(root/'outputs'/'new'/'untitled.ipynb', [new_markdown_cell('No title.')])
        replace(root, doc, '', 'nbs/config.ipynb', 'mambaflow/config.py')
        replace(root, "'choose', ", "'choose', 'hidden', ", 'mambaflow/config.py')
    refused(spoil, 'nbs/index.ipynb: holds the output of an error, ValueError: broken', 'outputs/new/bad.ipynb: holds the output of an error', 'links to ../outputs/none.png, which is not there',
            'outputs/new/untitled.ipynb: does not begin with a title', 'config.choose: a public symbol without a docstring', 'config: public symbols without an entry: hidden')

def test_broken_link(): refused(lambda root: write(root/'outputs'/'new'/'bad.ipynb', page(new_markdown_cell('[there](#nowhere)'))), 'nowhere')

def test_built_site():
    "What is wrong with pages as they were built: links, pictures, titles, and what would be loaded from elsewhere."
    with tempfile.TemporaryDirectory() as tmp:
        site = Path(tmp)
        (site/'a.html').write_text('<title>a</title><p id="here"><a href="b.html#there"></a><a href="b.html#where"></a><a href="a.html#here"></a><a href="c.html"></a><img src="none.png"><script src="https://example.org/x.js"></script>')
        (site/'b.html').write_text('<title>&lt;no title&gt; - site</title><h1 id="there"></h1>')
        assert check_site(site) == (2, ['a.html: b.html#where has no such place', 'a.html: c.html is not there', 'a.html: none.png is not there', 'a.html: loads https://example.org/x.js', 'b.html: no title'])

if __name__ == '__main__':
    tests = [f for name, f in globals().copy().items() if name.startswith('test_')]
    for f in tests: f()
    print(f'{len(tests)} passed: what is wrong with a site is found')
