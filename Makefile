# make tables          every table and figure of the micro study (SEEDS=3 for three seeds)
# make quick           one model, GA and NPO x baseline, uoe, random
# make extras          tables beyond the papers' own, of the same study: config/extras.yaml
# make own-text        the same on texts of your own: make own-text DATA_ROOT=my_texts (docs/extend.md)
# make claims          the papers' claims judged by the results of tables and extras, and the audit
# make audit           what does not fit together in the papers' printed numbers (no model needed)
# make plan            GPUs, memory, disk and time that the study of the papers still needs (STUDY=config/paper.yaml)
# make cost            what the jobs of a study took: core-minutes and peak memory by rule (RESULTS=results/paper)
# make bench           what one expert costs, in time and memory, against naive runs (about 6 minutes, wants a quiet machine)
# make report          one HTML file with all tables and figures, extras and claims among them
# make docs            a searchable site of the documentation, in site/
# make docs-timers     measure what Snakemake's scheduler does with its timers, for docs/upstream (about 3 minutes)
# make docs-results    write the numbers that README.md and docs/ show, from results/micro (after make tables)
# make test            the test suite
# make lint            formatting and linting
# make verify          which results are not as they were made
# make lock            renew the pins of all packages (envs/README.md)
SHELL := /bin/bash
PYTHON ?= python3.11
CORES ?= 2
SEEDS ?= 1
STUDY ?= config/paper.yaml
RESULTS ?= results/micro
VENV := .venv
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export OMP_NUM_THREADS := 1
SEED_LIST := $(shell seq -s, 0 $$(( $(SEEDS) - 1 )))
BUILD := python workflow_scripts/launch/build.py --cores $(CORES)
LAYERED := --config-file config/config.yaml config/extras.yaml
EVERYTHING := all_tables all_figures all_extras all_claims

.PHONY: tables quick extras claims audit own-text plan cost bench docs docs-results docs-timers report test lint format lock verify

tables: $(VENV)/installed
	$(BUILD) --seeds $(SEED_LIST) all_tables all_figures

quick: $(VENV)/installed
	$(BUILD) --seeds $(SEED_LIST) results/micro/tables/quick.md

extras: $(VENV)/installed
	$(BUILD) $(LAYERED) --seeds $(SEED_LIST) -- all_extras

claims: $(VENV)/installed
	$(BUILD) $(LAYERED) --seeds $(SEED_LIST) -- all_claims

audit: $(VENV)/installed
	snakemake results/micro/tables/audit.md --cores 1 --quiet all && cat results/micro/tables/audit.md

own-text: $(VENV)/installed
	@[ -n "$(DATA_ROOT)" ] || { echo "say which folder holds the files: make own-text DATA_ROOT=my_texts"; exit 1; }
	$(BUILD) --config-file config/own_text.yaml --seeds $(SEED_LIST) --set "data_root=$(DATA_ROOT)" -- all_tables

plan: $(VENV)/installed
	snakemake plan --configfile $(STUDY) --cores 1 --quiet all

cost: $(VENV)/installed
	python workflow_scripts/launch/cost.py $(RESULTS)

bench: $(VENV)/installed
	python workflow_scripts/bench/measure.py --output-prefix results/bench/one_expert

docs: .venv-docs/installed
	.venv-docs/bin/mkdocs build --quiet
	@echo "Done. Open site/index.html"

docs-results: $(VENV)/installed
	snakemake plan --configfile config/paper.yaml --cores 1 --quiet all > results/plan.txt
	python docs/collect.py --study results/micro --plan results/plan.txt

docs-timers: $(VENV)/installed
	python docs/measure_timers.py
	python docs/collect.py

report: $(VENV)/installed
	$(BUILD) $(LAYERED) --seeds $(SEED_LIST) -- $(EVERYTHING)
	$(BUILD) $(LAYERED) --seeds $(SEED_LIST) --report results/micro/report.html -- $(EVERYTHING)

test: $(VENV)/installed
	python -m pytest

lint: $(VENV)/installed
	ruff check . && ruff format --check . && snakefmt --check Snakefile rules && snakemake --lint

format: $(VENV)/installed
	ruff check --fix . ; ruff format . && snakefmt Snakefile rules

verify: $(VENV)/installed
	python workflow_scripts/launch/verify.py results

lock: $(VENV)/installed
	python envs/lock.py --upgrade

# torch: the CPU build where pip is told of a place that has it; else the package index's own, which on Linux is the build for
# NVIDIA cards and needs its libraries even where there is no card.
INSTALL := $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --requirement
$(VENV)/installed: envs/requirements.lock envs/cpu.lock envs/cuda.lock
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) not found: Python 3.11 is needed (or name another with PYTHON=…)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) envs/requirements.lock
	$(INSTALL) envs/cpu.lock 2>/dev/null || $(INSTALL) envs/cuda.lock
	touch $@

.venv-docs/installed: envs/docs.lock
	$(PYTHON) -m venv .venv-docs
	.venv-docs/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --requirement envs/docs.lock
	touch $@
