"""Test the classifiers that one job has trained on one training set on corrupted test images."""

from synthmix import corrupting, data, evaluating, job, runs
from synthmix.files import read_json, write_rows
from synthmix.units import entries

spec = job.start(snakemake)
device = job.device(snakemake)
build = job.module(spec["entries"][1]).build
kinds = dict(zip(spec["corruption"]["kinds"], map(job.module, spec["entries"][2:]), strict=True))
test, meta = data.read(job.local(snakemake.input.test)), read_json(snakemake.input.meta)
models = runs.read_models(snakemake.input.model)
each = dict(zip(entries(spec, meta), runs.each(spec["keys"]), strict=True))
networks = {
    entry: evaluating.classifier(build, spec["model"], models[training_set, seed], test, len(meta["classes"]))
    for entry, (training_set, seed, _) in each.items()
}
keys = {entry: key for entry, (_, _, key) in each.items()}
found = corrupting.test_once(networks, keys, spec["corruption"], kinds, test, meta["name"], device)
rows = [
    {"training_set": training_set, "seed": seed, **row}
    for entry, (training_set, seed, _) in each.items()
    for row in found[entry]
]
write_rows(snakemake.output.results, ["training_set", "seed", *corrupting.COLUMNS], rows)
job.finish(snakemake)
