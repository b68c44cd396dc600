"""A page of the site from a notebook: entries of public symbols (nbdev's show_doc), links on their names, pictures, folded source. Collects what is wrong in `problems`."""
import ast
import importlib
import re
import shutil
from pathlib import Path
from urllib.parse import unquote
import nbformat
from nbdev.config import get_config
from nbdev.showdoc import BasicMarkdownRenderer
from nbformat.v4 import new_markdown_cell
from captions import add_alt_texts
from citations import cited

ROOT = Path(__file__).resolve().parent.parent
PAGES, NBS, OUTPUTS = ROOT/'_proc'/'pages', ROOT/'nbs', ROOT/'outputs'
FILES = f'{get_config(cfg_name=ROOT/"settings.ini").git_url}/blob/main'
FENCED = re.compile(r'(^```.*?^```|\$\$.*?\$\$)', re.S | re.M)
modules, about = [], {}                     # all that are shown; page -> its notebook and its purpose, for docs/conf.py
TESTS = ('test_', 'assert_', 'raises')
TEST_PROMPTS = {'code_prompt_show': 'Show the test', 'code_prompt_hide': 'Hide the test'}
problems, targets = [], {}                  # targets: what may stand in back-ticks or in a relative link -> MyST target

def module_of(nb):
    "The module that a notebook exports, or None."
    found = re.search(r'^#\| default_exp (\S+)', '\n'.join(c.source for c in nb.cells), re.M)
    if not found or found[1] == '__init__': return None      # the package has the names of its modules
    return importlib.import_module(f'mambaflow.{found[1]}')

def short(module): return module.__name__.removeprefix('mambaflow.')

def place(module, name):
    "The target of a symbol. Sphinx does not tell capitals from small letters, so a later name of the same letters gets a number."
    twins = [n for n in module.__all__ if n.lower() == name.lower()]
    return f'{short(module)}.{name}' + (f'-{twins.index(name) + 1}' if name != twins[0] else '')

def register(files):
    "Fill `targets` with the notebooks that have pages and with the public symbols of their modules; a name that several modules have needs its module's name."
    modules.extend(m for f in files if NBS in f.parents and (m := module_of(nbformat.read(f, as_version=4))))
    names = [n for m in modules for n in m.__all__]
    for m in modules:
        for n in m.__all__:
            targets[f'{short(m)}.{n}'] = place(m, n)
            if names.count(n) == 1 and len(n) > 1: targets[n] = place(m, n)             # a single letter is a variable
    for f in files:
        stem = f.relative_to(NBS if NBS in f.parents else ROOT).with_suffix('')
        plain = re.sub(r'(^|/)\d+_', r'\1', str(stem))                 # nets/03_mamba is called nets/mamba
        words = (plain,) if NBS in f.parents and plain not in targets else ()
        targets.update({key: 'nb-' + '-'.join(stem.parts) for key in (str(f.relative_to(ROOT)), *words)})

def link_file(url, folder):
    "Where a relative link leads on the site: to a copy of a picture, to a notebook's page, or to the file in the repository."
    file = (folder/unquote(url)).resolve()
    if not file.exists() and OUTPUTS in folder.parents:      # an executed notebook has its source's links
        file = next(NBS.rglob(file.name), file)
    name = file.relative_to(ROOT) if ROOT in file.parents else file
    if not file.exists(): problems.append(f'{folder.relative_to(ROOT)}: links to {url}, which is not there')
    elif file.suffix in ('.png', '.svg', '.jpg'):
        (PAGES/name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, PAGES/name)
        return f'/{name}'
    return f'<#{targets[str(name)]}>' if str(name) in targets else f'{FILES}/{name}'

