"""Training one classifier: deterministic, interruptible at any step, and never done twice.

Everything random in a step (order, augmentation, dropout) is a function of the seed and the step's number, so that
the state of a run is its weights, its optimiser and its position, and a resumed run equals one never stopped.
"""

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from synthmix.images import feeding
from synthmix.images.augmentation import augment
from synthmix.images.draws import TrainingSet, class_ranks
from synthmix.images.feeding import Order, Streamed
from synthmix.images.mapped import Images
from synthmix.interruption import Interruption
from synthmix.networks import costs, engine, frozen, parallel
from synthmix.networks.measuring import history_row, measure, share
from synthmix.networks.optimisers import freeze, optimiser
from synthmix.networks.parallel import Team
from synthmix.networks.schedules import Schedule, budget, validation_interval
from synthmix.networks.stopping import Stopping
from synthmix.store import Entry
from synthmix.streams import seed as stream_seed


@dataclass
class Data:
    """What a run sees."""

    train: TrainingSet
    val_images: Images  # uint8 (N, H, W, C)
    val_labels: np.ndarray  # int64 (N,)
    classes: int


def initialise(
    build: Any, model: dict[str, Any], channels: int, size: int, classes: int, seed: int
) -> engine.Classifier:
    """A classifier with the initial weights that belong to a seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stream_seed("initialisation", seed))
        return engine.Classifier(build(model, channels, size, classes), channels)


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


def fit(
    build: Any,
    spec: dict[str, Any],
    seed: int,
    data: Data,
    entry: Entry,
    stop: Interruption,
    device: str,
    processes: int = 1,
    features: frozen.Features | None = None,
) -> dict[str, Any]:
    """Train one run to its end, or take its result from the store.

    Args:
        build: the architecture's `build`, a function of a module of this library.
        spec: `model` and `recipe`, defaults resolved; `scale` "unit" for networks that take images in [0, 1] and
            normalise them themselves.
        seed: the run's seed.
        data: what it sees; the test split is not among it.
        entry: the run's entry in the store.
        stop: when to save, and whether to stop.
        device: "cpu" or "cuda".
        processes: how many share the training, each on a GPU of its own. Without dropout, the result depends on it by
            rounding alone.
        features: those that the job knows already, under a frozen backbone.

    Raises:
        DivergedError: the loss was not finite in the steps before a validation.
        ValueError: the recipe names parts that the network does not have.

    Returns:
        The finished state: `model` (arrays by name), `history` (rows), `facts` (steps, seconds, parameters, what ended
        it, error and loss of the kept weights on the training images, ...).
    """
    state = entry.load()
    if state is not None and state.get("done"):
        return state
    recipe = spec["recipe"]
    processes = 1 if frozen.reusable(recipe) else min(processes, recipe["batch_size"])
    return parallel.run(_fit, processes, device, entry, stop, build, spec, seed, data, state, features)


def _fit(
    team: Team,
    entry: Entry,
    stop: Interruption,
    build: Any,
    spec: dict[str, Any],
    seed: int,
    data: Data,
    state: dict[str, Any] | None,
    features: frozen.Features | None,
) -> dict[str, Any]:
    device, recipe, model_spec = team.device, spec["recipe"], spec["model"]
    size, channels = data.train.images.shape[1], data.train.images.shape[3]
    model = initialise(build, model_spec, channels, size, data.classes, seed)
    images, labels = feeding.placed(data.train.images, device), torch.from_numpy(data.train.labels).to(device)
    model.normalise_by(None if spec.get("scale") == "unit" else images)
    if team.size > 1 and device != "cpu":  # PyTorch has batch norms of several processes for GPUs only
        model.network = nn.SyncBatchNorm.convert_sync_batchnorm(model.network)
    model.to(device).to(memory_format=torch.channels_last)  # in place
    still = freeze(model, recipe.get("freeze") or ())
    optimizer = optimiser(model, recipe, model_spec.get("width", 1))
    base_rates = [group["lr"] for group in optimizer.param_groups]
    steps = budget(recipe, len(labels))
    order = Order(len(labels), recipe["batch_size"], seed)
    rules, stopped = Stopping(recipe.get("stop"), order.per_epoch, device), None
    schedule = Schedule(recipe, steps, order.per_epoch)
    state = state or {"step": 0, "history": [], "seconds": 0.0, "best": None, "sum": [0.0, 0.0, 0], "validating": 0.0}
    if "model" in state:
        model.load_state_dict(tensors(state["model"]))
        restore(optimizer, state["optimizer"])
        rules.restore(state["stopping"])
        schedule.restore(state["schedule"])
    trained: nn.Module = model
    see: Callable[[Images], Tensor | Streamed] = partial(feeding.placed, device=device)
    if frozen.reusable(recipe):
        trained = frozen.head(model)
        see = partial((features or frozen.Features()).of, model, device=device)
        images = see(data.train.images)
    watched = {name: (see(shown), torch.from_numpy(own).to(device)) for name, (shown, own) in _watched(data).items()}
    selection = _selection(data, recipe, seed)
    selecting = None if selection is None else torch.from_numpy(selection).to(device)
    every = validation_interval(recipe, steps, order.per_epoch)
    random, augmentation = torch.Generator(), recipe.get("augment") or "none"
    forward: Any = team.shared(trained)
    if recipe.get("compile"):
        forward = engine.compiled(forward)
    total = torch.tensor(state["sum"], dtype=torch.float64, device=device)  # loss, correct, images since the last row
    started = time.monotonic() - state["seconds"]
    costs.watch_memory(device)
    model.train()
    for module in still:
        module.eval()
    batches = feeding.batches(images, map(order.batch, range(state["step"], steps)))
    for step in range(state["step"], steps):
        # masks of dropout are a process's own
        engine.seed_layers(stream_seed("dropout", seed, step, *([team.rank] if team.rank else [])), device)
        chosen, batch = next(batches)
        random.manual_seed(stream_seed("augment", seed, step))
        batch, targets = augment(batch, augmentation, random), labels[chosen]
        for group, rate in zip(optimizer.param_groups, base_rates, strict=True):
            group["lr"] = rate * schedule.factor(step)
        optimizer.zero_grad(set_to_none=True)
        seen, done = len(targets), step + 1
        loss, correct = team.mean(_backward(forward, batch, targets, recipe, team))
        correct = correct.round().long()
        if recipe.get("clip"):
            nn.utils.clip_grad_norm_(model.parameters(), recipe["clip"])
        optimizer.step()
        total += torch.stack([loss * seen, correct.double(), loss.new_full((), seen)])
        spent = time.monotonic() - started - state["validating"]
        stopped = rules.after_step(done, seen - correct, _agreed(spent, rules, team))
        if done % every == 0 or done == steps or stopped:
            sums, looked = total.tolist(), time.monotonic()  # a GPU has done its steps by then
            spent = looked - started - state["validating"]
            row = history_row(trained, done, order.per_epoch, sums, watched, selecting, spent, team)
            state["history"].append(row)
            total.zero_()
            _keep_best(state, model, recipe)
            schedule.after_validation(state["history"][-1])
            stopped = stopped or rules.after_validation(done, state["best"])
            state["validating"] += time.monotonic() - looked
        if stopped or done == steps:
            break
        if stop.due():
            state |= {"step": done, "seconds": time.monotonic() - started, "sum": total.tolist()}
            state |= {"stopping": rules.state(), "schedule": schedule.state()}
            if team.first:
                entry.save({**state, "model": arrays(model.state_dict()), "optimizer": arrays(optimizer.state_dict())})
            stop.done()
    seconds = time.monotonic() - started - state["validating"]
    if state["best"]:
        model.load_state_dict(tensors(state["best"]["model"]))
    ((train_loss, _, train_error),) = measure(trained, images, labels, team)
    facts = {
        "steps": done,
        "epochs": round(done / order.per_epoch, 3),
        "images": min(done * recipe["batch_size"], round(done / order.per_epoch * len(labels))),
        "train_seconds": round(seconds, 3),
        "validation_seconds": round(state["validating"], 3),
        "parameters": sum(p.numel() for p in model.parameters()),
        "stopped_by": stopped if stopped and done < steps else "steps" if recipe.get("steps") else "epochs",
        "kept_step": state["best"]["step"] if state["best"] else done,
        # of the kept weights, on all training images as they are and the labels trained on, wrong ones included
        "train_loss": train_loss,
        "train_error": train_error,
        "real_images": data.train.real,
        "repeated_images": data.train.repeated,
        "synthetic_images": len(labels) - data.train.real - data.train.repeated,
        "selection_images": None if selection is None else int(selection.sum()),
    }
    kept = next(row for row in state["history"] if row["step"] == facts["kept_step"])
    facts |= {name: kept.get(name) for name in ("selection_loss", "selection_accuracy")}
    facts["images_per_second"] = round(facts["images"] / max(seconds, 1e-9), 1)
    facts |= costs.memory(device)
    result = {"done": True, "model": arrays(model.state_dict()), "history": state["history"], "facts": facts}
    if team.first:
        entry.save(result)
    return result


def _backward(forward: Any, batch: Tensor, targets: Tensor, recipe: dict[str, Any], team: Team) -> Tensor:
    """Give the parameters the gradients of a batch's mean loss, of which a process computes its share, in parts.

    Returns:
        Loss and number of right predictions, float64 (2,); their means over the processes are those of the batch.
    """
    rows, weight = share(team, len(targets))
    own, fewest = len(targets[rows]), len(targets) // team.size or len(targets)
    parts = min(recipe.get("accumulate") or 1, fewest)  # none is empty, and all processes have equally many
    total = torch.zeros(2, dtype=torch.float64, device=targets.device)
    each = zip(batch[rows].tensor_split(parts), targets[rows].tensor_split(parts), strict=True)
    for part, (inputs, wanted) in enumerate(each, 1):
        with team.apart(forward) if part < parts else contextlib.nullcontext():
            with engine.autocast(team.device, recipe["precision"]):
                output = forward(inputs)
            loss = F.cross_entropy(output.float(), wanted, label_smoothing=recipe.get("label_smoothing") or 0.0)
            loss = loss * (weight * len(wanted) / own)
            loss.backward()
        right = (output.detach().argmax(1) == wanted).sum()
        total += torch.stack([loss.detach().double(), right.double() * (weight * len(targets) / own)])
    return total


def _agreed(seconds: float, rules: Stopping, team: Team) -> float:
    """The time that all processes stop by: the mean of theirs, where a rule asks for it."""
    if team.size == 1 or "max_seconds" not in rules.rules:
        return seconds
    return team.mean(torch.tensor(seconds, dtype=torch.float64, device=team.device)).item()


def _watched(data: Data) -> dict[str, tuple[Images, np.ndarray]]:
    """The images and labels that are looked at: val, and generated ones."""
    sets: dict[str, tuple[Images, np.ndarray]] = {"val": (data.val_images, data.val_labels)}
    return sets if data.train.monitor is None else {**sets, "generated": data.train.monitor}


def _selection(data: Data, recipe: dict[str, Any], seed: int) -> np.ndarray | None:
    """The val images that select checkpoint, rate or recipe, bool (N,); None where nothing is selected."""
    if recipe["checkpoint"] != "best-val" and recipe["schedule"] != "plateau" and not recipe.get("searched"):
        return None
    # A few-shot run that was steered by a large validation set would have seen more than its few images.
    balanced = np.lexsort((data.val_labels, class_ranks(data.val_labels, seed)))[: data.train.real]
    return np.isin(np.arange(len(data.val_labels)), balanced)


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
