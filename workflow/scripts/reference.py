"""Extract the features of a data set's real images, which all scores by one extractor compare with."""

from synthmix import data, job, references

spec = job.start(snakemake)
device = job.device(snakemake)
build = job.module(spec["entries"][1]).build
extractor = build(spec["extractor"], *job.weights(spec, snakemake.input))
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
