# Every target sets up what it needs: a project-local environment made with uv, which comes from PyPI.
SHELL := /bin/bash
.DEFAULT_GOAL := help
VENV := .venv
UV := $(VENV)/bin/uv
PYTHON := $(VENV)/bin/python
UV_VERSION := 0.13.9
TORCH_VERSION := 2.13.0
unexport PYTHONDONTWRITEBYTECODE
unexport VIRTUAL_ENV
# Trust what the machine trusts: companies have certificates of their own.
export UV_SYSTEM_CERTS := 1

help:  ## Show the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

$(UV):
	@python3 -m venv $(VENV) || { test "$$(id -u)" = 0 && apt-get update -q && apt-get install -qy python3-venv && python3 -m venv $(VENV); } \
		|| { echo "python3 cannot make a virtual environment: install your system's python3-venv package"; exit 1; }
	@$(VENV)/bin/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

$(VENV)/.package: $(UV) pyproject.toml constraints.txt
	@$(UV) pip install --quiet --python $(PYTHON) --constraint constraints.txt --editable .
	@touch $@

$(VENV)/.development: $(VENV)/.package
	@$(UV) pip install --quiet --python $(PYTHON) --constraint constraints.txt --editable '.[postgres,s3,docker,optuna,explain,dask,ray,onnx,service-test]' --group test --group lint --group docs
	@$(PYTHON) -c 'import torch' 2>/dev/null || $(PYTHON) -m pip install --quiet --disable-pip-version-check torch==$(TORCH_VERSION)
	@touch $@

constraints: $(UV)  ## Resolve the exact versions again
	$(UV) pip compile --quiet --upgrade --universal --python-version 3.11 --no-header --no-annotate --no-emit-index-url --generate-hashes \
		--all-extras --group test --group lint --group docs --group fuzz pyproject.toml --output-file constraints.txt

demo: $(VENV)/.package  ## The whole closed loop on real data (KEEP=1 leaves it running)
	@$(PYTHON) docs/demo $(if $(KEEP),--keep)

test: $(VENV)/.development  ## All tests
	@.ci/system-packages
	@$(PYTHON) -m pytest --numprocesses logical --maxprocesses 4 --no-loadscope-reorder $(ARGS)

fuzz: $(VENV)/.development  ## Fuzz the workflow reader (RUNS=100000)
	@$(UV) pip install --quiet --python $(PYTHON) --constraint constraints.txt --group fuzz
	@$(PYTHON) tests/fuzz/reading.py -atheris_runs=$(or $(RUNS),100000)

lint: $(VENV)/.development  ## ruff, mypy, import-linter
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/mypy
	@$(VENV)/bin/lint-imports

bench: $(VENV)/.development  ## Every benchmark against its peers
	@for file in benchmarks/*.py; do echo "== $$file"; $(PYTHON) $$file $(ARGS) || exit 1; done

docs: $(VENV)/.development  ## The documentation as pages in site/
	@$(VENV)/bin/mkdocs build --strict

.PHONY: help constraints demo test fuzz lint bench docs
