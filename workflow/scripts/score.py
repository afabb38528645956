"""Score a pool: distances, precision and the like, with intervals and the floors of real against real."""

from synthmix import job, references
from synthmix.features.pool_scores import score_pool
from synthmix.files import write_json
from synthmix.images import pools

spec = job.start(snakemake)
device = job.device(snakemake)
build = job.module(spec["entries"][1]).build
extractor = build(spec["extractor"], *job.weights(spec, snakemake.input))
described = references.describe(extractor, spec["extractor_name"], spec["extractor"])
result = score_pool(
    pools.read(snakemake.input.shards),
    spec["n"],
    references.read(snakemake.input.reference, described),
    extractor,
    spec["extractor"],
    spec["metrics"],
    device,
)
names = {name: spec[name] for name in ("dataset", "pool", "n")}
write_json(snakemake.output.score, {"spec": spec, **names, **result})
job.finish(snakemake)
