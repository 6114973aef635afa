# `make run` and `make test` do everything on a fresh machine with Python 3.11+ and make.
PYTHON ?= $(shell command -v python3.13 || command -v python3.12 || command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin

.PHONY: run test lint bench lock clean

run: $(VENV)/run.stamp
	@exec $(BIN)/python app.py

test: $(VENV)/dev.stamp lint
	$(BIN)/python -m tests.browser.chromium
	$(BIN)/python -m pytest

lint: $(VENV)/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/dev.stamp
	$(BIN)/python -m tests.bench

lock:
	uv pip compile -q --universal --python-version 3.11 requirements.in -o requirements.txt --no-annotate --no-header --no-emit-index-url --no-emit-find-links
	uv pip compile -q --universal --python-version 3.11 requirements-dev.in -o requirements-dev.txt --no-annotate --no-header --no-emit-index-url --no-emit-find-links -c requirements.txt

clean:
	rm -rf $(VENV)

$(VENV)/run.stamp: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Nadir needs Python 3.11 or newer; set PYTHON=/path/to/python3.11")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check -q -r requirements.txt
	@touch $@

$(VENV)/dev.stamp: requirements-dev.txt $(VENV)/run.stamp
	$(BIN)/python -m pip install --disable-pip-version-check -q -r requirements-dev.txt
	@touch $@
