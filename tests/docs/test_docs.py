"""What `make docs` takes and what it refuses: a small copy of this repository is broken and its site is built. Run by `make test-docs`."""
import base64
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from io import BytesIO
from pathlib import Path
import nbformat
import yaml
from PIL import Image
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT/'tools'))
from check_site import check_content, check_site

FRONT = [new_markdown_cell('# front\n\n> Why.'), new_markdown_cell('## See it\n\nA picture.', metadata={'tags': ['stepper']}), new_markdown_cell('## Use it\n\n`choose`, `config`')]
def picture(width, height):
    "The output of a cell that draws."
    file = BytesIO()
    Image.new('L', (width, height)).save(file, 'png')
    return new_output('display_data', data={'image/png': base64.b64encode(file.getvalue()).decode()})

PICTURE, ICON = picture(80, 70), picture(80, 20)
RECORD = {'data': {'name': 'some/data'}, 'provenance': {'device': 'some GPU', 'written': '2026-01-02T', 'commit': 'abcdef0123'}, 'metrics': {'final_loss': .25}}
ERROR = new_output('error', ename='ValueError', evalue='broken', traceback=[])

def small_copy(root):
    "One module, its notebook, a front page and a report."
    tools = [f'tools/{name}.py' for name in ('docs', 'pages', 'recorded', 'captions', 'citations', 'check_site')]
    for name in (*tools, 'settings.ini', 'CITATION.cff', 'nbs/config.ipynb', 'nbs/how_to/workflow.ipynb'):
        (root/name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT/name, root/name)
    shutil.copytree(ROOT/'docs', root/'docs')
    shutil.copytree(ROOT/'mambaflow', root/'mambaflow', ignore=shutil.ignore_patterns('__pycache__'))
    write(root/'nbs'/'how_to'/'workflow.ipynb', [new_markdown_cell('# Run a plan')])
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
        return done.returncode, done.stdout + done.stderr, {str(f.relative_to(root/'_docs')): f.read_text(encoding='utf8') for f in (*root.glob('_docs/**/*.html'), *root.glob('_docs/searchindex.js'))}

def replace(root, old, new, *files):
    for f in files:
        text = (root/f).read_text(encoding='utf8')
        assert old in text, (f, old)
        (root/f).write_text(text.replace(old, new), encoding='utf8')

def refused(change, *words):
    "The build fails, says why, and leaves no site behind."
    code, said, pages = build(change)
    assert code and 'FAILED' in said and all(w in said for w in words) and not pages, (words, code, said)

def words_of(page): return re.sub('<[^>]+>', '', page)

def page(*cells): return [new_markdown_cell('# Bad'), *cells]

def test_whole():
    code, said, pages = build(lambda root: None)
    assert code == 0, said
    assert 'href="library/config.html#config-choose"' in pages['index.html'] and 'href="library/config.html#nb-config"' in pages['index.html'] and 'snakemake conditional' in words_of(pages['index.html'])
    assert 'id="config-choose"' in pages['library/config.html'] and 'what is being chosen' in pages['library/config.html']      # an entry with its docments
    assert 'href="config.html#config-choose"' in pages['library/reference.html'] and '@software{mambaflow' in words_of(pages['cite.html'])
    assert 'Answers: How to run an experiment' in pages['how_to/workflow.html'] and 'I want to use it' in pages['reading.html']
    assert re.search(r'"how to run an experiment or reproduce a plan\?":\[\[\d+,"index-0",true', pages['searchindex.js'])          # true: before all other results
    assert 'Return <code' in pages['library/reference.html']
    assert 'Show the test' in pages['library/config.html'] and 'mambaflow 0.1.0' in pages['index.html'] and 'copybutton.js' in pages['library/config.html']
    assert 'A report' in pages['reports/new/run-report.html'] and 'new/index.html' in pages['reports/index.html']               # a folder that nobody named joins by itself

def test_stepper():
    def add(root): (root/'outputs'/'stepper').mkdir(); (root/'outputs'/'stepper'/'stepper.html').write_text('<title>trajectory</title>')
    code, said, pages = build(add)
    assert code == 0 and 'iframe src="stepper.html"' in pages['index.html'] and 'snakemake conditional' not in words_of(pages['index.html']) and pages['stepper.html'] == '<title>trajectory</title>', said

