"""What a figure shows, in words: the heading of its section, and the first sentence of the paragraph before it, or of
the code that draws it. They are its alt text, and docs/conf.py shows them under it. Back-ticks and dollars stay, as marks."""
import ast
import re
from textwrap import shorten

END = re.compile(r'(?<!\bal)(?<!e\.g)(?<!i\.e)[.?!:](?=\s|$)')
OWN = 'Figure: '
SHORTEST = 20                       # what stands before a colon and is shorter is no sentence
NO_PROSE = re.compile(r'\s*(#|\||```|:::|\$\$|!\[|<|\(\S+\)=|\d+\. |- |---)')
PICTURES = ('image/png', 'image/jpeg', 'image/svg+xml', 'image/gif')
KEPT = re.compile(r'(`[^`]*`|\$[^$]*\$)')
DRAWS = ('plot', 'draw', 'show')
FENCE = re.compile(r'^```.*?^```', re.S | re.M)

def marked(text):
    "Markdown without links and emphasis; code and mathematics keep their marks."
    text = re.sub(r'!?\[([^\]]*)\]\([^)]*\)', r'\1', re.sub(r'^[->] ', '', text))
    parts = KEPT.split(text)
    parts[::2] = [part.replace('*', '') for part in parts[::2]]
    return re.sub(r'\s+', ' ', ''.join(parts)).strip()

def plain(text):
    "Markdown without its marks."
    return re.sub(r'[`*]', '', marked(text))

def first_sentence(text):
    "Up to the first full stop, or colon after some words, that no bracket holds."
    text = marked(text)
    for m in END.finditer(text):
        words = text[:m.start()]
        if words.count('(') > words.count(')'): continue
        if m[0] != ':' or len(words) > SHORTEST or text[m.end():].lstrip().startswith('`'): return shorten(words + m[0].replace(':', '').replace('.', ''), 400, placeholder=' …')
    return shorten(text.rstrip('.:'), 400, placeholder=' …')

def described(cell):
    "The last heading of a markdown cell with its number of marks, and the first sentence of the last paragraph of prose behind it."
    heading, words = None, ''
    for p in FENCE.sub('', cell.source).split('\n\n'):
        if heads := re.findall(r'^(#+) (.+)', p, re.M): heading, words = (len(heads[-1][0]), marked(heads[-1][1])), ''
        prose = re.sub(r'^(#+ .*|\(\S+\)=)\n?', '', p, flags=re.M)
        if prose.strip() and not NO_PROSE.match(prose): words = first_sentence(prose) or words
    return heading, words

def docstring(cell):
    "The first sentence of the docstring of the first function of a cell that draws, or ''."
    try: nodes = ast.parse(re.sub(r'^[%!].*', '', cell.source, flags=re.M)).body
    except SyntaxError: return ''
    texts = [ast.get_docstring(n) for n in nodes if isinstance(n, ast.FunctionDef) and n.name.startswith(DRAWS)]
    return next((first_sentence(t) for t in texts if t), '')

def own_caption(cell):
    "What a cell itself writes below its picture as `Figure: ...`; it is taken out, for it will stand there as a caption."
    for o in cell.outputs:
        if (text := o.get('data', {}).get('text/markdown', '')).startswith(OWN):
            cell.outputs.remove(o)
            return marked(text.removeprefix(OWN)).rstrip('.')
    return ''

def has_picture(cell):
    return any(kind in o.get('data', {}) for o in cell.get('outputs', []) for kind in PICTURES)

def joined(heading, words):
    "One text of both, without saying the same thing twice."
    if not words or not heading or words.lower().startswith(heading.lower()): return words or heading
    if words.lower() in heading.lower(): return heading
    return f'{heading}{"" if heading[-1] in ".?!" else "."} {words[0].upper()}{words[1:]}'

def add_alt_texts(cells):
    "Give each cell with pictures the words of its section, of the nearest prose above it or of its own code."
    section = words = ''
    below_title = False             # what stands below the title is about the whole page: the code says more
    for c in cells:
        if c.cell_type == 'markdown' and not c.metadata.get('entry'):
            heading, text = described(c)
            if heading:
                below_title = heading[0] == 1
                section = '' if below_title else heading[1]
            words = text if heading else text or words
        elif c.cell_type == 'code' and has_picture(c):
            own = docstring(c)
            text = own_caption(c) or joined(section, own or words if below_title else words or own)
            c.metadata.setdefault('mystnb', {})['image'] = {'alt': text or 'Figure'}
