"""The files of a training job: its trained networks and their histories."""

import importlib.metadata
import platform
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch

from synthmix import files

Key = tuple[str, int]  # training set and seed
HISTORY = ["training_set", "seed", "step", "epoch", "images", "seconds"]
HISTORY += [f"{images}_{value}" for images in ("train", "val", "generated") for value in ("loss", "accuracy")]


def each(keys: Mapping[str, Mapping[str, str]]) -> Iterator[tuple[str, int, str]]:
    """(training set, seed, key of the run) for every run of a job's spec."""
    for training_set, seeds in keys.items():
        for seed in sorted(seeds, key=int):
            yield training_set, int(seed), seeds[seed]


def versions() -> dict[str, str]:
    """Versions of what a result depends on."""
    packages = ("torch", "torchvision", "numpy", "scikit-learn", "diffusers", "timm")
    return {"python": platform.python_version(), **{name: importlib.metadata.version(name) for name in packages}}


def hardware(device: str) -> str:
    """The device in words: the name of the GPU, or of the processor's kind."""
    return torch.cuda.get_device_name(device) if device.startswith("cuda") else f"cpu ({platform.machine()})"


def write(states: Mapping[Key, dict[str, Any]], spec: dict[str, Any], device: str, output: Any) -> None:
    """Write the finished states of a job: model, history and facts."""
    arrays: dict[str, np.ndarray] = {}
    rows, facts = [], []
    for (training_set, seed), state in states.items():
        arrays |= {f"{training_set}/{seed}/{name}": array for name, array in state["model"].items()}
        named = {"training_set": training_set, "seed": seed}
        rows += [{**named, **{name: row[name] for name in HISTORY if name in row}} for row in state["history"]]
        facts.append({**named, **state["facts"]})
    files.write_arrays(output.model, arrays)
    files.write_rows(output.history, HISTORY, rows)
    about = {"spec": spec, "versions": versions(), "device": hardware(device)}
    files.write_json(output.facts, {**about, "runs": facts})


def read_models(path: str) -> dict[Key, dict[str, np.ndarray]]:
    """The parameters of every run in a job's model file."""
    arrays, _ = files.read_arrays(path)
    models: dict[Key, dict[str, np.ndarray]] = {}
    for name, array in arrays.items():
        training_set, seed, parameter = name.split("/", 2)
        models.setdefault((training_set, int(seed)), {})[parameter] = array
    return models
