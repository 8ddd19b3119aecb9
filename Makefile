# Everything that a person or CI runs. Needs Python 3.11+ (with venv), make and pip.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup demo up test check lock bench screenshots clean debian

BIN := .venv/bin
STAMP := .venv/.installed
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11 python; do \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$python"; break; }; done)

help: ## Show this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 16

setup: $(STAMP) ## Build .venv from requirements.lock
	@:

$(STAMP): requirements.lock pyproject.toml services/dashboard/vendor.py services/dashboard/npm/package-lock.json
	@if [ -z "$(PYTHON)" ]; then echo "make: found no Python 3.11 or later; install one, or name it: make PYTHON=/path/to/python3" >&2; exit 1; fi
	@[ -x $(BIN)/pip ] || { echo "setup: creating .venv with $$($(PYTHON) --version)"; $(PYTHON) -m venv .venv \
		|| { echo "make: $(PYTHON) could not make a virtual environment; on Debian install python3-venv" >&2; exit 1; }; }
	@echo "setup: installing $$(grep -c == requirements.lock) pinned packages (about 1.5 GB on disk, a minute or two)"
	@$(BIN)/pip --disable-pip-version-check install -qq --no-deps --no-compile --only-binary :all: --require-hashes -r requirements.lock
	@$(BIN)/pip --disable-pip-version-check install -qq --no-deps --no-build-isolation --no-index --editable .
	@echo "setup: fetching the dashboard's scripts"
	@command -v npm > /dev/null || $(BIN)/pip --disable-pip-version-check install -qq --no-deps --only-binary :all: \
		--require-hashes -r services/dashboard/npm/requirements.txt
	@$(BIN)/python -m services.dashboard.vendor
	@touch $@

demo: setup ## Harvest real text from this machine, have the service curate it on a local Ray, show where every document went
	@$(BIN)/python -m deploy.demo

up: setup ## Serve from this machine with PostgreSQL, an S3 store and Ray, until Ctrl-C: make up FOLDER=/a/folder
	@$(BIN)/python -m deploy.local $(or $(FOLDER),/tmp/curation)

check: setup ## Lint, format, types, who may import whom
	@echo "check: ruff"; $(BIN)/ruff check -q .
	@$(BIN)/ruff format -q --check . || { echo "make: ruff format would change the files above" >&2; exit 1; }
	@echo "check: mypy"; $(BIN)/mypy --no-error-summary
	@echo "check: lint-imports"; $(BIN)/lint-imports --no-logo > .venv/lint-imports.log \
		|| { cat .venv/lint-imports.log >&2; exit 1; }

test: setup debian check ## All of CI: the tests with their set-up, and the checks
	@echo "test: pytest"; $(BIN)/pytest -rs

# What some tests run against comes from Debian; without it they are skipped, and pytest's summary says which and why.
debian: setup
	@if [ ! -f tests/install_debian.sh ]; then exit 0; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null; then \
		echo "test: installing Debian packages"; bash tests/install_debian.sh \
			|| echo "test: NOT INSTALLED: tests/install_debian.sh failed; the tests that need its packages are skipped" >&2; \
	else \
		echo "test: NOT INSTALLED: Debian packages need root and apt-get; the tests that need them are skipped" >&2; \
	fi

lock: setup ## Choose versions anew: pyproject.toml to requirements.lock
	@[ -x $(BIN)/uv ] || $(BIN)/pip --disable-pip-version-check install -qq uv
	@$(BIN)/uv pip compile pyproject.toml --all-extras --universal --generate-hashes --upgrade -q -o requirements.lock \
		--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" > /dev/null

screenshots: setup debian ## Make the pictures of the dashboard in docs/dashboard
	@$(BIN)/python -m docs.screenshots

bench: ## List the benchmarks: one command a figure
	@for file in benchmarks/*.py; do \
		printf '  %-50s %s\n' "$(BIN)/python $$file" "$$(sed -n '1s/^"""//; 1s/"""$$//; 1p' $$file)"; done

clean: ## Remove the environment, caches and builds; corpora and the sample stay
	rm -rf .venv build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -not -path './.git/*' -prune -exec rm -rf {} +