def experiments(root):
    "Five experiments: with a record, with an edited notebook, reading records, without a record, and with one that came later; findings, references."
    table = {'kept': 'group/study/kept.ipynb', 'edited': 'group/old/edited.ipynb', 'reads': 'reads', 'none': 'plan later', 'come': 'plan later', 'images/drawn': 'reads'}
    (root/'docs'/'records.yaml').write_text('\n'.join(f'{k}: {v}' for k, v in table.items()))
    for name in [n for n in table if '/' not in n]: write(root/'nbs'/'experiments'/f'{name}.ipynb', [new_markdown_cell(f'# Title of {name}\n\n> Why.'), new_code_cell('print(1)', outputs=[new_output('stream', text='a run of the test')])])
    (root/'nbs'/'experiments'/'plans').mkdir()
    (root/'nbs'/'experiments'/'plans'/'later.yaml').write_text('runs: {}')
    for name, folder, code in (('kept', 'study', 'print(1)'), ('edited', 'old', 'print(2)'), ('come', 'come', 'print(1)')):
        words = f'# An old title\n\n> Why it was.\n\nWords that ran. As committed it is\nsmall.\n\nA curve of `choose`, Doe et al. (2020), it falls. It ends.'
        write(root/'outputs'/'group'/folder/f'{name}.ipynb', [new_markdown_cell(words), new_code_cell(code, outputs=[new_output('stream', text='the real figures'), PICTURE, ICON])])
        (root/'outputs'/'group'/folder/'run.json').write_text(json.dumps(RECORD))
    write(root/'nbs'/'results.ipynb', [new_markdown_cell('# Results\n\n> All.\n\n## What is kept\n\nAs Doe et al. (2020) found.'), new_code_cell("record('group/study')")])
    own = new_code_cell("x = 'outputs/group'", outputs=[PICTURE, PICTURE, new_output('display_data', data={'text/markdown': 'Figure: Its own $x$.'})])
    write(root/'nbs'/'experiments'/"images"/"drawn.ipynb", [new_markdown_cell('# Drawn\n\n> Why.\n\n## The bars'), own,
        new_code_cell('def plot_it():\n    "Lines of it, and more. No more."', outputs=[PICTURE]), new_markdown_cell('Right: a wall (x. 2) of it. More.'), new_code_cell('1', outputs=[PICTURE])])
    write(root/'nbs'/'references.ipynb', [new_markdown_cell('# references\n\n> Works.\n\n- **Doe et al. (2020).** Jane Doe, *A Work*. arXiv 2001.00001.')])

def test_records():
    "An experiment's page shows its record, or says that there is none; findings, experiments and reports link to each other."
    code, said, pages = build(experiments)
    assert code == 0, said
    at = {name: pages[f'experiments/{name}.html'] for name in ('kept', 'edited', 'reads', 'none', 'come')}
    assert all('the real figures' in at[name] and 'a run of the test' not in at[name] for name in ('kept', 'edited', 'come'))
    assert all(f'Title of {name}' in at[name] and 'An old title' not in at[name] for name in at)
    assert 'some GPU, 2026-01-02' in at['kept'] and 'abcdef0' in at['kept'] and 'As committed' not in at['kept'] and 'Words that ran' in at['kept']
    assert 'has changed since' in at['edited'] and 'has changed since' not in at['kept']
    assert 'reads-records' in at['reads']
    assert 'No record yet: what you see is a run of seconds' in at['none'] and 'experiments/plans/later.yaml' in at['none'] and 'no-record' not in at['come']
    assert 'results.html#finding-what-is-kept' in at['kept'] and 'experiments/kept.html#' in pages['results.html']
    assert 'results.html#finding-what-is-kept' in pages['reports/group/index.html'] and 'experiments/kept.html' in pages['reports/group/index.html'] and '0.2500' in pages['reports/group/index.html']
    assert not any(name.startswith('reports/group/study') for name in pages)                                                    # one record, one page
    assert 'alt="A curve of choose, Doe et al. (2020), it falls"' in at['kept'] and 'class="full-size"' in at['kept']
    assert 'Figure 1. A curve of choose, Doe et al. (2020), it falls.' in words_of(at['kept']) and at['kept'].count('<figcaption') == 1   # none for the icon
    drawn = re.findall(r'<figcaption>(.*?)</figcaption>', pages['experiments/images/drawn.html'], re.S)
    said = [re.sub(r'\s+', ' ', words_of(d)).removesuffix('# ').strip().rstrip('#') for d in drawn]
    assert said == ['Figure 1. Its own \\(x\\).', 'Figure 2. The bars. Lines of it, and more.', 'Figure 3. The bars. Right: a wall (x. 2) of it.'], said
    assert 'Figure: Its own' not in pages['experiments/images/drawn.html'] and 'alt="Its own x"' in pages['experiments/images/drawn.html']
    assert 'results.html#finding-what-is-kept' in pages['experiments/images/drawn.html'] and 'reports/group/index.html' in pages['experiments/images/drawn.html']
    assert all('experiments/images/drawn.html' in pages[name] and 'group/index.html' in pages['results.html'] for name in ('results.html', 'reports/group/index.html'))
    assert 'Findings from the records beside it' in at['edited'] and 'No finding rests on it yet' in at['none']
    assert 'title="Doe et al. (2020). Jane Doe, A Work. arXiv 2001.00001."' in at['kept'] and 'https://arxiv.org/abs/2001.00001' in pages['references.html']
    assert 'record.ipynb' not in at['kept'] and 'blob/main/nbs/experiments/kept.ipynb' in at['kept'] and 'blob/main/outputs/group/study/kept.ipynb' in at['kept']

