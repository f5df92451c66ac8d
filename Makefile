# GridBazaar. `make` alone shows what there is. Installs go into .venv; `make clean` takes everything away again.
#
#   PYTHON=python3.12   the interpreter that makes .venv; by default the first one found that is new enough
#   DATA=PATH           real data for `make demo`; DATA="PATH PATH ..." for several, see docs/data.md
#   ARGS="..."          further arguments for pytest in `make test`, and for `make demo` and `make bench`
#   PIP_FLAGS=          by default pip keeps no cache outside .venv; set it empty to use pip's own

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV ?= .venv
BIN := $(VENV)/bin
PIP_FLAGS ?= --no-cache-dir
NEW_ENOUGH := import sys; raise SystemExit(sys.version_info < (3, 11))
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	if $$p -c '$(NEW_ENOUGH)' >/dev/null 2>&1; then echo $$p; break; fi; done)
SETS ?= oldest newest
EXTRAS ?= train,dev
SOURCES := gridbazaar data market agents envs experiments

# The arrays are small: more threads only make them wait for each other, and one thread gives the same sums every time.
demo test slow check bench figures: export OMP_NUM_THREADS = 1
demo test slow check bench figures: export OPENBLAS_NUM_THREADS = 1
demo test slow check bench figures: export MKL_NUM_THREADS = 1

.PHONY: help setup demo test slow lint types check versions examples figures site bench clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.stamp-dev ## Make .venv and install the project for development, once

demo: $(VENV)/.stamp-train ## Train a policy briefly, evaluate it, write a report (DATA=PATH for real data)
	@if [ -e "$(DATA)" ]; then set -- --data "$(DATA)"; \
	else set --; for path in $(DATA); do set -- "$$@" --data "$$path"; done; fi; \
	$(BIN)/gridbazaar demo "$$@" $(ARGS)

test: $(VENV)/.stamp-dev ## Run the unit tests
	$(BIN)/python -m pytest -n auto $(ARGS)

slow: $(VENV)/.stamp-dev ## Run the slow tests
	$(BIN)/python -m pytest -n auto -m slow $(ARGS)

lint: $(VENV)/.stamp-dev ## Check style and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.stamp-dev ## Check types with mypy and pyright
	$(BIN)/mypy
	@if $(BIN)/pyright --version >/dev/null 2>&1; then echo $(BIN)/pyright; \
		$(BIN)/pyright --pythonpath $(BIN)/python; \
	else echo "pyright cannot start (it needs Node): not checked"; fi

check: lint types test ## Everything a change must pass: lint, types, tests

versions: ## Run the unit tests with the oldest and the newest dependencies (SETS, EXTRAS, ARGS; needs an index)
	EXTRAS="$(EXTRAS)" ARGS="$(ARGS)" PYTHON="$(PYTHON)" .ci/versions $(SETS)

examples: ## Run the examples, each stack of libraries in an environment of its own (STACKS="contrib ..."; needs an index)
	PYTHON="$(PYTHON)" ARGS="$(ARGS)" .ci/examples $(STACKS)

figures: $(VENV)/.stamp-train ## Make every figure of the documentation again: measures for long
	$(BIN)/python -m gridbazaar.experiments.docs
	$(BIN)/gridbazaar measure mechanisms --write docs
	$(BIN)/gridbazaar measure wires --write docs
	for page in docs/studies/*.md; do \
		name=$$(basename "$$page" .md); \
		if [ "$$name" = learning_real ] && [ -z "$$GRIDBAZAAR_DATASETS" ]; then \
			echo "$$name: left as it is, for GRIDBAZAAR_DATASETS names no folder of data"; continue; \
		fi; \
		$(BIN)/gridbazaar study "$$name" --write docs || exit 1; \
	done

site: $(VENV)/.stamp-dev ## Build the site of the documentation into build/site
	@$(BIN)/python -c 'import mkdocs, mkdocstrings' 2>/dev/null || $(BIN)/python -m pip install --quiet $(PIP_FLAGS) -c constraints.txt -e '.[site]'
	@rm -rf gridbazaar.egg-info
	.ci/site $(BIN)/python

bench: $(VENV)/.stamp-train ## Measure the speed of the environment
	$(BIN)/gridbazaar bench $(ARGS)

clean: ## Remove .venv, caches and what builds leave behind; keeps runs/ and report/
	rm -rf $(VENV) build dist gridbazaar.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find $(wildcard $(SOURCES) tests) -name __pycache__ -type d -prune -exec rm -rf {} +

# --- the virtual environment: made once, installed again when one of these files changes ---

$(BIN)/python:
	@if [ -z "$(PYTHON)" ]; then \
		echo "make: found no Python >= 3.11. Install one, or name it: make setup PYTHON=/path/to/python3.12" >&2; exit 1; fi
	@$(PYTHON) -c '$(NEW_ENOUGH)' || { \
		echo "make: PYTHON=$(PYTHON) is no Python >= 3.11. Name another: make setup PYTHON=/path/to/python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "make: $(PYTHON) cannot make virtual environments (it lacks venv or ensurepip)." >&2; \
		echo "      On Debian and Ubuntu: apt install python3-venv. Or name another Python with PYTHON=..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

# setuptools leaves an egg-info beside the sources; the installed copy in .venv is the one that counts.
$(VENV)/.stamp-train: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing into $(VENV): a few minutes the first time"
	$(BIN)/python -m pip install --quiet $(PIP_FLAGS) -c constraints.txt -e '.[train]'
	@rm -rf gridbazaar.egg-info
	@touch $@

$(VENV)/.stamp-dev: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing into $(VENV): a few minutes the first time"
	$(BIN)/python -m pip install --quiet $(PIP_FLAGS) -c constraints.txt -e '.[train,dev]'
	@rm -rf gridbazaar.egg-info
	@touch $@ $(VENV)/.stamp-train
