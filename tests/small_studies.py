"""Shipped small studies on data that a test has at hand, and with numbers that fit into a test."""

import itertools
import os
import re
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from workspace import Workspace

from synthmix.planning.plan import listed

ARM = ("dataset", "training_set", "model", "recipe")
CONFIG = "studies: [{}]\ndevice: cpu\nresources:\n  train_generator: {{threads: 1}}\n"

REPOSITORY = Path(__file__).parents[1]
SHARED = Path(os.environ.get("SYNTHMIX_TEST_DATA", REPOSITORY.parent / "shared/data"))
# What a data set of a study is called among the test data.
FOLDERS = {
    "mnist": "mnist",
    "mnist16": "mnist",
    "two16": "mnist",
    "lesions": "melanoma64",
    "cifar4k": "cifar10",
    "body-types": "stanford_cars192",
    "models196": "stanford_cars192",
}
# What stands in for it where there are none; two of ten digits make a rare class of lesions.
STAND_INS: dict[str, dict[str, Any]] = {
    "mnist": {},
    "mnist16": {},
    "two16": {},
    "cifar4k": {"channels": 3},
    "body-types": {"channels": 3},
    "models196": {"channels": 3},
    "lesions": {"merge": {"benign": [str(n) for n in range(8)], "malignant": ["8", "9"]}, "channels": 3},
}

MERGED = {"body-types": ("merge",)}  # the lesions at hand are merged already
KEPT = ("val", "resolution", "limit", "classes")  # what a data set has in common with the one that stands in for it

# Recipes and models whose runs those of others stand for.
LEFT_OUT = ("w16-epochs", "literal-w16", "cnn2", "cnn3", "cnn6", "cnn12", "cnn32")
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
        **_fewer_models(study),
        "datasets": datasets,
        "generators": {name: _short(generator) for name, generator in study["generators"].items()},
        "pools": {k: {**v, "steps": min(v["steps"], 4)} for k, v in each("pools", "per_class", "shard_size").items()},
        "extractors": {k: {**v, **FASTER[v["kind"]]} for k, v in study["extractors"].items()},
        "filters": each("filters", "among", "keep"),
        "training_sets": each("training_sets", "real", "synthetic", "draw_from", "held_back"),
        "recipes": {name: _brief(recipe) for name, recipe in study["recipes"].items()},
        "audits": [fewer(entry, "n") for entry in study["audits"]],
        "runs": [
            {**entry, "seeds": seeds}
            for entry in study["runs"]
            if entry["recipe"] not in LEFT_OUT and entry["model"] not in LEFT_OUT
        ],
        "cross_tests": [{**entry, "seeds": seeds} for entry in study["cross_tests"]],
    }


