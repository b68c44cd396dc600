"""Build the site in _docs/: tools/pages.py turns each notebook into a page, Sphinx does the rest, tools/check_site.py reads the result.
Fails on the output of an error, a missing picture or file, a page without a title, a public symbol without docstring or entry, a warning of Sphinx, a broken link."""
import json
import re
import shutil
import sys
from pathlib import Path
import nbformat
import yaml
from nbformat.v4 import new_markdown_cell
from sphinx.cmd.build import main as sphinx
from check_site import check_site
from pages import NBS, OUTPUTS, PAGES, ROOT, notebook, problems, register

SITE, BUILT = ROOT/'_docs', ROOT/'_proc'/'html'
REPORTS = yaml.safe_load((ROOT/'docs'/'reports.yaml').read_text(encoding='utf8'))     # folder of outputs/ -> title and purpose, in reading order
PARTS = yaml.safe_load((ROOT/'docs'/'parts.yaml').read_text(encoding='utf8'))         # folder of nbs/ -> title and purpose, in reading order
WINGS = [name for name in PARTS if '/' not in name and name not in ('experiments', 'how_to')]
LIBRARY = 'The notebooks that the modules are exported from, in reading order: each imports only from those above it.'
ROOT_LIBRARY = ['package.ipynb', 'config.ipynb']
STEPPER_PLACE = '## See it'
FRONT = ['tour', 'results', 'library/index', 'experiments/index', 'reports/index', 'how_to/index', 'glossary', 'references']
STEPPER = '```{raw} html\n<iframe src="stepper.html" title="Trajectory stepper" class="stepper"></iframe>\n```'
NO_STEPPER = '''The stepper's page is made from weights that are not here yet. On a GPU, `mambaflow_batch nbs/experiments/plans/conditional.yaml --out outputs/conditional` trains them; then
`make stepper` writes the page, and `make docs` puts it here. `make lab` opens the live stepper.'''

def stop_on_problems():
    if problems: sys.exit('\n'.join(['FAILED:', *dict.fromkeys(problems)]))

def toctree(pages): return '\n'.join(['', '```{toctree}', ':hidden:', '', *pages, '```', ''])

def contents(folder, title, purpose, pages):
    "Write the first page of a part: its pages (file -> name, words) in order, and the tree of the navigation. Returns its own title and purpose."
    lines = [f'- [{name}]({page}){": " * bool(words)}{words}' for page, (name, words) in pages.items()]
    (PAGES/folder).mkdir(parents=True, exist_ok=True)
    (PAGES/folder/'index.md').write_text('\n'.join([f'# {title}', '', purpose, '', *lines, toctree(f'{name} <{page}>' for page, (name, _) in pages.items())]), encoding='utf8')
    return title, purpose

def files_of(folder):
    "Notebooks of a folder in the order of their numbers; the pages lose the numbers."
    files = sorted(folder.glob('*.ipynb'))
    return {re.sub(r'^\d+_', '', f.name): f for f in files if f.name != 'index.ipynb'}

def part(folder, title, purpose, source=None, more=None):
    "Write the pages of a folder of notebooks, and the page that lists them with those in `more`."
    files = files_of(source or NBS/folder)
    pages = {page: notebook(f, PAGES/folder/page) for page, f in files.items()}
    return contents(folder, title, purpose, pages | (more or {}))

def tree(folder, source):
    "Write a folder of the table `PARTS` with its sub-folders. Returns its title and purpose."
    below = [name for name in PARTS if Path(name).parent == source]
    inner = {f'{Path(name).name}/index.md': tree(f'{folder}/{Path(name).name}', Path(name)) for name in below}
    return part(folder, *PARTS[str(source)], source=NBS/source, more=inner)

def run_words(folder):
    "What a run's record says in a line, or nothing."
    if not (folder/'run.json').is_file(): return ''
    r = json.loads((folder/'run.json').read_text(encoding='utf8'))
    loss = r.get('metrics', {}).get('final_loss')
    return ', '.join(filter(None, [r.get('data', {}).get('name'), r['provenance']['device'], r['provenance']['date'][:10], loss and f'final loss {loss:.3f}']))

