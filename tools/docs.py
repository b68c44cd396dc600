"""Build the site in _docs/: tools/pages.py turns each notebook into a page, Sphinx does the rest,
tools/check_site.py reads the result. Fails on the output of an error, a missing picture or file, a
page without a title, a public symbol without docstring or entry, a warning of Sphinx, a broken link."""
import re
import shutil
import sys
from pathlib import Path
import nbformat
import yaml
from nbformat.v4 import new_markdown_cell
from sphinx.cmd.build import main as sphinx
from mambaflow.config import read_json
from mambaflow.studies.records import plain_text
from check_site import check_site
from pages import NBS, OUTPUTS, PAGES, ROOT, notebook, problems, register

def read_yaml(name): return yaml.safe_load((ROOT/'docs'/name).read_text(encoding='utf8'))

SITE, BUILT = ROOT/'_docs', ROOT/'_proc'/'html'
PARTS = read_yaml('parts.yaml')         # folder of nbs/ -> title and purpose, in reading order
REPORTS = read_yaml('reports.yaml')     # folder of outputs/ -> title and purpose, in reading order
WINGS = [name for name in PARTS if '/' not in name and name not in ('experiments', 'how_to')]
ROOT_LIBRARY = ['package.ipynb', 'config.ipynb']
FRONT = ['tour', 'results', 'paper', 'library/index', 'experiments/index', 'reports/index', 'how_to/index',
         'glossary', 'references']
LIBRARY = ('The notebooks that the modules are exported from, in reading order: '
           'each imports only from those above it.')
EXECUTED = 'Executed notebooks, as they came from the machines that ran them.'
STEPPER_PLACE = '## See it'
STEPPER = '''```{raw} html
<iframe src="stepper.html" title="Trajectory stepper" class="stepper"></iframe>
```'''
NO_STEPPER = '''The stepper's page is made from weights that are not here yet. On a GPU,
`snakemake conditional --profile workflow/profiles/local --config root=outputs` trains them; then
`make stepper` writes the page, and `make docs` puts it here. `make lab` opens the live stepper.'''

def stop_on_problems():
    "End with all problems that were collected."
    if problems: sys.exit('\n'.join(['FAILED:', *dict.fromkeys(problems)]))

def toctree(pages): return '\n'.join(['', '```{toctree}', ':hidden:', '', *pages, '```', ''])

def contents(folder, title, purpose, pages):
    """Write the first page of a part: its pages (file -> name, words) in order, and the tree of the
    navigation. Returns its own title and purpose."""
    lines = [f'- [{name}]({page})' + (f': {words}' if words else '')
             for page, (name, words) in pages.items()]
    tree = toctree(f'{name} <{page}>' for page, (name, _) in pages.items())
    (PAGES/folder).mkdir(parents=True, exist_ok=True)
    text = '\n'.join([f'# {title}', '', purpose, '', *lines, tree])
    (PAGES/folder/'index.md').write_text(text, encoding='utf8')
    return title, purpose

def files_of(folder):
    "Notebooks of a folder in the order of their numbers; the pages lose the numbers."
    files = sorted(folder.glob('*.ipynb'))
    return {re.sub(r'^\d+_', '', f.name): f for f in files if f.name != 'index.ipynb'}

def part(folder, title, purpose, source, more):
    "Write the pages of a folder of notebooks, and the page that lists them with those in `more`."
    pages = {page: notebook(f, PAGES/folder/page) for page, f in files_of(source).items()}
    return contents(folder, title, purpose, pages | more)

def tree(folder, source):
    "Write a folder of the table `PARTS` with its sub-folders. Returns its title and purpose."
    below = [Path(name) for name in PARTS if Path(name).parent == source]
    inner = {f'{p.name}/index.md': tree(f'{folder}/{p.name}', p) for p in below}
    return part(folder, *PARTS[str(source)], source=NBS/source, more=inner)

def run_words(folder):
    "A run's record in a line: data, device, date, loss; nothing without a record."
    if not (folder/'run.json').is_file(): return ''
    r = read_json(folder/'run.json')
    loss = r.get('metrics', {}).get('final_loss')
    words = [r['data'].get('name'), r['provenance']['device'], r['provenance']['written'][:10]]
    if loss: words.append(f'final loss {loss:.3f}')
    return plain_text(', '.join(filter(None, words)))

