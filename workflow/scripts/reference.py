"""Extract the features of a data set's real images, which all scores by one extractor compare with."""

from pathlib import Path

from synthmix import data, job, references

spec = job.start(snakemake)
device = job.device(snakemake)
settings = job.settings()
build = job.module(spec["entries"][1]).build
weights = snakemake.input.get("extractor") or spec["extractor"].get("weights")
extractor = build(spec["extractor"], Path(weights) if weights else None, Path(settings["weights"]), settings["offline"])
reference = references.measure(
    data.read(job.local(snakemake.input.train)),
    data.read(job.local(snakemake.input.val)),
    extractor,
    spec["extractor_name"],
    spec["extractor"],
    device,
)
references.write(snakemake.output.features, reference)
job.finish(snakemake)
