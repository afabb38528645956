"""Draw one shard of a pool: a block of indices for every class."""

from synthmix import generators, job
from synthmix.files import read_json
from synthmix.spec import digest
from synthmix.store import Entry

spec = job.start(snakemake)
device = job.device(snakemake)
classes = read_json(snakemake.input.meta)["classes"]
source = generators.Source(snakemake.input.config, snakemake.input.weights, snakemake.input.scheduler, device)
keys = spec.get("keys", {None: digest(snakemake.params.spec)})
parts = []
for seed, key in keys.items():
    entry = Entry(key)
    with entry.locked():
        parts.append(generators.draw_shard(source, spec, classes, None if seed is None else int(seed), entry))
generators.publish_shard(parts, snakemake.output.shard, classes)
job.finish(snakemake)
