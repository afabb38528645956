"""Two sides compared: which runs make pairs, what differs in their specs, what in their metrics."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from synthmix import files, layout, records
from synthmix.analysis import statistics
from synthmix.comparing import lineage
from synthmix.comparing.experiment_table import TableError
from synthmix.comparing.lineage import UPSTREAM, Run
from synthmix.comparing.sides import Side
from synthmix.experiments import RUN
from synthmix.planning import changes
from synthmix.planning.messages import listing, suggestion
from synthmix.reports.formatting import bracket, capitalised, number, p_value, percent, run_metric_title
from synthmix.reports.rendering import Table
from synthmix.spec import canonical, digest

AXES = RUN[:-1]
FRACTIONS = ("accuracy", "balanced_accuracy", "macro_f1", "auroc", "ece", "train_error")
# What a run is worth: numbers that are equal to the last bit where the networks and the test images are.
RESULTS = (*FRACTIONS, "nll", "train_loss")
SAME, OTHER, UNKNOWN = "same", "other", "unknown"


@dataclass(frozen=True)
class Pairs:
    """Runs of two sides that belong together.

    both: a row a pair; columns experiments.RUN as side B has them, `a` and `b` the rows of the sides' runs.
    differing: axis -> the one value of each side, where the sides have no value in common and so the axis may differ.
    alone: for each side, its runs without a partner. hints: why there are none.
    """

    both: pd.DataFrame
    differing: dict[str, tuple[str, str]]
    alone: tuple[pd.DataFrame, pd.DataFrame]
    hints: list[str]


def pair(a: Side, b: Side) -> Pairs:
    """Pair the runs of two sides by data set, training set, model, recipe and seed.

    An axis in which both sides have one value, and not the same one, is what is compared: pairs differ in it.
    """
    keys, differing, hints = ["seed"], {}, []
    for axis in AXES:
        one, other = (list(dict.fromkeys(side.runs[axis].astype(str))) for side in (a, b))
        if set(one) & set(other):
            keys.append(axis)
        elif len(one) == len(other) == 1:
            differing[axis] = (one[0], other[0])
        else:
            keys.append(axis)
            hints.append(
                f"no {axis} is in both (A: {listing(one)}; B: {listing(other)}): choose one on each side, "
                f"A={a.name}/{axis}=... B={b.name}/{axis}=..."
            )
    rows = [side.runs.reset_index(names=name)[[*keys, name]] for side, name in ((a, "a"), (b, "b"))]
    both = rows[0].merge(rows[1], on=keys).sort_values("b", ignore_index=True)
    both = pd.concat([b.runs.loc[both["b"], RUN].reset_index(drop=True), both[["a", "b"]]], axis=1)
    alone = [side.runs[~side.runs.index.isin(both[name])] for side, name in ((a, "a"), (b, "b"))]
    return Pairs(both, differing, (alone[0], alone[1]), hints)


# ---- specs -----------------------------------------------------------------------------------------------------------


def spec_lines(a: Side, b: Side, pairs: Pairs) -> list[str]:
    """What differs in what made the runs, each difference once with the number of pairs that have it."""
    counts: Counter[str] = Counter()
    equal = unknown = 0
    for row in pairs.both.itertuples():
        found = lineage.differences(a.jobs, b.jobs, *(_run(side, at) for side, at in ((a, row.a), (b, row.b))))
        unknown += found is None
        equal += found == []
        counts.update(found or ())
    lines = [f"{line} ({count})" for line, count in counts.most_common()]
    lines += [f"nothing ({equal})"] if equal else []
    return [*lines, *([f"unknown: the specs of both are not on record ({unknown})"] if unknown else [])]


def _run(side: Side, at: Any) -> tuple[Run, str]:
    row = side.runs.loc[at]
    dataset, training_set, model, recipe, seed = (row[name] for name in RUN)
    return (dataset, training_set, model, recipe, int(seed)), str(row.get("bundle", ""))


def other_lines(a: Side, b: Side) -> list[str]:
    """What differs in the specs of jobs that both sides have beside trainings, tests and what these read."""
    lines: Counter[str] = Counter()
    left_out = (*UPSTREAM, "train", "evaluate", "report")  # a report repeats what the others say

    def definitions(spec: Any) -> Any:
        return a.jobs.definitions(spec) or b.jobs.definitions(spec)

    for name in sorted(a.jobs.specs.keys() & b.jobs.specs.keys()):
        stage = name.partition("/")[0]
        if stage not in left_out:
            found = changes.differences(a.jobs.specs[name], b.jobs.specs[name], definitions)
            lines.update(f"{stage}: {line}" for line in found if line not in (changes.READS, "other runs"))
    return [f"{line} ({count})" for line, count in lines.most_common()]


# ---- metrics ---------------------------------------------------------------------------------------------------------


def metric_of(a: Side, b: Side, asked: str | None) -> str:
    """The metric to compare: the one asked for, or what both studies are judged by, or accuracy.

    Raises TableError for one that a side does not have.
    """
    judged = {side.metric for side in (a, b) if side.metric}
    metric = asked or (judged.pop() if len(judged) == 1 else "accuracy")
    for side in (a, b):
        numbers = list(side.runs.select_dtypes(["number", "bool"]).columns.drop("seed"))
        if numbers and metric not in numbers:
            raise TableError(f"METRIC: {side.name} has no column {metric}{suggestion(metric, numbers)}")
    return metric


def metrics(a: Side, b: Side, pairs: Pairs, metric: str) -> Table:
    """A row for each arm of which pairs have a metric: B minus A over seeds, with interval and test.

    Columns of the data: axes as side B has them, metric, n, a and b (means), difference, low and high (95 % t
    interval), p (exact sign-flip test; none where all pairs are identical), p_holm (Holm's over the rows), p_min (the
    smallest that n pairs can reach), pair_correlation, identical (pairs whose results are all equal to the last bit),
    test (`same`, `other` or `unknown` test images). Where these are other images there is no difference.
    """
    rows = []
    for names, found in pairs.both.groupby(AXES, sort=False):
        one, other = (side.runs.loc[found[at]].reset_index(drop=True) for side, at in ((a, "a"), (b, "b")))
        if metric not in one or metric not in other:
            continue
        known = (one[metric].notna() & other[metric].notna()).to_numpy()
        if known.any():
            test = _test_images(a, b, found[known].iloc[0])
            row = dict(zip(AXES, names, strict=True)) | {"metric": metric}
            rows.append(row | _statistics(one[known], other[known], metric, test) | {"test": test})
    columns = [*AXES, "metric", "n", "a", "b", "difference", "low", "high", "p", "p_holm", "p_min"]
    frame = pd.DataFrame(rows, columns=[*columns, "pair_correlation", "identical", "test"])
    tested = frame["p"].notna()
    frame.loc[tested, "p_holm"] = statistics.holm(frame.loc[tested, "p"])
    return Table(frame, _cells(frame, metric), list(_notes(frame)))


def _statistics(one: pd.DataFrame, other: pd.DataFrame, metric: str, test: str) -> dict[str, Any]:
    """Statistics of the pairs in the rows of two frames."""
    values, against = (side[metric].to_numpy(dtype=np.float64) for side in (one, other))
    row: dict[str, Any] = {"n": len(values), "a": values.mean(), "b": against.mean()}
    if test == OTHER:
        return row
    compared = [name for name in RESULTS if name in one and name in other]
    numbers = [side[compared].astype(float).to_numpy() for side in (one, other)]
    equal = (numbers[0] == numbers[1]) | (np.isnan(numbers[0]) & np.isnan(numbers[1]))
    interval = statistics.t_interval(against - values)
    identical = int(equal.all(axis=1).sum()) if compared else 0
    tested = identical < len(values)  # equal runs are no family for Holm's correction
    return row | {
        "difference": interval.mean,
        "low": interval.low,
        "high": interval.high,
        "p": statistics.sign_flip_test(against - values) if tested else None,
        "p_min": statistics.smallest_p(interval.n),
        "pair_correlation": statistics.pair_correlation(values, against),
        "identical": identical,
    }


def _test_images(a: Side, b: Side, row: pd.Series) -> str:
    """Whether a pair was tested on the same images: SAME, OTHER, or UNKNOWN."""
    made = [side.jobs.of_run(*_run(side, row[at])) for side, at in ((a, "a"), (b, "b"))]
    data = [each.get("data", {}).get("") for each in made]
    digests: list[str] = [each[""][""]["upstream"]["data"] if each else "" for each in made]
    names = [side.runs.loc[row[at], "dataset"] for side, at in ((a, "a"), (b, "b"))]
    if all(digests):
        if digests[0] == digests[1]:
            return SAME
        files_of = [_test_file(name, digest) for name, digest in zip(names, digests, strict=True)]
        if all(files_of):
            return SAME if files_of[0] == files_of[1] else OTHER
        if names[0] != names[1] or all(data) and data[0]["dataset"] != data[1]["dataset"]:  # type: ignore[index]
            return OTHER
    counts = [
        side.runs.loc[row[at]].get(column)
        for column in ("test_images", "rarest_class_test_images")
        for side, at in ((a, "a"), (b, "b"))
    ]
    known = [(one, other) for one, other in (counts[:2], counts[2:]) if pd.notna(one) and pd.notna(other)]
    return OTHER if names[0] != names[1] or any(one != other for one, other in known) else UNKNOWN


def _test_file(dataset: str, data: str) -> str | None:
    """Checksum of the test split that is in this folder, if a spec of this digest made it."""
    folder = layout.DATA.format(dataset=dataset)
    record, path = records.read(layout.log("prepare_data", folder)), Path(folder, "test.safetensors")
    if record is None or digest(canonical(record.spec)) != data or not path.exists():
        return None
    return files.read_metadata(path).get("sha256")


def _cells(frame: pd.DataFrame, metric: str) -> pd.DataFrame:
    fraction = metric in FRACTIONS
    form = percent if fraction else number
    title = capitalised(run_metric_title(metric)) + (", %" if fraction else "")
    rows = []
    for row in frame.to_dict("records"):
        equal = row["identical"] == row["n"]
        difference = f"{form(row['difference'])} {bracket(row['low'], row['high'], form.__name__)}".strip()
        shown = "other test images" if row["test"] == OTHER else "identical" if equal else difference
        cells = {capitalised(axis.replace("_", " ")): row[axis] for axis in AXES}
        cells |= {"Pairs": str(row["n"]), f"{title}: A": form(row["a"]), "B": form(row["b"]), "B - A": shown}
        some = f"{row['identical']:.0f}" if 0 < row["identical"] < row["n"] else ""
        rows.append({**cells, "Identical": some, "p": p_value(row["p"]), "Holm": p_value(row["p_holm"])})
    shown_frame = pd.DataFrame(rows)
    return shown_frame.drop(columns="Identical") if rows and not any(shown_frame["Identical"]) else shown_frame


def _notes(frame: pd.DataFrame) -> Iterator[str]:
    if frame.empty:
        return
    if frame["difference"].notna().any():
        least = statistics.smallest_p(int(frame["n"].max()))
        yield (
            "B - A: mean over pairs of one seed, with its 95 % t interval. p: exact sign-flip test (no less than "
            f"{p_value(least)} with {frame['n'].max()} pairs); Holm: corrected over the rows."
        )
    if (frame["identical"] == frame["n"]).any():
        yield f"identical: {', '.join(RESULTS)}, as far as they are there, are equal to the last bit in every pair."
    if (frame["test"] == OTHER).any():
        yield "other test images: A and B were not tested on the same images; their values make no difference."
    if (frame["test"] == UNKNOWN).any():
        yield "Nobody recorded whether all test images are the same ones; as far as is known, A and B have as many."


def alone_lines(runs: pd.DataFrame) -> Iterator[str]:
    """Runs without a partner: an arm a line, with its seeds."""
    for names, found in runs.groupby(AXES, sort=False):
        yield f"{'/'.join(map(str, names))}: {_seeds(sorted(found['seed']))}"


def _seeds(seeds: Sequence[int]) -> str:
    return f"seed{'s' if len(seeds) > 1 else ''} {listing(seeds)}"
