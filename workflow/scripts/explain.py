"""Look into the classifiers that one job has trained on one training set."""

from synthmix import evaluating, explaining, job, runs
from synthmix.files import read_json, write_rows
from synthmix.images import reading
from synthmix.units import entries

spec = job.start(snakemake)
device = job.device(snakemake)
build = job.module(spec["entries"][1]).build
kind = job.module(spec["entries"][2])
meta = read_json(snakemake.input.meta)
test = reading.split(snakemake.input.test, reading.many(meta, ["test"], []))
images = explaining.Images(test, meta, lambda: reading.split(snakemake.input.train, reading.many(meta, ["train"], [])))
models = runs.read_models(snakemake.input.model)
rows = []
for (training_set, seed, key), entry in zip(runs.each(spec["keys"]), entries(spec, meta), strict=True):
    network = evaluating.classifier(build, spec["model"], models[training_set, seed], test, len(meta["classes"]))
    found = explaining.explain_once(kind.explain, network, spec["explainer"], images, entry, key, device)
    rows += [{"training_set": training_set, "seed": seed, **row} for row in found]
write_rows(snakemake.output.explanation, ["training_set", "seed", *kind.COLUMNS], rows)
job.finish(snakemake)
