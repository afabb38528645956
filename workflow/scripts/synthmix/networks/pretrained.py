"""Pretrained weights on their way into a network: read as data, compared with its layers, copied."""

import importlib
import pickle
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from synthmix.planning import initial_weights

SHOWN = 3  # layers named in one message
COUNTER = "num_batches_tracked"  # of batch norm; older files lack it, and no result depends on it


def builder(architecture: Any, model: Mapping[str, Any], settings: Mapping[str, Any]) -> Callable[..., nn.Module]:
    """The `build` of an architecture's module, and after it, where the model has pretrained weights, its `load`.

    The file is looked for when a network is built for the first time: finished trainings need none. settings: `weights`
    and `offline` of config.yaml. The function raises MissingWeightsError; ValueError where the file is not the planned
    one or does not fit.
    """
    build: Callable[..., nn.Module] = architecture.build
    if not initial_weights.wanted(model):
        return build
    return _Loading(architecture.__name__, model, Path(settings["weights"]), settings["offline"])


@dataclass
class _Loading:
    """A function that builds a network and loads its weights; processes that share a training get a copy of it."""

    module: str
    model: Mapping[str, Any]
    folder: Path
    offline: bool

    @cached_property
    def path(self) -> Path:
        (found,) = importlib.import_module(self.module).locate(self.model, self.folder, self.offline)
        initial_weights.require_planned(self.model, found)
        return Path(found)

    def __call__(self, *arguments: Any) -> nn.Module:
        architecture, file = importlib.import_module(self.module), self.path
        network: nn.Module = architecture.build(*arguments)
        architecture.load(network, self.model, file)
        return network


def load(network: nn.Module, path: Path, name: str, whole: nn.Module | None = None, spared: Iterable[str] = ()) -> None:
    """Copy the weights of a file into a network.

    They are found by name; where names differ, as in files of other implementations of the same network, by their order
    in the whole network, which PyTorch's files keep and safetensors sorts by name.

    Args:
        network: where they go.
        path: a file, safetensors or PyTorch's.
        name: the network's, for messages.
        whole: the network with all layers that the file holds, where `network` has fewer; its values are not looked at.
        spared: beginnings of the names of layers that stay as they are.

    Raises:
        ValueError: the file is damaged, of another network or without the order of layers that its names would need, or
            a spared layer does not exist.
    """
    state = network.state_dict()
    for prefix in spared:
        if not any(_belongs(layer, prefix) for layer in state):
            raise ValueError(f"random_layers: {name} has no layer {prefix}: its first are {_some(_parents(state))}")
    known = _without_counters((whole or network).state_dict())
    wanted = {key: value for key, value in _without_counters(state).items() if not _any_belongs(key, spared)}
    values = _without_counters(_read(path, name))
    if not wanted.keys() <= values.keys() and len(values) == len(known):
        if path.suffix == ".safetensors":
            raise ValueError(
                f"{path} has other names for the layers of {name}, and safetensors keeps no order to go by: rename "
                "them, or give a .pth of the same weights"
            )
        values = dict(zip(known, values.values(), strict=True))
    problems = [f"it has no {key}" for key in wanted if key not in values]
    problems += [f"{key} is no layer of the network" for key in values if key not in known]
    problems += [
        f"{key} is {tuple(values[key].shape)}, not {tuple(value.shape)}"
        for key, value in wanted.items()
        if key in values and values[key].shape != value.shape
    ]
    if problems:
        raise ValueError(f"{path} does not hold the weights of {name} ({_some(problems)}): give those of {name}")
    network.load_state_dict({key: values[key] for key in wanted}, strict=False)


def _read(path: Path, name: str) -> dict[str, Tensor]:
    try:
        values = load_file(path) if path.suffix == ".safetensors" else torch.load(path, "cpu", weights_only=True)
    except (SafetensorError, RuntimeError, pickle.UnpicklingError, EOFError, OSError) as error:
        raise ValueError(f"{path} does not hold the weights of {name}, it cannot be read: get them again") from error
    if not isinstance(values, dict) or not all(isinstance(value, Tensor) for value in values.values()):
        raise ValueError(
            f"{path} does not hold the weights of {name}, but no state_dict: save the network's state_dict"
        )
    return values


def _without_counters(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {key: value for key, value in state.items() if not key.endswith(COUNTER)}


def _belongs(key: str, layer: str) -> bool:
    return f"{key}.".startswith(f"{layer}.")


def _any_belongs(key: str, layers: Iterable[str]) -> bool:
    return any(_belongs(key, layer) for layer in layers)


def _parents(state: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(key.split(".")[0] for key in state))


def _some(texts: list[str]) -> str:
    more = f" and {len(texts) - SHOWN} more" if len(texts) > SHOWN else ""
    return ", ".join(texts[:SHOWN]) + more
