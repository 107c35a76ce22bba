# scVI Studio. Everything is installed into .venv; `make help` lists what can be done.
# Written for GNU make 3.81, the one macOS ships.

PORT ?= 8501
ONLY ?=
PYTEST ?=
export PYTHON

BIN := .venv/bin
INSTALL := sh scripts/install.sh
# pytest ends with 5 where nothing was chosen, and a choice may lie all in one half of the tests
NONE_CHOSEN = $(if $(PYTEST),|| test $$? -eq 5)

.DEFAULT_GOAL := help
.PHONY: help install install-dev browser run check format test unit test-browser bench chaos screens mutants clean

help: ## this list
	@echo "scVI Studio: train scVI on your own single-cell data and watch it live, in the browser."
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@echo
	@echo "  PYTHON=/path/to/python3.12 chooses the Python (3.11, 3.12 or 3.13), PORT=8502 another port."

install: ## make .venv and install what the dashboard needs (quick when nothing changed)
	@$(INSTALL) requirements.txt

run: install ## start the dashboard on http://127.0.0.1:8501
	@exec $(BIN)/python -m backend run --port "$(PORT)"

install-dev: # what tests and checks need besides
	@$(INSTALL) requirements.txt requirements-dev.txt

browser: install-dev # a Chromium for the browser tests, installed where there is none
	@$(BIN)/python -m tests.browser.chromium

check: install-dev ## lint, format and types, without changing a file
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: install-dev ## put the code into the agreed format and docs/ARCHITECTURE.md up to date
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .
	@$(BIN)/python scripts/architecture.py

test: check unit test-browser ## check, then every test, those in a real Chromium included (PYTEST="-k name" chooses)

unit: install-dev ## the tests that need no browser
	@$(BIN)/python -m pytest -n 2 --ignore tests/browser $(PYTEST) $(NONE_CHOSEN)

test-browser: browser ## the tests in a real Chromium
	@$(BIN)/python -m pytest -n 2 --dist loadfile tests/browser $(PYTEST) $(NONE_CHOSEN)

bench: install-dev browser ## measure speed and memory (ONLY=name runs one of them)
	@$(BIN)/python -m tests.benchmarks $(ONLY)

chaos: install-dev ## kill, fill, crowd and attack it for a while: nothing may be lost (ONLY=kills, SHORT=1)
	@$(BIN)/python -m tests.chaos $(ONLY) $(if $(SHORT),--short)

screens: install-dev browser ## pictures of every page, three sizes, light and dark, into docs/screens
	@$(BIN)/python -m tests.screens

mutants: install-dev ## change the code in one place at a time: do the room's own tests notice? (ROOM=runs N=10 SEED=3)
	@$(BIN)/python -m tests.mutants --number $(or $(N),60) --seed $(or $(SEED),0) $(if $(ROOM),--room $(ROOM))

clean: ## remove .venv and caches; workspace/ with your data and runs stays
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache test-results bench-results
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
