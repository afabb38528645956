"""Draw one shard of a pool: a block of indices for every class, or for one."""

from synthmix import job, units
from synthmix.files import read_json
from synthmix.images import shards
from synthmix.spec import digest
from synthmix.store import Entry

spec = job.start(snakemake)
device = job.device(snakemake)
meta = read_json(snakemake.input.meta)
source = job.module(spec["entries"][1]).Source(spec, meta, snakemake.input, device, job.settings())
keys = spec.get("keys", {None: digest(snakemake.params.spec)})
parts = []
for seed, key in keys.items():
    entry = Entry(units.entry(key, units.content(meta)))
    with entry.locked():
        parts.append(shards.draw_shard(source, spec, meta["classes"], None if seed is None else int(seed), entry))
shards.publish_shard(parts, snakemake.output.shard, meta["classes"])
job.finish(snakemake)
