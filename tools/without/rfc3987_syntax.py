"""In place of a package that jsonschema can do without, and that builds a grammar for seconds when it is imported.

`run_notebooks.py` puts this folder before the installed packages, for all processes that the tests start."""
raise ImportError('tests do without rfc3987_syntax')
