"""Sweeps and learning curves in the workflow: tables, figures and the report are made of runs."""

import csv
from pathlib import Path

import pytest
import yaml
from small_curves import CURVES
from workspace import STUDY, Workspace

pytestmark = pytest.mark.workflow

RESULTS = "results/studies/tiny"


def rows(workspace: Workspace, table: str) -> list[dict[str, str]]:
    with (workspace / f"{RESULTS}/tables/{table}.csv").open() as file:
        return list(csv.DictReader(file))


def test_curves_are_made_of_runs(tmp_path: Path) -> None:
    workspace = Workspace.of_sources(tmp_path / "curves")
    workspace.write(STUDY, yaml.safe_dump(CURVES))
    workspace.snakemake()
    law = [(row["model"], row["smallest"], row["largest"], row["published_alpha"]) for row in rows(workspace, "law")]
    assert law == [("cnn2", "20.0", "80.0", ""), ("vit", "20.0", "80.0", "-0.5")]
    assert [(row["model"], row["over"], row["n"]) for row in rows(workspace, "crossing")] == [("vit", "cnn2", "2")]
    peak = rows(workspace, "peak")
    assert [row["training_set"] for row in peak] == ["noisy"] * 3
    assert {row["threshold_by_seed"] for row in peak} == {"none, none, none, none"}  # two epochs fit nothing
    assert [row["n"] for row in rows(workspace, "choice")] == ["2"]
    page = workspace.read(f"{RESULTS}/report.html")
    assert all(f"{RESULTS}/figures/{name}.svg" in page for name in CURVES["figures"])
    # a tolerance is part of what shows it
    workspace.replace(STUDY, "kind: width", "kind: width\n    tolerance: 0.1")
    assert workspace.planned() == {"figure": 1, "report": 1}
