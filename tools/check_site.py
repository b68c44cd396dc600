"""Check a built site: its links, pictures, titles, and that nothing is loaded from elsewhere; that figures have words,
a caption and a full size, that each page names its version and its source, and that each experiment shows a record or says that it has none."""
import re
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit
import imagesize

SMALLEST = 64               # pixels: what is lower or narrower needs no caption, as in docs/conf.py

def is_small(file):
    "Is a picture too small for a caption?"
    return file.is_file() and -1 < min(imagesize.get(file)) < SMALLEST

class Page(HTMLParser):
    "What a built page offers as targets, where it links to, and what it loads."
    def __init__(self, file):
        super().__init__()
        self.ids, self.links, self.loads, self.title, self.tag = set(), [], [], '', ''
        self.classes, self.figures, self.article, self.link = set(), [], False, None        # figures: source, words, link, needs a caption
        self.file, self.inside = file, []
        self.feed(file.read_text(encoding='utf8'))

    def handle_starttag(self, tag, attrs):
        a, self.tag = dict(attrs), tag
        self.ids.add(a.get('id'))
        own = set((a.get('class') or '').split())
        self.classes |= own
        if tag == 'article' and 'bd-article' in own: self.article = True
        if tag == 'a': self.link = a.get('href')
        if tag in ('figure', 'p', 'table'): self.inside.append(tag)
        if tag == 'img' and self.article and not a['src'].startswith('data:'):
            alone = not self.inside and not is_small(self.file.parent/unquote(a['src']))
            self.figures.append((a['src'], a.get('alt') or '', self.link, alone))
        if 'href' in a and a.get('rel') != 'canonical': (self.links if tag == 'a' else self.loads).append(a['href'])
        if 'src' in a: self.loads.append(a['src'])

    def handle_data(self, data): self.title += data * (self.tag == 'title')

    def handle_endtag(self, tag):
        self.tag = ''
        if tag == 'a': self.link = None
        if self.inside and tag == self.inside[-1]: self.inside.pop()
        if tag == 'article': self.article = False

def check_site(site) -> tuple[int, list[str]]:
    "How many pages a built site has, and what is wrong with it: links and pictures that lead nowhere, things loaded from elsewhere, pages without a title."
    pages, problems = {f: Page(f) for f in sorted(site.rglob('*.html')) if '_static' not in f.parts}, []
    for f, page in pages.items():
        name = f.relative_to(site)
        if not page.title.strip() or page.title.startswith('<no title>'): problems.append(f'{name}: no title')
        for url in page.links + page.loads:
            u = urlsplit(url)
            to = (f.parent/unquote(u.path)).resolve() if u.path else f
            if u.scheme or u.netloc:
                if url in page.loads and u.scheme != 'data': problems.append(f'{name}: loads {url}')
            elif not to.exists(): problems.append(f'{name}: {url} is not there')
            elif u.fragment and to in pages and unquote(u.fragment) not in pages[to].ids: problems.append(f'{name}: {url} has no such place')
    return len(pages), problems

SHOWN = {'record-shown', 'no-record', 'reads-records'}         # what tools/recorded.py puts below the title of an experiment
FILE_NAME = re.compile(r'\.(png|svg|jpe?g|gif)$|^[0-9a-f]{16,}')

def wrong_on(name, page, notebooks):
    "What the theme and tools/docs.py should have put on a page, and did not."
    for src, words, link, alone in page.figures:
        if not words.strip() or FILE_NAME.search(words): yield f'{name}: {src} has no words that describe it'
        if not link: yield f'{name}: {src} leads to no full size'
        if alone: yield f'{name}: {src} has no caption'
    if 'built' not in page.classes: yield f'{name}: names no version'
    if 'highlight' in page.classes and not any('copybutton' in url for url in page.loads): yield f'{name}: its code has no copy button'
    if name.removesuffix('.html') in notebooks and 'source-link' not in page.classes: yield f'{name}: has no link to its notebook'
    if name.startswith('experiments/') and not name.endswith('index.html') and len(SHOWN & page.classes) != 1:
        yield f'{name}: shows no record, and does not say that there is none'

def check_content(site, notebooks=()):
    "What is missing on the pages of a site; `notebooks`: the pages that were made from one."
    pages = {str(f.relative_to(site)): Page(f) for f in sorted(site.rglob('*.html')) if '_static' not in f.parts}
    own = {name: page for name, page in pages.items() if 'bd-article' in page.classes}
    return [line for name, page in own.items() for line in wrong_on(name, page, notebooks)]
