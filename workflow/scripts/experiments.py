"""Gather the runs of one study into one table."""

from synthmix import job
from synthmix.experiments import collect
from synthmix.reports.rendering import write_frame

spec = job.start(snakemake)
write_frame(snakemake.output.csv, collect(snakemake.input.metrics, spec["runs"]))
job.finish(snakemake)
