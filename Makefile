# make demo   train PM, HMA and PT on handwritten digits on a CPU, judge them, give the verdict
# make fields  train a small V2 on photos on a CPU, and compare it with classical interpolation at several scales
# make test   check that modules, notebooks and README agree, and run every notebook
# make test-browser   drive the stepper in Chromium: live in JupyterLab, and its page from file://
# make lab    open JupyterLab on the stepper
# make docs   build this repository's site in _docs/; fails on errors in notebooks, missing pictures, broken links and undocumented symbols
# make test-docs   show that it does
# make stepper   write the stepper's page for the site, from the weights in outputs/conditional (some minutes)
# Each makes .venv itself, once.
PYTHON ?= python3
VENV   := .venv
BIN    := $(abspath $(VENV))/bin
READY  := $(VENV)/.ready
DEMO   ?= runs/demo
FIELDS ?= runs/fields
NBS    := nbs/experiments
WEIGHTS := $(wildcard outputs/conditional/*/half.safetensors)
PAGE   := outputs/stepper/stepper.html
export PATH := $(BIN):$(PATH)
PAPERMILL := python -W ignore -m papermill --no-progress-bar --log-level ERROR

.PHONY: demo fields test test-browser test-docs lab docs stepper readme

$(READY): settings.ini setup.py
	@command -v $(PYTHON) >/dev/null || { echo "no $(PYTHON) found: install Python 3.10 to 3.12, or say which: make PYTHON=..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	python -m pip install --quiet --upgrade pip setuptools wheel
	python -m pip install --quiet --editable '.[dev]'
	@touch $@

demo: $(READY)
	@mkdir -p $(DEMO)/judge $(addprefix $(DEMO)/,PM HMA PT)
	@echo "1/5 the judge, and the quality bar from its controls"
	@$(PAPERMILL) $(NBS)/images/train_judge.ipynb $(DEMO)/judge/train_judge.ipynb -p data digits -p size 16 -p out $(DEMO)/judge
	@i=2; for b in PM HMA PT; do echo "$$i/5 $$b (a run that was stopped goes on where it was)"; i=$$((i + 1)); \
	 $(PAPERMILL) $(NBS)/images/train_backbone.ipynb $(DEMO)/$$b/train_backbone.ipynb -f $(NBS)/plans/demo.yaml -p backbone $$b -p out $(DEMO)/$$b || exit 1; done
	@echo "5/5 the comparison"
	@$(PAPERMILL) $(NBS)/images/compare.ipynb $(DEMO)/compare_backbones.ipynb -p records $(DEMO) -p judge $(DEMO)/judge/judge.safetensors -p out $(DEMO)/verdict
	@python -W ignore -m nbconvert --log-level ERROR --to html $(DEMO)/compare_backbones.ipynb
	@mambaflow_verdict $(DEMO)/verdict/run.json
	@echo "Read it: $(DEMO)/compare_backbones.html in a browser, or $(DEMO)/compare_backbones.ipynb with 'make lab'"

fields: $(READY)
	@mkdir -p $(FIELDS)/V2 $(FIELDS)/multiscale
	@echo "1/2 a small V2, from a fifth of the pixels (a run that was stopped goes on where it was)"
	@$(PAPERMILL) --stderr-file /dev/stderr $(NBS)/fields/train_field.ipynb $(FIELDS)/V2/train_field.ipynb -f $(NBS)/plans/fields_cpu.yaml -p out $(FIELDS)/V2
	@echo "2/2 the same pixels asked at 32, 64 and 96 a side, beside classical interpolation"
	@$(PAPERMILL) --stderr-file /dev/stderr $(NBS)/fields/every_scale.ipynb $(FIELDS)/multiscale/multiscale.ipynb -f $(NBS)/plans/fields_multiscale.yaml -p weights $(FIELDS)/V2/best.safetensors -p out $(FIELDS)/multiscale
	@python -W ignore -m nbconvert --log-level ERROR --to html $(FIELDS)/multiscale/multiscale.ipynb
	@mambaflow_field_summary $(FIELDS)/V2/run.json $(FIELDS)/multiscale/run.json
	@echo "Read it: $(FIELDS)/multiscale/multiscale.html in a browser, or $(FIELDS)/multiscale/multiscale.ipynb with 'make lab'"

demo fields test test-browser docs test-docs stepper: export OMP_NUM_THREADS = 1   # two threads on busy cores wait for each other and can be many times slower
test: $(READY)
	@sh tools/check.sh
	@python tools/run_notebooks.py

test-browser: $(READY)
	@command -v chromium >/dev/null || { [ "$$(id -u)" = 0 ] && apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core >/dev/null; } \
	 || { echo "no chromium found: install it (Debian: apt-get install chromium)"; exit 1; }
	python -m pip install --quiet 'playwright>=1.50' pytest
	python -m pytest -q tests/browser

lab: export OMP_WAIT_POLICY = passive   # the stepper's threads sleep while they wait, so that a busy browser does not stop them
lab: $(READY)
	jupyter lab --notebook-dir . $(NBS)/play.ipynb

$(VENV)/.docs: $(READY)
	python -m pip install --quiet --editable '.[dev,docs]'
	@touch $@

docs: $(VENV)/.docs $(if $(WEIGHTS),$(PAGE))
	@python tools/docs.py

test-docs: $(VENV)/.docs
	python tests/docs/test_docs.py

stepper: $(READY)
	@mambaflow_stepper_page --out $(PAGE) --judge outputs/judge_mnist/judge.safetensors $(WEIGHTS)

$(PAGE):
	@$(MAKE) --no-print-directory stepper

readme: $(READY)
	@python tools/readme.py README.md
