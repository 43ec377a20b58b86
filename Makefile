# `make demo` and `make test` need Python 3.11 or newer and nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test lint bench sweep clean

demo: $(VENV)/models
	$(BIN)/wonderland train mlp

test: $(VENV)/test lint
	$(BIN)/python -m pytest -n 2 --dist worksteal

lint: $(VENV)/test
	$(BIN)/ruff check compiler runtime models wonderland tests bench
	$(BIN)/pyright

bench: $(VENV)/bench
	$(BIN)/python -m bench

sweep: $(VENV)/test
	$(BIN)/python -m pytest -m sweep

clean:
	rm -rf $(VENV) build dist *.egg-info

# one stamp per extra: an extra is installed when its stamp is older than pyproject.toml
$(VENV)/%: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[$*]"
	touch $@

# the peers: the processor's build of PyTorch, not the one that brings gigabytes for a GPU
$(VENV)/bench: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check torch==2.13.0
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[bench]"
	touch $@
