# Every target sets up what it needs in its own virtual environment; nothing else has to be installed.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV ?= .venv
BIN = $(VENV)/bin

.PHONY: demo test lint types imports docs bench studies check clean

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Serendip needs Python 3.11 or newer; name one with: make PYTHON=/path/to/python3"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip

$(VENV)/.core: pyproject.toml | $(BIN)/python
	$(BIN)/pip install --quiet --editable .
	@touch $@

$(VENV)/.dev: pyproject.toml | $(BIN)/python
	$(BIN)/pip install --quiet --editable '.[dev,docs]'
	@touch $@ $(VENV)/.core

$(VENV)/.bench: $(VENV)/.dev
	$(BIN)/pip install --quiet --editable '.[bench]'
	@touch $@

demo: $(VENV)/.core   ## simulate a hidden resonance, search for it, write a report
	$(BIN)/serendip demo

test: $(VENV)/.dev    ## the whole test suite
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow"

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy

imports: $(VENV)/.dev
	$(BIN)/lint-imports

docs: $(VENV)/.dev    ## docs/_build/index.html, with the example executed
	$(BIN)/python -m sphinx -W --keep-going -b html docs docs/_build

bench: $(VENV)/.bench ## every benchmark, side by side with its peers (about half an hour)
	$(BIN)/python -m benchmarks

studies: $(VENV)/.dev ## the slow studies behind benchmarks/RESULTS.md
	$(BIN)/python -m pytest -m slow -n 2

check: test lint types imports docs

clean:
	rm -rf $(VENV) docs/_build docs/gallery
