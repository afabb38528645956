"""Sweeps and learning curves in the workflow: tables, figures and the report are made of runs."""

import copy
import csv
from pathlib import Path
from typing import Any

import pytest
import yaml
from small_curves import CURVES
from workspace import STUDY, Workspace

pytestmark = pytest.mark.workflow

RESULTS = "results/studies/tiny"
PAIR: dict[str, Any] = {"training_set": "noisy", "model": ["cnn1", "cnn4"], "recipe": "long"}
LADDER = ["held0", "held1", "held2", "held4"]


def study() -> dict[str, Any]:
    """The study of curves, with single classes of its sweep, and a ladder of held-back images."""
    content = copy.deepcopy(CURVES)
    content["training_sets"] |= {name: {"real": 2, "held_back": int(name[-1])} for name in LADDER[1:]} | {
        "held0": {"real": 2}
    }
    content["runs"].append({**content["runs"][1], "training_set": LADDER, "model": "cnn2", "bundle": "ladder"})
    content["tables"] |= {
        "classes": {"kind": "classes", **PAIR, "groups": "groups.csv"},
        "best-classes": {"kind": "best_classes", **PAIR, "chosen": 2},
        "saturation": {"kind": "saturation", "ladder": LADDER},
    }
    content["figures"] |= {
        "classes": {"kind": "classes", **PAIR, "groups": "groups.csv"},
        "ladder": {"kind": "ladder", "ladder": LADDER, "fit": True},
    }
    return content


def rows(workspace: Workspace, table: str) -> list[dict[str, str]]:
    with (workspace / f"{RESULTS}/tables/{table}.csv").open() as file:
        return list(csv.DictReader(file))


def test_curves_are_made_of_runs(tmp_path: Path) -> None:
    workspace = Workspace.of_sources(tmp_path / "curves")
    content = study()
    workspace.write(STUDY, yaml.safe_dump(content))
    workspace.write("groups.csv", "class,group\n0,round\n8,round\n1,straight\n")
    workspace.snakemake()
    law = [(row["model"], row["smallest"], row["largest"], row["published_alpha"]) for row in rows(workspace, "law")]
    assert law == [("cnn2", "20.0", "80.0", ""), ("vit", "20.0", "80.0", "-0.5")]
    assert [(row["model"], row["over"], row["n"]) for row in rows(workspace, "crossing")] == [("vit", "cnn2", "2")]
    peak = rows(workspace, "peak")
    assert [row["training_set"] for row in peak] == ["noisy"] * 3
    assert {row["threshold_by_seed"] for row in peak} == {"none, none, none, none"}  # two epochs fit nothing
    assert [row["n"] for row in rows(workspace, "choice")] == ["2"]
    levels = [row["level"] for row in rows(workspace, "classes")]
    assert (levels.count("group"), levels.count("class")) == (2, 10)
    assert [row["rank"] for row in rows(workspace, "best-classes")] == ["1", "2"] * 2
    assert [(row["smallest"], row["largest"]) for row in rows(workspace, "saturation")] == [("0.0", "4.0")]
    page = workspace.read(f"{RESULTS}/report.html")
    assert all(f'id="figure-{name}"' in page for name in content["figures"])
    # a tolerance is part of what shows it
    workspace.replace(STUDY, "kind: width", "kind: width\n    tolerance: 0.1")
    assert workspace.planned() == {"figure": 1, "report": 1}
    # groups are known by what their file says
    workspace.write("groups.csv", "class,group\n8,round\n1,straight\n0,round\n")
    assert workspace.planned() == {"figure": 1, "report": 1}
    workspace.write("groups.csv", "class,group\n0,round\n8,round\n7,straight\n")
    assert workspace.planned() == {"figure": 2, "table": 1, "report": 1}
