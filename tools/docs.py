"""Build the site in _docs/: tools/pages.py turns each notebook into a page, Sphinx does the rest,
tools/check_site.py reads the result. Fails on the output of an error, a missing picture or file, a
page without a title, a public symbol without docstring or entry, a warning of Sphinx, a broken link."""
import ast
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
import nbformat
import yaml
from nbformat.v4 import new_markdown_cell
from sphinx.cmd.build import main as sphinx
from mambaflow.studies.records import plain_text
import recorded
from check_site import check_content, check_site
from citations import read_references, with_targets
from pages import NBS, OUTPUTS, PAGES, ROOT, about, modules, notebook, place, problems, register, short, targets

def read_yaml(name): return yaml.safe_load((ROOT/'docs'/name).read_text(encoding='utf8'))

SITE, BUILT = ROOT/'_docs', ROOT/'_proc'/'html'
PARTS = read_yaml('parts.yaml')         # folder of nbs/ -> title and purpose, in reading order
REPORTS = read_yaml('reports.yaml')     # folder of outputs/ -> title and purpose, in reading order
READING = read_yaml('reading.yaml')     # who reads -> pages in the order of reading
QUESTIONS = read_yaml('questions.yaml') # page -> questions that it answers
WINGS = [name for name in PARTS if '/' not in name and name not in ('experiments', 'how_to')]
ROOT_LIBRARY = ['package.ipynb', 'config.ipynb']
FRONT = ['tour', 'results', 'paper', 'library/index', 'experiments/index', 'reports/index', 'how_to/index',
         'reading', 'glossary', 'references', 'cite']
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

titles, purposes, prepared = {}, {}, {}  # notebook -> its title, its purpose, what changes its cells first
shown, on_experiments, findings = {}, {}, {}    # see tools/recorded.py

def stop_on_problems():
    "End with all problems that were collected."
    if problems: sys.exit('\n'.join(['FAILED:', *dict.fromkeys(problems)]))

def toctree(pages): return '\n'.join(['', '```{toctree}', ':hidden:', '', *pages, '```', ''])

def rows_table(columns, rows, kind=''):
    "A table of MyST; a reader sorts those of kind `sortable`."
    def line(cells): return '| ' + ' | '.join(str(c).replace('|', '\\|') for c in cells) + ' |'
    lines = [line(columns), line(['---'] * len(columns)), *map(line, rows)]
    return '\n'.join(['```{table}', f':class: {kind}', '', *lines, '```'] if kind else lines)

def contents(folder, title, purpose, pages, columns=('Page', 'What it holds'), label='', kind=''):
    """Write the first page of a part: a table of its pages (file -> name, cells) in order, and the tree
    of the navigation, which leaves out pages of other parts. Returns its own title and purpose."""
    rows = [[f'[{name}]({page})', *cells] for page, (name, *cells) in pages.items()]
    tree = toctree(f'{name} <{page}>' for page, (name, *_) in pages.items() if page[:3] != '../')
    filled = [i for i in range(len(columns)) if i < 2 or any(row[i] for row in rows)]
    rows = [[row[i] for i in filled] for row in rows]
    (PAGES/folder).mkdir(parents=True, exist_ok=True)
    lines = [f'({label})=' if label else '', f'# {title}', '', purpose, '']
    lines += [rows_table([columns[i] for i in filled], rows, kind) if rows else '', tree]
    (PAGES/folder/'index.md').write_text('\n'.join(lines).lstrip('\n'), encoding='utf8')
    return title, purpose

def files_of(folder):
    "Notebooks of a folder in the order of their numbers, which the pages lose; how-tos in that of docs/questions.yaml."
    asked = list(QUESTIONS)
    def order(f): return (asked.index(plain_name(f)) if folder.name == 'how_to' and plain_name(f) in asked else len(asked), f)
    files = sorted(folder.glob('*.ipynb'), key=order)
    return {re.sub(r'^\d+_', '', f.name): f for f in files if f.name != 'index.ipynb'}

def questions_of(file):
    "The questions that a page answers, for its first screen and for the search."
    asked = QUESTIONS.get(re.sub(r'(^|/)\d+_', r'\1', str(file.relative_to(NBS).with_suffix(''))), [])
    if not asked: return ''
    entries = [line for q in asked for line in (f'```{{index}} ! single: {q}', '```')]
    return '\n'.join([*entries, '', '```{container} questions', f'Answers: {" ".join(asked)}', '```'])

