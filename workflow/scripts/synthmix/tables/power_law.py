"""Table kind `power_law`: the slope of test error over the number of real training images, in log-log.

Specification: {kind, training_set, dataset?, model?, recipe?, published?}. An entry of `published` is {model, dataset?,
recipe?, alpha?, error?, source, comparable, reason?, oddity?} with `error` a fraction, at the largest training set. An
entry without a run gets a row that says "not run".
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from synthmix.analysis import printed, published, scaling, statistics
from synthmix.analysis.artefacts import Artefacts
from synthmix.analysis.scaling import Curve
from synthmix.reports.formatting import (
    bracket,
    count,
    drop_empty,
    hoist,
    joined,
    number,
    percent,
    percent_interval,
    records,
)
from synthmix.reports.rendering import Table

PUBLISHED = ("alpha", "error")


def build(spec: dict[str, Any], artefacts: Artefacts) -> Table:
    """One row per (dataset, model, recipe): alpha with intervals over seeds, fit range, error at the largest set.

    Raises ValueError for what scaling.curves refuses.
    """
    entries = spec.get("published") or []
    rows = [{**_row(curve), **_law(curve)} for curve in scaling.curves(spec, artefacts)]
    rows = [{**row, **printed.beside(entries, row, PUBLISHED)} for row in rows]
    data = pd.DataFrame([*rows, *printed.not_run(entries, rows, PUBLISHED)])
    frame = pd.DataFrame([_cells(row) for row in records(data)])
    frame, notes = hoist(drop_empty(frame), ["Dataset", "Fit range, images"])
    return Table(data, frame, [*notes, *NOTES, *published.notes(entries)])


def _row(curve: Curve) -> dict[str, Any]:
    last = statistics.t_interval(curve.errors[:, -1])
    return {
        "dataset": curve.dataset,
        "model": curve.model,
        "recipe": curve.recipe,
        "status": "run",
        "n": last.n,
        "training_sets": len(curve.images),
        "smallest": curve.images[0],
        "largest": curve.images[-1],
        "error": last.mean,
        "error_low": last.low,
        "error_high": last.high,
        "remark": curve.refusal,
    }


def _law(curve: Curve) -> dict[str, float | None]:
    """The fit of a curve: alpha with two intervals, and how far the mean curve is from the law of the mean fit."""
    if curve.refusal:
        return dict.fromkeys(("alpha", "alpha_low", "alpha_high", "bootstrap_low", "bootstrap_high", "deviation"))
    law = scaling.fit(curve)
    interval = statistics.t_interval(law.alpha)
    low, high = statistics.bootstrap_interval(law.alpha) or (None, None)
    errors = np.exp(np.log(curve.errors).mean(axis=0))
    return {
        "alpha": interval.mean,
        "alpha_low": interval.low,
        "alpha_high": interval.high,
        "bootstrap_low": low,
        "bootstrap_high": high,
        "deviation": float(np.abs(errors / law.mean(curve.images) - 1).max()),
    }


def _cells(row: Mapping[str, Any]) -> dict[str, str]:
    run = row["status"] == "run"
    span = f"{count(row['smallest'])} to {count(row['largest'])} ({count(row['training_sets'])} sizes)"
    alpha = joined(number(row["alpha"]), bracket(row["alpha_low"], row["alpha_high"], "number"))
    return {
        "Dataset": printed.text(row["dataset"]),
        "Model": row["model"],
        "Recipe": printed.text(row["recipe"]),
        "Fit range, images": span if run else "",
        "Seeds": count(row["n"]),
        "alpha": (alpha or "refused") if run else "not run",
        "Bootstrap": bracket(row["bootstrap_low"], row["bootstrap_high"], "number"),
        "Largest deviation, %": percent(row["deviation"]),
        "Error at the largest, %": percent_interval(row, "error"),
        "Remark": printed.text(row["remark"]),
        "Published alpha": number(row["published_alpha"]),
        "Published error, %": percent(row["published_error"]),
        "Comparable": row["comparable"],
        "Reason": printed.text(row["reason"]),
    }


NOTES = [
    "alpha: test error goes as the number of real training images to the power alpha; least squares in log-log for "
    "each seed, mean over seeds with its 95 % t interval. Bootstrap: percentile interval over seeds, too narrow with "
    "few of them. Neither holds beyond the fit range.",
    "Largest deviation: of the geometric mean of the errors over seeds from the fitted law, within the fit range. "
    "Error at the largest: mean over seeds of 1 - accuracy with its 95 % t interval.",
]
