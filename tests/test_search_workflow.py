"""A search in the workflow: its runs are made, chosen among and shown; those that choose meet no test image."""

import csv
from pathlib import Path
from typing import Any

import pytest
import yaml
from workspace import STUDY, Workspace

from synthmix.files import read_json

pytestmark = pytest.mark.workflow

# Seeds that choose (2 and 3) share their jobs with those that judge.
CONTENT: dict[str, Any] = {
    "title": "A search",
    "question": "Does every training set choose its own learning rate?",
    "datasets": {"digits": {"source": "embedded", "name": "digits", "val": 0.1, "test": 0.1, "limit": {"test": 100}}},
    "training_sets": {"shot3": {"real": 3}, "shot3-real4": {"real": 3, "held_back": 4}},
    "models": {"cnn": {"architecture": "cnn_block", "width": 2}},
    "recipes": {"fixed": {"optimizer": "sgd", "learning_rate": 0.01, "batch_size": 16, "steps": 4, "seeds_per_job": 4}},
    "searches": {"rates": {"recipe": "fixed", "grid": {"learning_rate": [0.003, 0.01]}, "selection_seeds": [2, 3]}},
    "runs": [
        {"dataset": "digits", "training_set": ["shot3", "shot3-real4"], "model": "cnn", "recipe": ["fixed", "rates"]}
        | {"seeds": 2, "bundle": "main"}
    ],
    "tables": {
        "main": {"kind": "accuracy"},
        "searched": {"kind": "searched", "search": "rates", "baseline": "shot3", "training_set": "shot3-real4"},
    },
}
RESULTS = "results/studies/tiny"
RUNS = "results/runs/digits/main/cnn"


def test_a_search_is_made_of_runs_that_choose_and_runs_that_judge(tmp_path: Path) -> None:
    workspace = Workspace.of_sources(tmp_path / "search")
    workspace.write(STUDY, yaml.safe_dump(CONTENT))
    workspace.snakemake()
    trained, tested = (
        {(run["training_set"], run["seed"]) for run in read_json(workspace / f"{RUNS}/rates-0/seeds0-3/{name}")["runs"]}
        for name in ("training.json", "metrics.json")
    )
    assert trained == {(name, seed) for name in CONTENT["training_sets"] for seed in range(4)}
    assert tested == {(name, seed) for name in CONTENT["training_sets"] for seed in range(2)}
    assert len(workspace.read("results/test_ledger.csv").splitlines()) == 3 * len(tested)
    # what is not about the search shows none of it
    for table in ("experiments", "tables/main"):
        assert "rates" not in workspace.read(f"{RESULTS}/{table}.csv")
    with (workspace / f"{RESULTS}/tables/searched.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["training_set"], row["val_images"], row["trainings"]) for row in rows] == [
        ("shot3", "30", "8"),
        ("shot3-real4", "70", "8"),
    ]
    runs = read_json(workspace / f"{RUNS}/rates-1/seeds0-3/training.json")["runs"]
    chosen = [run["selection_accuracy"] for run in runs if run["training_set"] == "shot3" and run["seed"] > 1]
    said = dict(each.split(" ") for each in rows[0]["val_accuracy_of_points"].split("; "))
    assert float(said["rates-1"]) == pytest.approx(sum(chosen) / 2, abs=1e-4)
    assert "searched" in workspace.read(f"{RESULTS}/report.html")
    assert workspace.planned() == {}
    # one more value behind the others: its runs alone
    before = workspace.entries()
    workspace.replace(STUDY, "      - 0.003\n      - 0.01\n", "      - 0.003\n      - 0.01\n      - 0.03\n")
    assert workspace.planned() == {"train": 1, "evaluate": 1, "table": 1, "report": 1}
    workspace.snakemake("--", f"{RUNS}/rates-2/seeds0-3/metrics.json")
    assert workspace.made(before) == {"classifier": 8, "tested": 4}
