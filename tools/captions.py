"""What a figure shows, in words for those who cannot see it: the first sentence of the paragraph before it."""
import re

SENTENCE = re.compile(r'(.+?)(?<!\bal)(?<!e\.g)(?<!i\.e)[.?!:](?=\s|$)', re.S)
NO_PROSE = re.compile(r'\s*(#|\||```|:::|\$\$|!\[|<|\(\S+\)=|\d+\. |---)')
PICTURES = ('image/png', 'image/jpeg', 'image/svg+xml', 'image/gif')

def plain(text):
    "Markdown without its marks."
    text = re.sub(r'!?\[([^\]]*)\]\([^)]*\)', r'\1', text)
    return re.sub(r'\s+', ' ', re.sub(r'[`*]|^[->] ', '', text)).strip()

def first_sentence(text):
    m = SENTENCE.match(plain(text))
    return (m[1] if m else plain(text))[:250].strip()

def described(cell):
    "The first sentence of the last paragraph of prose of a markdown cell, or its last heading; '' for neither."
    paragraphs = [p for p in cell.source.split('\n\n') if p.strip()]
    prose = [p for p in paragraphs if not NO_PROSE.match(p)]
    if prose and (words := first_sentence(prose[-1])): return words
    heads = re.findall(r'^#+ (.+)', cell.source, re.M)
    return plain(heads[-1]) if heads else ''

def has_picture(cell):
    return any(kind in o.get('data', {}) for o in cell.get('outputs', []) for kind in PICTURES)

def add_alt_texts(cells):
    "Give each cell with pictures the words of the nearest prose above it."
    words = ''
    for c in cells:
        if c.cell_type == 'markdown': words = described(c) or words
        elif has_picture(c): c.metadata.setdefault('mystnb', {})['image'] = {'alt': words or 'Figure'}
