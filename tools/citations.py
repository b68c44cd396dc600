"""Works that the prose cites: links to nbs/references.ipynb that show the whole reference when the mouse rests on them."""
import re
import nbformat
from captions import plain

ENTRY = re.compile(r'^- \*\*(.+?)\.?\*\* (.+)$', re.M)
YEAR = re.compile(r'(.+) \((\d{4})\)$')
works = {}              # name and year, as the prose writes them -> target, whole reference

def target(name): return 'ref-' + re.sub(r'\W+', '-', name.lower()).strip('-')

def read_references(file):
    "Fill `works` from the notebook of references."
    if not file.exists(): return
    for c in nbformat.read(file, as_version=4).cells:
        for name, text in ENTRY.findall(c.source):
            words = plain(text).replace('"', "'").replace('\\', '')
            m = YEAR.match(name)
            if m: works[m[1], m[2]] = target(name), f'{name}. {words}'

def pattern():
    "What has to be left alone, or a name with a year, in brackets or inside of them."
    names = sorted({name for name, _ in works}, key=len, reverse=True)
    return re.compile(r'!?\[[^\]]*\]\([^)]*\)|`[^`]*`|\$[^$]*\$|\b('
                      + '|'.join(map(re.escape, names)) + r')(,? \(?)(\d{4})(\)?)')

def cited(text):
    "Prose with links on the works that it cites."
    if not works: return text
    def put(m):
        "The link for one of them."
        name, between, year, end = m.groups()
        if (name, year) not in works: return m[0]
        inside = end if '(' in between else ''
        to, words = works[name, year]
        return f'[{name}{between}{year}{inside}](<#{to}> "{words}")' + ('' if inside else end)
    def unnest(m):
        "(Gu and Dao (2023)) as (Gu and Dao, 2023)."
        return f'({m[1]}, {m[2]})' if (m[1], m[2]) in works else m[0]
    text = re.sub(r'\(([^()\[\]]+) \((\d{4})\)\)', unnest, text)
    return pattern().sub(put, text)

def with_targets(nb):
    "The references with a target at each, and the address of each work that arXiv has."
    for c in nb.cells:
        c.source = ENTRY.sub(lambda m: f'- ({target(m[1])})=\n  **{m[1]}.** {m[2]}', c.source)
        c.source = re.sub(r'arXiv (\d{4}\.\d{5})', r'[arXiv \1](https://arxiv.org/abs/\1)', c.source)