def report(file):
    "Write the page of an executed notebook. Returns the file of the page, its name in lists (a run's folder, where there is one) and words about it."
    where = file.parent.relative_to(OUTPUTS)
    page = '-'.join([*where.parts[1:], file.name])
    title, purpose = notebook(file, PAGES/'reports'/where.parts[0]/page, ': ' + '/'.join(where.parts[1:]) if len(where.parts) > 1 else '')
    return page, (title, run_words(file.parent) or purpose)

def reports(files):
    "Write all reports, a part for each folder of outputs/; what sums up stands before the single runs."
    parts, found = {}, {f.relative_to(OUTPUTS).parts[0] for f in files}
    for g in sorted(found, key=lambda g: (list(REPORTS).index(g) if g in REPORTS else len(REPORTS), g)):
        made = dict(report(f) for f in sorted(files, key=lambda f: (len(f.parts), f)) if OUTPUTS/g in f.parents)
        title, purpose = REPORTS.get(g, (g, ''))
        parts[f'{g}/index.md'] = contents(f'reports/{g}', title, f'{purpose} Executed notebooks in `outputs/{g}`, as they came from the machine that ran them.', made)[0], purpose
    contents('reports', 'Reports', 'What was run and recorded: executed notebooks, as they came from the machines that ran them.', parts)

def front():
    "Write the front page: the index notebook with the stepper in place of the cell tagged `stepper`."
    source = nbformat.read(NBS/'index.ipynb', as_version=4)
    tagged = [i for i, c in enumerate(source.cells) if 'stepper' in c.metadata.get('tags', [])]
    notebook(NBS/'index.ipynb', PAGES/'index.ipynb')
    nb = nbformat.read(PAGES/'index.ipynb', as_version=4)
    there = (OUTPUTS/'stepper'/'stepper.html').exists()
    if tagged:
        cell = next(c for c in nb.cells if c.source.startswith(STEPPER_PLACE))
        cell.source = '## See it\n\n' + (STEPPER if there else NO_STEPPER)
    parts = [name for name in FRONT if list(PAGES.glob(f'{name}.*'))]
    nb.cells.append(new_markdown_cell(toctree(parts)))
    nbformat.write(nb, PAGES/'index.ipynb')

def write_pages():
    "All pages below _proc/pages."
    runs = sorted(OUTPUTS.glob('*/**/*.ipynb'))
    runs = [f for f in runs if '.ipynb_checkpoints' not in f.parts]
    folders = [NBS, *(NBS/name for name in PARTS if (NBS/name).is_dir())]
    register([NBS/'index.ipynb', *(f for folder in folders for f in files_of(folder).values()), *runs])
    for name, file in files_of(NBS).items():
        if name not in ROOT_LIBRARY: notebook(file, PAGES/name)
    wings = {f'{w}/index.md': tree(f'library/{w}', Path(w)) for w in WINGS if (NBS/w).is_dir()}
    first = {name: notebook(NBS/name, PAGES/'library'/name) for name in ROOT_LIBRARY if (NBS/name).exists()}
    contents('library', 'Library', LIBRARY, first | wings)
    for name in ('experiments', 'how_to'):
        if (NBS/name).is_dir(): tree(name, Path(name))
    reports(runs)
    front()

def main():
    shutil.rmtree(PAGES.parent, ignore_errors=True)
    sys.path.insert(0, str(ROOT))
    write_pages()
    stop_on_problems()
    if sphinx(['-W', '--keep-going', '-q', '-b', 'html', '-c', str(ROOT/'docs'), str(PAGES), str(BUILT)]): sys.exit('FAILED: see the warnings of Sphinx above')
    count, wrong = check_site(BUILT)
    problems.extend(wrong)
    stop_on_problems()
    shutil.rmtree(SITE, ignore_errors=True)
    BUILT.rename(SITE)
    print(f'{count} pages: open {SITE/"index.html"}')

if __name__ == '__main__': main()
