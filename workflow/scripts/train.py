"""Train the classifiers of one job: every training set of its bundle, every seed of its block."""

from pathlib import Path

from synthmix import job, runs, units
from synthmix.files import read_json
from synthmix.images import reading
from synthmix.images.draws import assemble
from synthmix.images.kept import read_filtered
from synthmix.interruption import Interruption
from synthmix.networks import pretrained
from synthmix.networks.frozen import Features
from synthmix.store import Entry
from synthmix.training import Data, fit

if __name__ == "__main__":  # the processes that share a training import this file, and must not do the job again
    spec = job.start(snakemake)
    device = job.device(snakemake)
    processes = job.processes(snakemake, device)
    build = pretrained.builder(job.module(spec["entries"][1]), spec["model"], job.settings())
    meta, shards = read_json(snakemake.input.meta), snakemake.input.get("shards", [])
    on_disk = reading.many(meta, ("train", "val"), shards)
    train, val = (reading.split(snakemake.input[each], on_disk) for each in ("train", "val"))
    pools = reading.by_name(shards, on_disk)
    kept = read_filtered(snakemake.input.get("filters", []))
    kinds = {Path(entry).stem: job.module(entry) for entry in spec["entries"][2:]}  # corruptions
    stop = Interruption(job.settings()["checkpoint_seconds"])
    states, features = {}, Features()
    for training_set, seed, key in runs.each(spec["keys"]):
        entry = Entry(units.entry(key, units.content(meta)))
        with entry.locked():
            definition = spec["training_sets"][training_set]
            source = f"{meta['name']}: {training_set}"
            names = meta["classes"]
            chosen = assemble(definition, seed, train, pools, len(names), source, kept, kinds, names)
            seen = Data(chosen, val.images, val.labels, len(names))
            states[training_set, seed] = fit(build, spec, seed, seen, entry, stop, device, processes, features)
        facts = states[training_set, seed]["facts"]
        print(f"{training_set} seed {seed}: {facts['steps']} steps, {facts['images_per_second']} images/s", flush=True)
    runs.write(states, spec, device, snakemake.output)
    job.finish(snakemake)
