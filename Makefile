# Spillover: `make demo` shows it, `make test` checks it; both set up first. `make` alone lists the targets.
# Needs Python 3.12 or newer and nothing else; everything lands in .venv.
#
#   make setup PYTHON=/path/to/python3    choose the Python
#   make test ARGS="-k corridor" JOBS=1   arguments for the tool, processes for the tests

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup demo test verify lint format types lock clean

export UV_PYTHON_DOWNLOADS = never
export PIP_DISABLE_PIP_VERSION_CHECK = 1
export OPENBLAS_NUM_THREADS = 1  # as the command line sets it

VENV := .venv
PY := $(VENV)/bin/python
UV := VIRTUAL_ENV=$(VENV) $(PY) -m uv
READY := $(VENV)/.ready
WARM := $(VENV)/.warm
LOCK := requirements.lock
JOBS ?= 2
ARGS ?=

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile

setup: $(READY) ## prepare .venv: the locked packages, and this project in place

demo: setup ## run the battle of Qusayr into runs/demo
	$(VENV)/bin/spillover run qusayr-2013 --out runs/demo --force $(ARGS)

test: setup $(WARM) ## the tests, without the long statistical checks
	@$(PY) -m pytest -n $(JOBS) --dist loadfile $(ARGS)

verify: setup $(WARM) ## the long statistical checks
	@$(PY) -m pytest -m verify -n $(JOBS) $(ARGS)

lint: setup ## ruff's rules
	$(PY) -m ruff check . $(ARGS)

format: setup ## ruff's layout and its safe repairs
	$(PY) -m ruff check --fix-only .
	$(PY) -m ruff format .

types: setup ## mypy, strict, on sim and analysis
	$(PY) -m mypy $(ARGS)

lock: $(VENV)/.uv ## resolve requirements.lock again; ARGS=--upgrade takes newer versions
	$(UV) pip compile pyproject.toml --extra dev --universal --python-version 3.12 --generate-hashes \
		--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" \
		--quiet --output-file $(LOCK) $(ARGS)

clean: ## remove .venv and what the tools left behind; runs/ stays
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find sim scenarios analysis tests -name __pycache__ -type d -prune -exec rm -rf {} +

# --- how .venv is made -------------------------------------------------------------------------------

# Every package, uv and the build backend too, comes from the lock and is checked against its hash.
$(READY): $(VENV)/.uv $(LOCK) pyproject.toml Makefile
	@$(UV) pip sync --quiet --compile-bytecode --require-hashes $(LOCK)
	@$(UV) pip install --quiet --compile-bytecode --no-deps --no-build-isolation --editable .
	@touch $@
	@echo "$(VENV) is ready: $$($(PY) --version)"

# A Python that is new enough and can make a virtual environment; then uv, at the locked version.
# A .venv that is there and works is kept.
$(VENV)/.uv:
	@if $(PY) -c 'import pip, sys; sys.exit(sys.version_info < (3, 12))' 2>/dev/null; then exit 0; fi; \
	found=; bare=; \
	for candidate in "$(PYTHON)" python3 python3.13 python3.12 python3.14 python3.15 python \
			"$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/3.1[2-9]*/bin/python3; do \
		[ -n "$$candidate" ] || continue; \
		"$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2>/dev/null || continue; \
		if "$$candidate" -c 'import ensurepip, venv' 2>/dev/null; then found=$$candidate; break; fi; \
		bare=$${bare:-$$candidate}; \
	done; \
	if [ -z "$$found" ] && [ -n "$$bare" ]; then \
		echo "$$bare is $$("$$bare" --version), but it lacks the modules venv and ensurepip." >&2; \
		echo "On Debian and Ubuntu they are a package of their own: apt-get install python3-venv" >&2; \
		echo "Or name another Python: make setup PYTHON=/path/to/python3" >&2; \
		exit 1; \
	fi; \
	if [ -z "$$found" ]; then \
		echo "Spillover needs Python 3.12 or newer; there is none on the path." >&2; \
		echo "If there is one elsewhere: make setup PYTHON=/path/to/python3" >&2; \
		exit 1; \
	fi; \
	echo "Making $(VENV) with $$found, $$("$$found" --version)"; \
	"$$found" -m venv --clear $(VENV)
	@awk '/^[^ ]/ { keep = /^uv==/ } keep' $(LOCK) > $(VENV)/uv.txt 2>/dev/null || true
	@if [ -s $(VENV)/uv.txt ]; then \
		$(PY) -m pip install --quiet --require-hashes --requirement $(VENV)/uv.txt; \
	else \
		$(PY) -m pip install --quiet uv; \
	fi
	@touch $@

# numba keeps what it compiled beside the kernels. One process fills that cache before the tests share it:
# two that compile different signatures of one function at once could overwrite each other's entry.
$(WARM): $(READY) $(wildcard sim/kernels.py sim/kernels/*.py)
	@scratch=$$(mktemp -d); \
	$(VENV)/bin/spillover run tiny --days 1 --seed 1 --json --out "$$scratch/run" >/dev/null 2>&1 || true; \
	rm -rf "$$scratch"; touch $@
