"""Corrupt one train image in all ways of a corruption, for a figure."""

import json

import numpy as np

from synthmix import data, job
from synthmix.files import write_arrays
from synthmix.images.corrupted import corrupted, parameter

spec = job.start(snakemake)
corruption = spec["corruption"]
kinds = dict(zip(corruption["kinds"], map(job.module, spec["entries"][1:]), strict=True))
train = data.read(job.local(snakemake.input.train))
image, index = train.images[:1], train.index[:1]
severities = sorted(corruption["severities"])
side = min(image.shape[1:3])
rows, labels = [], {}
for name, kind in kinds.items():
    levels = [(name, severity) for severity in severities]
    found = [corrupted(kinds, *each, image, index, corruption["seed"]) for each in levels]
    rows.append(np.concatenate([image, *found]))
    labels[name] = [kind.LABEL.format(parameter(kind, severity, side)) for severity in severities]
about = {"kinds": json.dumps(list(kinds)), "severities": json.dumps(severities), "labels": json.dumps(labels)}
write_arrays(snakemake.output.images, {"images": np.stack(rows)}, about)
job.finish(snakemake)
