"""Table kind `robustness`: classifiers on corrupted test images, by kind and severity, and compared with a baseline.

Specification: {kind, corruption, dataset?, model?, recipe?, training_set?, baseline?, baseline_model?, metric?,
order?}. `baseline` is a training set, `baseline_model` a model; each arm is compared with the arms that differ in the
training set alone, or in model and recipe alone.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import pandas as pd

from synthmix.analysis import statistics
from synthmix.analysis.artefacts import Artefacts
from synthmix.analysis.robustness import MEAN, Tested, tested, title
from synthmix.experiments import wanted
from synthmix.reports.formatting import count, drop_empty, hoist, p_value, percent_interval, records, run_metric_title
from synthmix.reports.rendering import Table

AXES = {"baseline": "training_set", "baseline_model": "model"}
TESTS = ("difference", "drop_difference")


def build(spec: dict[str, Any], artefacts: Artefacts) -> Table:
    """One row per arm, kind and baseline, the mean of all kinds last; raises ValueError where nothing is selected."""
    found = tested(_with_baseline(spec), artefacts)
    rows = [
        {**_results(each, kind), **against}
        for each in found
        for baselines in [_baselines(spec, each, found)]
        for kind in each.under
        for against in [_compared(each, other, kind) for other in baselines] or [{}]
    ]
    data = _corrected(pd.DataFrame(rows))
    frame = pd.DataFrame([_cells(row) for row in records(data)])
    frame, notes = hoist(drop_empty(frame), ["Dataset", "Model", "Recipe", "Training set", "Seeds"])
    return Table(data, frame, [*notes, *_notes(data, run_metric_title(spec.get("metric", "accuracy")))])


def _with_baseline(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The specification with the baseline among the names that it selects."""
    named = dict(spec)
    for key, axis in AXES.items():
        chosen = wanted(spec, axis)
        if key in spec and chosen and spec[key] not in chosen:
            named[axis] = [spec[key], *chosen]
    return named


def _results(each: Tested, kind: str) -> dict[str, Any]:
    """Means over seeds with their t intervals: clean, at each severity, of all severities, and what is lost."""
    values = {"clean": each.clean, **{f"severity_{s}": each.under[kind][s] for s in each.under[kind]}}
    values |= {"mean": _mean(each, kind), "drop": _drop(each, kind)}
    row: dict[str, Any] = {**each.arm._asdict(), "kind": kind, "n": len(each.clean)}
    for name, by_seed in values.items():
        row |= _interval(name, by_seed)
    return row


def _interval(name: str, values: pd.Series) -> dict[str, Any]:
    interval = statistics.t_interval(values)
    return {name: interval.mean, f"{name}_low": interval.low, f"{name}_high": interval.high}


def _mean(each: Tested, kind: str) -> pd.Series:
    return each.under[kind].mean(axis=1)


def _drop(each: Tested, kind: str) -> pd.Series:
    return each.clean - _mean(each, kind)


def _baselines(spec: Mapping[str, Any], each: Tested, found: Sequence[Tested]) -> list[Tested]:
    """The arms that an arm is compared with; none for the baseline itself, and where the table has no baseline."""
    for key, axis in AXES.items():
        if key in spec:
            free = {axis} if axis == "training_set" else {axis, "recipe"}
            same = [name for name in each.arm._fields if name not in free]
            return [
                other
                for other in found
                if getattr(other.arm, axis) == spec[key] != getattr(each.arm, axis)
                and all(getattr(other.arm, name) == getattr(each.arm, name) for name in same)
                and len(other.clean.index.intersection(each.clean.index))
            ]
    return []


def _compared(each: Tested, other: Tested, kind: str) -> dict[str, Any]:
    """Arm minus baseline, over the seeds that both have: the mean of all severities, and the drop."""
    differing = (
        name for name in ("model", "recipe", "training_set") if getattr(each.arm, name) != getattr(other.arm, name)
    )
    row: dict[str, Any] = {"baseline": ", ".join(getattr(other.arm, name) for name in differing)}
    for name, measure in zip(TESTS, (_mean, _drop), strict=True):
        differences = (measure(each, kind) - measure(other, kind)).dropna()
        row |= {"pairs": len(differences), **_interval(name, differences)}
        row[f"{name}_p"] = statistics.sign_flip_test(differences)
    return row


def _corrected(data: pd.DataFrame) -> pd.DataFrame:
    """With Holm's correction of each test: over all kinds and pairs and, apart from these, over means of all kinds."""
    if "baseline" not in data:
        return data
    for name in TESTS:
        data[f"{name}_p_holm"] = float("nan")
        for family in (data["kind"] == MEAN, data["kind"] != MEAN):
            data.loc[family, f"{name}_p_holm"] = statistics.holm(data.loc[family, f"{name}_p"])
    return data


def _cells(row: Mapping[str, Any]) -> dict[str, str]:
    severities = sorted(name for name in row if name.startswith("severity_") and name[-1].isdigit())
    cell = partial(percent_interval, row)
    return {
        "Dataset": row["dataset"],
        "Model": row["model"],
        "Recipe": row["recipe"],
        "Training set": row["training_set"],
        "Seeds": count(row["n"]),
        "Corruption": title(row["kind"]),
        "Clean, %": cell("clean"),
        **{f"Severity {name[-1]}, %": cell(name) for name in severities},
        "Mean, %": cell("mean"),
        "Drop, points": cell("drop"),
        "Baseline": row.get("baseline") or "",
        "Difference, points": cell("difference"),
        "p (Holm)": p_value(row.get("difference_p_holm")),
        "Difference of drops, points": cell("drop_difference"),
        "p of drops (Holm)": p_value(row.get("drop_difference_p_holm")),
    }


def _notes(data: pd.DataFrame, metric: str) -> list[str]:
    notes = [
        f"Cells: {metric} on test images, mean over seeds with its 95 % t interval. Mean: over the severities shown; "
        "Drop: clean minus that mean, in points. All classifiers see the same corrupted images.",
    ]
    if "baseline" not in data:
        return notes
    smallest = statistics.smallest_p(int(data["pairs"].max()))
    kinds, means = (
        int((rows & data["baseline"].notna()).sum()) for rows in (data["kind"] != MEAN, data["kind"] == MEAN)
    )
    corrected = f"over the {kinds} comparisons of single corruptions"
    corrected += f" and, apart from these, over the {means} of their mean" if means > 1 else ""
    return [
        *notes,
        "Differences: arm minus baseline in points, paired by seed, with a 95 % t interval, of the mean over "
        "severities and of the drop. A negative difference of drops says that the arm holds up better; one that is "
        "worse on clean images has less to lose.",
        f"p: exact sign-flip test, corrected by Holm {corrected}, for each of the two differences. Smallest p that can "
        f"be reached: {p_value(smallest)}, corrected {p_value(min(1.0, kinds * smallest))}.",
    ]
