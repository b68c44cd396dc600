"""Build the site in _docs/: notebooks and how-to pages become pages in _proc/ (nbdev's show_doc, links, pictures), Sphinx does the rest.
Ends with what is wrong: the output of an error, a missing picture or file, a page without a title, a public symbol without docstring or entry, a broken link."""
import ast
import importlib
import re
import shutil
import sys
from pathlib import Path
from urllib.parse import unquote
import nbformat
from nbdev.config import get_config
from nbdev.showdoc import BasicMarkdownRenderer
from nbformat.v4 import new_markdown_cell
from sphinx.cmd.build import main as sphinx
from check_site import check_site

ROOT = Path(__file__).resolve().parent.parent
PAGES, SITE, NBS, OUTPUTS = ROOT/'_proc', ROOT/'_docs', ROOT/'nbs', ROOT/'outputs'
FENCED = re.compile(r'(^```.*?^```|\$\$.*?\$\$)', re.S | re.M)
problems, targets = [], {}                  # targets: what may stand in back-ticks or in a relative link -> MyST target

def stop_on_problems():
    if problems: sys.exit('\n'.join(['FAILED:', *dict.fromkeys(problems)]))

def module_of(nb):
    "The module that a notebook exports, or None."
    found = re.search(r'^#\| default_exp (\S+)', '\n'.join(c.source for c in nb.cells), re.M)
    return importlib.import_module(f'mambaflow.{found[1]}') if found else None

def place(module, name):
    "The target of a symbol. Targets do not tell capitals from small letters, so a second name of the same letters gets a number."
    twins = [n for n in module.__all__ if n.lower() == name.lower()]
    return f'{short(module)}.{name}' + (f'-{twins.index(name) + 1}' if name != twins[0] else '')

def short(module): return module.__name__.removeprefix('mambaflow.')

def link_file(mark, url, folder):
    "A relative link: pictures are copied, notebooks that have a page are linked there, other files in the repository."
    file = (folder/unquote(url)).resolve()
    name = file.relative_to(ROOT) if ROOT in file.parents else file
    if not file.exists(): problems.append(f'{folder.relative_to(ROOT)}: links to {url}, which is not there')
    elif file.suffix in ('.png', '.svg', '.jpg'):
        (PAGES/name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, PAGES/name)
        return f'{mark}(/{name})'
    return f'{mark}(<#{targets[str(name)]}>)' if str(name) in targets else f'{mark}({get_config(cfg_name=ROOT/"settings.ini").git_url}/blob/main/{name})'

def markdown(text, folder, module=''):
    "Prose with links on symbols and notebooks in back-ticks; a name that several modules have means the own one. Fenced code and equations stay."
    def link(m):
        word = m[1].removesuffix('()').removeprefix('mambaflow.')
        target = targets.get(f'{module}.{word}') or targets.get(word)
        return f'[`{m[1]}`](<#{target}>)' if target else m[0]
    parts = FENCED.split(text)
    for i in range(0, len(parts), 2):
        parts[i] = re.sub(r'^(?!#).*', lambda line: re.sub(r'(?<![`\[])`([^`\n]+)`(?![`\]])', link, line[0]), parts[i], flags=re.M)
        parts[i] = re.sub(r'(\])\((?![a-z]+:|[#</])([^)\s]+)\)', lambda m: link_file(m[1], m[2], folder), parts[i])
    return ''.join(parts)

def entry(name, module, node, level):
    "One public symbol: target, heading, and for a function or class its signature with docments, docstring and public methods."
    head = f'({place(module, name)})=\n{"#" * level} {name}\n\n'
    if node is None: return head
    if not ast.get_docstring(node): problems.append(f'{short(module)}.{name}: a public symbol without a docstring')
    symbol = getattr(module, name)
    for inner in ('py_func', 'fn', '_defn'): symbol = getattr(symbol, inner, symbol)    # what numba and Triton have wrapped
    shown = BasicMarkdownRenderer(symbol)._repr_markdown_()
    methods = [n for n in node.body if isinstance(node, ast.ClassDef) and isinstance(n, ast.FunctionDef) and n.name[0] != '_' and ast.get_docstring(n)]
    return head + shown[shown.index('```'):] + ''.join(f'\n- `{m.name}({", ".join(a.arg for a in m.args.args[1:])})`: {ast.get_docstring(m).splitlines()[0]}' for m in methods)

