# Loci. `make` is `make reproduce`; every target can be repeated, and a run that was cut short continues.
PYTHON ?= python3
PROFILE ?= laptop
BASE ?= smollm2-135m
RULE ?=
VENV := .venv
RUN := $(VENV)/bin
STAMP := $(VENV)/installed
LEDGER := results/reference/summary.json
# The steps call `python`; without the environment's folder on the path they would find another one.
export PATH := $(CURDIR)/$(RUN):$(PATH)

.DEFAULT_GOAL := reproduce
.DELETE_ON_ERROR:
.PHONY: help reproduce test smoke sweeps benchmarks figures report promote clean distclean paper verify compare why stale

help: ## list the targets
	@awk -F':.*## ' '/^[a-z]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' Makefile
	@echo "Variables: PYTHON=$(PYTHON) PROFILE=$(PROFILE) BASE=$(BASE) RULE=$(RULE)"

reproduce: $(STAMP) ## everything in the default profile, from the base model to figures and tables
	$(RUN)/snakemake --cores all --config profile=$(PROFILE)

test: $(STAMP) ## the test suite
	$(RUN)/python -m pytest

smoke: $(STAMP) ## the whole workflow with a tiny model made in the run; its numbers mean nothing
	$(RUN)/snakemake --cores all --config profile=smoke

sweeps: $(STAMP) ## selection on development users; not part of reproduce
	$(RUN)/snakemake --cores all --config profile=$(PROFILE) -- sweeps

benchmarks: $(STAMP) ## speed of the row writers and of training from scratch; not part of reproduce
	$(RUN)/snakemake --cores all --config profile=$(PROFILE) -- benchmarks

figures: $(STAMP) ## redraw figures, tables and the numbers of README, REPRODUCE and docs from results/reference
	$(RUN)/python code/steps/redraw.py --base $(BASE)

report: $(STAMP) ## results/PROFILE/report.html: figures with captions, table, explorer, rules and their times, in one file
	$(RUN)/snakemake --cores all --config profile=$(PROFILE) --report results/$(PROFILE)/report.html

paper: figures ## the paper: paper/main.html, and paper/main.pdf where latexmk or tectonic is installed
	$(RUN)/python code/steps/make_paper.py --ledger $(LEDGER) --base $(BASE) --numbers paper/numbers.tex --html paper/main.html --pdf

verify: $(STAMP) ## make the results of one rule again and compare them with results/reference: RULE=score_matrix; PART=1 for a part of a long one
	$(RUN)/python code/steps/verify.py --profile $(PROFILE) --rule "$(RULE)" $(if $(PART),--part)

compare: $(STAMP) ## compare a whole run with results/reference, after make reproduce
	$(RUN)/python code/steps/compare_run.py --profile $(PROFILE)

why: $(STAMP) ## what would run, and why; RULE=score_matrix for one rule and what it needs
	$(RUN)/python code/steps/why.py --profile $(PROFILE) $(if $(RULE),--rule "$(RULE)")

stale: $(STAMP) ## reference results that other code has made, and what has changed since; written into REPRODUCE.md
	$(RUN)/python code/steps/list_stale.py --write REPRODUCE.md

promote: $(STAMP) ## copy fresh results into results/reference; RULE=matrix for one part alone
	$(RUN)/python code/steps/promote.py --from results/$(PROFILE) --profile $(PROFILE) --to results/reference $(if $(RULE),--rule $(RULE))

clean: ## remove fresh results, logs, generated data and workflow metadata; models and .venv stay
	find results -mindepth 1 -maxdepth 1 ! -name reference -exec rm -rf {} +
	rm -rf work logs data/generated .snakemake

distclean: clean ## also remove models, .venv and caches
	rm -rf models $(VENV) .pytest_cache .ruff_cache code/loci.egg-info
	find code tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

$(STAMP): requirements.txt pyproject.toml
	@command -v $(PYTHON) > /dev/null || { echo "error: $(PYTHON): not found; install Python 3.11 or newer, or give PYTHON=/path/to/python3" >&2; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "error: $(PYTHON): is older than 3.11; install Python 3.11 or newer, or give PYTHON=/path/to/python3" >&2; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' 2> /dev/null || { echo "error: $(PYTHON): has no venv module; install it (on Debian the package python3-venv)" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(RUN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	$(RUN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable .
	@touch $@
