"""What a study found by its one primary comparison, in words that claim no more than its numbers."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from synthmix.analysis import power, statistics
from synthmix.experiments import Arm, constant, runs_of
from synthmix.reports.formatting import bracket, count, missing, p_value, percent, records, run_metric_title
from synthmix.tables.accuracy import scope

LEVEL = 0.05
WITHOUT = {
    True: "The study declares no primary comparison: tables and figures answer the question, no one number does.",
    False: "The study trains no classifier: its figures show what is asked.",
}


def answer(spec: Mapping[str, Any], experiments: pd.DataFrame | None, comparisons: pd.DataFrame | None) -> list[str]:
    """The sentences, each a paragraph: what was found, how sure it is, and who saw what.

    Args:
        spec: of the report (see reports.contents).
        experiments: one row per run; None for a study without runs.
        comparisons: one row per comparison; None likewise.
    """
    primary = comparisons[comparisons["primary"].astype(bool)] if comparisons is not None else pd.DataFrame()
    if experiments is None or primary.empty:
        return [WITHOUT[bool(spec["runs"])]]
    row = records(primary)[0]
    return [verdict(row), found(row), *_images(row, experiments)]


def verdict(row: Mapping[str, Any]) -> str:
    """Whether the primary comparison shows a difference; row: of comparisons.csv."""
    arm, baseline, metric = f"`{row['training_set']}`", f"`{row['baseline']}`", run_metric_title(row["metric"])
    if row["p"] < LEVEL:
        word = "higher" if row["difference"] > 0 else "lower"
        text = f"**Shown:** with {arm}, {metric} is {word} than with {baseline}, by {_points(abs(row['difference']))}"
        low, high = row["joint_low"], row["joint_high"]
        if not missing(low) and low <= 0 <= high:
            return (
                text + ", for these test images; an interval that resamples them, too, does not exclude no difference."
            )
        return text + "."
    text = f"**Not shown:** that {metric} with {arm} differs from that with {baseline}."
    if row["p_min"] >= LEVEL:
        return text + f" {_seeds(row['n'])} cannot show any difference at 5 %: more are needed."
    return text + " This is no evidence that they are equal: the intervals say which differences remain possible."


def found(row: Mapping[str, Any]) -> str:
    """The numbers of the primary comparison."""
    where = f"On `{row['dataset']}`, with `{row['model']}` trained by `{row['recipe']}`"
    text = (
        f"{where}, {run_metric_title(row['metric'])} on the test split is {percent(row['mean'])} % with "
        f"`{row['training_set']}` and {percent(row['baseline_mean'])} % with `{row['baseline']}`: a difference of "
        f"{_signed(row['difference'])}"
    )
    intervals = []
    if not missing(row["t_low"]):
        intervals.append(f"95 % t interval over {_seeds(row['n'])}: {bracket(row['t_low'], row['t_high'])}")
    if not missing(row["joint_low"]):
        intervals.append(f"resampling seeds and test images: {bracket(row['joint_low'], row['joint_high'])}")
    text += f" ({'; '.join(intervals)})" if intervals else ""
    reached = f"{_seeds(row['n'])} reach {p_value(row['p_min'])} at best"
    text += f". Exact sign-flip test: p = {p_value(row['p'])}; {reached}."
    seen = None if missing(row["t_low"]) else power.detectable(int(row["n"]))  # in standard deviations between seeds
    if seen is not None:
        deviation = statistics.deviation(row["t_low"], row["t_high"], int(row["n"]))
        text += (
            f" Where seeds differ as much as here, the test shows a true difference of {_points(seen * deviation)} on "
            "these test images in four of five such studies."
            if deviation > statistics.ROUNDING
            else " The difference is the same for all seeds, so what the test could have shown is unknown."
        )
    return text.replace("p = <", "p < ")


def _images(row: Mapping[str, Any], experiments: pd.DataFrame) -> list[str]:
    """How many real images were behind either side."""
    arm = Arm(*(row[key] for key in Arm._fields))
    texts = []
    for name in (row["training_set"], row["baseline"]):
        runs = runs_of(experiments, arm._replace(training_set=name))
        seen = (
            f"`{name}`: the classifier saw {_count(runs, 'real_images')} real and {_count(runs, 'synthetic_images')} "
        )
        kind = scope(runs)
        generator = _count(runs, "generator_real_images") if kind else ""
        texts.append(f"{seen}generated images" + (f", its generator {generator} real ones ({kind})" if kind else ""))
    return [f"Who saw what. {'; '.join(texts)}."]


def _count(runs: pd.DataFrame, column: str) -> str:
    return count(constant(runs, column)) or "an unknown number of"


def _points(value: float) -> str:
    return f"{100 * value:.1f} percentage points"


def _signed(value: float) -> str:
    return f"{100 * value:+.1f} percentage points"


def _seeds(n: float) -> str:
    return f"{n:g} seed{'' if n == 1 else 's'}"
