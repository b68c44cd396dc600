"""Render nbs/index.ipynb as README.md: outputs included, `#| hide` cells left out, the source of `#| echo: false` cells left out."""
import re
import sys
from pathlib import Path
import nbformat
from nbconvert import MarkdownExporter

root = Path(__file__).parent.parent
nb = nbformat.read(root/'nbs'/'index.ipynb', as_version=4)
nb.cells = [c for c in nb.cells if not c.source.startswith('#| hide')]
for c in nb.cells:
    if c.cell_type == 'code' and c.source.startswith('#| echo: false'): c.metadata['transient'] = {'remove_source': True}
text, _ = MarkdownExporter().from_notebook_node(nb)
text = re.sub(r'\]\((?=[\w/]+\.ipynb)', '](nbs/', text)                     # paths are relative to nbs/ there,
text = text.replace('](../', '](').replace('src="../', 'src="')              # to the root here
Path(sys.argv[1]).write_text(re.sub(r'\n{3,}', '\n\n', text).strip() + '\n', encoding='utf8')
