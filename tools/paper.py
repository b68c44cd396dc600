"""Make the paper: `python tools/paper.py [OUT]` runs nbs/paper.ipynb on the records and writes paper.pdf and paper.html.

The notebook holds the text, with author and year where a work is cited; docs/references.bib has the works. nbconvert makes
Markdown of it, pandoc (from pypandoc_binary) sets citations and makes HTML and Typst, typst makes the PDF. No TeX is needed."""
import ast
import json
import re
import subprocess
import sys
from pathlib import Path
import nbformat

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOK = ROOT/'nbs'/'paper.ipynb'
BIBLIOGRAPHY = ROOT/'docs'/'references.bib'
# named without author and year
ALSO = ['fieldv2', 'stabilisation']

# Numbers that nobody types

# years of works, names that have a number in them, formulas, addresses, code
ALLOWED = [r'\((?:18|19|20)\d\d\)', r'Mamba-[123]\b', r'\bV[12]\b', r'CIFAR-10', r'BSDS500', r'\bH[12]00\b',
           r'(?s)\$\$.*?\$\$', r'\$[^$]*\$', r'\]\([^)]*\)', r'`[^`]*`', r'PM-mamba[123]']


def prose_of(code):
    "Constant parts of strings that read as text: what stands in braces is computed."
    tree = ast.parse(code)
    specs = {id(part) for node in ast.walk(tree) if isinstance(node, ast.FormattedValue) and node.format_spec
             for part in ast.walk(node.format_spec)}
    notes = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}      # docstrings
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)
             and isinstance(node.value, str) and id(node) not in specs | notes]
    return [text for text in texts if len(text.split()) > 3]


def typed_numbers(nb):
    "Numbers in the prose of a notebook that no cell computes, each with the text around it."
    texts = []
    for cell in nb.cells:
        hidden = cell.source.startswith('#| hide')
        if cell.cell_type == 'markdown': texts.append(cell.source)
        elif not hidden: texts += prose_of(cell.source)
    found = []
    for text in texts:
        rest = text
        for pattern in ALLOWED: rest = re.sub(pattern, lambda m: ' ' * len(m.group()), rest)
        for m in re.finditer(r'\d[\d.,]*', rest):
            around = ' '.join(text[max(0, m.start() - 40):m.end() + 40].split())
            found.append(f'{m.group().rstrip(".,")}: {around}')
    return found


# Citations

def names_of(work):
    "What an author and year in the text may look like: for three authors there are two forms."
    year = work.get('issued', {}).get('date-parts', [['']])[0][0]
    authors = [a.get('family') or a.get('literal', '') for a in work.get('author', [])]
    authors = [a.split(',')[0] for a in authors]
    if not authors or not year: return []
    if len(authors) == 1: forms = [authors[0]]
    elif len(authors) == 2: forms = [' and '.join(authors)]
    else: forms = [f'{authors[0]} et al.', f"{', '.join(authors[:-1])} and {authors[-1]}"]
    return [f'{form} ({year})' for form in forms]


def with_citations(text, works):
    """Author and year become pandoc's citations; within brackets of their own, those without. Raises ValueError for a
    work that the bibliography does not have."""
    for work in works:
        for name in names_of(work):
            spaced = r'\s+'.join(map(re.escape, name.split()))
            text = re.sub(spaced, f'@{work["id"]}', text)
    key = r'@[a-z]+\d{4}[a-z]*'
    text = re.sub(rf'\(({key}(?:; {key})*)\)', lambda m: f'[{m[1]}]', text)
    left = re.findall(r"[A-Z][\w'-]+(?:\s+et\s+al\.|\s+and\s+[A-Z][\w'-]+)?\s+\((?:18|19|20)\d\d\)", text)
    if left: raise ValueError(f'cited, and not in {BIBLIOGRAPHY.name}: {", ".join(sorted(set(left)))}')
    return text


# From notebook to Markdown

