"""Refuses retired words: file, cell, word, and what to say instead. Exits with 1 when it finds one.

    python tools/words.py              all notebooks, README, plans, tools and tests
    python tools/words.py PATH...      some files or folders

Prose is markdown, docstrings, comments and strings; what stands in the braces of an f-string is
code. Retired names are refused in code and in prose. Only the source of a notebook is read,
never an output; modules are not read, since notebooks write them.

A glossary quotes: notebooks with `glossary` in their name are not read. Neither is a code cell or
a Python file, a paragraph of markdown, or a line of another file, that holds the mark
`words: quoted`. It is for tables that must name what was renamed.
"""
import ast
import io
import json
import re
import sys
import tokenize
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
MARK = 'words: quoted'
SUFFIXES = ('.ipynb', '.py', '.md', '.sh', '.yaml', '.yml')

MODEL = r'(?:models?|networks?|backbones?|transformers?|tokens?|query|queries)'
RELATIVE = r'(?: itself| themselves| that| which)?'
SAYS = r'(?:says?|said|knows?|knew|hears?|heard|believes?|thinks?|tells?)'

# A pattern is a whole word in any case. "/" or "." beside it makes it a path, which is no prose.
PROSE = {
    r'(?:the|both) sources(?! of\b)': 'Jain (2025), or: the original field model',
    r'sources? 00[0-4]': 'Jain (2025), the original field model, or the stabilisation recipe',
    r'playbooks?': 'stabilisation recipe',
    r'rungs?': 'ablation stage',
    r'ladders?': 'cumulative ablation',
    r'means?,? in one call': 'one-step posterior mean',
    r'(?<!random )(?<!#)(?<!id=")walk(?:s|ed|ing)?': 'trajectory; sample; visit',
    r'turned in all ways': 'under the eight symmetries of the square (D4)',
    r'honest(?:y|ly)?': 'calibrated; fair',
    r'in spreads': 'in posterior standard deviations: a standardised error',
    r'(?:the|its|their|no|useful|means? and) spread': 'posterior standard deviation',
    r'spreads of (?:the |its |their )?(?:samples?|posterior)': 'posterior standard deviation',
    r'deaf': 'independent of, not conditioned on',
    r'hears?|heard|hearing': 'depends on, attends to, is conditioned on',
    r'told(?! apart)': 'given, set, conditioned on',
    r'seriously': 'a weight, as a number',
    MODEL + RELATIVE + ' ' + SAYS: 'a model predicts, depends on, is conditioned on',
    MODEL + r' (?:is|are|was|were) asked': 'is evaluated at',
    r'units? of errors?': 'loss_scale',
    r'tokens? lengths?|lengths? of (?:the )?tokens?': 'dt_scale',
    r'(?:eight|8|all) views|views must be': 'symmetries (D4)',
    r'readouts?|path readers?': 'decoder; encoder',
    r'\d\d[a-d]_[a-z]\w+': 'the name without its number, such as flow/samplers'}

NAMES = {
    'SteppedMamba': 'Mamba(dt_scale=...)',
    'ReadOut': 'PerceiverBlock',
    'PathReader': 'BiMambaEncoder',
    'prior_scales': 'precondition',
    'error_unit': 'loss_scale',
    'token_lengths': 'dt_scale',
    'seen_from': 'transform_d4',
    'put_in': 'paste_observed',
    'as_field': 'to_image',
    'mean_in_one_call': 'one_step_mean',
    'more_fields': 'a preset',
    'why_not': 'unsupported_reason',
    'numba_words': 'intrinsics',
    'scan_triton_tiles': 'gpu/primitives',
    'scan_triton_spans': 'gpu/scan_split'}

# Retired in code only: in a sentence these are words, or have a pattern above.
CODE_NAMES = NAMES | {
    'Branch': 'AdaLNBranch',
    'Way': 'DisplayTrajectory',
    'WAYS': 'METHODS',
    'RUNGS': 'STAGES',
    'rung': 'stage',
    'VIEWS': 'SYMMETRIES',
    'mixes': 'context_layers'}

CALLS = {'questions': 'grid_condition'}                          # retired as a function's name
STRINGS = {'centres': 'pixel_centers', 'band': '+band_limit'}    # retired as a whole string


class Hit(NamedTuple):
    "A retired word and where it stands."
    place: str
    word: str
    instead: str
    around: str      # the text beside it, on one line


def compile_prose():
    return [(re.compile(rf'(?<![\w/.-])(?:{pattern})(?![\w/])', re.IGNORECASE), instead)
            for pattern, instead in PROSE.items()]


PATTERNS = compile_prose()
NAME = re.compile(rf"(?<![\w-])(?:{'|'.join(NAMES)})(?!\w)")
CODE_NAME = re.compile(rf"(?<![\w-])(?:{'|'.join(CODE_NAMES)})(?!\w)")
CALL = re.compile(rf"(?<![\w.])(?:{'|'.join(CALLS)})(?=\()")


# Looking

def excerpt(text, match, margin=30):
    nearby = text[max(0, match.start() - margin):match.end() + margin]
    return ' '.join(nearby.split())


