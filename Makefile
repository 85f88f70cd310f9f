# `make` lists what there is. Everything happens in .venv, which is made when first needed and again when what it stands on changes.
PYTHON ?= python3
BENCH ?= startup

SHELL := bash
.SHELLFLAGS := -o pipefail -c

BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
# Folders are listed too: their time changes when a file in them is deleted.
SOURCES := $(shell find src -not -name '__pycache__' -not -name '*.pyc') pyproject.toml README.md LICENSE

.DEFAULT_GOAL := help
.PHONY: help demo test lint format mutate bench clean

help: ## list these commands
	@grep -E '^[a-z]+:.*## ' $(firstword $(MAKEFILE_LIST)) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 16

demo: .venv/installed ## make the environment and the first pictures, out/demo.png
	$(BIN)/python examples/demo.py

test: lint ## make the environment, check everything, run the tests against the built wheel
	$(BIN)/python -m pytest -n logical --maxprocesses 4 --dist worksteal

lint: .venv/dev .venv/installed ## format, lint, types and who imports whom
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports

format: .venv/dev ## put the sources into shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

mutate: .venv/dev .venv/installed ## alter the mathematics in 240 places and count how many the tests notice; takes half an hour
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/mutate.py | tee benchmarks/results/mutate.txt

bench: .venv/installed ## print a benchmark's table and keep it: make bench BENCH=startup
	$(BIN)/python benchmarks/$(BENCH).py | tee benchmarks/results/$(BENCH).txt

clean: ## remove the environment and everything built
	rm -rf .venv build dist .pytest_cache .ruff_cache .hypothesis .import_linter_cache out
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# torch comes first and alone, so that nothing else gets to choose its build; then what builds the wheel.
.venv/made: constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "unnoise needs Python 3.11 or newer; try: make PYTHON=python3.11")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(PIP) install --constraint constraints.txt torch
	$(PIP) install --constraint constraints.txt hatchling
	touch $@

build/wheel: .venv/made $(SOURCES)
	rm -rf build
	$(PIP) wheel --no-deps --no-build-isolation --wheel-dir build .
	touch $@

# What the package needs is looked up only when that may have changed; a new wheel alone takes a second.
.venv/runtime: .venv/made pyproject.toml constraints.txt | build/wheel
	$(PIP) install --constraint constraints.txt build/*.whl
	touch $@

.venv/dev: .venv/runtime | build/wheel
	$(PIP) install --constraint constraints.txt "$$(echo build/*.whl)[dev,track]"
	touch $@

.venv/installed: .venv/runtime build/wheel
	$(PIP) install --no-deps --force-reinstall build/*.whl
	touch $@
