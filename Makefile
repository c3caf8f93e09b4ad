# The words of this project. `make book` and `make test` do all their own set-up.
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
# glibc gives big tensors back after every step and torch then waits on page faults; keep them.
export MALLOC_MMAP_MAX_ = 0
export MALLOC_TRIM_THRESHOLD_ = 100000000000
export MALLOC_TOP_PAD_ = 268435456

.PHONY: book test lint serve bench clean fresh-requirements

book: $(VENV)/.ready  ## build the book into _build/html
	$(VENV)/bin/jupyter-book build . -W -n --keep-going

test: $(VENV)/.ready  ## unit, chapter and browser tests
	CHROMIUM="$$($(PY) -m tests.browser.chromium)" $(PY) -m pytest

lint: $(VENV)/.ready  ## formatting, imports, front-end modules
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(PY) -m pytest -q tests/test_front_end_style.py

serve: $(VENV)/.ready  ## show the built book on http://127.0.0.1:8000
	@test -f _build/html/index.html || { echo "There is no built book yet: run make book."; exit 1; }
	$(PY) -m http.server --bind 127.0.0.1 --directory _build/html 8000

bench: $(VENV)/.ready  ## how fast the library is here
	$(PY) -m tests.bench

clean:  ## remove the built book and the environment
	rm -rf _build $(VENV) cnnlib.egg-info

$(VENV)/.ready: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 13) else f"Python {v[0]}.{v[1]} was found as $(PYTHON); 3.11, 3.12 or 3.13 is needed. Try make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check -r requirements.txt
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@
