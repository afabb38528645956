"""Test the classifiers of one job on the test split, which each of them meets here for the first and only time."""

from synthmix import evaluating, job, runs, units
from synthmix.files import read_json
from synthmix.images import reading
from synthmix.networks import costs
from synthmix.networks.frozen import Features

spec = job.start(snakemake)
device = job.device(snakemake)
build = job.module(spec["entries"][1]).build
meta, facts = read_json(snakemake.input.meta), read_json(snakemake.input.facts)
test = reading.split(snakemake.input.test, reading.many(meta, ["test"], []))
models = runs.read_models(snakemake.input.model)
results, features = {}, Features()
for training_set, seed, key in runs.each(spec["keys"]):
    network = evaluating.classifier(build, spec["model"], models[training_set, seed], test, len(meta["classes"]))
    how = (key, spec["code"], units.content(meta), meta["name"], device, features)
    results[training_set, seed] = evaluating.test_once(network, test, *how)
# of the last network: all of a job are of one model
measured = costs.measure(network, test.images, device)
evaluating.write_results(results, test, spec, facts, meta, measured, device, snakemake.output)
job.finish(snakemake)
