"""Test classifiers that were trained on real images on the images of a pool."""

from synthmix import evaluating, job, pools, runs
from synthmix.files import read_json, write_json

spec = job.start(snakemake)
device = job.device(snakemake)
build = job.module(spec["entries"][1]).build
meta = read_json(snakemake.input.meta)
pool = pools.read(snakemake.input.shards)
pool = pool.select((pool.index < spec["per_class"]) & ~pool.left_out)
models = runs.read_models(snakemake.input.model)
rows = []
for training_set, seed, _ in runs.each(spec["keys"]):
    network = evaluating.classifier(build, spec["model"], models[training_set, seed], pool, len(meta["classes"]))
    metrics = evaluating.judge(evaluating.probabilities(network, pool.images, device), pool.labels)
    kept = {name: metrics[name] for name in ("accuracy", "balanced_accuracy", "per_class_accuracy", "confusion")}
    rows.append({"training_set": training_set, "seed": seed, "pool": spec["pool"], "images": len(pool.labels), **kept})
write_json(snakemake.output.metrics, {"spec": spec, "runs": rows})
job.finish(snakemake)
