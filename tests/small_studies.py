"""Shipped small studies on data that a test has at hand, and with numbers that fit into a test."""

import os
from pathlib import Path
from typing import Any

import yaml

REPOSITORY = Path(__file__).parents[1]
SHARED = Path(os.environ.get("SYNTHMIX_TEST_DATA", REPOSITORY.parent / "shared/data"))
# What a data set of a study is called among the test data.
FOLDERS = {"mnist": "mnist", "mnist16": "mnist", "lesions": "melanoma64"}
# What stands in for it where there are none; two of ten digits make a rare class of lesions.
STAND_INS: dict[str, dict[str, Any]] = {
    "mnist": {},
    "mnist16": {},
    "lesions": {"merge": {"benign": [str(n) for n in range(8)], "malignant": ["8", "9"]}, "channels": 3},
}

# Recipes whose runs another recipe's runs stand for.
LEFT_OUT = ("w16-epochs",)
# Extractors that take little time.
FASTER: dict[str, dict[str, Any]] = {"classifier": {"epochs": 2}, "timm": {"image_size": 48}}


def read(name: str) -> dict[str, Any]:
    """A shipped study as it stands in its file."""
    content = yaml.safe_load((REPOSITORY / f"studies/{name}.yaml").read_text())
    assert isinstance(content, dict)
    return content


def has_data(study: dict[str, Any]) -> bool:
    """Whether the test data hold every data set of a study."""
    return all((SHARED / FOLDERS[name] / "train.parquet").is_file() for name in study["datasets"])


def at_hand(study: dict[str, Any]) -> dict[str, Any]:
    """The study on the test data, or on scikit-learn's digits where there are none."""
    own = has_data(study)
    return {**study, "datasets": {k: _parquet(k, v) if own else _digits(k, v) for k, v in study["datasets"].items()}}


def reduced(study: dict[str, Any], by: int = 8, seeds: int = 2) -> dict[str, Any]:
    """The study with numbers of images divided by `by`, a few steps of training and fewer seeds."""

    def fewer(definition: dict[str, Any], *keys: str) -> dict[str, Any]:
        counts = {key: definition[key] for key in keys if isinstance(definition.get(key), int)}
        return {**definition, **{key: max(2, n // by) for key, n in counts.items()}}

    def each(section: str, *keys: str) -> dict[str, Any]:
        return {name: fewer(definition, *keys) for name, definition in study[section].items()}

    datasets = {
        name: {**dataset, "val": 100, "limit": {k: n // 5 for k, n in {"test": 1000, **dataset["limit"]}.items()}}
        for name, dataset in study["datasets"].items()
    }
    return {
        **study,
        "datasets": datasets,
        "generators": {name: _short(generator) for name, generator in study["generators"].items()},
        "pools": {k: {**v, "steps": min(v["steps"], 4)} for k, v in each("pools", "per_class", "shard_size").items()},
        "extractors": {k: {**v, **FASTER[v["kind"]]} for k, v in study["extractors"].items()},
        "filters": each("filters", "among", "keep"),
        "training_sets": each("training_sets", "real", "synthetic", "draw_from", "held_back"),
        "recipes": {
            k: {**v, "epochs": 1} if "epochs" in v else {**v, "steps": 20} for k, v in study["recipes"].items()
        },
        "audits": [fewer(entry, "n") for entry in study["audits"]],
        "runs": [{**entry, "seeds": seeds} for entry in study["runs"] if entry["recipe"] not in LEFT_OUT],
        "cross_tests": [{**entry, "seeds": seeds} for entry in study["cross_tests"]],
    }


def _short(generator: dict[str, Any]) -> dict[str, Any]:
    if "train_from_scratch" in generator:
        return {**generator, "train_from_scratch": _short(generator["train_from_scratch"])}
    return {**generator, "steps": max(10, generator["steps"] // 25), "batch_size": 32}


def _parquet(name: str, dataset: dict[str, Any]) -> dict[str, Any]:
    kept = {key: dataset[key] for key in ("val", "resolution", "limit") if key in dataset}
    files = {"train": "train.parquet", "test": "test.parquet"}
    return {"source": "parquet", "root": str(SHARED / FOLDERS[name]), **files, **kept}


def _digits(name: str, dataset: dict[str, Any]) -> dict[str, Any]:
    kept = {key: dataset[key] for key in ("val", "resolution", "limit") if key in dataset}
    return {"source": "embedded", "name": "digits", "test": 0.2, **kept, **STAND_INS[name]}


def write(workspace: Any, name: str, study: dict[str, Any]) -> None:
    """Put a study in the place of a workspace's studies."""
    for path in (workspace / "studies").glob("*.yaml"):
        path.unlink()
    workspace.write(f"studies/{name}.yaml", yaml.safe_dump(study, sort_keys=False))
