# Fails when exported modules differ from the notebooks, when a notebook is not clean, or when README.md is not the rendered index.
# Everything is done in a copy, so the checkout stays as it is.
set -e
copy=$(mktemp -d); trap 'rm -rf "$copy"' EXIT
cp -R nbs mambaflow tools settings.ini setup.py README.md "$copy"; find "$copy" -name __pycache__ -prune -exec rm -rf {} +
here=$PWD; cd "$copy"
fail() { echo "FAILED: $1" >&2; exit 1; }
find mambaflow -name '*.py' -delete; nbdev_export          # style, script and template of the pages stay: no notebook writes them
diff -r --exclude=__pycache__ "$here/mambaflow" mambaflow || fail "mambaflow/ differs from the notebooks (< as it is, > as exported): run nbdev_export and commit"
if grep -l 'jupyter.widget-' -r nbs --include='*.ipynb' --exclude-dir=.ipynb_checkpoints; then fail "these notebooks hold a saved widget, a dead picture: execute them with --ExecutePreprocessor.store_widget_state=False"; fi
nbdev_clean
diff -rq --exclude=.ipynb_checkpoints "$here/nbs" nbs || fail "these notebooks are not clean: run nbdev_clean and commit"
python tools/readme.py README.md
diff "$here/README.md" README.md || fail "README.md is not the rendered nbs/index.ipynb: run make readme and commit"
echo "modules, notebooks and README agree"
