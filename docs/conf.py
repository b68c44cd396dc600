"""How Sphinx shows the pages that tools/docs.py writes. Nothing is loaded from elsewhere: MathJax comes from a package."""
from configparser import ConfigParser
from importlib.util import find_spec
from pathlib import Path

settings = ConfigParser(delimiters=['='])
settings.read(Path(__file__).parent.parent/'settings.ini', encoding='utf8')
settings = settings['DEFAULT']
mathjax = Path(find_spec('sphinx-mathjax-offline').origin).parent/'static'/'mathjax'/'tex-svg.js'   # one file, fonts included

project, author, release = settings['title'], settings['author'], settings['version']
copyright, html_title = settings['copyright'], settings['title']
extensions = ['myst_nb']
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
html_context = {'default_mode': 'auto'}
html_show_sourcelink = html_copy_source = False
html_theme_options = {
    'logo': {'text': settings['title']}, 'icon_links': [{'name': 'GitHub', 'url': settings['git_url'], 'icon': 'fa-brands fa-github'}],
    'navigation_with_keys': False, 'show_nav_level': 1, 'show_toc_level': 2, 'footer_start': ['copyright'], 'footer_end': [], 'secondary_sidebar_items': ['page-toc'],
}
