"""What is measured of a network while it is trained, by one process or by several together."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from synthmix.images.feeding import Streamed
from synthmix.networks import engine
from synthmix.networks.parallel import Team

Watched = Mapping[str, tuple[Tensor | Streamed, Tensor]]  # what the network takes, and int64 labels (N,), by name


class DivergedError(RuntimeError):
    """A training whose loss is no longer a finite number."""


def share(team: Team, count: int) -> tuple[slice, float]:
    """A process's rows of `count`, and what to multiply their mean by, so that the processes' mean is that of all rows.

    Where there are fewer rows than processes, each process takes all of them.
    """
    return (team.part(count), team.weight(count)) if count >= team.size else (slice(0, count), 1.0)


def measure(
    network: nn.Module, images: Tensor | Streamed, labels: Tensor, team: Team, among: Tensor | None = None
) -> list[list[float]]:
    """Mean cross-entropy, accuracy and error of a network in evaluation mode; equal in all processes.

    Args:
        network: in evaluation mode or not.
        images, labels: what it takes, and int64 (N,).
        team: the processes that share the work.
        among: bool (N,), some of the images, of which the same three are returned next.
    """
    rows, weight = share(team, len(labels))
    output, wanted = engine.logits(network, images[rows]), labels[rows]
    right = output.argmax(1) == wanted
    each = torch.stack([F.cross_entropy(output, wanted, reduction="none").double(), right.double(), (~right).double()])
    means = [each.mean(1) * weight]
    if among is not None:  # of which a process may have none
        means.append(each[:, among[rows]].sum(1) * (weight * len(labels) / len(wanted)) / among.sum())
    found: list[list[float]] = team.mean(torch.stack(means)).tolist()
    return found


def history_row(
    network: nn.Module,
    step: int,
    per_epoch: int,
    sums: list[float],
    watched: Watched,
    selection: Tensor | None,
    seconds: float,
    team: Team,
) -> dict[str, Any]:
    """A row of the history.

    Args:
        network: in evaluation mode or not.
        step: steps done.
        per_epoch: steps of an epoch.
        sums: loss (summed over images), right predictions and images of the steps since the last row.
        watched: what is looked at, val among it.
        selection: bool (N,), the val images that select checkpoint, rate or recipe.
        seconds: of training so far.
        team: the processes that share the training.

    Raises:
        DivergedError: the loss is not finite.
    """
    loss, correct, seen = sums
    if not math.isfinite(loss):
        raise DivergedError(f"the training loss is not finite by step {step}: lower the recipe's learning_rate")
    row = {"step": step, "epoch": round(step / per_epoch, 3), "seconds": round(seconds, 3)}
    row |= {"images": int(seen), "train_loss": loss / seen, "train_accuracy": correct / seen}
    for name, (images, labels) in watched.items():
        found = measure(network, images, labels, team, selection if name == "val" else None)
        for part, (loss, accuracy, _) in zip((name, "selection"), found, strict=False):
            row |= {f"{part}_loss": loss, f"{part}_accuracy": accuracy}
    return row
