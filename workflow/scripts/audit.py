"""Search the real images nearest to each generated one, and judge how many are copies."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from synthmix import auditing, data, job, references
from synthmix.features.extraction import extract
from synthmix.files import atomic, write_json
from synthmix.images import pools

spec = job.start(snakemake)
device = job.device(snakemake)
build = job.module(spec["entries"][1]).build
extractor = build(spec["extractor"], *job.weights(spec, snakemake.input))
described = references.describe(extractor, spec["extractor_name"], spec["extractor"])
pool = pools.read(snakemake.input.shards)
splits = (data.read(job.local(snakemake.input[split])) for split in ("train", "val", "test"))
result = auditing.audit(
    pool.select((pool.index < spec["n"]) & ~pool.left_out),
    *splits,
    lambda images: extract(images, np.zeros(len(images), np.int64), extractor, device, described["precision"]).values,
    device,
)
names = {name: spec[name] for name in ("dataset", "pool", "n")}
with atomic(snakemake.output.neighbours) as temporary:
    pq.write_table(pa.table(result.columns), temporary)
write_json(snakemake.output.audit, {"spec": spec, **names, "extractor": described, **result.facts})
job.finish(snakemake)
