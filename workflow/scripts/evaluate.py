"""Test the classifiers of one job on the test split, which each of them meets here for the first and only time."""

from synthmix import data, evaluating, job, runs
from synthmix.files import read_json
from synthmix.frozen import Features

spec = job.start(snakemake)
device = job.device(snakemake)
build = job.module(spec["entries"][1]).build
test, meta, facts = (
    data.read(job.local(snakemake.input.test)),
    read_json(snakemake.input.meta),
    read_json(snakemake.input.facts),
)
models = runs.read_models(snakemake.input.model)
results, features = {}, Features()
for training_set, seed, key in runs.each(spec["keys"]):
    network = evaluating.classifier(build, spec["model"], models[training_set, seed], test, len(meta["classes"]))
    results[training_set, seed] = evaluating.test_once(network, test, key, spec["code"], meta["name"], device, features)
evaluating.write_results(results, test, spec, facts, meta, device, snakemake.output)
job.finish(snakemake)
