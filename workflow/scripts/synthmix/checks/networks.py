"""Checks of networks of torchvision and timm that need PyTorch: made just before the first job starts.

When the Snakefile is read they would take seconds each time; in the training job they would come after generators have
been trained for hours.
"""

import importlib
import importlib.util
import json
import warnings
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

from synthmix.checks import known, trainings
from synthmix.checks.models import LIBRARIES
from synthmix.planning import initial_weights
from synthmix.planning.graph import Planned
from synthmix.planning.plan import Definition, Plan
from synthmix.spec import canonical


class NetworkError(ValueError):
    """A network that cannot be trained as planned; the message is one line with the remedy."""


def check(planned: Iterable[Planned], plan: Plan) -> None:
    """Raise NetworkError where a network that is about to be trained does not take its images, or not its weights, or
    not a batch of one image that it will get, or where one is about to be explained whose attention is not known.

    What is not known yet is left to the job: the size of images that are not prepared, weights that it will download.
    Nothing is checked where PyTorch is not installed, as where jobs have an environment of their own.
    """
    specs = [(job.rule, job.wildcards, job.spec) for job in planned if job.runs and job.spec]
    specs = [each for each in specs if each[2].get("model", {}).get("architecture") in LIBRARIES]
    wanted = {(names["dataset"], names["model"]) for rule, names, _ in specs if rule == "train"}
    explained = {
        (names["dataset"], names["model"], names["explainer"])
        for rule, names, spec in specs
        if rule == "explain" and spec["explainer"]["kind"] == "attention"
    }
    if not (wanted or explained) or importlib.util.find_spec("torch") is None:
        return
    for dataset, name in sorted(wanted):
        model = plan.definitions["models"][name]
        size = known.side(dataset, plan.definitions["datasets"][dataset]) or model.get("input_size")
        try:
            _check(model, size, plan.config)
        except (ValueError, RuntimeError) as error:
            raise NetworkError(f"models.{name}: {error}") from error
    for rule, names, spec in specs:
        if rule == "train":
            _last_batches(names["dataset"], names["model"], names["recipe"], spec, plan)
    for dataset, name, explainer in sorted(explained):
        model = plan.definitions["models"][name]
        size = model.get("input_size") or known.side(dataset, plan.definitions["datasets"][dataset])
        if size is not None:
            try:
                _look(model, plan.definitions["explainers"][explainer], size)
            except ValueError as error:
                raise NetworkError(f"models.{name}: {error}") from error


def _check(model: Definition, size: int | None, config: Definition) -> None:
    from synthmix.networks.libraries import without_values
    from synthmix.networks.weights import MissingWeightsError

    module: Any = importlib.import_module(f"synthmix.models.{model['architecture']}")
    path = None
    if initial_weights.wanted(model):
        try:
            (path,) = module.locate(model, Path(config["weights"]), offline=True)
        except MissingWeightsError:
            if config["offline"]:
                raise
    if size is None:
        return
    network = without_values(lambda: module.build(model, 3, size, 2))
    if path:
        with warnings.catch_warnings(action="ignore"):  # of layers without values, which take none
            module.load(network, model, path)


def _last_batches(dataset: str, name: str, recipe: str, spec: Definition, plan: Plan) -> None:
    """Batch norm has no variance to divide by where a batch is one image and what it sees of that is one pixel."""
    definition, own = plan.definitions["datasets"][dataset], spec["recipe"]
    size = known.side(dataset, definition) or spec["model"].get("input_size")
    frozen = tuple(own.get("freeze") or ())
    for training_set, each in spec["training_sets"].items():
        images = trainings.train_images(dataset, definition, each)
        problem = trainings.of_one_image(own, images, training_set, dataset)
        layer = problem and size and _norm_of_one_pixel(canonical(spec["model"]), size, frozen)
        if layer:
            needs = f"and {layer} of model {name} is a batch norm over one pixel, which needs two; change it"
            raise NetworkError(f"recipes.{recipe}.batch_size: {problem}, {needs}")


@cache  # of many training sets, each with one image left over
def _norm_of_one_pixel(written: str, size: int, frozen: tuple[str, ...]) -> str | None:
    """The first trained batch norm, by name, that sees one value of each image and channel; None where none does.

    written: the model, as canonical JSON.
    """
    import torch
    from torch.nn.modules.batchnorm import _BatchNorm

    from synthmix.networks.libraries import without_values

    model = json.loads(written)
    module: Any = importlib.import_module(f"synthmix.models.{model['architecture']}")
    network = without_values(lambda: module.build(model, 3, size, 2)).eval()
    found: list[str] = []

    def watch(layer: str) -> Callable[[Any, tuple[Any]], None]:
        return lambda _, inputs: found.append(layer) if inputs[0][0, 0].numel() == 1 else None

    for layer, part in network.named_modules():
        if isinstance(part, _BatchNorm) and not any(f"{layer}.".startswith(f"{each}.") for each in frozen):
            part.register_forward_pre_hook(watch(layer))
    with torch.no_grad():
        network(torch.empty(1, 3, size, size, device="meta"))
    return next(iter(found), None)


def _look(model: Definition, explainer: Definition, size: int) -> None:
    """Look into a network without values, as explainer `attention` will."""
    import torch

    from synthmix.networks import attention_weights
    from synthmix.networks.libraries import without_values

    module: Any = importlib.import_module(f"synthmix.models.{model['architecture']}")
    network = without_values(lambda: module.build(model, 3, size, 2)).eval()
    with torch.no_grad():
        image = torch.empty(1, 3, size, size, device="meta")
        _, found = attention_weights.observed(network, lambda: network(image))
    attention_weights.chosen(explainer.get("layers"), len(found.weights))
