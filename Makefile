# make demo: build study digits from nothing. make test: run the tests. Both create the environment first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CORES ?= all
export PATH := $(CURDIR)/$(BIN):$(PATH)

# Snakemake's --profile and a study, where a target below takes them: make plan PROFILE=slurm STUDY=digits
PROFILE ?=
STUDY ?=
CONFIRM ?=
OPTIONS ?=

.PHONY: demo plan power so-far fetch clean-unused test test-slurm test-long lint docs clean-environment

demo: $(VENV)/installed
	snakemake --cores $(CORES) --quiet rules -- digits
	@echo
	@cat results/studies/digits/tables/overview.md
	@echo
	@echo "Report: $(CURDIR)/results/studies/digits/report.html"

# What would run, why, and what it will cost.
plan: $(VENV)/installed
	@python workflow/commands/plan.py $(if $(PROFILE),--profile $(PROFILE)) $(STUDY)

# How many seeds and test images a study needs: make power STUDY=digits OPTIONS="--effect 0.02 --sd 0.015"
power: $(VENV)/installed
	@python workflow/commands/power.py $(OPTIONS) $(STUDY)

# A study from the runs that are finished, while others run.
so-far: $(VENV)/installed
	@python workflow/commands/so_far.py $(STUDY)

# Data sets and weights, for nodes without a network.
fetch: $(VENV)/installed
	@python workflow/commands/fetch.py $(STUDY)

# Results that no study of config.yaml asks for; with CONFIRM=yes they are deleted.
clean-unused: $(VENV)/installed
	@python workflow/commands/clean_unused.py $(if $(filter yes,$(CONFIRM)),--remove)

test: $(VENV)/installed-dev
	pytest -n 2 -m "not long and not slurm"

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
