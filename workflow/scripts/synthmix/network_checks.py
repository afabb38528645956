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

from synthmix import initial_weights, known
from synthmix.graph import Planned
from synthmix.model_checks import LIBRARIES
from synthmix.plan import Definition, Plan


class NetworkError(ValueError):
    """A network that cannot be trained as planned; the message is one line with the remedy."""


def networks(planned: Iterable[Planned], plan: Plan) -> None:
    """Raise NetworkError where a network that is about to be trained does not take its images, or not its weights.

    What is not known yet is left to the job: the size of images that are not prepared, weights that it will download.
    Nothing is checked where PyTorch is not installed, as where jobs have an environment of their own.
    """
    wanted = {
        (job.wildcards["dataset"], job.wildcards["model"])
        for job in planned
        if job.runs and job.rule == "train" and job.spec and job.spec["model"]["architecture"] in LIBRARIES
    }
    if not wanted or importlib.util.find_spec("torch") is None:
        return
    for dataset, name in sorted(wanted):
        model = plan.definitions["models"][name]
        size = known.side(dataset, plan.definitions["datasets"][dataset]) or model.get("input_size")
        try:
            _check(model, size, plan.config)
        except (ValueError, RuntimeError) as error:
            raise NetworkError(f"models.{name}: {error}") from error


def _check(model: Definition, size: int | None, config: Definition) -> None:
    from synthmix.networks import without_values
    from synthmix.weights import MissingWeightsError

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
