"""Audits and detections in the workflow: leaves that are added to a finished study, whatever is asked for is made."""

import pyarrow.parquet as pq
import pytest
from workspace import STUDY, Workspace

from synthmix.files import read_json

pytestmark = pytest.mark.workflow

AUDITED = """
audits:
  - {dataset: digits, pool: ddpm, extractor: features, n: 3}

detections:
  - {dataset: digits, pool: ddpm}

primary:"""
SHOWN = """
tables:
  copies: {kind: audit}
  detection: {kind: detection}
"""


def test_an_audit_is_a_leaf_of_a_finished_study(workspace: Workspace) -> None:
    workspace.replace(STUDY, "\nprimary:", AUDITED)
    workspace.replace(STUDY, "\ntables:\n", SHOWN)
    neighbours = "  near: {kind: neighbours, dataset: digits, pool: ddpm, extractor: features, columns: 4}\n"
    workspace.append(STUDY, neighbours)
    assert workspace.planned() == {"audit": 1, "detect": 1, "table": 2, "figure": 1, "report": 1}
    before = workspace.entries()
    shown = [f"results/studies/tiny/{name}" for name in ("tables/copies.md", "tables/detection.md", "figures/near.svg")]
    workspace.snakemake(*shown)
    assert workspace.planned() == {"report": 1}
    assert workspace.made(before) == {"classifier": 5}  # the detectors of five halves
    audit = read_json(workspace / "results/audits/digits/ddpm/features-n3.json")
    assert audit["images"] | {"generated": 30, "train": 200, "test": 100} == audit["images"]
    table = pq.read_table(workspace / "results/audits/digits/ddpm/features-n3.parquet")
    assert sorted(set(table["index"].to_pylist())) == [0, 1, 2]
    assert len(table) == 30
    detection = read_json(workspace / "results/detections/digits/ddpm-n4.json")
    assert [run["images"] for run in detection["runs"]] == [40] * 5
    for name in ("copies", "detection"):
        assert "ddpm" in workspace.read(f"results/studies/tiny/tables/{name}.md")
    # what was trained comes from the store
    (workspace / "results/detections/digits/ddpm-n4.json").unlink()
    before = workspace.entries()
    workspace.snakemake("results/detections/digits/ddpm-n4.json")
    assert workspace.made(before) == {}
    assert read_json(workspace / "results/detections/digits/ddpm-n4.json") == detection
