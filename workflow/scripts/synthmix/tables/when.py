"""Table kind `when`: which of two models to use when, by tests that can say that no difference is seen.

Specification: {kind, model, training_set?, dataset?, recipe?, metric?, targets, frozen?, order?}. Each pair of models
on each data set and training set that both have: by the metric on the test split, by validation accuracy after equal
seconds and after equal operations, and by the time to each of `targets`. `frozen` names the recipes that do not train
all layers: what their backward passes take is not counted, so no operations are compared.
"""

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from synthmix.analysis import pairwise
from synthmix.analysis.artefacts import Artefacts
from synthmix.analysis.pairwise import Comparison
from synthmix.experiments import constant, groups, select, text
from synthmix.reports.formatting import (
    bracket,
    count,
    drop_empty,
    hoist,
    joined,
    missing,
    number,
    p_value,
    percent,
    records,
    run_metric_title,
)
from synthmix.reports.rendering import Table

LEVEL = 0.05
NONE = "no difference seen"
ONE_DEVICE = "not trained on one kind of device"
FROZEN = "operations of training with frozen layers are not counted"


def build(spec: dict[str, Any], artefacts: Artefacts) -> Table:
    """One row per pair, training set and condition; raises ValueError where no two models share a training set."""
    runs, histories = select(artefacts.read_experiments(), spec), select(artefacts.read_histories(), spec)
    rows = []
    for (dataset, training_set), part in groups(runs, ["dataset", "training_set"]):
        own = histories[(histories["dataset"] == dataset) & (histories["training_set"] == training_set)]
        for first, second in itertools.combinations(part["model"].unique(), 2):
            sides = [(part[part["model"] == name], own[own["model"] == name]) for name in (first, second)]
            about = {"dataset": dataset, "training_set": training_set, "first": first, "second": second}
            about |= {f"{kind}_images": constant(part, f"{kind}_images") for kind in ("real", "synthetic")}
            rows += [{**about, **found._asdict()} for found in _compared(spec, *sides)]
    if not rows:
        raise ValueError("when table: no two of the models share a data set and a training set")
    corrected = pairwise.corrected(row["p"] for row in rows)
    rows = [{**row, "p_holm": p, "use": _use(row, p)} for row, p in zip(rows, corrected, strict=True)]
    data = pd.DataFrame(rows)
    metric = run_metric_title(spec.get("metric", "accuracy"))
    frame = drop_empty(pd.DataFrame([_cells(row, metric) for row in records(data)]))
    frame, notes = hoist(frame, [name for name in ("Dataset", "Models") if name in frame])
    return Table(data, frame, [*notes, *_summary(data, metric), *_notes(sum(p is not None for p in corrected))])


Side = tuple[pd.DataFrame, pd.DataFrame]  # runs and histories of one model


def _compared(spec: Mapping[str, Any], first: Side, second: Side) -> Iterator[Comparison]:
    metric = spec.get("metric", "accuracy")
    yield pairwise.by_metric(*(runs.set_index("seed")[metric] for runs, _ in (first, second)))
    histories = [_with_flops(runs, history) for runs, history in (first, second)]
    if any(runs["recipe"].isin(spec.get("frozen") or []).any() for runs, _ in (first, second)):
        yield Comparison("flops", None, 0, reason=FROZEN)
    elif all("flops" in history for history in histories):
        yield pairwise.at_equal("flops", *histories)
    device = {text(runs, "trained_on") for runs, _ in (first, second)}
    if len(device) > 1 or None in device:
        yield Comparison("seconds", None, 0, reason=ONE_DEVICE)
        return
    yield pairwise.at_equal("seconds", *histories)
    for target in spec.get("targets") or []:
        yield pairwise.by_time_to(target, *histories)


def _with_flops(runs: pd.DataFrame, history: pd.DataFrame) -> pd.DataFrame:
    flops = constant(runs, "flops")
    return history if flops is None else pairwise.with_flops(history, flops)


def _use(row: Mapping[str, Any], p: float | None) -> str:
    """The model to use, or why none is named."""
    if p is None:
        return f"not tested: {row['reason']}"
    if p > LEVEL or not row["better"]:
        return NONE
    return str(row["first"] if row["better"] > 0 else row["second"])


def _cells(row: Mapping[str, Any], metric: str) -> dict[str, str]:
    points = ratio = ""
    if row["condition"] == "target":
        ratio = joined(number(row["difference"]), bracket(row["low"], row["high"], "number"), row["reason"])
    elif not missing(row["difference"]):
        points = joined(f"{100 * row['difference']:+.1f}", bracket(row["low"], row["high"]))
    return {
        "Dataset": row["dataset"],
        "Models": f"{row['first']} or {row['second']}",
        "Training set": row["training_set"],
        "Real images": count(row["real_images"]),
        "Synthetic images": count(row["synthetic_images"]),
        "By": _condition(row, metric),
        "Use": row["use"],
        "First minus second, points": points,
        "Time of second / first": ratio,
        "p (Holm)": p_value(row["p_holm"]),
        "Pairs": count(row["n"]),
    }


def _condition(row: Mapping[str, Any], metric: str) -> str:
    if row["condition"] == "test":
        return f"test {metric}"
    if row["condition"] == "target":
        return f"time to {percent(row['at'])} % validation accuracy"
    if row["at"] is None:
        return {"seconds": "time", "flops": "operations"}[row["condition"]] + " of training"
    spent = f"{number(row['at'])} s" if row["condition"] == "seconds" else f"{number(row['at'] / 1e9)} GFLOPs"
    return f"validation accuracy after {spent} of training"


def _summary(data: pd.DataFrame, metric: str) -> Iterator[str]:
    """Of each pair on each data set, one sentence: who is ahead on the test split, with how many real images."""
    tests = data[data["condition"] == "test"]
    for (dataset, first, second), rows in groups(tests, ["dataset", "first", "second"]):
        parts = []
        for use, same in rows.groupby("use", sort=False):
            parts.append(f"{use} with {', '.join(same['training_set'])}")
        yield f"{first} or {second} on {dataset}, by test {metric}: {'; '.join(parts)}."


def _notes(tests: int) -> list[str]:
    return [
        f"Use: the better model where a paired test over seeds finds a difference at 5 % after Holm's correction over "
        f"the {tests} tests of this table; {NONE}: it finds none, which does not show that there is none. Intervals: "
        "95 %, without correction.",
        "After equal training: both models at what the cheaper training of each pair took in all, by the last "
        f"validation until then. Operations: {pairwise.PASSES} forward passes for a step of training, in which all "
        "layers are trained. Seconds are those of jobs that may have shared a machine.",
        "Time to an accuracy: t test of log ratios; where not all trainings reach it, a sign test, in which those that "
        "do not are later.",
    ]