def exported(cell, module, level):
    "An exported cell: entries of what is public in it, then its source, folded where an entry shows the signature. Nothing for imports."
    nodes, public = ast.parse(cell.source).body, {}
    for n in nodes:
        if isinstance(n, (ast.FunctionDef, ast.ClassDef)): public[n.name] = n
        else: public.update({v.id: None for v in ast.walk(n) if isinstance(v, ast.Name) and isinstance(v.ctx, ast.Store)})
    public = {n: node for n, node in public.items() if n in module.__all__}
    if all(isinstance(n, (ast.Import, ast.ImportFrom)) for n in nodes): return [], public
    if public and all(public.values()): cell.metadata = {'tags': ['hide-input']}
    return [*(new_markdown_cell(entry(n, module, node, level)) for n, node in public.items()), cell], public

def notebook(file, page, suffix=''):
    "Write the page of a notebook. Returns its title and its one-sentence purpose."
    nb, name = nbformat.read(file, as_version=4), str(file.relative_to(ROOT))
    title, purpose = (re.search(pattern, nb.cells[0].source, re.M) for pattern in (r'\A# (.+)', r'^> (.+)'))
    if not title: sys.exit(f'FAILED: {name}: does not begin with a title (# ...)')
    nb.cells[0].source = f'({targets[name]})=\n# {title[1]}{suffix}' + nb.cells[0].source[title.end():]
    module, cells, shown, level = module_of(nb), [], set(), 1
    paper = file.parent.name == 'experiments' or OUTPUTS in file.parents        # the reader wants results: code is folded but for the parameters
    for c in nb.cells:
        if re.match(r'#\| (hide|default_exp)', c.source): continue
        parameters = 'parameters' in ' '.join(c.metadata.get('tags', []))
        c.metadata, new = {'tags': ['hide-input']} if paper and c.cell_type == 'code' and not parameters else {}, [c]
        if c.cell_type == 'markdown': level = len(([0] + re.findall(r'^(#+) ', FENCED.sub('', c.source), re.M))[-1] or '#' * level)
        elif module and c.source.startswith('#| export'):
            new, public = exported(c, module, min(level, 3) + 1)
            shown |= set(public)
        elif c.source.startswith('#| echo: false'): c.metadata = {'tags': ['remove-input']}
        for n in new:
            if n.cell_type == 'markdown': n.source = markdown(n.source, file.parent, module and short(module))
            else: n.source = re.sub(r'^#\|.*\n?', '', n.source, flags=re.M)
        for o in c.get('outputs', []):
            if o.output_type == 'error': problems.append(f'{name}: holds the output of an error, {o.ename}: {o.evalue}')
            if 'text/markdown' in o.get('data', {}): o.data['text/markdown'] = markdown(o.data['text/markdown'], file.parent)
        cells += new
    if module and (lost := set(module.__all__) - shown): problems.append(f'{name}: public symbols without an entry: {", ".join(sorted(lost))}')
    nb.cells, nb.metadata, nb.nbformat_minor = cells, {'language_info': {'name': 'python'}}, 4
    page.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(nb, page)
    return title[1] + suffix, purpose[1] if purpose else ''

def how_to(file):
    "Write a how-to page. Returns its title and its purpose."
    text = file.read_text(encoding='utf8')
    (PAGES/'how-to').mkdir(parents=True, exist_ok=True)
    (PAGES/'how-to'/file.name).write_text(markdown(text, file.parent), encoding='utf8')
    return re.match(r'# (.+)\n\n> (.+)', text).groups()

def contents(folder, title, purpose, pages):
    "Write the first page of a part: its pages in order, each with its purpose, and the tree of the navigation. Returns its own title and purpose."
    lines = [f'- [{name}]({page}): {words}' for page, (name, words) in pages.items()]
    tree = ['```{toctree}', ':hidden:', '', *pages, '```', '']
    (PAGES/folder/'index.md').write_text('\n'.join([f'# {title}', '', purpose, '', *lines, '', *tree]), encoding='utf8')
    return title, purpose

