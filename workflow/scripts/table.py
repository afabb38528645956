"""Write one table of a study as CSV, Markdown, LaTeX and HTML."""

from synthmix import job
from synthmix.analysis.artefacts import Artefacts
from synthmix.reports.rendering import write_table

spec = job.start(snakemake)
view = {"published": spec.get("published", []), **spec["view"], "order": spec["order"]}
table = job.module(spec["entries"][1]).build(view, Artefacts.of(snakemake.input))
write_table(table, list(snakemake.output), view.get("caption") or spec["name"])
job.finish(snakemake)
