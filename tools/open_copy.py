"""A copy of a notebook to play with: its code is folded, and JupyterLab's saving leaves the original alone.

    python tools/open_copy.py nbs/experiments/play.ipynb runs/play.ipynb
"""
import sys
from pathlib import Path

import nbformat


def copy_folded(source, target):
    "Write the copy; cells that are code show their results only, and open with a click."
    notebook = nbformat.read(source, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == 'code': cell.metadata['jupyter'] = {'source_hidden': True}
    Path(target).parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, target)


if __name__ == '__main__': copy_folded(*sys.argv[1:])