def test_records_refused():
    "An experiment that the table does not name, a record and a plan that are not there."
    def spoil(root):
        experiments(root)
        write(root/'nbs'/'experiments'/'new.ipynb', [new_markdown_cell('# New')])
        replace(root, 'group/old/', 'group/gone/', 'docs/records.yaml')
        (root/'nbs'/'experiments'/'plans'/'later.yaml').unlink()
    refused(spoil, 'nbs/experiments/new.ipynb: docs/records.yaml does not say what its page shows', 'edited: there is no outputs/group/gone/edited.ipynb', 'none: there is no nbs/experiments/plans/later.yaml')

def test_tables_of_this_repository():
    "Every experiment is in the table, each record and plan that it names is there, and so is every page of the other tables."
    table = yaml.safe_load((ROOT/'docs'/'records.yaml').read_text())
    here = {str(f.relative_to(ROOT/'nbs'/'experiments').with_suffix('')) for f in (ROOT/'nbs'/'experiments').rglob('*.ipynb') if '.ipynb_checkpoints' not in f.parts}
    assert here == set(table), here ^ set(table)
    for name, value in table.items():
        plan = ROOT/'nbs'/'experiments'/'plans'/f'{value[5:]}.yaml'
        assert value == 'reads' or (plan if value.startswith('plan ') else ROOT/'outputs'/value).is_file(), (name, value)
    notebooks = {re.sub(r'(^|/)\d+_', r'\1', str(f.relative_to(ROOT/'nbs').with_suffix(''))) for f in (ROOT/'nbs').rglob('*.ipynb')}
    named = [*yaml.safe_load((ROOT/'docs'/'questions.yaml').read_text()), *(p for pages in yaml.safe_load((ROOT/'docs'/'reading.yaml').read_text()).values() for p in pages)]
    assert not set(named) - notebooks, set(named) - notebooks
    assert all(f'how_to/{f.stem}' in named for f in (ROOT/'nbs'/'how_to').glob('*.ipynb'))          # each how-to answers a question

def test_built_content():
    "Figures without words or full size, pages without version, source, copy button; an experiment without a word on its record."
    body = '<title>a</title><article class="bd-article"><img src="x.png" alt="a curve"><a href="x.png"><img src="x.png" alt="../_images/0123456789abcdef.png"></a><div class="highlight"></div></article>'
    good = '<title>b</title><script src="copybutton.js"></script><article class="bd-article"><div class="record-shown highlight"></div><figure><a href="x.png"><img src="x.png" alt="b"></a></figure></article><a class="source-link" href="n"></a><p class="built"></p>'
    with tempfile.TemporaryDirectory() as tmp:
        site = Path(tmp)
        (site/'experiments').mkdir()
        (site/'experiments'/'a.html').write_text(body)
        (site/'experiments'/'b.html').write_text(good)
        wrong = check_content(site, {'experiments/a', 'experiments/b'})
        assert [w.removeprefix('experiments/a.html: ') for w in wrong] == ['x.png leads to no full size', 'x.png has no caption', 'x.png has no words that describe it', 'x.png has no caption', 'names no version', 'its code has no copy button',
                'has no link to its notebook', 'shows no record, and does not say that there is none'], wrong

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
