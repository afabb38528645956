"""Single networks for figures that show what they say of single images: the arms of a frame, at one seed."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from synthmix.experiments import Arm, arms
from synthmix.figures import style


def of_one_seed(spec: Mapping[str, Any], frame: pd.DataFrame) -> tuple[int, dict[str, pd.DataFrame]]:
    """A seed, and what to call each arm of the frame -> its rows of that seed.

    The seed is the specification's, else the first that all arms have. Raises ValueError where one lacks it.
    """
    found = list(arms(frame))
    shared = set.intersection(*(set(rows["seed"]) for _, rows in found))
    if not shared or spec.get("seed", min(shared)) not in shared:
        raise ValueError(f"{spec['kind']}: the networks shown do not share seed {spec.get('seed', '')}: name another")
    seed = int(spec.get("seed", min(shared)))
    called = names(spec, [arm for arm, _ in found])
    return seed, {name: rows[rows["seed"] == seed] for name, (_, rows) in zip(called, found, strict=True)}


def names(spec: Mapping[str, Any], found: Sequence[Arm]) -> list[str]:
    """What to call arms beside each other: the model, with as much of the rest as tells them apart."""
    texts = [style.label(spec, arm.model) for arm in found]
    for key in ("training_set", "recipe", "dataset"):
        values = [getattr(arm, key) for arm in found]
        if len(set(texts)) < len(texts) and len(set(values)) > 1:
            texts = [f"{text}, {style.label(spec, value)}" for text, value in zip(texts, values, strict=True)]
    return texts
