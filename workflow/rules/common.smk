# The plan: every run, job, shard and target is known once this file has been read.
from synthmix import layout
from synthmix.configuration import ConfigurationError
from synthmix.plan import Job, Plan
from synthmix.products import Products
from synthmix.requests import Requests
from synthmix.specs import Specs

try:
    PLAN = Plan.read(config, ROOT, sys.argv[1:])
except ConfigurationError as error:
    # One line for people, instead of a traceback through Snakemake.
    raise WorkflowError(str(error)) from None

SPECS, PRODUCTS, REQUESTS = Specs(PLAN), Products(PLAN), Requests(PLAN)


def job_of(wildcards):
    return Job(**{field: wildcards[field] for field in Job._fields})


wildcard_constraints:
    dataset="[^/]+",
    generator="[^/]+",
    pool="[^/]+",
    group="all|seeds[0-9-]+",
    shard="[0-9]{4}",
    extractor="[^/]+?",
    n="[0-9]+",
    bundle="[^/]+",
    training_set="[^/]+?",
    model="[^/]+",
    recipe="[^/]+",
    seeds="[0-9]+(-[0-9]+)?",
    study="[^/]+",
    name="[^/]+",
