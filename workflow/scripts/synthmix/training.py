"""Training one classifier: deterministic, interruptible at any step, and never done twice.

Everything random in a step (order, augmentation, dropout) is a function of the seed and the step's number, so that
the state of a run is its weights, its optimiser and its position, and a resumed run equals one never stopped.
"""

import math
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from synthmix import costs, engine
from synthmix.draws import TrainingSet, class_ranks
from synthmix.interruption import Interruption
from synthmix.stopping import Stopping
from synthmix.store import Entry
from synthmix.streams import seed as stream_seed
from synthmix.streams import stream


class DivergedError(RuntimeError):
    """A training whose loss is no longer a finite number."""


@dataclass
class Data:
    """What a run sees, on the device."""

    train: TrainingSet
    val_images: np.ndarray  # uint8 (N, H, W, C)
    val_labels: np.ndarray  # int64 (N,)
    classes: int


def initialise(
    build: Any, model: dict[str, Any], channels: int, size: int, classes: int, seed: int
) -> engine.Classifier:
    """A classifier with the initial weights that belong to a seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stream_seed("initialisation", seed))
        return engine.Classifier(build(model, channels, size, classes), channels)


def optimiser(model: nn.Module, recipe: dict[str, Any], width: int) -> torch.optim.Optimizer:
    """The optimiser of a recipe; `width_scaled` multiplies the learning rate by the model's width."""
    rate = recipe["learning_rate"] * (width if recipe.get("width_scaled") else 1)
    decay = recipe.get("weight_decay") or 0.0
    if recipe["optimizer"] == "sgd":
        momentum = recipe.get("momentum") or 0.0
        return torch.optim.SGD(model.parameters(), rate, momentum, weight_decay=decay, fused=True)
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[recipe["optimizer"]]
    return kind(model.parameters(), rate, weight_decay=decay, fused=True)


