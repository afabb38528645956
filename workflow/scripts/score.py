"""Score a pool: IS, FID, KID, precision and recall, with intervals and the floors of real against real."""

from pathlib import Path

from synthmix import data, job, pools
from synthmix.files import write_json
from synthmix.pool_scores import score_pool

spec = job.start(snakemake)
device = job.device(snakemake)
settings = job.settings()
build = job.module(spec["entries"][1]).build
weights = snakemake.input.get("extractor") or spec["extractor"].get("weights")
extractor = build(spec["extractor"], Path(weights) if weights else None, Path(settings["weights"]), settings["offline"])
result = score_pool(
    pools.read(snakemake.input.shards),
    spec["n"],
    data.read(job.local(snakemake.input.train)),
    data.read(job.local(snakemake.input.val)),
    extractor,
    spec["extractor"],
    spec["extractor_name"],
    device,
)
names = {name: spec[name] for name in ("dataset", "pool", "n")}
write_json(snakemake.output.score, {"spec": spec, **names, **result})
job.finish(snakemake)
