"""Package metadata, read from settings.ini (the nbdev configuration)."""
from configparser import ConfigParser
from pathlib import Path
from setuptools import find_packages, setup

here = Path(__file__).parent
parser = ConfigParser(delimiters=['='])
parser.read(here/'settings.ini', encoding='utf8')
cfg = parser['DEFAULT']
readme = here/'README.md'

setup(name=cfg['lib_name'], version=cfg['version'], description=cfg['description'], keywords=cfg['keywords'],
      author=cfg['author'], author_email=cfg['author_email'], url=cfg['git_url'], license='Apache-2.0',
      long_description=readme.read_text(encoding='utf8') if readme.exists() else '', long_description_content_type='text/markdown',
      classifiers=['Development Status :: 3 - Alpha', 'Intended Audience :: Science/Research', 'Natural Language :: English',
                   *(f'Programming Language :: Python :: 3.{minor}' for minor in (11, 12, 13)),
                   'Typing :: Typed'],
      packages=find_packages(include=['mambaflow', 'mambaflow.*']), include_package_data=True, zip_safe=False,
      package_data={'mambaflow': ['app/*.css', 'app/*.js', 'app/*.html', 'py.typed']},
      python_requires=f">={cfg['min_python']}", install_requires=cfg['requirements'].split(),
      extras_require={name: cfg[f'{name}_requirements'].split() for name in ('dev', 'docs', 'cuda', 'logging', 'paper', 'shapes', 'workflow')},
      entry_points={'console_scripts': cfg['console_scripts'].split(), 'nbdev': [f"{cfg['lib_name']}={cfg['lib_path']}._modidx:d"]})
