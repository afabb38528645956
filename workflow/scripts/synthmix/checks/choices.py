"""Checks of tables that say which model to use when."""

import itertools
from collections.abc import Iterator

from synthmix.checks.study import Problem, Study
from synthmix.planning.messages import listing


def when(study: Study) -> Iterator[Problem]:
    """Each table compares at least two models, each under one recipe, that share a training set and seeds."""
    for name, table in study.content["tables"].items():
        if table["kind"] != "when":
            continue
        where, arms = f"tables.{name}", study.matching(table)
        if len(table["model"]) < 2:
            yield f"{where}.model", "needs at least two models; add some"
        for model in table["model"]:
            recipes = list(dict.fromkeys(arm[3] for arm in arms if arm[2] == model))
            if len(recipes) > 1:
                yield f"{where}.recipe", f"{model} has runs under {listing(recipes)}; name one recipe for each model"
        pairs = [
            one for one, other in itertools.combinations(arms, 2) if one[:2] == other[:2] and arms[one] & arms[other]
        ]
        if not pairs:
            yield f"{where}.model", "no two of them share a data set, a training set and a seed; give them the same"
