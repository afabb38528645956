# The plan: every run, job, shard and target is known once this file has been read.
import time
from contextlib import suppress

from synthmix import layout, tracking
from synthmix.checks import networks
from synthmix.planning import estimates, failures, graph, targets
from synthmix.planning.configuration import ConfigurationError
from synthmix.planning.corruption_specs import CorruptionSpecs
from synthmix.planning.plan import Job, Plan
from synthmix.planning.products import Products
from synthmix.reports.contents import Reports
from synthmix.planning.requests import Requests

BEGAN = time.time()

try:
    targets.require(sys.argv[1:], ROOT)
    PLAN = Plan.read(config, ROOT, sys.argv[1:])
except ConfigurationError as error:
    # One line for people, instead of a traceback through Snakemake.
    raise WorkflowError(str(error)) from None

SPECS, PRODUCTS, REQUESTS = CorruptionSpecs(PLAN), Products(PLAN), Requests(PLAN)
REPORTS = Reports(PLAN, PRODUCTS)
graph.remember(workflow, PLAN)


onstart:
    # how many cores everything has here, or how many jobs the cluster runs at a time
    here = workflow.local_exec
    slots, cores = (None, workflow.cores) if here else (workflow.nodes, os.cpu_count())
    try:
        estimates.check_budget(graph.planned(), PLAN.config["budget"], slots, cores)
        networks.check(graph.planned(), PLAN)
        tracking.require(PLAN.config["trackers"])
    except (estimates.OverBudgetError, networks.NetworkError, ConfigurationError) as error:
        raise WorkflowError(str(error)) from None


def mirror_runs():
    for report in tracking.mirror(PLAN):
        print(report.line, file=sys.stderr)


onsuccess:
    mirror_runs()


onerror:
    with suppress(Exception):  # what ended the call is told by Snakemake in any case
        for line in failures.lines(workflow, BEGAN):
            print(line, file=sys.stderr)
    mirror_runs()


def kept(kind, path):
    """A path whose file stays on the disk, or one that is deleted once it has been used, as the configuration says."""
    return path if PLAN.config["keep"][kind] else temp(path)


def job_of(wildcards, among=None):
    """The training job that wildcards name, among those of the plan; a path of a target may name another."""
    job = Job(**{field: wildcards[field] for field in Job._fields})
    if job not in (PLAN.jobs if among is None else among):
        raise WorkflowError(f"no active study asks for {layout.job_folder(job)}")
    return job


def tested(wildcards):
    return job_of(wildcards, PLAN.tested)


def trained_by(trainer):
    """A regular expression for the names of generators that are trained in a way; a name never is a hyphen."""
    return "|".join(PLAN.generators_trained_by(trainer)) or "-"


def filters(by_seed):
    """A regular expression for the names of filters that rank by a classifier for each seed, or of all others."""
    return "|".join(name for name in PLAN.definitions["filters"] if PLAN.by_seed(name) == by_seed) or "-"


wildcard_constraints:
    dataset="[^/]+",
    generator="[^/]+",
    pool="[^/]+",
    group="all|seeds[0-9-]+|class-[a-z0-9-]+",
    shard="[0-9]{4}",
    filter="[^/]+",
    extractor="[^/]+?",
    explainer="[^/]+",
    corruption="[^/]+",
    n="[0-9]+",
    bundle="[^/]+",
    training_set="[^/]+?",
    model="[^/]+",
    recipe="[^/]+",
    seeds="[0-9]+(-[0-9]+)?",
    study="[^/]+",
    name="[^/]+",
