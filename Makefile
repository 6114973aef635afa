# `make run` and `make test` do everything on a fresh machine with Python 3.11+ and make.
PYTHON ?= $(shell for python in python3.13 python3.12 python3.11 python3; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
VENV := .venv
BIN := $(VENV)/bin
NODE_PACKAGES := typescript@5.9.3 @types/node@22.20.5
VLLM_VENV := .venv-vllm
VLLM_PYTHON ?= python3.11

.PHONY: run test lint bench lock clean deploy test-vllm bench-gateway

run: $(VENV)/run.stamp
	@exec $(BIN)/python app.py

test: $(VENV)/dev.stamp $(VENV)/node.stamp lint
	$(BIN)/python -m tests.browser.chromium
	$(BIN)/python -m pytest

lint: $(VENV)/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/dev.stamp
	$(BIN)/python -m tests.bench

# To Modal, with the credentials of `modal token set` or MODAL_TOKEN_ID and MODAL_TOKEN_SECRET. See backend/README.md.
deploy: $(VENV)/dev.stamp
	$(BIN)/modal deploy backend/captioning.py
	$(BIN)/modal deploy backend/vqa.py
	@$(BIN)/python -m backend.modal_app

# The contract against a real vLLM on the CPU, with random weights. Downloads about 1.5 GB the first time.
test-vllm: $(VENV)/dev.stamp $(VLLM_VENV)/stamp
	VLLM=$(VLLM_VENV)/bin/vllm $(BIN)/python -m pytest tests/vllm

# What gateway and engine cost on top of that vLLM.
bench-gateway: $(VENV)/dev.stamp $(VLLM_VENV)/stamp
	VLLM=$(VLLM_VENV)/bin/vllm $(BIN)/python -m tests.bench.bench_gateway

lock:
	uv pip compile -q --universal --python-version 3.11 requirements.in -o requirements.txt --no-annotate --no-header --no-emit-index-url --no-emit-find-links
	uv pip compile -q --universal --python-version 3.11 requirements-dev.in -o requirements-dev.txt --no-annotate --no-header --no-emit-index-url --no-emit-find-links -c requirements.txt

clean:
	rm -rf $(VENV) $(VLLM_VENV)

$(VENV)/run.stamp: requirements.txt
	@test -n "$(PYTHON)" || { echo "Nadir needs Python 3.11 or newer. Set PYTHON=/path/to/python3.11"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check -q -r requirements.txt
	@touch $@

$(VENV)/dev.stamp: requirements-dev.txt $(VENV)/run.stamp
	$(BIN)/python -m pip install --disable-pip-version-check -q -r requirements-dev.txt
	@touch $@

# Ready code in TypeScript is compiled and run where there is a Node to run it.
$(VENV)/node.stamp: $(VENV)/dev.stamp
	@if command -v npm >/dev/null; then \
		npm install --silent --no-fund --no-audit --no-save --no-package-lock $(NODE_PACKAGES); \
	else echo "No npm here: the TypeScript of the snippets is not tested."; fi
	@touch $@

# vLLM asks for torchaudio and torchcodec, whose builds want CUDA, and runs without them.
$(VLLM_VENV)/stamp: tests/vllm/requirements.txt
	@test -x $(VLLM_VENV)/bin/python || $(VLLM_PYTHON) -m venv $(VLLM_VENV)
	$(VLLM_VENV)/bin/python -m pip install --disable-pip-version-check -q -r tests/vllm/requirements.txt
	$(VLLM_VENV)/bin/python -m pip uninstall -y -q torchaudio torchcodec
	@touch $@