def page_of(file, page):
    "Write a page that shows no record. Returns its title and purpose."
    return notebook(file, PAGES/page, prepare=prepared.get(file), below=questions_of(file))

def experiment(name, page):
    "Write the page of an experiment, with its record where there is one. Returns its title, its purpose, and what it shows."
    file, value = recorded.experiments()[name], shown[name]
    below = '\n\n'.join(filter(None, [questions_of(file), recorded.box(name, value, findings)]))
    if isinstance(value, str):
        words = 'committed records' if value == 'reads' else f'**no record yet** (plan {value[5:]})'
        return *notebook(file, PAGES/page, below=below), words
    made = recorded.run_facts(value.parent)
    words = ', '.join([str(value.parent.relative_to(OUTPUTS)), *(made[k] for k in ('device', 'day') if made.get(k))])
    return *notebook(value, PAGES/page, '', file, lambda nb: recorded.titled(nb, file), below), words

def records_of(source):
    "How many experiments of a folder have a record."
    values = [value for n, value in shown.items() if (recorded.EXPERIMENTS/n).parent == NBS/source]
    there = sum(value == 'reads' or not isinstance(value, str) for value in values)
    return f'{there} of {len(values)} have a record'

def experiment_part(folder, source, more):
    "Write the pages of a folder of experiments in the order of docs/records.yaml, and the page that lists them."
    names = [n for n in shown if (recorded.EXPERIMENTS/n).parent == NBS/source]
    pages = {f'{Path(n).name}.ipynb': experiment(n, f'{folder}/{Path(n).name}.ipynb') for n in names}
    more = {page: (*words, records_of(source/Path(page).parent)) for page, words in more.items()}
    return contents(folder, *PARTS[str(source)], pages | more, ('Experiment', 'What it asks', 'Its page shows'))

def part(folder, title, purpose, source, more):
    "Write the pages of a folder of notebooks, and the page that lists them with those in `more`."
    pages = {page: page_of(f, f'{folder}/{page}') for page, f in files_of(source).items()}
    return contents(folder, title, purpose, pages | more)

def tree(folder, source):
    "Write a folder of the table `PARTS` with its sub-folders. Returns its title and purpose."
    below = [Path(name) for name in PARTS if Path(name).parent == source]
    inner = {f'{p.name}/index.md': tree(f'{folder}/{p.name}', p) for p in below}
    if source.parts[0] == 'experiments': return experiment_part(folder, source, inner)
    return part(folder, *PARTS[str(source)], source=NBS/source, more=inner)

RUN_COLUMNS = ('data', 'device', 'day', 'parameters', 'final loss', 'ms per step')

def report(file, group):
    """Write the page of an executed notebook, or find the experiment's page that shows it. Returns the
    file of the page and its row in lists: a run's folder, where there is one, and its numbers."""
    where = file.parent.relative_to(OUTPUTS)
    page = '-'.join([*where.parts[1:], file.name])
    name = plain_text('/'.join(where.parts[1:])) if len(where.parts) > 1 else ''
    made = recorded.run_facts(file.parent)
    cells = [made.get(k, '') for k in RUN_COLUMNS]
    if file in on_experiments:
        stem = on_experiments[file].relative_to(NBS)
        return f'../../{stem}', (name or stem.stem, f'{titles[on_experiments[file]]} (its page shows it)', *cells)
    source = next(recorded.EXPERIMENTS.rglob(file.name), None)
    prepare = (lambda nb: recorded.titled(nb, source)) if source else None
    below = recorded.report_line(file, source, titles, findings)
    title, purpose = notebook(file, PAGES/'reports'/group/page, f': {name}' if name else '', prepare=prepare, below=below)
    words = recorded.link(source, titles[source]) if source in titles else purpose
    return page, (name or title, words, *cells)

def reading_order(group):
    "Place of a folder of outputs/: those of `REPORTS` first, then by name."
    named = list(REPORTS)
    return (named.index(group) if group in named else len(named)), group

