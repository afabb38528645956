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
# What `make export` exports, where to, and a repository on the hub: make export STUDY=digits POOL=ddpm TO=exports/ddpm
POOL ?=
RUN ?=
TO ?=
PUSH ?=
# For make diff and make experiments; docs/comparing.md says what they may be.
A ?=
B ?=
METRIC ?=
OUTPUT ?=
WHERE ?=
COLUMNS ?=
# Options of workflow/commands/power.py.
OPTIONS ?=

.PHONY: demo plan power so-far diff experiments track export fetch clean-unused test test-slurm test-long lint docs site clean-environment

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

# Two runs, two studies, or a study at two commits: what differs in specs and metrics.
diff: $(VENV)/installed
	@python workflow/commands/diff.py "$$A" "$$B" $(if $(METRIC),--metric "$$METRIC") $(if $(OUTPUT),--output "$$OUTPUT")

# The runs of a study for which a condition holds.
experiments: $(VENV)/installed
	@python workflow/commands/experiments.py "$$STUDY" $(if $(WHERE),--where "$$WHERE") $(if $(COLUMNS),--columns "$$COLUMNS")

# Finished runs, to the trackers of config.yaml; a call of Snakemake does the same when it ends.
track: $(VENV)/installed
	@python workflow/commands/track.py $(STUDY)

# Data sets and weights, for nodes without a network.
fetch: $(VENV)/installed
	@python workflow/commands/fetch.py $(STUDY)

# A pool (POOL=) or a trained classifier (RUN=) in a new folder (TO=), with its card; uploaded only with PUSH=user/name.
export: $(VENV)/installed
	@python workflow/commands/export.py "$(STUDY)" --pool "$(POOL)" --run "$(RUN)" --to "$(TO)" --push "$(PUSH)"

# Results that no study of config.yaml asks for; with CONFIRM=yes they are deleted.
clean-unused: $(VENV)/installed
	@python workflow/commands/clean_unused.py $(if $(filter yes,$(CONFIRM)),--remove)

test: $(VENV)/installed-dev
	pytest -n 2 -m "not long and not slurm" --durations 20

# Against real SLURM daemons, started and ended by the tests: apt-get install slurm-wlm munge.
test-slurm: $(VENV)/installed-dev
	pytest -m slurm -rs

test-long: $(VENV)/installed-dev
	pytest -m long -o faulthandler_timeout=0

lint: $(VENV)/installed-dev
	ruff check .
	ruff format --check .
	snakefmt --check Snakefile workflow/rules
	mypy
	python docs/reference.py --check

docs: $(VENV)/installed
	python docs/reference.py

# The documentation as a site, in the folder site/; `mkdocs serve` shows it while pages are edited.
site: $(VENV)/installed-dev
	NO_MKDOCS_2_WARNING=1 mkdocs build --strict

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
