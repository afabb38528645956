"""Compare the arms of one study: paired by seed, with intervals and corrected tests."""

from synthmix import job
from synthmix.artefacts import Artefacts
from synthmix.comparisons import compare
from synthmix.rendering import write_frame

spec = job.start(snakemake)
experiments = Artefacts.of(snakemake.input).read_experiments()
result = compare(experiments, snakemake.input.predictions, spec.get("comparisons", []), spec.get("primary"))
write_frame(snakemake.output.csv, result)
job.finish(snakemake)
