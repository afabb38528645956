"""Learning curves in the workflow: tables and figures are made of runs, with the published values of a table."""

import csv
from pathlib import Path

import pytest
import yaml
from small_curves import CURVES
from workspace import STUDY, Workspace

pytestmark = pytest.mark.workflow

SHOWN = {"tables": ("law", "crossing"), "figures": ("law", "epochs")}


def test_curves_are_made_of_runs(tmp_path: Path) -> None:
    workspace = Workspace.of_sources(tmp_path / "curves")
    shown = {section: {name: CURVES[section][name] for name in names} for section, names in SHOWN.items()}
    workspace.write(STUDY, yaml.safe_dump({**CURVES, **shown}))
    made = [f"results/studies/tiny/tables/{name}.csv" for name in SHOWN["tables"]]
    made += [f"results/studies/tiny/figures/{name}.png" for name in SHOWN["figures"]]
    workspace.snakemake(*made)
    law, crossing = (list(csv.DictReader((workspace / path).open())) for path in made[:2])
    assert [(row["model"], float(row["smallest"]), float(row["largest"])) for row in law] == [
        ("cnn2", 20, 80),
        ("vit", 20, 80),
    ]
    assert [row["published_alpha"] for row in law] == ["", "-0.5"]
    assert [(row["model"], row["over"], row["n"]) for row in crossing] == [("vit", "cnn2", "2")]
    assert all((workspace / path).stat().st_size > 0 for path in made[2:])
