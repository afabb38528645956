"""Checks of networks of torchvision and timm that need PyTorch: made just before the first job starts.

When the Snakefile is read they would take seconds each time; in the training job they would come after generators have
been trained for hours.
"""

import importlib
import importlib.util
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from synthmix.checks import known
from synthmix.checks.models import LIBRARIES
from synthmix.planning import initial_weights
from synthmix.planning.graph import Planned
from synthmix.planning.plan import Definition, Plan


class NetworkError(ValueError):
    """A network that cannot be trained as planned; the message is one line with the remedy."""


def check(planned: Iterable[Planned], plan: Plan) -> None:
    """Raise NetworkError where a network that is about to be trained does not take its images, or not its weights, or
    where one is about to be explained whose attention is not known.

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
