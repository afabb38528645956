"""Compare the arms of one study: paired by seed, with intervals and corrected tests."""

import pandas as pd

from synthmix import job
from synthmix.comparisons import compare
from synthmix.rendering import write_frame

spec = job.start(snakemake)
experiments = pd.read_csv(snakemake.input.experiments)
result = compare(experiments, snakemake.input.predictions, spec.get("comparisons", []), spec.get("primary"))
write_frame(snakemake.output.csv, result)
