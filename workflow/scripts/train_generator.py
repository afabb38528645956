"""Train a generator: one on the whole train split, or one per classifier seed on that seed's few images."""

from synthmix import data, diffusion, generators, job
from synthmix.draws import draw_real
from synthmix.files import read_json
from synthmix.spec import digest
from synthmix.store import Entry
from synthmix.training import Interruption

spec = job.start(snakemake)
device = job.device(snakemake)
definition = spec["generator"]
train, meta = data.read(job.local(snakemake.input.train)), read_json(snakemake.input.meta)
stop = Interruption(job.settings()["checkpoint_seconds"])
real = definition.get("train_on", {}).get("real", "all")
trained = {}
for seed, key in spec.get("keys", {None: digest(snakemake.params.spec)}).items():
    rows = draw_real(train.labels, real, int(seed or 0), meta["name"])
    entry = Entry(key)
    with entry.locked():
        trained[seed] = diffusion.fit(
            definition,
            train.images[rows],
            train.labels[rows],
            len(meta["classes"]),
            definition["seed"] if seed is None else int(seed),
            entry,
            stop,
            device,
        )
generators.write(trained, definition, meta, snakemake.output)
job.finish(snakemake)
