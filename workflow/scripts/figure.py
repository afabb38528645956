"""Draw one figure of a study as SVG, PDF and PNG."""

from synthmix import job
from synthmix.analysis.artefacts import Artefacts
from synthmix.reports.rendering import save_figure

spec = job.start(snakemake)
view = {**spec["view"], **spec["view"].get("style", {}), "order": spec["order"]}
save_figure(job.module(spec["entries"][1]).draw(view, Artefacts.of(snakemake.input)), list(snakemake.output))
job.finish(snakemake)