def look(pattern, instead, text, place):
    "Hits of one pattern. `instead` is words, or a dict from the match to words."
    hits = []
    for match in pattern.finditer(text):
        advice = instead[match.group()] if isinstance(instead, dict) else instead
        word = ' '.join(match.group().split())
        hits.append(Hit(place, word, advice, excerpt(text, match)))
    return hits


def look_at_names(text, place, name=NAME):
    return look(name, CODE_NAMES, text, place) + look(CALL, CALLS, text, place)


def look_at_prose(text, place):
    "Hits in words; line breaks within a sentence do not hide any."
    text = re.sub(r'\s+', ' ', text)
    hits = look_at_names(text, place)
    for pattern, instead in PATTERNS:
        hits += look(pattern, instead, text, place)
    return hits


def look_at_markdown(text, place):
    paragraphs = [p for p in re.split(r'\n\s*\n', text) if MARK not in p]
    return [hit for p in paragraphs for hit in look_at_prose(p, place)]


def look_at_string(token, place):
    "Hits in a token of a string; from Python 3.12 on, an f-string comes in parts without quotes."
    literal = re.match(r'(?s)([a-zA-Z]*)(\'\'\'|"""|\'|")(.*)\2$', token)
    if literal is None: return look_at_prose(token, place)
    prefix, _, words = literal.groups()
    if 'f' in prefix.lower(): return look_at_f_string(token, place)
    if words in STRINGS: return [Hit(place, token, STRINGS[words], token)]
    return look_at_prose(words, place)


def look_at_f_string(token, place):
    "Words are prose, what stands in braces is code."
    hits = []
    for node in ast.parse(token, mode='eval').body.values:
        if isinstance(node, ast.Constant): hits += look_at_prose(node.value, place)
        else: hits += look_at_code(ast.unparse(node.value), place)
    return hits


def without_magics(text):
    return re.sub(r'(?m)^\s*[%!].*$', '', text)


def look_at_code(text, place):
    "Hits in comments and strings as prose, elsewhere as names."
    if MARK in text or text.startswith('%%'): return []
    parts, names, comments = [], [], []
    middle = getattr(tokenize, 'FSTRING_MIDDLE', None)
    for token in tokenize.generate_tokens(io.StringIO(without_magics(text)).readline):
        if token.type == tokenize.COMMENT: comments.append(token.string)
        elif token.type in (tokenize.STRING, middle): parts.append(token.string)
        else: names.append(token.string)
    calls = re.sub(r' \(', '(', ' '.join(names))
    hits = look_at_names(calls, place, CODE_NAME)
    hits += look_at_prose(' '.join(comments), place)
    return hits + [hit for part in parts for hit in look_at_string(part, place)]


# Files

def chosen_files(paths):
    if not paths: return default_files()
    files = []
    for path in map(Path, paths):
        files += sorted(path.rglob('*')) if path.is_dir() else [path]
    return [f.resolve() for f in files if is_read(f)]


def default_files():
    files = [ROOT/'README.md', ROOT/'Makefile', ROOT/'docs'/'reports.yaml']
    for folder in ('nbs', 'tools', 'tests'): files += sorted((ROOT/folder).rglob('*'))
    return [f for f in files if f.exists() and is_read(f)]


def short(file):
    return str(file.relative_to(ROOT)) if file.is_relative_to(ROOT) else str(file)


def is_read(file):
    if any(part.startswith('.') for part in Path(short(file.resolve())).parts): return False
    if file.suffix == '.ipynb' and 'glossary' in file.stem: return False
    if file.name == 'words.py': return False             # it is the table
    return file.suffix in SUFFIXES or file.name == 'Makefile'


def look_at_notebook(file, name):
    hits = []
    for i, cell in enumerate(json.loads(file.read_text(encoding='utf8'))['cells']):
        look_at_cell = look_at_code if cell['cell_type'] == 'code' else look_at_markdown
        hits += look_at_cell(''.join(cell['source']), f'{name}[{i}]')
    return hits


def look_at_lines(file, name):
    hits = []
    for number, line in enumerate(file.read_text(encoding='utf8').splitlines(), 1):
        if MARK not in line: hits += look_at_prose(line, f'{name}:{number}')
    return hits


def look_at_file(file):
    name = short(file)
    if file.suffix == '.ipynb': return look_at_notebook(file, name)
    if file.suffix == '.py': return look_at_code(file.read_text(encoding='utf8'), name)
    if file.suffix == '.md': return look_at_markdown(file.read_text(encoding='utf8'), name)
    return look_at_lines(file, name)


def main(paths):
    files = chosen_files(paths)
    if not files:
        print(f'nothing to read at {", ".join(paths)}: give notebooks, texts or folders')
        return 2
    hits = [hit for file in files for hit in look_at_file(file)]
    for hit in hits: print(f'{hit.place}: "{hit.word}" -> {hit.instead}   | {hit.around}')
    places = len({hit.place for hit in hits})
    print(f'{len(hits)} retired words in {places} places, {len(files)} files read')
    return 1 if hits else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
