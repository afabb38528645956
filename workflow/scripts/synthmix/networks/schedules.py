"""How long a training is, and what its learning rate is multiplied by at each step."""

import math
from collections.abc import Mapping
from typing import Any

import torch


def budget(recipe: dict[str, Any], images: int) -> int:
    """Number of optimiser steps: the recipe's own, or its epochs times the batches of an epoch."""
    return int(recipe.get("steps") or recipe["epochs"] * math.ceil(images / recipe["batch_size"]))


def validation_interval(recipe: dict[str, Any], steps: int, per_epoch: int) -> int:
    """Steps between validations: the recipe's own; else an epoch where validations drive the rate and the recipe
    counts epochs; else a tenth of the training.
    """
    own: int | None = recipe.get("evaluate_every")
    if own or recipe["schedule"] != "plateau" or recipe.get("steps"):
        return own or max(1, math.ceil(steps / 10))
    return per_epoch


def rate_factor(recipe: dict[str, Any], step: int, steps: int, per_epoch: int = 1) -> float:
    """The part of the factor that is a function of the step.

    A linear warm-up, times: half a cosine to zero (`cosine`); gamma to the number of times that `every` epochs have
    passed, or steps where the recipe counts those (`step`); 1 (`constant`, `plateau`).
    """
    factor = 1.0
    if recipe["schedule"] == "cosine":
        factor = 0.5 * (1 + math.cos(math.pi * step / steps))
    elif recipe["schedule"] == "step":
        own = recipe["step"]
        factor = own["gamma"] ** (step // (own["every"] * (1 if recipe.get("steps") else per_epoch)))
    return factor * min(1.0, (step + 1) / ((recipe.get("warmup_steps") or 0) + 1))


class Schedule:
    """The learning rate of one run, relative to its recipe's.

    With `plateau`, it falls by `factor` once `patience` validations in a row, and one more, have not lowered the lowest
    loss on the images that select: PyTorch's ReduceLROnPlateau, with its default threshold of 1e-4.
    """

    def __init__(self, recipe: dict[str, Any], steps: int, per_epoch: int) -> None:
        self.recipe, self.steps, self.per_epoch = recipe, steps, per_epoch
        # PyTorch's scheduler has an optimiser of its own, whose rate is the factor.
        self.factors = torch.optim.SGD([torch.zeros(1)], 1.0)
        self.plateau = None
        if recipe["schedule"] == "plateau":
            self.plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(self.factors, **recipe["plateau"], eps=0.0)

    def factor(self, step: int) -> float:
        """What the rate is multiplied by at a step."""
        own: float = self.factors.param_groups[0]["lr"]
        return own * rate_factor(self.recipe, step, self.steps, self.per_epoch)

    def after_validation(self, row: Mapping[str, Any]) -> None:
        """Look at a row of the history."""
        if self.plateau:
            self.plateau.step(row["selection_loss"])

    def state(self) -> dict[str, Any]:
        """What `restore` takes."""
        rate = self.factors.param_groups[0]["lr"]
        return {"rate": rate, "plateau": self.plateau.state_dict() if self.plateau else None}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state."""
        self.factors.param_groups[0]["lr"] = state["rate"]
        if self.plateau:
            self.plateau.load_state_dict(state["plateau"])
