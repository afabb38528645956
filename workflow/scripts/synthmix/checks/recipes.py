"""Checks that a recipe agrees with itself."""

from collections.abc import Iterator
from typing import Any


def recipe(own: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Keys of a recipe, and what is wrong with them."""
    if "epochs" in own and "steps" in own:
        yield "steps", "given beside epochs; delete one of the two"
    if "epochs" not in own and "steps" not in own:
        yield "steps", "missing key; add it, or epochs"
    if "epochs" not in own and "steps" in own:
        yield from too_long(own, own["steps"])
    if own["momentum"] and own["optimizer"] != "sgd":
        yield "momentum", f"is for sgd, not {own['optimizer']}; delete it"
    if "val_patience_epochs" in own.get("stop", {}) and own["checkpoint"] != "best-val":
        yield "stop.val_patience_epochs", "needs the checkpoint that val chooses; set checkpoint: best-val"
    for kind in ("step", "plateau"):
        if own["schedule"] == kind and kind not in own:
            yield kind, f"missing key; schedule {kind} needs it"
        if own["schedule"] != kind and kind in own:
            yield kind, f"is for schedule {kind}, not {own['schedule']}; delete it"
    if own.get("accumulate", 1) > own["batch_size"]:
        yield "accumulate", f"{own['accumulate']} parts of a batch of {own['batch_size']} images; lower it"


def too_long(own: dict[str, Any], steps: int, whose: str = "") -> Iterator[tuple[str, str]]:
    """Keys of a recipe that are about more steps than a training has; `whose` says after its number what it is of."""
    if own.get("warmup_steps", 0) >= steps:
        yield "warmup_steps", f"{own['warmup_steps']}, but the training has {steps} steps{whose}; lower it"
    if own.get("evaluate_every", 0) > steps:
        problem = f"{own['evaluate_every']}, but the training has {steps} steps{whose}"
        yield "evaluate_every", f"{problem}; lower it, or delete it"
