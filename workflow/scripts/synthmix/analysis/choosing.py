"""Choosing among the points of a search by accuracy on val, and what is then measured on test."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

BY_SEED = "by seed"
MEASURED = ["selection_accuracy", "selection_loss"]


@dataclass(frozen=True)
class Searched:
    """One arm (data set, model and training set) under a search.

    choices: the chosen recipe by judging seed. chosen, fixed: the test metric of these seeds under it and under the
    fixed recipe. accuracy: mean accuracy on val by recipe, over all seeds that choose. images: val images of each.
    choosers: how many seeds choose; 0 where each judging seed chooses for itself.
    """

    choices: pd.Series
    chosen: pd.Series
    fixed: pd.Series
    accuracy: pd.Series
    images: list[int]
    choosers: int


def choose(measured: pd.DataFrame, points: Sequence[str]) -> str:
    """The recipe with the best mean accuracy on val, of equal ones the one with the lowest loss, or the first.

    measured: columns recipe, seed, selection_accuracy and selection_loss.
    """
    means = measured.groupby("recipe")[MEASURED].mean().loc[list(points)]
    means["selection_accuracy"] = means["selection_accuracy"].round(12)  # sums of fractions in another order are equal
    return str(means.sort_values(MEASURED, ascending=[False, True], kind="stable").index[0])


def searched(
    tested: pd.DataFrame,
    trained: pd.DataFrame,
    fixed: pd.Series,
    points: Sequence[str],
    seeds: Sequence[int],
    selection_seeds: Sequence[int] | None,
    metric: str,
) -> Searched:
    """What an arm chooses and is then worth.

    Args:
        tested: its runs under the points, with the metric; rows of other seeds are left out.
        trained: those of selection seeds; where there are no such seeds, nothing is read of it.
        fixed: the test metric under the fixed recipe, by seed.
        points: recipes of the search.
        seeds: those that judge.
        selection_seeds: those that choose; None where each of `seeds` chooses for itself.
        metric: a column of `tested`.

    Raises ValueError where a point lacks a seed: a choice among what happens to be there would be none.
    """
    judging = _whole(tested, points, seeds)
    choosing = judging if selection_seeds is None else _whole(trained, points, selection_seeds)
    if choosing[MEASURED].isna().to_numpy().any():
        raise ValueError("searched table: runs lack an accuracy on val: delete their folders and run snakemake again")
    if selection_seeds is None:
        choices = pd.Series({seed: choose(choosing[choosing["seed"] == seed], points) for seed in seeds})
    else:
        choices = pd.Series(choose(choosing, points), index=list(seeds))
    by_point = judging.pivot(index="seed", columns="recipe", values=metric)
    return Searched(
        choices=choices,
        chosen=pd.Series({seed: by_point[choices[seed]][seed] for seed in seeds}),
        fixed=fixed.loc[list(seeds)],
        accuracy=choosing.groupby("recipe")["selection_accuracy"].mean().loc[list(points)],
        images=sorted(choosing["selection_images"].astype(int).unique()),
        choosers=0 if selection_seeds is None else len(selection_seeds),
    )


def _whole(runs: pd.DataFrame, points: Sequence[str], seeds: Sequence[int]) -> pd.DataFrame:
    """The runs of all points and seeds; ValueError where one is missing."""
    found = runs[runs["recipe"].isin(points) & runs["seed"].isin(seeds)]
    there = set(found[["recipe", "seed"]].itertuples(index=False, name=None))
    for point in points:
        for seed in seeds:
            if (point, seed) not in there:
                raise ValueError(f"searched table: no run under {point} with seed {seed} is there: run snakemake again")
    return found


def at_edge(points: Mapping[str, Mapping[str, Any]], recipe: str) -> list[str]:
    """The keys of which a recipe has the smallest or the largest value of a grid.

    Only numbers have an edge; below 0 there is nothing, so 0 is none.
    """
    found = []
    for key, value in points[recipe].items():
        values = {point[key] for point in points.values()}
        if not isinstance(value, str) and len(values) > 1 and (value == max(values) or 0 != value == min(values)):
            found.append(key)
    return found


def grid(points: Mapping[str, Mapping[str, Any]]) -> str:
    """The values of a grid in words: "learning_rate 0.01, 0.03; weight_decay 0"."""
    keys = next(iter(points.values()))
    values = {key: dict.fromkeys(_word(point[key]) for point in points.values()) for key in keys}
    return "; ".join(f"{key} {', '.join(each)}" for key, each in values.items())


def described(values: Mapping[str, Any]) -> str:
    """The values of a point in words: "learning_rate 0.01, weight_decay 0"."""
    return ", ".join(f"{key} {_word(value)}" for key, value in values.items())


def _word(value: Any) -> str:
    return value if isinstance(value, str) else f"{value:g}"
