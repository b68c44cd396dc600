"""Check a built site: its links, pictures, titles, and that nothing is loaded from elsewhere."""
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

class Page(HTMLParser):
    "What a built page offers as targets, where it links to, and what it loads."
    def __init__(self, file):
        super().__init__()
        self.ids, self.links, self.loads, self.title, self.tag = set(), [], [], '', ''
        self.feed(file.read_text(encoding='utf8'))

    def handle_starttag(self, tag, attrs):
        a, self.tag = dict(attrs), tag
        self.ids.add(a.get('id'))
        if 'href' in a and a.get('rel') != 'canonical': (self.links if tag == 'a' else self.loads).append(a['href'])
        if 'src' in a: self.loads.append(a['src'])

    def handle_data(self, data): self.title += data * (self.tag == 'title')

    def handle_endtag(self, tag): self.tag = ''

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
