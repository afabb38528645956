"""The files of a training job: its trained networks, their histories, their test results."""

import importlib.metadata
import os
import platform
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import nn

from synthmix import engine, files, pools
from synthmix.data import Split
from synthmix.evaluating import judge
from synthmix.pools import Pool
from synthmix.spec import digest
from synthmix.store import Entry

Key = tuple[str, int]  # training set and seed
LEDGER = Path("results/test_ledger.csv")
HISTORY = ["training_set", "seed", "step", "epoch", "images", "seconds"]
HISTORY += [f"{images}_{value}" for images in ("train", "val", "generated") for value in ("loss", "accuracy")]


def each(keys: Mapping[str, Mapping[str, str]]) -> Iterator[tuple[str, int, str]]:
    """(training set, seed, key of the run) for every run of a job's spec."""
    for training_set, seeds in keys.items():
        for seed in sorted(seeds, key=int):
            yield training_set, int(seed), seeds[seed]


def read_pools(shards: Sequence[str]) -> dict[str, Pool]:
    """The pools whose shards are given, by name; every group of a pool is part of it."""
    paths: dict[str, list[str]] = {}
    for path in shards:
        paths.setdefault(Path(path).parts[-3], []).append(path)
    return {name: pools.read(found) for name, found in paths.items()}


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


def classifier(
    build: Any, model: dict[str, Any], parameters: dict[str, np.ndarray], images: Split | Pool, classes: int
) -> nn.Module:
    """A trained classifier for images of the given kind."""
    size, channels = images.images.shape[1], images.images.shape[3]
    network = engine.Classifier(build(model, channels, size, classes), channels)
    network.load_state_dict({name: torch.from_numpy(value) for name, value in parameters.items()})
    return network


def probabilities(network: nn.Module, images: np.ndarray, device: str) -> np.ndarray:
    """Class probabilities, float64 (N, K), of uint8 images (N, H, W, C)."""
    network = network.to(device).to(memory_format=torch.channels_last)
    return engine.logits(network, engine.to_device(images, device)).double().softmax(1).cpu().numpy()


def test_once(network: nn.Module, test: Split, key: str, dataset: str, device: str) -> np.ndarray:
    """Probabilities on the test split, float64 (N, K): computed once for a key, then taken from the store.

    Each computation leaves a line in the ledger, so that how often a trained network has met the test split is on
    record.
    """
    entry = Entry(digest({"tested": key}))
    with entry.locked():
        state = entry.load()
        if state is None:
            state = {"probabilities": probabilities(network, test.images, device)}
            _note(key, dataset, len(test.labels))
            entry.save(state)
    result: np.ndarray = state["probabilities"]
    return result


def _note(key: str, dataset: str, images: int) -> None:
    line = f"{time.strftime('%Y-%m-%dT%H:%M:%S')},{dataset},{key},{images}\n"
    LEDGER.parent.mkdir(parents=True, exist_ok=True)
    # One write in append mode: lines of jobs that run side by side do not mix.
    descriptor = os.open(LEDGER, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(descriptor, line.encode())
    finally:
        os.close(descriptor)


def write_results(
    results: Mapping[Key, np.ndarray],
    test: Split,
    spec: dict[str, Any],
    training: dict[str, Any],
    meta: dict[str, Any],
    device: str,
    output: Any,
) -> None:
    """Write predictions and metrics of every run of a job.

    Args:
        results: probabilities on the test split by run.
        test: the test split.
        spec: of the evaluation; its `about` says what each training set's generator saw.
        training: what `write` left in training.json.
        meta: of the data set.
        device: where the test ran.
        output: paths `predictions` and `metrics`.
    """
    facts = {(run["training_set"], run["seed"]): run for run in training["runs"]}
    tables, rows = [], []
    for (training_set, seed), found in results.items():
        tables.append(_predictions(training_set, seed, found, test))
        row = {**facts[training_set, seed], "test_images": len(test.labels), **judge(found, test.labels)}
        rows.append({**row, **_generator(spec["about"][training_set], meta)})
    with files.atomic(output.predictions) as temporary:
        pq.write_table(pa.concat_tables(tables), temporary, compression="zstd", write_page_checksum=True)
    about = {
        "spec": spec,
        "versions": training["versions"],
        "device": hardware(device),
        "trained_on": training["device"],
    }
    files.write_json(output.metrics, {**about, "runs": rows})


def _predictions(training_set: str, seed: int, found: np.ndarray, test: Split) -> pa.Table:
    n, predicted = len(test.labels), found.argmax(1)
    columns = {
        "training_set": pa.array([training_set] * n),
        "seed": np.full(n, seed, dtype=np.int64),
        "index": np.arange(n, dtype=np.int64),
        "label": test.labels,
        "prediction": predicted.astype(np.int64),
        "confidence": found.max(1).astype(np.float32),
        "correct": predicted == test.labels,
    }
    return pa.table(columns)


def _generator(about: Mapping[str, Any], meta: dict[str, Any]) -> dict[str, Any]:
    """Which generated images a run trained on, and how many real ones their generator saw."""
    if not about:
        return {"pool": None, "generator_scope": None, "generator_real_images": None}
    per_class = about.get("generator_real")
    seen = per_class * len(meta["classes"]) if per_class else sum(meta["counts"]["train"].values())
    return {"pool": about["pool"], "generator_scope": about["generator_scope"], "generator_real_images": seen}
