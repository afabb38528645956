"""Compare the arms of one study: paired by seed, with intervals and corrected tests."""

from synthmix import job
from synthmix.analysis.artefacts import Artefacts
from synthmix.comparisons import compare
from synthmix.reports.rendering import write_frame

spec = job.start(snakemake)
experiments = Artefacts.of(snakemake.input).read_experiments()
comparisons, metric = spec.get("comparisons", []), spec.get("metric", "accuracy")
result = compare(experiments, snakemake.input.predictions, comparisons, spec.get("primary"), metric)
write_frame(snakemake.output.csv, result)
job.finish(snakemake)