def report(file):
    """Write the page of an executed notebook. Returns the file of the page, its name in lists (a run's
    folder, where there is one) and words about it."""
    where = file.parent.relative_to(OUTPUTS)
    page = '-'.join([*where.parts[1:], file.name])
    run = ': ' + plain_text('/'.join(where.parts[1:])) if len(where.parts) > 1 else ''
    title, purpose = notebook(file, PAGES/'reports'/where.parts[0]/page, run)
    return page, (title, run_words(file.parent) or purpose)

def reading_order(group):
    "Place of a folder of outputs/: those of `REPORTS` first, then by name."
    named = list(REPORTS)
    return (named.index(group) if group in named else len(named)), group

def reports(files):
    "Write all reports, a part for each folder of outputs/; what sums up stands before single runs."
    parts = {}
    files = sorted(files, key=lambda f: (len(f.parts), f))
    for group in sorted({f.relative_to(OUTPUTS).parts[0] for f in files}, key=reading_order):
        pages = dict(report(f) for f in files if OUTPUTS/group in f.parents)
        title, purpose = REPORTS.get(group, (group, ''))
        contents(f'reports/{group}', title, f'{purpose} {EXECUTED}', pages)
        parts[f'{group}/index.md'] = title, purpose
    contents('reports', 'Reports', EXECUTED, parts)

def front():
    "Write the front page: the index notebook with the stepper in place of the cell tagged `stepper`."
    source = nbformat.read(NBS/'index.ipynb', as_version=4)
    tagged = any('stepper' in c.metadata.get('tags', []) for c in source.cells)
    notebook(NBS/'index.ipynb', PAGES/'index.ipynb')
    nb = nbformat.read(PAGES/'index.ipynb', as_version=4)
    if tagged:
        there = (OUTPUTS/'stepper'/'stepper.html').exists()
        cell = next(c for c in nb.cells if c.source.startswith(STEPPER_PLACE))
        cell.source = f'{STEPPER_PLACE}\n\n' + (STEPPER if there else NO_STEPPER)
    parts = [name for name in FRONT if list(PAGES.glob(f'{name}.*'))]
    nb.cells.append(new_markdown_cell(toctree(parts)))
    nbformat.write(nb, PAGES/'index.ipynb')

def library():
    "Write the pages of the package, of its configurations and of all wings."
    pages = {name: notebook(NBS/name, PAGES/'library'/name)
             for name in ROOT_LIBRARY if (NBS/name).exists()}
    for wing in WINGS:
        if (NBS/wing).is_dir(): pages[f'{wing}/index.md'] = tree(f'library/{wing}', Path(wing))
    contents('library', 'Library', LIBRARY, pages)

def write_pages():
    "All pages below _proc/pages."
    runs = [f for f in sorted(OUTPUTS.glob('*/**/*.ipynb')) if '.ipynb_checkpoints' not in f.parts]
    folders = [NBS, *(NBS/name for name in PARTS if (NBS/name).is_dir())]
    sources = [f for folder in folders for f in files_of(folder).values()]
    register([NBS/'index.ipynb', *sources, *runs])
    for name, file in files_of(NBS).items():
        if name not in ROOT_LIBRARY: notebook(file, PAGES/name)
    library()
    for name in ('experiments', 'how_to'):
        if (NBS/name).is_dir(): tree(name, Path(name))
    reports(runs)
    front()

def main():
    "Build the site, or say what is wrong and leave none behind."
    shutil.rmtree(PAGES.parent, ignore_errors=True)
    sys.path.insert(0, str(ROOT))
    write_pages()
    stop_on_problems()
    command = ['-W', '--keep-going', '-q', '-b', 'html', '-c', str(ROOT/'docs'), str(PAGES), str(BUILT)]
    if sphinx(command): sys.exit('FAILED: see the warnings of Sphinx above')
    count, wrong = check_site(BUILT)
    problems.extend(wrong)
    stop_on_problems()
    shutil.rmtree(SITE, ignore_errors=True)
    BUILT.rename(SITE)
    print(f'{count} pages: open {SITE/"index.html"}')

if __name__ == '__main__': main()
