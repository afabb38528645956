"""Table kind `cross_test`: classifiers tested on generated images, beside their accuracy on real test images.

Specification: {kind, dataset?, model?, recipe?, training_set?, pool?, order?}.
"""

from typing import Any

import pandas as pd

from synthmix.analysis import statistics
from synthmix.analysis.artefacts import Artefacts
from synthmix.experiments import ARM, RUN, Arm, groups, select, wanted
from synthmix.reports.formatting import count, hoist, percent_interval, records
from synthmix.reports.rendering import Table


def build(spec: dict[str, Any], artefacts: Artefacts) -> Table:
    """One row per (dataset, model, recipe, training set, pool), over the seeds tested on both kinds of images."""
    tests = artefacts.read_cross_tests()
    if (pools := wanted(spec, "pool")) is not None:
        tests = tests[tests["pool"].isin(pools)]
    real = artefacts.read_experiments()[[*RUN, "accuracy", "test_images"]]
    tests = select(tests, spec).merge(real, on=RUN, suffixes=("", "_real"))
    if tests.empty:
        raise ValueError("cross_test table: no cross test belongs to a run of the study")
    rows = []
    for key, runs in groups(tests, [*ARM, "pool"]):
        columns = {"generated": runs["accuracy"], "real": runs["accuracy_real"]}
        columns["difference"] = columns["generated"] - columns["real"]
        row: dict[str, Any] = {**Arm(*key[:4])._asdict(), "pool": key[4], "n": len(runs)}
        for name, values in columns.items():
            interval = statistics.t_interval(values)
            row |= {name: interval.mean, f"{name}_low": interval.low, f"{name}_high": interval.high}
        rows.append({**row, "images": runs["images"].mean(), "test_images": runs["test_images"].mean()})
    data = pd.DataFrame(rows)
    frame, notes = hoist(_formatted(data), ["Dataset"])
    return Table(data, frame, [*notes, *NOTES])


NOTES = [
    "Accuracies: mean over seeds with its 95 % t interval, conditional on one trained generator; differences are "
    "paired by seed, generated minus real, in percentage points.",
    "A faithful generated image is recognised like a real one: an accuracy below that on real images says that images "
    "miss their class, one above it that they are easier than real ones.",
]


def _formatted(data: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for row in records(data):
        rows.append(
            {
                "Dataset": row["dataset"],
                "Model": row["model"],
                "Recipe": row["recipe"],
                "Training set": row["training_set"],
                "Pool": row["pool"],
                "Seeds": count(row["n"]),
                "Generated images": count(row["images"]),
                "Real images": count(row["test_images"]),
                "Accuracy on generated, %": percent_interval(row, "generated"),
                "Accuracy on real, %": percent_interval(row, "real"),
                "Difference, points": percent_interval(row, "difference"),
            }
        )
    return pd.DataFrame(rows)
