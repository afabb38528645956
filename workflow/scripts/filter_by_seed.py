"""Choose the images of a pool that a filter keeps, where each seed has a generator and a classifier of its own."""

from synthmix import data, extractors_by_seed, filtering, job
from synthmix.files import read_json
from synthmix.images import kept, pools
from synthmix.images.draws import of_seed

spec = job.start(snakemake)
device = job.device(snakemake)
kind = job.module(spec["entries"][1])
train, meta = data.read(job.local(snakemake.input.train)), read_json(snakemake.input.meta)
pool, wildcards = pools.read(snakemake.input.shards), snakemake.wildcards
definition, place = spec["extractor"], job.weights(spec, snakemake.input)
extractors = extractors_by_seed.read(snakemake.input.extractor, definition["model"], meta)
parts = []
for seed in spec["seeds"]:
    own, real = of_seed(pool, seed), extractors_by_seed.own_images(train, definition["train_on"]["real"], seed)
    view = filtering.View(real, meta["classes"], extractors[seed], definition, *place, device)
    source = f"filter {wildcards.filter} of pool {wildcards.pool} ({wildcards.dataset}), seed {seed}"
    prompts = [None] * len(own.labels)  # generators that are trained per seed take none
    parts.append(filtering.choose(kind.scores, spec["selection"], own, prompts, view, source))
kept.write(snakemake.output.kept, kept.joined(parts))
job.finish(snakemake)
