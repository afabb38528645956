"""The report in the workflow: built with the study, made again where what it says has changed, and by nothing else."""

import json
from pathlib import Path

import pytest
from pages import Page
from workspace import STUDY, Workspace

from synthmix.files import read_json
from synthmix.reports.citations import REFERENCES

pytestmark = pytest.mark.workflow
FOLDER = "results/studies/tiny"


def test_the_page_holds_every_table_and_figure(built: Workspace) -> None:
    page = Page(built.read(f"{FOLDER}/report.html"))
    assert {"table-main", "table-scores", "table-recognition", "figure-arms", "figure-samples"} <= set(page.ids)
    for name in ("arms", "samples"):
        assert (built / f"{FOLDER}/figures/{name}.pdf").read_bytes().startswith(b"%PDF")
    assert len(page.sources) == 2
    assert "A study that the tests build" in page.words


def test_the_documents_cite_what_the_bibliography_holds(built: Workspace) -> None:
    bib, tex = built.read(f"{FOLDER}/references.bib"), built.read(f"{FOLDER}/report.tex")
    keys = [key for key in REFERENCES if f"@article{{{key}," in bib]
    assert {"ho2020", "lu2022", "song2021", "dosovitskiy2021", "owen2007"} <= set(keys)
    assert not {"rombach2022", "hu2022", "he2016", "holm1979"} & set(keys), "the study uses none of these"
    cited = {key for each in tex.split("\\cite{")[1:] for key in each.partition("}")[0].split(",")}
    assert cited == set(keys)


def test_hours_are_those_of_every_stage(built: Workspace) -> None:
    stages = {path.relative_to(built / "results/benchmarks").parts[0] for path in (built / "results").rglob("*.tsv")}
    assert {"train", "generate", "train_extractor", "cross_test", "score"} <= stages
    (cells,) = (table for table in Page(built.read(f"{FOLDER}/report.html")).tables if table[0] == "Stage")
    assert {*stages, "all"} <= set(cells)
    assert any("(estimate)" in cell for cell in cells)
    assert not any("GPU energy" in cell for cell in cells), "no job of this study ran on a GPU"


def test_another_question_or_wattage_makes_the_report_alone_again(workspace: Workspace) -> None:
    workspace.replace(STUDY, "question: Is everything made", "question: Is all made")
    assert workspace.planned() == {"report": 1}
    workspace.append("config.yaml", "watts_per_core: 5\n")
    workspace.snakemake()
    page = workspace.read(f"{FOLDER}/report.html")
    assert "Is all made" in page
    assert "times 5 W a core" in page
    record = read_json(workspace / "results/.records/report/tiny.json")
    assert record["spec"]["question"].startswith("Is all made")


def test_a_licence_is_printed_and_prepares_nothing(workspace: Workspace) -> None:
    terms = "licence: {id: cc-by-sa-4.0, redistribute: yes}"
    workspace.replace(STUDY, "{source: embedded, name: digits,", f"{{source: embedded, name: digits, {terms},")
    assert workspace.planned() == {"report": 1}
    workspace.snakemake()
    assert "cc-by-sa-4.0" in workspace.read(f"{FOLDER}/report.html")


def test_energy_of_an_earlier_run_is_not_kept(workspace: Workspace) -> None:
    left = workspace / "results/benchmarks/prepare_data/digits.energy.json"
    left.write_text(json.dumps({"joules": 3600, "gpus": 1}))
    workspace.snakemake("--forcerun", "prepare_data", "--until", "prepare_data")
    assert not Path(left).exists()
