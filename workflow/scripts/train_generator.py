"""Train a generator: one on the whole train split, or one per classifier seed on that seed's few images."""

from synthmix import data, files, job, units
from synthmix.images.draws import draw_real
from synthmix.interruption import Interruption
from synthmix.spec import digest
from synthmix.store import Entry

if __name__ == "__main__":  # the processes that share a training import this file, and must not do the job again
    spec = job.start(snakemake)
    device = job.device(snakemake)
    processes = job.processes(snakemake, device)
    trainer = job.module(spec["entries"][1])
    definition, settings = spec["generator"], job.settings()
    train, meta = data.read(job.local(snakemake.input.train)), files.read_json(snakemake.input.meta)
    stop = Interruption(settings["checkpoint_seconds"])
    real = definition.get("train_on", {}).get("real", "all")
    trained = {}
    for seed, key in spec.get("keys", {None: digest(snakemake.params.spec)}).items():
        rows = draw_real(train.labels, real, int(seed or 0), meta["name"], meta["classes"])
        entry = Entry(units.entry(key, units.content(meta)))
        with entry.locked():
            trained[seed] = trainer.fit(
                definition,
                train.images[rows],
                train.labels[rows],
                meta["classes"],
                definition["seed"] if seed is None else int(seed),
                entry,
                stop,
                device,
                settings,
                processes,
            )
    trainer.write(trained, definition, meta, snakemake.output)
    rows = [{"seed": seed, **row} for seed, state in trained.items() for row in state["history"]]
    files.write_rows(snakemake.output.history, ["seed", "step", "seconds", "loss"], rows)
    job.finish(snakemake)
