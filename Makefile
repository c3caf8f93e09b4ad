# The words of this project. Each sets itself up: on a machine with no more than Python 3.11 to 3.13,
# `make book` makes .venv, installs the tested versions into it and builds the book.
#
#   make PYTHON=/usr/bin/python3.12 book     with a Python of your choice
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?=
PORT ?= 8000
VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check install

# glibc gives big tensors back after every step and torch then waits on page faults; keep them.
export MALLOC_MMAP_MAX_ = 0
export MALLOC_TRIM_THRESHOLD_ = 100000000000
export MALLOC_TOP_PAD_ = 268435456

.PHONY: help book test test-fast classroom lint serve built bench clean

help:  ## these words
	@echo "make WORD, where WORD is"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' Makefile

book: $(VENV)/.ready  ## build the book into _build/html
	@$(VENV)/bin/jupyter-book build . -W -n --keep-going

# Tests run on as many workers as there are cores (four at most), with one thread of torch each.
PYTEST := $(PY) -m pytest --numprocesses auto --maxprocesses 4 --dist worksteal --durations 20

test: book  ## build the book, then run the unit, chapter and browser tests
	@browser="$$($(PY) -m tests.browser.chromium)" && CHROMIUM="$$browser" $(PYTEST)

test-fast: $(VENV)/.ready  ## run the tests that need neither the built book nor a browser
	@$(PYTEST) -m "not book and not browser"

classroom: $(VENV)/.ready  ## what teachers need, into _build/classroom: assignments, answers, slides …
	@browser="$$($(PY) -m tests.browser.chromium)" && CHROMIUM="$$browser" \
	  $(PY) -m cnnlib.classroom make book _build/classroom

lint: $(VENV)/.ready  ## check formatting, imports, the front-end modules and their types
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(VENV)/bin/oxlint --config tests/oxlint.jsonc --deny-warnings cnnlib/widgets cnnlib/classroom book/_static
	$(PY) -m tests.types.check
	$(PY) -m pytest -q tests/test_front_end.py

serve: built $(VENV)/.ready  ## show the built book on http://127.0.0.1:8000 (or PORT=...)
	@echo "The book is on http://127.0.0.1:$(PORT) until you press Ctrl-C."
	@$(PY) -m http.server --bind 127.0.0.1 --directory _build/html $(PORT) \
	  || { echo "Is port $(PORT) taken? Try: make serve PORT=8080"; exit 1; }

built:
	@test -f _build/html/index.html || { echo "There is no built book yet. First: make book"; exit 1; }

bench: $(VENV)/.ready  ## measure the library, the chapters and the pages on this machine
	@browser="$$($(PY) -m tests.browser.chromium)" && CHROMIUM="$$browser" $(PY) -m tests.bench

clean:  ## remove the built book, the environment and every cache
	rm -rf _build $(VENV) cnnlib.egg-info .pytest_cache .ruff_cache
	find book cnnlib tests -name __pycache__ -prune -exec rm -rf {} +

# --- Setting up ----------------------------------------------------------------------------------
# .venv/.ready is written last and names the folder: a half-made environment, one that was moved, or
# one whose Python has gone is made again; changed pins are installed into the one that is there.

ifneq ($(shell $(PY) -c pass 2>/dev/null && cat $(VENV)/.ready 2>/dev/null),$(CURDIR))
.PHONY: $(VENV)/.ready
endif

$(VENV)/.ready: requirements.txt pyproject.toml
	@if [ "$$($(PY) -c pass 2>/dev/null && cat $@ 2>/dev/null)" != "$(CURDIR)" ]; then \
	  $(find-python); \
	  echo "Making $(VENV) with $$("$$python" --version) ($$python)."; \
	  rm -rf $(VENV) && "$$python" -m venv $(VENV); \
	fi
	@rm -f $@
	@echo "Installing the tested versions (requirements.txt). The first time this takes some minutes."
	@$(cuda-hint)
	@$(PIP) -r requirements.txt
	@$(PIP) --quiet --no-deps --no-build-isolation --editable .
	@echo "$(CURDIR)" > $@
	@echo "The environment is ready."

# Sets $$python to one that is 3.11, 3.12 or 3.13 and can make environments, or says what is missing.
define find-python
supported='import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))'; \
python=; lacking=; \
for candidate in $(or $(PYTHON),python3 python3.13 python3.12 python3.11 python); do \
  "$$candidate" -c "$$supported" 2>/dev/null || continue; \
  if "$$candidate" -c 'import venv, ensurepip' 2>/dev/null; then python="$$candidate"; break; fi; \
  lacking="$$lacking $$candidate"; \
done; \
if [ -z "$$python" ]; then \
  if [ -n "$$lacking" ]; then \
    echo "Found$$lacking, but its module venv (or ensurepip) is missing."; \
    echo "On Debian or Ubuntu: sudo apt-get install python3-venv"; \
  else \
    echo "The book needs Python 3.11, 3.12 or 3.13. Found: $$($(or $(PYTHON),python3) --version 2>&1 | head -1)"; \
    echo "Install one, or name yours: make PYTHON=/path/to/python3.12 book"; \
  fi; \
  exit 1; \
fi
endef

# On Linux the package index's torch brings CUDA along; another index has the build without.
define cuda-hint
if [ "$$(uname -s)" = Linux ] && [ -z "$${PIP_EXTRA_INDEX_URL:-}$${PIP_FIND_LINKS:-}" ]; then \
  echo "On Linux this includes gigabytes of CUDA, which the book does not use. To leave them out, stop"; \
  echo "and set PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu (see README.md)."; \
fi
endef