def arcs():
    "Write all pages but the front page."
    def files(folder): return sorted(f for f in folder.glob('*.ipynb') if f.name != 'index.ipynb')
    library, kernels, experiments, reports = files(NBS), files(NBS/'kernels'), files(NBS/'experiments'), sorted(OUTPUTS.glob('*/**/*.ipynb'))
    for f in [NBS/'index.ipynb', *library, *kernels, *experiments, *reports]:
        stem = f.relative_to(NBS if NBS in f.parents else OUTPUTS).with_suffix('')
        targets[str(f.relative_to(ROOT))] = '-'.join(stem.parts) if NBS in f.parents else '-'.join(['outputs', *stem.parts])
        if NBS in f.parents and re.search(r'[/_]', str(stem)): targets[str(stem)] = targets[stem.name] = targets[str(f.relative_to(ROOT))]
    modules = [m for f in library + kernels if (m := module_of(nbformat.read(f, as_version=4)))]
    names = [n for m in modules for n in m.__all__]
    targets.update({f'{short(m)}.{n}': place(m, n) for m in modules for n in m.__all__})
    targets.update({n: place(m, n) for m in modules for n in m.__all__ if names.count(n) == 1 and len(n) > 1})
    def make(files, folder): return {p: notebook(f, PAGES/folder/p) for f in files for p in [re.sub(r'^\d+[a-z]?_', '', f.stem) + '.ipynb']}
    made = make(library, 'library')
    made['kernels/index.md'] = contents('library/kernels', 'Kernels', 'The scans written for one kind of machine each.', make(kernels, 'library/kernels'))
    contents('library', 'Library', 'The notebooks that the modules are exported from, in reading order: each imports only from those above it.', made)
    contents('experiments', 'Experiments', 'Notebooks with parameters, which papermill runs; shown with what they gave when they were run last.', make(experiments, 'experiments'))
    groups = {}
    for f in reports:
        where = f.parent.relative_to(OUTPUTS)
        page = '-'.join([*where.parts[1:], f'{f.stem}.ipynb'])
        groups.setdefault(where.parts[0], {})[page] = notebook(f, PAGES/'reports'/where.parts[0]/page, f' ({where})')
    made = {f'{g}/index.md': contents(f'reports/{g}', g, f'Executed notebooks in `outputs/{g}`, as they came from the machine that ran them.', pages) for g, pages in groups.items()}
    contents('reports', 'Reports', 'What was run and recorded, one folder of `outputs/` after the other.', made)
    contents('how-to', 'How to', 'Short pages with commands that were tried.', {f.name: how_to(f) for f in sorted((ROOT/'docs'/'how-to').glob('*.md'))})

def front():
    "Write the front page: the index notebook, before its part on use the static stepper when there is one, and the tree of the arcs."
    notebook(NBS/'index.ipynb', PAGES/'index.ipynb')
    nb, stepper = nbformat.read(PAGES/'index.ipynb', as_version=4), OUTPUTS/'stepper'/'stepper.html'
    use = next((i for i, c in enumerate(nb.cells) if c.source.startswith('## Use')), len(nb.cells))
    frame = '## Step through it\n\n```{raw} html\n<iframe src="stepper.html" title="Trajectory stepper" class="stepper" loading="lazy"></iframe>\n```'
    if stepper.exists(): nb.cells.insert(use, new_markdown_cell(frame))
    nb.cells.append(new_markdown_cell('\n'.join(['```{toctree}', ':hidden:', '', *(f'{arc}/index' for arc in ('library', 'experiments', 'reports', 'how-to')), '```'])))
    nbformat.write(nb, PAGES/'index.ipynb')

def main():
    shutil.rmtree(PAGES, ignore_errors=True)
    sys.path.insert(0, str(ROOT))
    for part in ('library/kernels', 'experiments', 'reports', 'how-to'): (PAGES/part).mkdir(parents=True)
    arcs()
    front()
    stop_on_problems()
    shutil.rmtree(SITE, ignore_errors=True)
    if sphinx(['-W', '--keep-going', '-q', '-b', 'html', '-c', str(ROOT/'docs'), str(PAGES), str(SITE)]): sys.exit('FAILED: see the warnings of Sphinx above')
    count, wrong = check_site(SITE)
    problems.extend(wrong)
    stop_on_problems()
    print(f'{count} pages: open {SITE/"index.html"}')

if __name__ == '__main__': main()