def markdown_of(nb, folder):
    "Markdown of an executed notebook without its code, with captions; figures go to a folder."
    from nbconvert import MarkdownExporter
    nb.cells = [c for c in nb.cells if not c.source.startswith('#| hide')]
    text, resources = MarkdownExporter(exclude_input=True).from_notebook_node(nb)
    for name, data in resources['outputs'].items(): (folder/name).write_bytes(data)
    text = re.sub(r'!\[[^\]]*\]\(([^)]*)\)\s+Figure: (.*)', r'![\2](\1)', text)
    return re.sub(r'(?m)^\s*Table: ', '\nTable: ', text)


def front_matter(nb, text):
    "Title, authors and date of the paper, its abstract, and the text after it."
    title = re.match(r'\s*# (.*)', text)[1]
    abstract = re.search(r'(?s)## Abstract\s+(.*?)\s+## ', text)[1]
    body = text[text.index('## ', text.index('## Abstract') + 3):]
    body = re.sub(r'(?m)^#(#+ )', r'\1', body)          # the title is no section
    written = sorted(json.loads(f.read_text(encoding='utf8'))['provenance']['written'][:10]
                     for f in (ROOT/'outputs').rglob('run.json'))
    commit = subprocess.run(['git', '-C', str(ROOT), 'rev-parse', '--short', 'HEAD'], capture_output=True, text=True)
    code = f', code of commit {commit.stdout.strip()}' if commit.returncode == 0 else ''
    import yaml
    cff = yaml.safe_load((ROOT/'CITATION.cff').read_text(encoding='utf8'))
    authors = [a.get('name') or f"{a['given-names']} {a['family-names']}" for a in cff['authors']]
    return {'title': title, 'author': authors, 'abstract': abstract, 'lang': 'en-GB',
            'date': f'Records up to {written[-1]}{code}',
            'nocite': ', '.join(f'@{key}' for key in ALSO), 'link-citations': True}, body


def convert(text, meta, folder):
    "Write paper.md, paper.typ, paper.html and paper.pdf."
    import pypandoc
    import typst
    import yaml
    source = folder/'paper.md'
    source.write_text(f'---\n{yaml.safe_dump(meta, allow_unicode=True)}---\n\n{text}\n\n# References {{.unnumbered}}\n', encoding='utf8')
    common = ['--citeproc', f'--bibliography={BIBLIOGRAPHY}', f'--resource-path={folder}', '--number-sections']
    html = ['--standalone', '--embed-resources', '--mathml', f'--css={ROOT/"docs"/"paper.css"}']
    pypandoc.convert_file(str(source), 'html5', outputfile=str(folder/'paper.html'), extra_args=common + html)
    typ = ['--standalone', f'--template={ROOT/"docs"/"paper.typ"}']
    pypandoc.convert_file(str(source), 'typst', outputfile=str(folder/'paper.typ'), extra_args=common + typ)
    typst.compile(str(folder/'paper.typ'), output=str(folder/'paper.pdf'), root=str(folder))


def main(out):
    import papermill
    import pypandoc
    out.mkdir(parents=True, exist_ok=True)
    ran = out/'paper.ipynb'
    papermill.execute_notebook(str(NOTEBOOK), str(ran), cwd=str(ROOT/'nbs'), progress_bar=False, kernel_name='python3')
    nb = nbformat.read(ran, as_version=4)
    typed = typed_numbers(nb)
    if typed: sys.exit('\n'.join(['numbers that no cell computes:', *typed]))
    meta, text = front_matter(nb, markdown_of(nb, out))
    works = json.loads(pypandoc.convert_file(str(BIBLIOGRAPHY), 'csljson', format='bibtex'))
    meta['abstract'] = with_citations(meta['abstract'], works)
    convert(with_citations(text, works), meta, out)
    print(f'{out/"paper.pdf"} and {out/"paper.html"}')


if __name__ == '__main__': main(Path(sys.argv[1] if len(sys.argv) > 1 else ROOT/'runs'/'paper'))