def markdown(text, folder, module=None, citations=True):
    "Prose with links on symbols and notebooks in back-ticks, outside headings, fenced code and equations. What the own module has comes first."
    def link(m):
        word = m[1].removesuffix('()').removeprefix('mambaflow.')
        target = module and targets.get(f'{short(module)}.{word}') or targets.get(word)
        return f'[`{m[1]}`](<#{target}>)' if target else m[0]
    parts = FENCED.split(text)
    for i in range(0, len(parts), 2):
        parts[i] = re.sub(r'^(?!#).*', lambda line: re.sub(r'(?<![`\[])`([^`\n]+)`(?![`\]])', link, line[0]), parts[i], flags=re.M)
        if citations: parts[i] = re.sub(r'^(?!#).*', lambda line: cited(line[0]), parts[i], flags=re.M)
        parts[i] = re.sub(r'\]\((?![a-z]+:|[#</])([^)\s]+)\)', lambda m: f']({link_file(m[1], folder)})', parts[i])
    return ''.join(parts)

def signature(symbol, node):
    "nbdev's show_doc of a function or class, and a class's public methods."
    for inner in ('py_func', 'fn', '_defn'): symbol = getattr(symbol, inner, symbol)                     # what numba and Triton have wrapped
    try: shown = BasicMarkdownRenderer(symbol)._repr_markdown_()
    except NameError:             # a constructor of another library, with annotations that only a type checker resolves
        bases = ', '.join(map(ast.unparse, node.bases))
        shown = f'```python\nclass {node.name}({bases})\n```\n\n*{ast.get_docstring(node)}*'
    shown = shown[shown.index('```'):]                                                                   # its rule, link to the source and heading are not ours
    if not isinstance(node, ast.ClassDef): return shown
    methods = [n for n in node.body if isinstance(n, ast.FunctionDef) and n.name[0] != '_' and ast.get_docstring(n)]
    return shown.replace('\ndef ', '\nclass ', 1) + ''.join(f'\n- `{m.name}({", ".join(a.arg for a in m.args.args[1:])})`: {ast.get_docstring(m).splitlines()[0]}' for m in methods)

def entry(names, module, level, text=''):
    "Public symbols under one heading, each with its target."
    targets_of = ''.join(f'({place(module, n)})=\n' for n in names)
    return new_markdown_cell(f'{targets_of}{"#" * level} {", ".join(names)}\n\n{text}', metadata={'entry': True})

def entries(public, module, level):
    "The constants of a cell together, then each function or class with its signature."
    if constants := [n for n, node in public.items() if node is None]: yield entry(constants, module, level)
    for name, node in public.items():
        if node and not ast.get_docstring(node): problems.append(f'{short(module)}.{name}: a public symbol without a docstring')
        if node: yield entry([name], module, level, signature(getattr(module, name), node))

def exported(cell, module, level):
    "The names that an exported cell makes public, and what is shown: their entries and the source, folded where the entries say enough; nothing for imports."
    nodes, defined = ast.parse(cell.source).body, {}
    for n in nodes:
        if isinstance(n, (ast.FunctionDef, ast.ClassDef)): defined[n.name] = n
        else: defined |= {v.id: None for v in ast.walk(n) if isinstance(v, ast.Name) and isinstance(v.ctx, ast.Store)}
    public = {n: node for n, node in defined.items() if n in module.__all__}
    if public and all(public.values()): cell.metadata = {'tags': ['hide-input']}
    imports = all(isinstance(n, (ast.Import, ast.ImportFrom)) for n in nodes)
    return set(public), [] if imports else [*entries(public, module, level), cell]

def is_test(cell):
    "Does a code cell of the library only assert, and show nothing?"
    if cell.cell_type != 'code' or cell.get('outputs'): return False
    try: nodes = list(ast.walk(ast.parse(re.sub(r'^[%!].*', '', cell.source, flags=re.M))))
    except SyntaxError: return False
    calls = [n.func for n in nodes if isinstance(n, ast.Call)]
    names = [getattr(f, 'id', getattr(f, 'attr', '')) for f in calls]
    return any(n.startswith(TESTS) for n in names) or any(isinstance(n, ast.Assert) for n in nodes)