def reports(files):
    "Write all reports, a part for each folder of outputs/; what sums up stands before single runs."
    parts = {}
    files = sorted(files, key=lambda f: (len(f.parts), f))
    for group in sorted({f.relative_to(OUTPUTS).parts[0] for f in files}, key=reading_order):
        pages = dict(report(f, group) for f in files if OUTPUTS/group in f.parents)
        title, purpose = REPORTS.get(group, (group, ''))
        where = [link for f, links in findings.items() if OUTPUTS/group in (f, *f.parents) for link in links]
        found = f' Findings: {", ".join(dict.fromkeys(where))}.' if where else ''
        readers = [recorded.link(f, titles[f]) for f, read in recorded.reading(shown).items() if group in read]
        if readers: found += f' Read by: {", ".join(readers)}.'
        contents(f'reports/{group}', title, f'{purpose} {EXECUTED}{found}', pages,
                 ('Record', 'Notebook', *RUN_COLUMNS), f'reports-{group}', 'sortable')
        parts[f'{group}/index.md'] = title, purpose
    contents('reports', 'Reports', EXECUTED, parts)

def where_to_begin():
    "Write the reading order, for each reader a table of pages with their purpose."
    lines = ['# Where to begin', '', 'Pages in the order of reading, for four readers.', '']
    for who, names in READING.items():
        rows = []
        for name in names:
            file = next((f for f in titles if plain_name(f) == name), None)
            if file: rows.append([len(rows) + 1, recorded.link(file, titles[file]), purposes[file]])
        if rows: lines += [f'## {who}', '', rows_table(['', 'Page', 'What it holds'], rows), '']
    asked = [[q, recorded.link(f, titles[f])] for f in titles for q in QUESTIONS.get(plain_name(f), [])]
    if asked: lines += ['## I have a question', '', rows_table(['Question', 'Page'], asked), '']
    (PAGES/'reading.md').write_text('\n'.join(lines), encoding='utf8')

def plain_name(file):
    "A notebook's place without numbers: flow/path for nbs/flow/01_path.ipynb."
    return re.sub(r'(^|/)\d+_', r'\1', str(file.relative_to(NBS).with_suffix('')))

def first_paragraph(text):
    "The first paragraph of a docstring as markdown: only what stands in back-ticks keeps its marks."
    parts = re.split(r'(`[^`]+`)', ' '.join(text.split('\n\n')[0].split()))
    return ''.join(p if i % 2 else plain_text(p) for i, p in enumerate(parts))

