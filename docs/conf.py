"""How Sphinx shows the pages that tools/docs.py writes. Nothing is loaded from elsewhere: MathJax comes from a package."""
import json
import re
import subprocess
from configparser import ConfigParser
from importlib.util import find_spec
from html import escape
from pathlib import Path
import imagesize
import yaml
from docutils import nodes

settings = ConfigParser(delimiters=['='])
settings.read(Path(__file__).parent.parent/'settings.ini', encoding='utf8')
settings = settings['DEFAULT']
mathjax = Path(find_spec('sphinx-mathjax-offline').origin).parent/'static'/'mathjax'/'tex-svg.js'   # one file, fonts included

project, author, release = settings['title'], settings['author'], settings['version']
copyright, html_title = settings['copyright'], settings['title']
extensions = ['myst_nb', 'sphinx_copybutton']
templates_path = ['templates']
copybutton_selector = 'div.highlight pre'
copybutton_prompt_text, copybutton_prompt_is_regexp = r'>>> |\.\.\. |\$ ', True
nb_execution_mode = 'off'
nb_output_stderr = 'remove'                     # progress bars
nb_merge_streams = True
nb_render_markdown_format = 'myst'
nb_ipywidgets_js = {}                           # would come from a CDN
myst_enable_extensions = ['dollarmath', 'amsmath']
myst_dmath_double_inline = True
nb_code_prompt_show, nb_code_prompt_hide = 'Show the source', 'Hide the source'
mathjax_path = mathjax.name

html_theme = 'pydata_sphinx_theme'
html_static_path = ['site.css', 'site.js', str(mathjax)]
html_css_files, html_js_files, html_favicon = ['site.css'], ['site.js'], 'favicon.svg'
html_extra_path = [str(f) for f in Path(__file__).parent.parent.glob('outputs/stepper/stepper.html')]
git = subprocess.run(['git', 'rev-parse', 'HEAD'], cwd=Path(__file__).parent, capture_output=True, text=True)
html_context = {'default_mode': 'auto', 'git_url': settings['git_url'], 'commit': git.stdout.strip()}
html_search_scorer = str(Path(__file__).parent/'scorer.js')
html_sidebars = {name: [] for name in ('index', 'tour', 'results', 'paper', 'reading', 'glossary', 'references', 'cite')}
html_show_sourcelink = html_copy_source = False
html_theme_options = {
    'logo': {'text': settings['title']}, 'icon_links': [{'name': 'GitHub', 'url': settings['git_url'], 'icon': 'fa-brands fa-github'}],
    'navigation_with_keys': False, 'show_nav_level': 1, 'show_toc_level': 2, 'footer_start': ['copyright'], 'footer_end': ['built'],
    'secondary_sidebar_items': ['page-toc', 'sources'], 'header_links_before_dropdown': 7,
}

FIGURE = re.compile(r'(<a\b[^>]*>\s*)?(<img\b[^>]*\bsrc="([^"]+)"[^>]*>)')

def full_size(m):
    "A picture that leads to itself at full size; docs/site.js shows it over the page."
    link, picture, src = m.groups()
    if link or src.startswith('data:'): return m[0]
    return f'<a class="full-size" href="{src}" title="Show the figure at full size">{picture}</a>'

MARKED = re.compile(r'(`[^`]+`|\$[^$]+\$)')
SMALLEST = 64                                   # pixels: what is lower or narrower is an icon or a sample, and no figure

def caption_nodes(words):
    "Code and mathematics of a caption as such, the rest as text."
    for part in filter(None, MARKED.split(words)):
        if part[0] == '`' == part[-1]: yield nodes.literal('', part[1:-1])
        elif part[0] == '$' == part[-1]: yield nodes.math('', part[1:-1])
        else: yield nodes.Text(part)

def block_of(picture):
    "What holds a picture and nothing else; None for a picture in a line of text or in a table."
    block = picture.parent if isinstance(picture.parent, nodes.reference) and len(picture.parent) == 1 else picture
    if isinstance(block.parent, nodes.paragraph): block = block.parent if len(block.parent) == 1 else None
    return block if block and not isinstance(block.parent, (nodes.TextElement, nodes.entry, nodes.figure)) else None

def is_small(file):
    "Is a picture too small for a caption?"
    width, height = imagesize.get(file)
    return -1 < min(width, height) < SMALLEST

def rows_of(app, doctree):
    "Pictures that stand by themselves, those with the same words next to each other in one list: what holds them."
    blocks, rows = {}, []
    for picture in doctree.findall(nodes.image):
        block = block_of(picture)
        if block and picture.get('alt') and not is_small(Path(app.srcdir)/picture['uri']): blocks[block] = picture['alt']
    for block, words in blocks.items():
        before = rows[-1][-1] if rows else None
        if before and before.next_node(descend=False, siblings=True) is block and blocks[before] == words: rows[-1].append(block)
        else: rows.append([block])
    return [(blocks[row[0]], row) for row in rows]

def add_captions(app, doctree, page):
    "Pictures that stand by themselves become figures, with the words that describe them below."
    for number, (words, row) in enumerate(rows_of(app, doctree), 1):
        ending = '' if words[-1] in '.?!…' else '.'
        name = nodes.inline('', f'Figure {number}. ', classes=['caption-name'])
        figure = nodes.figure(ids=[f'figure-{number}'])
        row[0].parent.insert(row[0].parent.index(row[0]), figure)
        for block in row:
            block.parent.remove(block)
            figure.append(block[0] if isinstance(block, nodes.paragraph) else block)
        figure.append(nodes.caption('', '', name, *caption_nodes(words + ending)))
    for picture in doctree.findall(nodes.image): picture['alt'] = re.sub('[`$]', '', picture.get('alt', ''))
    for p in doctree.findall(nodes.paragraph):
        if p.astext().startswith('Table: '): p['classes'].append('table-words')

def questions():
    "The questions of docs/questions.yaml as they are written, by what the search index makes of them: small letters."
    pages = yaml.safe_load((Path(__file__).parent/'questions.yaml').read_text(encoding='utf8'))
    return {q.lower(): q for asked in pages.values() for q in asked}

def page_context(app, pagename, templatename, context, doctree):
    "What tools/docs.py knows of a page: its notebook, its purpose; pictures are shown at full size on a click."
    file = Path(app.srcdir).parent/'about.json'
    pages = json.loads(file.read_text(encoding='utf8')) if file.exists() else {}
    page = context['about_page'] = pages.get(pagename)
    if page and page['purpose']:
        words = escape(re.sub(r'[`*]|\]\([^)]*\)|\[', '', page['purpose']))
        title = escape(re.sub('<[^>]+>', '', context.get('title', '')), quote=True)
        context['metatags'] = context.get('metatags', '') + f'''
<meta name="description" content="{words}">
<meta property="og:title" content="{title}">
<meta property="og:description" content="{words}">'''
    if pagename == 'search': app.add_js_file(None, body=f'const QUESTIONS = {json.dumps(questions())};', priority=0)
    if 'body' in context: context['body'] = FIGURE.sub(full_size, context['body'])

def setup(app):
    app.connect('doctree-resolved', add_captions)
    app.connect('html-page-context', page_context)