def cells_of(nb, module, folded):
    "The cells of a page. `folded`: a reader of results wants no code but the parameters, those that papermill has injected where it did."
    tags = [' '.join(c.metadata.get('tags', [])) for c in nb.cells]
    level, shown, wanted = 1, set(), 'injected-parameters' if 'injected-parameters' in tags else 'parameters'
    for c, tag in zip(nb.cells, tags):
        if re.match(r'#\| (hide|default_exp)', c.source): continue
        new = [c]
        hidden = 'remove-input' if c.source.startswith('#| echo: false') else 'hide-input' if folded and c.cell_type == 'code' and tag != wanted else ''
        c.metadata = {'tags': [hidden]} if hidden else {}
        if module and not c.source.startswith('#| export') and is_test(c): c.metadata = {'tags': ['hide-input'], 'mystnb': dict(TEST_PROMPTS)}
        if c.cell_type == 'markdown' and (heads := re.findall(r'^#+(?= )', FENCED.sub('', c.source), re.M)): level = len(heads[-1])
        if module and c.source.startswith('#| export'):
            public, new = exported(c, module, min(level, 3) + 1)
            shown |= public
        yield from new
    if module and (lost := set(module.__all__) - shown): problems.append(f'{short(module)}: public symbols without an entry: {", ".join(sorted(lost))}')

CELL = re.compile(r'<(t[hd])\b([^>]*)>([^<]{1,28})(?=</t[hd]>)')

def short_cells(table):
    "The HTML of a table whose short cells, such as numbers with their errors, are never broken."
    def mark(m):
        "One cell with the class `short`."
        kind, attributes, text = m.groups()
        if 'class="' not in attributes: attributes += ' class=""'
        return f'<{kind}' + attributes.replace('class="', 'class="short ') + f'>{text}'
    return CELL.sub(mark, table)

def outputs(cell, folder):
    "Prose made by code gets links, too; all tables of pandas look alike."
    for o in cell.get('outputs', []):
        if 'text/markdown' in o.get('data', {}): o.data['text/markdown'] = markdown(o.data['text/markdown'], folder)
        if 'text/html' in o.get('data', {}): o.data['text/html'] = short_cells(o.data['text/html'].replace('<table id=', '<table class="dataframe" id='))

def notebook(file, page, suffix='', source=None, prepare=None, below=''):
    "Write the page of a notebook; of a record on the page of `source`, the notebook that was executed. `prepare` changes the cells first, `below` stands under the title. Returns its title and its one-sentence purpose."
    nb, name, folder = nbformat.read(file, as_version=4), str(file.relative_to(ROOT)), file.parent
    if prepare: prepare(nb)
    _, line, rest = nb.cells[0].source.partition('\n')
    title, purpose = (re.search(pattern, nb.cells[0].source, re.M) for pattern in (r'\A# (.+)', r'^> (.+)'))
    problems.extend(f'{name}: holds the output of an error, {o.ename}: {o.evalue}' for c in nb.cells for o in c.get('outputs', []) if o.output_type == 'error')
    if not title: problems.append(f'{name}: does not begin with a title (# ...)')
    title, purpose = (title[1] if title else name) + suffix, purpose[1] if purpose else ''
    names = [name] if source is None else [str(source.relative_to(ROOT)), name]
    nb.cells[0].source = ''.join(f'({targets[n]})=\n' for n in names) + f'# {title}{line}{rest}'
    module, results = module_of(nb), NBS/'experiments' in file.parents or OUTPUTS in file.parents or file == NBS/'results.ipynb'
    nb.cells, nb.metadata, nb.nbformat_minor = list(cells_of(nb, module, results)), {'language_info': {'name': 'python'}}, 4
    add_alt_texts(nb.cells)
    for c in nb.cells:
        c.pop('id', None)                                                                # new cells have one, those of older notebooks have none
        c.source = markdown(c.source, folder, module, file.stem != 'references') if c.cell_type == 'markdown' else re.sub(r'^#\|.*\n?', '', c.source, flags=re.M)
        outputs(c, folder)
    if below: put_below_title(nb.cells[0], below)
    page.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(nb, page)
    about[str(page.relative_to(PAGES).with_suffix(''))] = {'notebook': names[0], 'purpose': purpose, 'record': name if source else ''}
    return title, purpose

def put_below_title(cell, text):
    "Put a text between the title with the purpose and the rest of the first cell."
    head = re.match(r'(\(.+\)=\n)+# .+\n*(> .+\n?)*', cell.source)[0]
    cell.source = f'{head.rstrip()}\n\n{text}\n\n{cell.source[len(head):]}'
