"""An executed notebook as one page to read: `python tools/report.py NOTEBOOK [--first HEADING] [--picture FILE]`.

Writes NOTEBOOK with .html. The section of a heading comes first, behind the title, with a picture; code is folded;
nothing is loaded from elsewhere, so that it works without a network; light or dark as the reader's system is."""
import argparse
import base64
import re
import sys
from pathlib import Path
import nbformat
from jinja2 import FileSystemLoader
from nbconvert import HTMLExporter

HERE = Path(__file__).resolve().parent/'report'


def sections_of(cells):
    "Lists of cells, each beginning at a heading of the second level; what stands before the first is one, too."
    sections = [[]]
    for cell in cells:
        for part in split_at_headings(cell):
            if part.cell_type == 'markdown' and part.source.startswith('## '): sections.append([])
            sections[-1].append(part)
    return sections


def split_at_headings(cell):
    "A cell of markdown in pieces that begin at headings of the second level; other cells as they are."
    if cell.cell_type != 'markdown': return [cell]
    texts = re.split(r'(?m)^(?=## )', cell.source)
    return [nbformat.v4.new_markdown_cell(text.strip()) for text in texts if text.strip()]


def heading_of(section):
    first = section[0].source if section else ''
    return first.splitlines()[0].removeprefix('## ').strip() if first.startswith('## ') else ''


def in_order(cells, first):
    "Title, the sections whose headings are wanted first, then everything else as it was."
    start, *sections = sections_of(cells)
    wanted = [s for s in sections if heading_of(s) in first]
    missing = set(first) - {heading_of(s) for s in wanted}
    if missing: raise ValueError(f'no section {", ".join(sorted(missing))}: there are {", ".join(map(heading_of, sections))}')
    title, *rest = start
    head, _, words = title.source.partition('\n\n')
    purpose, _, more = words.partition('\n\n')
    opening = [nbformat.v4.new_markdown_cell(f'{head}\n\n{purpose}')]
    about = [nbformat.v4.new_markdown_cell(f'## About this page\n\n{more}'.strip()), *rest]
    others = [cell for s in sections if s not in wanted for cell in s]
    if not wanted: return [title, *rest, *others]
    return [*opening, *(cell for s in wanted for cell in s), *others, *about]


def picture_cell(file):
    data = base64.b64encode(file.read_bytes()).decode()
    words = 'Losses, and samples of each from the same noise'
    return nbformat.v4.new_markdown_cell(f'<img alt="{words}" src="data:image/png;base64,{data}">')


def plain_code(cell):
    "The same without nbdev's directives."
    if cell.cell_type == 'code': cell.source = re.sub(r'(?m)^#\|.*\n?', '', cell.source)
    return cell


def save_report(file, first=(), picture=None):
    "Write the page beside the notebook. Returns its path."
    nb = nbformat.read(file, as_version=4)
    cells = [plain_code(c) for c in nb.cells if not c.source.startswith('#| hide')]
    cells = in_order(cells, first)
    if picture: cells.insert(1, picture_cell(picture))
    title = re.match(r'# (.*)', cells[0].source)
    nb.cells = cells
    nb.metadata.title = title[1] if title else file.stem
    nb.metadata.style = (HERE/'report.css').read_text(encoding='utf8')
    exporter = HTMLExporter(extra_loaders=[FileSystemLoader(str(HERE))], template_file='report.html.j2')
    page, _ = exporter.from_notebook_node(nb)
    elsewhere = re.findall(r'<(?:script|link|img)[^>]*(?:src|href)="(?:https?:)?//[^"]*"', page)
    if elsewhere or '<script' in page: raise ValueError(f'{file}: the page loads {elsewhere or "a script"}')
    out = file.with_suffix('.html')
    out.write_text(page, encoding='utf8')
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('notebook', type=Path)
    parser.add_argument('--first', action='append', default=[], help='a heading whose section comes first')
    parser.add_argument('--picture', type=Path, help='a PNG for the first screen')
    args = parser.parse_args()
    try: save_report(args.notebook, args.first, args.picture)
    except (OSError, ValueError) as e: sys.exit(str(e))


if __name__ == '__main__': main()
