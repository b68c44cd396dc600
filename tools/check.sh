# Fails when exported modules differ from the notebooks, when a notebook is not clean, when README.md
# is not the rendered index, and when the text misses a goal of tools/style.py or tools/words.py.
# Everything is done in a copy, so the checkout stays as it is.
set -e
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
cp -R nbs mambaflow tools settings.ini setup.py README.md "$copy"
find "$copy" -name __pycache__ -prune -exec rm -rf {} +
here=$PWD
cd "$copy"
fail() { echo "FAILED: $1" >&2; exit 1; }

# style, script and template of the pages stay: no notebook writes them
find mambaflow -name '*.py' -delete
nbdev_export
diff -r --exclude=__pycache__ "$here/mambaflow" mambaflow ||
    fail "mambaflow/ differs from the notebooks (< as it is, > as exported): run nbdev_export and commit"

if grep -l 'jupyter.widget-' -r nbs --include='*.ipynb' --exclude-dir=.ipynb_checkpoints; then
    fail "these notebooks hold a saved widget, a dead picture. Saved by JupyterLab while it was open? Take
    the committed one back: git checkout NOTEBOOK. Executed on purpose? Add --ExecutePreprocessor.store_widget_state=False"
fi
nbdev_clean
diff -rq --exclude=.ipynb_checkpoints "$here/nbs" nbs ||
    fail "these notebooks are not clean: run nbdev_clean and commit"

python tools/readme.py README.md
diff "$here/README.md" README.md ||
    fail "README.md is not the rendered nbs/index.ipynb: run make readme and commit"

python tools/words.py >words.txt || { cat words.txt; fail "retired words: see nbs/glossary.ipynb"; }
python tools/style.py >style.txt || { cat style.txt; fail "a goal of style is missed"; }
echo "modules, notebooks and README agree; words and style keep their goals"
