"""When a training ends before its budget is spent: the rules under `stop` of a recipe."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor


class Stopping:
    """The stopping rules of one run, with what they have counted so far.

    rules: `train_error_constant_epochs` (the last so many epochs had equally many wrong predictions, each counted in
    the step that trained on the image), `val_patience_epochs` (so many epochs without a better accuracy on the images
    that choose the checkpoint), `max_seconds` (of training, over all its resumptions); any may be absent.
    """

    def __init__(self, rules: Mapping[str, float] | None, per_epoch: int, device: str) -> None:
        self.rules, self.per_epoch = dict(rules or {}), per_epoch
        self.wrong = torch.zeros((), dtype=torch.int64, device=device)  # predictions of the current epoch
        self.last, self.constant = -1, 0  # wrong predictions of the last epoch; epochs that had so many, in a row

    def state(self) -> dict[str, int]:
        """What `restore` takes."""
        return {"wrong": int(self.wrong), "last": self.last, "constant": self.constant}

    def restore(self, state: Mapping[str, int]) -> None:
        """Go on from a saved state."""
        self.wrong.fill_(state["wrong"])
        self.last, self.constant = state["last"], state["constant"]

    def after_step(self, done: int, wrong: Tensor, seconds: float) -> str | None:
        """The rule that ends the training after `done` steps; None where it goes on.

        wrong: number of wrong predictions of this step's batch, integer (). seconds: of training so far.
        """
        epochs = self.rules.get("train_error_constant_epochs")
        if epochs:
            self.wrong += wrong
            if done % self.per_epoch == 0:
                counted = int(self.wrong)
                self.constant = self.constant + 1 if counted == self.last else 1
                self.last = counted
                self.wrong.zero_()
                if self.constant >= epochs:
                    return "train_error_constant_epochs"
        limit = self.rules.get("max_seconds")
        return "max_seconds" if limit and seconds >= limit else None

    def after_validation(self, done: int, best: Mapping[str, Any] | None) -> str | None:
        """The rule that ends the training after a look at val; `best`: the best checkpoint, with its `step`."""
        epochs = self.rules.get("val_patience_epochs")
        waited = done - best["step"] if best else 0
        return "val_patience_epochs" if epochs and waited >= epochs * self.per_epoch else None
