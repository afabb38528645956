"""Choose the images of a pool that a filter keeps: the best of each class."""

from synthmix import data, filtering, job
from synthmix.files import read_json
from synthmix.images import kept, pools

spec = job.start(snakemake)
device = job.device(snakemake)
kind, network = map(job.module, spec["entries"][1:])
place = job.weights(spec, snakemake.input)
view = filtering.View(
    data.read(job.local(snakemake.input.train)),
    read_json(snakemake.input.meta)["classes"],
    network.build(spec["extractor"], *place),
    spec["extractor"],
    *place,
    device,
)
shards, wildcards = snakemake.input.shards, snakemake.wildcards
chosen = filtering.choose(
    kind.scores,
    spec["selection"],
    pools.read(shards),
    pools.read_prompts(shards),
    view,
    f"filter {wildcards.filter} of pool {wildcards.pool} ({wildcards.dataset})",
)
kept.write(snakemake.output.kept, chosen)
job.finish(snakemake)
