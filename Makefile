# make demo: build study digits from nothing. make test: run the tests. Both create the environment first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CORES ?= all
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: demo test test-slurm test-long lint docs clean-environment

demo: $(VENV)/installed
	snakemake --cores $(CORES) --quiet rules -- digits
	@echo
	@cat results/studies/digits/tables/overview.md
	@echo
	@echo "Report: $(CURDIR)/results/studies/digits/report.html"

test: $(VENV)/installed-dev
	pytest -m "not long and not slurm"

# Against real SLURM daemons, started and ended by the tests: apt-get install slurm-wlm munge.
test-slurm: $(VENV)/installed-dev
	pytest -m slurm -rs

test-long: $(VENV)/installed-dev
	pytest -m long

lint: $(VENV)/installed-dev
	ruff check .
	ruff format --check .
	snakefmt --check Snakefile workflow/rules
	mypy
	python docs/reference.py --check

docs: $(VENV)/installed
	python docs/reference.py

# The stamp is made last: an interrupted installation starts again.
$(VENV)/installed: envs/requirements.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --requirement envs/requirements.txt
	touch $@

$(VENV)/installed-dev: envs/requirements-dev.txt $(VENV)/installed
	$(BIN)/python -m pip install --quiet --requirement envs/requirements-dev.txt
	touch $@

clean-environment:
	rm -rf $(VENV)
