"""The versions that records name, as constraints of pip: `python tools/constraints.py [FOLDER] > constraints.txt`.

`pip install --constraint constraints.txt --editable .` then installs what the records below FOLDER were made with."""
import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def constraints(folder):
    "Lines for pip, and where they come from. Raises ValueError when the records below a folder name several versions."
    files = sorted(Path(folder).rglob('run.json'))
    if not files: raise ValueError(f'no records below {folder}')
    machines, found = [], {}
    for file in files:
        p = json.loads(file.read_text(encoding='utf8'))['provenance']
        if not p['cuda']: continue                      # a comparison that a CPU made
        machines.append((p['python'], p['device'], p['cuda']))
        for name, version in p['packages'].items(): found.setdefault(name, set()).add(version)
    found.pop('mambaflow', None)
    several = {name: sorted(versions) for name, versions in found.items() if len(versions) > 1}
    if several: raise ValueError(f'the records below {folder} name several versions: {several}')
    python, device, cuda = machines[0]
    head = [f'# Written by tools/constraints.py from {len(machines)} records below {Path(folder).name}/:',
            f'# Python {python}, CUDA {cuda}, {device}']
    return '\n'.join([*head, *(f'{name}=={version}' for name, (version,) in sorted((k, tuple(v)) for k, v in found.items()))]) + '\n'


if __name__ == '__main__': print(constraints(sys.argv[1] if len(sys.argv) > 1 else ROOT/'outputs'/'protocol'), end='')