def restore(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Give an optimiser a saved state (a tree of arrays).

    Its tensors take the memory layout of their parameters (channels_last): fused optimisers pair values by their place
    in memory, so that a contiguous state would silently belong to other weights.
    """
    optimizer.load_state_dict(tensors(state))
    for parameter, values in optimizer.state.items():
        for name, value in values.items():
            if isinstance(value, Tensor) and value.shape == parameter.shape:
                values[name] = torch.empty_like(parameter, requires_grad=False).copy_(value)


def rate_factor(recipe: dict[str, Any], step: int, steps: int) -> float:
    """What the learning rate is multiplied by at a step: linear warm-up, then constant or half a cosine to zero."""
    factor = 1.0
    if recipe["schedule"] == "cosine":
        factor = 0.5 * (1 + math.cos(math.pi * step / steps))
    return factor * min(1.0, (step + 1) / ((recipe.get("warmup_steps") or 0) + 1))


def budget(recipe: dict[str, Any], images: int) -> int:
    """Number of optimiser steps: the recipe's own, or its epochs times the batches of an epoch."""
    return int(recipe.get("steps") or recipe["epochs"] * math.ceil(images / recipe["batch_size"]))


class _Order:
    """The images of each step, a function of seed and step: an own permutation for every epoch."""

    def __init__(self, images: int, batch_size: int, seed: int) -> None:
        self.images, self.batch_size, self.seed = images, batch_size, seed
        self.per_epoch = math.ceil(images / batch_size)
        self.epoch, self.permutation = -1, np.empty(0, dtype=np.int64)

    def batch(self, step: int) -> np.ndarray:
        epoch, position = divmod(step, self.per_epoch)
        if epoch != self.epoch:
            self.epoch, self.permutation = epoch, stream("order", self.seed, epoch).permutation(self.images)
        return self.permutation[position * self.batch_size : (position + 1) * self.batch_size]


def fit(
    build: Any, spec: dict[str, Any], seed: int, data: Data, entry: Entry, stop: Interruption, device: str
) -> dict[str, Any]:
    """Train one run to its end, or take its result from the store.

    Args:
        build: the architecture's `build`.
        spec: `model` and `recipe`, defaults resolved; `scale` "unit" for networks that take images in [0, 1] and
            normalise them themselves.
        seed: the run's seed.
        data: what it sees; the test split is not among it.
        entry: the run's entry in the store.
        stop: when to save, and whether to stop.
        device: "cpu" or "cuda".

    Raises:
        DivergedError: the loss was not finite in the steps before a validation.

    Returns:
        The finished state: `model` (arrays by name), `history` (rows), `facts` (steps, seconds, parameters, what ended
        it, error and loss of the kept weights on the training images, ...).
    """
    state = entry.load()
    if state is not None and state.get("done"):
        return state
    recipe, model_spec = spec["recipe"], spec["model"]
    size, channels = data.train.images.shape[1], data.train.images.shape[3]
    model = initialise(build, model_spec, channels, size, data.classes, seed)
    images, labels = engine.to_device(data.train.images, device), torch.from_numpy(data.train.labels).to(device)
    model.normalise_by(None if spec.get("scale") == "unit" else images)
    model.to(device).to(memory_format=torch.channels_last)  # in place
    optimizer = optimiser(model, recipe, model_spec.get("width", 1))
    base_rate = optimizer.param_groups[0]["lr"]
    steps = budget(recipe, len(labels))
    order = _Order(len(labels), recipe["batch_size"], seed)
    rules, stopped = Stopping(recipe.get("stop"), order.per_epoch, device), None
    state = state or {"step": 0, "history": [], "seconds": 0.0, "best": None, "sum": [0.0, 0.0, 0]}
    if "model" in state:
        model.load_state_dict(tensors(state["model"]))
        restore(optimizer, state["optimizer"])
        rules.restore(state["stopping"])
    watched = _watched(data, recipe, seed, device)
    every = recipe.get("evaluate_every") or max(1, math.ceil(steps / 10))
    augmentation = recipe.get("augment") or "none"
    random = torch.Generator()
    forward = engine.compiled(model) if recipe.get("compile") else model
    total = torch.tensor(state["sum"], dtype=torch.float64, device=device)  # loss, correct, images since the last row
    started = time.monotonic() - state["seconds"]
    costs.watch_memory(device)
    model.train()
    for step in range(state["step"], steps):
        engine.seed_layers(stream_seed("dropout", seed, step), device)
        chosen = torch.from_numpy(order.batch(step)).to(device)
        random.manual_seed(stream_seed("augment", seed, step))
        batch, targets = engine.augment(images[chosen], augmentation, random), labels[chosen]
        for group in optimizer.param_groups:
            group["lr"] = base_rate * rate_factor(recipe, step, steps)
        with engine.autocast(device, recipe["precision"]):
            output = forward(batch)
        loss = F.cross_entropy(output.float(), targets)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        correct, seen, done = (output.detach().argmax(1) == targets).sum(), len(targets), step + 1
        total += torch.stack([loss.detach().double() * seen, correct.double(), correct.new_tensor(seen)])
        stopped = rules.after_step(done, seen - correct, time.monotonic() - started)
        if done % every == 0 or done == steps or stopped:
            state["history"].append(_row(model, done, order.per_epoch, total, watched, time.monotonic() - started))
            total.zero_()
            _keep_best(state, model, recipe)
            stopped = stopped or rules.after_validation(done, state["best"])
        if stopped or done == steps:
            break
        if stop.due():
            state |= {"step": done, "seconds": time.monotonic() - started, "sum": total.tolist()}
            state["stopping"] = rules.state()
            entry.save({**state, "model": arrays(model.state_dict()), "optimizer": arrays(optimizer.state_dict())})
            stop.done()
    seconds = time.monotonic() - started
    if state["best"]:
        model.load_state_dict(tensors(state["best"]["model"]))
    output = engine.logits(model, images)
    facts = {
        "steps": done,
        "epochs": round(done / order.per_epoch, 3),
        "images": min(done * recipe["batch_size"], round(done / order.per_epoch * len(labels))),
        "train_seconds": round(seconds, 3),
        "parameters": sum(p.numel() for p in model.parameters()),
        "stopped_by": stopped if stopped and done < steps else "steps" if recipe.get("steps") else "epochs",
        "kept_step": state["best"]["step"] if state["best"] else done,
        # of the kept weights, on all training images as they are and the labels trained on, wrong ones included
        "train_loss": F.cross_entropy(output, labels).item(),
        "train_error": (output.argmax(1) != labels).double().mean().item(),
        "real_images": data.train.real,
        "repeated_images": data.train.repeated,
        "synthetic_images": len(labels) - data.train.real - data.train.repeated,
        "selection_images": len(watched["selection"][1]) if "selection" in watched else None,
    }
    facts["images_per_second"] = round(facts["images"] / max(seconds, 1e-9), 1)
    facts |= costs.memory(device)
    result = {"done": True, "model": arrays(model.state_dict()), "history": state["history"], "facts": facts}
    entry.save(result)
    return result


def _watched(data: Data, recipe: dict[str, Any], seed: int, device: str) -> dict[str, tuple[Tensor, Tensor]]:
    """The image sets that are looked at during training: val, generated ones, and what selects a checkpoint."""
    sets = {"val": (data.val_images, data.val_labels)}
    if data.train.monitor is not None:
        sets["generated"] = data.train.monitor
    if recipe["checkpoint"] == "best-val":
        # A few-shot run that chose its checkpoint on a large validation set would have seen more than its few images.
        balanced = np.lexsort((data.val_labels, class_ranks(data.val_labels, seed)))[: data.train.real]
        sets["selection"] = (data.val_images[balanced], data.val_labels[balanced])
    return {
        name: (engine.to_device(images, device), torch.from_numpy(labels).to(device))
        for name, (images, labels) in sets.items()
    }


Watched = dict[str, tuple[Tensor, Tensor]]


def _row(
    model: nn.Module, step: int, per_epoch: int, total: Tensor, watched: Watched, seconds: float
) -> dict[str, Any]:
    loss, correct, seen = total.tolist()
    if not math.isfinite(loss):
        raise DivergedError(f"the training loss is not finite by step {step}: lower the recipe's learning_rate")
    row = {"step": step, "epoch": round(step / per_epoch, 3), "seconds": round(seconds, 3)}
    row |= {"images": int(seen), "train_loss": loss / seen, "train_accuracy": correct / seen}
    for name, (images, labels) in watched.items():
        output = engine.logits(model, images)
        row[f"{name}_loss"] = F.cross_entropy(output, labels).item()
        row[f"{name}_accuracy"] = (output.argmax(1) == labels).double().mean().item()
    return row


def _keep_best(state: dict[str, Any], model: nn.Module, recipe: dict[str, Any]) -> None:
    if recipe["checkpoint"] != "best-val":
        return
    row = state["history"][-1]
    if state["best"] is None or row["selection_accuracy"] > state["best"]["accuracy"]:
        found = {"accuracy": row["selection_accuracy"], "step": row["step"]}
        state["best"] = {**found, "model": arrays(model.state_dict())}


def arrays(tree: Any) -> Any:
    """A tree of tensors (a state_dict) as a tree of numpy arrays, copied."""
    if isinstance(tree, Tensor):
        return tree.detach().cpu().contiguous().numpy().copy()
    if isinstance(tree, dict):
        return {key: arrays(value) for key, value in tree.items()}
    return [arrays(value) for value in tree] if isinstance(tree, (list, tuple)) else tree


def tensors(tree: Any) -> Any:
    """A tree of numpy arrays as a tree of tensors, copied."""
    if isinstance(tree, np.ndarray):
        return torch.from_numpy(tree.copy())
    if isinstance(tree, dict):
        return {key: tensors(value) for key, value in tree.items()}
    return [tensors(value) for value in tree] if isinstance(tree, list) else tree
