"""`make so-far`: a page from the runs that are finished, while others are missing or running."""

import csv

import pytest
from pages import Page
from workspace import RUNS, STUDY, Workspace, running, wait_until

pytestmark = pytest.mark.workflow

FOLDER = "results/studies/tiny/so-far"


def test_nothing_is_finished(sources: Workspace) -> None:
    assert sources.command("so_far", "tiny").strip() == f"{FOLDER}/index.html"
    page = sources.read(f"{FOLDER}/index.html")
    assert page.count("not yet") >= 5
    assert "0 of 2" in page


def test_finished_runs_are_shown_while_others_run(workspace: Workspace) -> None:
    workspace.replace(STUDY, "batch_size: 16, epochs: 2,", "batch_size: 16, steps: 1000000,")
    with running(workspace, f"{RUNS}/main/vit/block/seeds0-2/metrics.json") as snakemake:
        wait_until(workspace.working, snakemake)
        workspace.command("so_far", "tiny")
        assert snakemake.poll() is None
    page = workspace.read(f"{FOLDER}/index.html")
    assert page.startswith("<!DOCTYPE html>")
    assert page.count("2 of 2") == 2, "both training sets of the other recipe"
    assert page.count("0 of 2") == 3


def test_stale_runs_are_missing_and_others_equal_the_studys_own(workspace: Workspace) -> None:
    workspace.replace(STUDY, "batch_size: 16, epochs: 2,", "batch_size: 16, epochs: 3,")
    before = {name: at for name, at in workspace.results().items() if "so-far" not in name}
    workspace.command("so_far", "tiny")
    assert {name: at for name, at in workspace.results().items() if "so-far" not in name} == before
    with (workspace / f"{FOLDER}/experiments.csv").open() as file:
        rows = list(csv.DictReader(file))
    with (workspace / "results/studies/tiny/experiments.csv").open() as file:
        final = [row for row in csv.DictReader(file) if row["recipe"] == "single"]
    assert rows == final
    page = workspace.read(f"{FOLDER}/index.html")
    assert page.count("2 of 2") == 2
    assert page.count("0 of 2") == 3
    assert Page(page).drawings == 2, "both figures can be drawn"


def test_scores_of_other_images_are_missing(workspace: Workspace) -> None:
    workspace.command("so_far", "tiny")
    assert "not yet" not in scores(workspace)
    workspace.replace(STUDY, "epochs: 1, seed: 0}", "epochs: 1, seed: 0, precision: bfloat16}")
    workspace.command("so_far", "tiny")
    assert "not yet" in scores(workspace)


def scores(workspace: Workspace) -> str:
    """The part of the page that shows the table of scores."""
    return workspace.read(f"{FOLDER}/index.html").partition("<h2>scores</h2>")[2].partition("<h2>")[0]


def test_what_is_shown_is_what_the_study_is_judged_by(workspace: Workspace) -> None:
    workspace.replace(STUDY, "primary:", "metric: macro_f1\n\nprimary:")
    workspace.command("so_far", "tiny")
    progress, *_ = Page(workspace.read(f"{FOLDER}/index.html")).tables
    assert "Macro F1, %" in progress
    assert not any("Accuracy" in cell for cell in progress)
    with (workspace / f"{FOLDER}/experiments.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if (row["training_set"], row["recipe"]) == ("shot3", "single")]
    mean = f"{50 * sum(float(row['macro_f1']) for row in rows):.1f} ["
    assert any(cell.startswith(mean) for cell in progress)


def test_an_unknown_study_is_named(built: Workspace) -> None:
    assert "studies/tinny.yaml" in built.command("so_far", "tinny", status=1)