def reduced_sweeps(study: dict[str, Any], by: int = 8) -> dict[str, Any]:
    """The study `blocks-small` with two epochs, fewer widths and images, and one job for all seeds of a model."""
    datasets = {k: {**v, "val": 60, "limit": {"train": 500, "test": 200}} for k, v in study["datasets"].items()}
    sets = {
        k: {**v, "real": {"total": v["real"]["total"] // by}} if isinstance(v["real"], dict) else v
        for k, v in study["training_sets"].items()
    }
    recipes = {k: {**v, "epochs": 2, "seeds_per_job": 12} for k, v in study["recipes"].items()}
    recipes = {k: {key: value for key, value in v.items() if key != "evaluate_every"} for k, v in recipes.items()}
    return {**_fewer_models(study), "datasets": datasets, "training_sets": sets, "recipes": recipes}


def _brief(recipe: dict[str, Any]) -> dict[str, Any]:
    """A recipe of one epoch or 20 steps; the warm-up goes, which is longer than some of these trainings."""
    budget = {"epochs": 1} if "epochs" in recipe else {"steps": 20}
    return {key: value for key, value in recipe.items() if key != "warmup_steps"} | budget


def _fewer_models(study: dict[str, Any]) -> dict[str, Any]:
    """Lists of models in runs, tables and figures without those that are left out."""

    def fewer(entry: dict[str, Any]) -> dict[str, Any]:
        models = entry.get("model")
        return {**entry, "model": [m for m in models if m not in LEFT_OUT]} if isinstance(models, list) else entry

    views = {key: {name: fewer(view) for name, view in study[key].items()} for key in ("tables", "figures")}
    return {**study, **views, "runs": [fewer(entry) for entry in study["runs"]]}


def reduced_networks(study: dict[str, Any]) -> dict[str, Any]:
    """The study `vit_vs_cnn-small` with few images, one epoch and two seeds."""
    datasets = {k: {**v, "val": 60, "limit": {"train": 240, "test": 100}} for k, v in study["datasets"].items()}
    sets = {
        k: {"real": {"total": 100}} if isinstance(v["real"], dict) else v for k, v in study["training_sets"].items()
    }
    two = {key: [{**entry, "seeds": 2} for entry in study[key]] for key in ("runs", "explanations", "robustness")}
    recipes = {name: _brief(recipe) for name, recipe in study["recipes"].items()}
    return {**study, "datasets": datasets, "training_sets": sets, "recipes": recipes, **two}


def reduced_cars(study: dict[str, Any]) -> dict[str, Any]:
    """The study `cars-small` with a dozen images a class, of ten cars or digits, and two seeds."""
    groups = _two_of_each() if has_data(study) else {"low": list("01234"), "high": list("56789")}
    few = {"val": 60, "resolution": 48, "limit": {"train_per_class": 12, "test": 100}}
    datasets = {name: {**dataset, **few} for name, dataset in study["datasets"].items()}
    if has_data(study):
        ten = {
            "classes": list(itertools.chain(*groups.values())),
            "val": 20,
            "limit": {"train_per_class": 12, "test": 60},
        }
        datasets["models196"] |= ten
    fewer = {3: 1, 5: 2, 10: 3, 20: 4, 40: 5, 80: 6, 1000: 60}
    sets = {
        name: {key: fewer.get(value, value) if isinstance(value, int) else value for key, value in definition.items()}
        for name, definition in study["training_sets"].items()
    }
    sets["n1000"] = {"real": {"total": fewer[study["training_sets"]["n1000"]["real"]["total"]]}}
    views = {
        key: {k: {**v, "groups": groups} if "groups" in v else v for k, v in study[key].items()}
        for key in ("tables", "figures")
    }
    looks = {
        name: {**explainer, "methods": [each for each in explainer["methods"] if each != "score_cam"]}  # it is slow
        for name, explainer in study["explainers"].items()
    }
    return {
        **study,
        **views,
        "datasets": datasets,
        "generators": {name: _short(generator, 50) for name, generator in study["generators"].items()},
        "pools": {name: {**pool, "steps": 3, "per_class": 6, "shard_size": 6} for name, pool in study["pools"].items()},
        "training_sets": sets,
        "recipes": {name: _brief(recipe) for name, recipe in study["recipes"].items()},
        "explainers": looks,
        **{key: [{**entry, "seeds": 2} for entry in study[key]] for key in ("runs", "explanations", "robustness")},
    }


def _two_of_each() -> dict[str, list[str]]:
    """Two car models of each of five body types."""
    models = pd.read_csv(REPOSITORY / "studies/cars/body_types.csv")
    return {name: list(each["class"][:2]) for name, each in list(models.groupby("group"))[:5]}


def _short(generator: dict[str, Any], by: int = 25) -> dict[str, Any]:
    if "train_from_scratch" in generator:
        return {**generator, "train_from_scratch": _short(generator["train_from_scratch"], by)}
    return {**generator, "steps": max(10, generator["steps"] // by), "batch_size": 32}


def _parquet(name: str, dataset: dict[str, Any]) -> dict[str, Any]:
    kept = {key: dataset[key] for key in (*KEPT, *MERGED.get(name, ())) if key in dataset}
    files = {"train": "train.parquet", "test": "test.parquet"}
    return {"source": "parquet", "root": str(SHARED / FOLDERS[name]), **files, **kept}


def _digits(name: str, dataset: dict[str, Any]) -> dict[str, Any]:
    kept = {key: dataset[key] for key in KEPT if key in dataset}
    return {"source": "embedded", "name": "digits", "test": 0.2, **kept, **STAND_INS[name]}


def write(workspace: Workspace, name: str, study: dict[str, Any]) -> None:
    """Put a study, and what lies in the folders beside the shipped ones, in the place of a workspace's studies."""
    for path in (workspace / "studies").glob("*.yaml"):
        path.unlink()
    for folder in filter(Path.is_dir, (REPOSITORY / "studies").iterdir()):
        shutil.copytree(folder, workspace / f"studies/{folder.name}", dirs_exist_ok=True)
    workspace.write(f"studies/{name}.yaml", yaml.safe_dump(study, sort_keys=False))


def built(root: Path, name: str, study: dict[str, Any]) -> Workspace:
    """A workspace in which a study was built, as `config.yaml` says that it alone should be."""
    workspace = Workspace.of_sources(root)
    write(workspace, name, study)
    workspace.write("config.yaml", CONFIG.format(name))
    workspace.snakemake()
    return workspace


def read_table(workspace: Workspace, study: str, name: str) -> pd.DataFrame:
    """A CSV file of a study's results, in which only an empty cell is a missing value."""
    return pd.read_csv(workspace / f"results/studies/{study}/{name}", keep_default_na=False, na_values=[""])


def check_report(workspace: Workspace, name: str, study: dict[str, Any]) -> None:
    """Every table and figure that a study asks for is there and in its report, made of the runs that it asks for."""
    folder = f"results/studies/{name}"
    report = workspace.read(f"{folder}/report.html")
    for table in study["tables"]:
        for suffix in ("csv", "md", "tex", "html"):
            assert (workspace / f"{folder}/tables/{table}.{suffix}").stat().st_size > 0
        assert f'id="table-{table}"' in report
        assert not re.search(r"\b(nan|None|NaT)\b", workspace.read(f"{folder}/tables/{table}.md")), table
    for figure in study["figures"]:
        for suffix in ("svg", "pdf", "png"):
            assert (workspace / f"{folder}/figures/{figure}.{suffix}").stat().st_size > 0
        assert f'id="figure-{figure}"' in report
    asked = {
        (*each, seed)
        for run in study["runs"]
        for each in itertools.product(*(listed(run[key]) for key in ARM))
        for seed in (range(run["seeds"]) if isinstance(run["seeds"], int) else run["seeds"])
    }
    experiments = read_table(workspace, name, "experiments.csv")
    assert set(experiments[[*ARM, "seed"]].itertuples(index=False, name=None)) == asked
    assert len(experiments) == len(asked)
    assert experiments["balanced_accuracy"].between(0, 1).all()
    ledger = [line.split(",")[2] for line in workspace.read("results/test_ledger.csv").splitlines()]
    assert len(ledger) == len(set(ledger))
