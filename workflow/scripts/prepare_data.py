"""Read a data set from its source and cut it into train, val and test."""

from pathlib import Path

from synthmix import data, job
from synthmix.planning import listings

spec = job.start(snakemake)
settings = job.settings()
listings.require_planned(spec["dataset"], f"dataset {spec['name']}")
prepared = data.prepare(spec["name"], spec["dataset"], Path(settings["data"]), settings["offline"])
data.write(prepared, snakemake.output.train, snakemake.output.val, snakemake.output.test, snakemake.output.meta)
job.finish(snakemake)
