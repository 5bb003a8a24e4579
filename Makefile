# Two commands for a newcomer: `make dashboard` and `make test`. Both make .venv with what they need.
PYTHON ?= python3
BIN := .venv/bin
PORT ?= 5006
TEST_PROCESSES ?= 2
PYTEST := $(BIN)/pytest -n $(TEST_PROCESSES) --dist loadscope --no-loadscope-reorder

.PHONY: dashboard test test-long lint demo clean

dashboard: .venv/.serving
	$(BIN)/tagscope dashboard --port $(PORT)

test: lint
	$(PYTEST) -m "not long"

# What takes minutes for one law; continuous integration runs it after `make test`.
test-long: .venv/.complete
	$(PYTEST) -m long

lint: .venv/.complete
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

demo: .venv/.complete
	$(BIN)/python data/make_demo.py

.venv/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Tagscope needs Python >= 3.11, but $(PYTHON) is $$($(PYTHON) --version 2>&1); name another with: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv .venv
	@touch $@

.venv/.serving: .venv/.python requirements.txt pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

.venv/.complete: .venv/.serving requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

clean:
	rm -rf .venv build *.egg-info