def constants(module):
    "What the source says of each name that a module assigns: the comment in its line, or its value where that is short."
    lines, said = Path(module.__file__).read_text(encoding='utf8').splitlines(), {}
    for node in ast.parse('\n'.join(lines)).body:
        if not isinstance(node, (ast.Assign, ast.AnnAssign)): continue
        comment = re.search(r'\s# ([^\'"]+)$', lines[node.lineno - 1])
        target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
        value = ast.unparse(node.value) if node.value and isinstance(target, ast.Name) else ''
        short = f'`{value}`' if 0 < len(value) <= (30 if comment else 60) and '`' not in value else ''
        words = ': '.join(filter(None, [short, comment and comment[1]])) or 'A constant.'
        said |= {n.id: words for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    return said

def api():
    "Write the reference of the package apart from its notebooks: every public name in a line, module by module."
    lines = ['# Reference', '', 'Every public name in a line. A name leads to its signature, its arguments and its source.', '']
    for m in modules:
        rows, said = [], constants(m)
        for name in m.__all__:
            value = getattr(m, name, None)
            words = (value.__doc__ or '').strip() if callable(value) else said.get(name, 'A constant.')
            rows.append([f'[`{name}`](<#{place(m, name)}>)', first_paragraph(words)])
        if rows: lines += [f'## {short(m)}', '', rows_table(['Name', 'What it is'], rows), '']
    (PAGES/'library').mkdir(parents=True, exist_ok=True)
    (PAGES/'library'/'reference.md').write_text('\n'.join(lines), encoding='utf8')
    return 'Reference', 'Every public name in a line, apart from the notebooks.'

def cite():
    "Write how to cite the package, from CITATION.cff."
    file = ROOT/'CITATION.cff'
    if not file.exists(): return
    c = yaml.safe_load(file.read_text(encoding='utf8'))
    names = ' and '.join('{' + a['name'] + '}' if 'name' in a else f'{a["family-names"]}, {a["given-names"]}' for a in c['authors'])
    git = subprocess.run(['git', 'rev-parse', 'HEAD'], cwd=ROOT, capture_output=True, text=True)
    note = [f'  note    = {{Commit {git.stdout.strip()}}},'] if git.returncode == 0 else []
    bibtex = ['@software{mambaflow,', f'  author  = {{{names}}},', f'  title   = {{{c["title"]}: {c["abstract"]}}},',
              f'  version = {{{c["version"]}}},', f'  year    = {{{str(c["date-released"])[:4]}}},', *note,
              f'  url     = {{{recorded.FILES.partition("/blob")[0]}}}', '}']
    words = f'Works that this repository rests on are in the [references](<#nb-references>), and as BibTeX in [docs/references.bib]({recorded.FILES}/docs/references.bib).'
    lines = ['# Cite this', '', 'The software, at the commit that made this site:', '', '```bibtex', *bibtex, '```', '',
             'A finding is cited by its page, with the commit at the foot of the page.']
    if 'nbs/references.ipynb' in targets: lines += ['', words]
    (PAGES/'cite.md').write_text('\n'.join(lines) + '\n', encoding='utf8')

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
    named = {'paper': 'Paper <paper>'}       # its title is the question of the paper
    parts = [named.get(name, name) for name in FRONT if list(PAGES.glob(f'{name}.*'))]
    nb.cells.append(new_markdown_cell(toctree(parts)))
    nbformat.write(nb, PAGES/'index.ipynb')

def library():
    "Write the pages of the package, of its configurations and of all wings."
    pages = {'reference.md': api()}
    pages |= {name: page_of(NBS/name, f'library/{name}') for name in ROOT_LIBRARY if (NBS/name).exists()}
    for wing in WINGS:
        if (NBS/wing).is_dir(): pages[f'{wing}/index.md'] = tree(f'library/{wing}', Path(wing))
    contents('library', 'Library', LIBRARY, pages)

def write_pages():
    "All pages below _proc/pages."
    runs = [f for f in sorted(OUTPUTS.glob('*/**/*.ipynb')) if '.ipynb_checkpoints' not in f.parts]
    folders = [NBS, *(NBS/name for name in PARTS if (NBS/name).is_dir())]
    sources = [f for folder in folders for f in files_of(folder).values()]
    register([NBS/'index.ipynb', *sources, *runs])
    look_up([NBS/'index.ipynb', *sources])
    for name, file in files_of(NBS).items():
        if name not in ROOT_LIBRARY: page_of(file, name)
    library()
    for name in ('experiments', 'how_to'):
        if (NBS/name).is_dir(): tree(name, Path(name))
    reports(runs)
    where_to_begin()
    cite()
    front()
    (PAGES.parent/'about.json').write_text(json.dumps(about), encoding='utf8')

def look_up(sources):
    "Fill the tables that pages link through: titles, purposes, records, findings, references."
    for f in sources:
        head = nbformat.read(f, as_version=4).cells[0].source
        for found, pattern in ((titles, r'\A# (.+)'), (purposes, r'^> (.+)')):
            m = re.search(pattern, head, re.M)
            found[f] = m[1] if m else ''
    shown.update(recorded.table())
    on_experiments.update(recorded.shown_records(shown))
    findings.update(recorded.read_findings())
    read_references(NBS/'references.ipynb')
    prepared[recorded.RESULTS] = lambda nb: recorded.with_evidence(nb, shown, titles)
    prepared[NBS/'references.ipynb'] = with_targets

def main():
    "Build the site, or say what is wrong and leave none behind."
    shutil.rmtree(PAGES.parent, ignore_errors=True)
    sys.path.insert(0, str(ROOT))
    write_pages()
    stop_on_problems()
    command = ['-W', '--keep-going', '-q', '-b', 'html', '-c', str(ROOT/'docs'), str(PAGES), str(BUILT)]
    if sphinx(command): sys.exit('FAILED: see the warnings of Sphinx above')
    count, wrong = check_site(BUILT)
    problems.extend(wrong + check_content(BUILT, set(about)))
    stop_on_problems()
    shutil.rmtree(SITE, ignore_errors=True)
    BUILT.rename(SITE)
    print(f'{count} pages: open {SITE/"index.html"}')

if __name__ == '__main__': main()
