"""Test classifiers that were trained on real images on the images of a pool."""

import numpy as np

from synthmix import evaluating, job, runs
from synthmix.files import read_json, write_json
from synthmix.images import mapped, reading

spec = job.start(snakemake)
device = job.device(snakemake)
build = job.module(spec["entries"][1]).build
meta = read_json(snakemake.input.meta)
pool = reading.pool(snakemake.input.shards, reading.many(meta, [], snakemake.input.shards))
rows = np.flatnonzero((pool.index < spec["per_class"]) & ~pool.left_out)
images, labels = mapped.chosen(pool.images, rows), pool.labels[rows]
models = runs.read_models(snakemake.input.model)
results = []
for training_set, seed, _ in runs.each(spec["keys"]):
    network = evaluating.classifier(build, spec["model"], models[training_set, seed], pool, len(meta["classes"]))
    metrics = evaluating.judge(evaluating.probabilities(network, images, device), labels)
    kept = {name: metrics[name] for name in ("accuracy", "balanced_accuracy", "per_class_accuracy", "confusion")}
    results.append({"training_set": training_set, "seed": seed, "pool": spec["pool"], "images": len(labels), **kept})
write_json(snakemake.output.metrics, {"spec": spec, "runs": results})
job.finish(snakemake)
