"""Train classifiers that tell generated images from held-out real ones."""

from synthmix import data, detecting, job, units
from synthmix.files import read_json, write_json
from synthmix.images import pools
from synthmix.interruption import Interruption
from synthmix.store import Entry

spec = job.start(snakemake)
device = job.device(snakemake)
pool = pools.read(snakemake.input.shards)
pool = pool.select((pool.index < spec["n"]) & ~pool.left_out)
val = data.read(job.local(snakemake.input.val))
content = units.content(read_json(snakemake.input.meta))
stop = Interruption(job.settings()["checkpoint_seconds"])
runs = []
for seed, key in spec["keys"].items():
    entry = Entry(units.entry(key, content))
    with entry.locked():
        drawn = detecting.drawn(pool, val, int(seed))
        runs.append(detecting.detect(drawn, int(seed), entry, stop, device))
    print(f"seed {seed}: accuracy {runs[-1]['accuracy']:.3f}", flush=True)
names = {name: spec[name] for name in ("dataset", "pool", "n")}
write_json(snakemake.output.detection, {"spec": spec, **names, **detecting.summary(runs), "runs": runs})
job.finish(snakemake)
