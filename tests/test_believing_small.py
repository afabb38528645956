"""Study believing-small: its report is complete in a variant of a few minutes; in full it finds what it should find."""

import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import small_studies
from workspace import Workspace

from synthmix.files import read_json
from synthmix.plan import listed
from synthmix.statistics import t_interval

NAME = "believing-small"
STUDY = Path("results/studies") / NAME
CONFIG = f"studies: [{NAME}]\ndevice: cpu\nresources:\n  train_generator: {{threads: 1}}\n"
SHIPPED = small_studies.read(NAME)

pytestmark = pytest.mark.workflow


def built(root: Path, study: dict[str, Any]) -> Workspace:
    """A workspace in which a study was built."""
    workspace = Workspace.of_sources(root)
    small_studies.write(workspace, NAME, study)
    workspace.write("config.yaml", CONFIG)
    workspace.snakemake()
    return workspace


def read_table(workspace: Workspace, name: str) -> pd.DataFrame:
    return pd.read_csv(workspace / str(STUDY / name), keep_default_na=False, na_values=[""])


def check_report(workspace: Workspace, study: dict[str, Any]) -> None:
    """Everything that a study asks for is there and holds what it is about."""
    report = workspace.read(str(STUDY / "report.html"))
    for name in study["tables"]:
        for suffix in ("csv", "md", "tex", "html"):
            assert (workspace / str(STUDY / f"tables/{name}.{suffix}")).stat().st_size > 0
        assert f"tables/{name}.html" in report or name in report
        assert not re.search(r"\b(nan|None|NaT)\b", workspace.read(str(STUDY / f"tables/{name}.md"))), name
    for name in study["figures"]:
        for suffix in ("svg", "png"):
            assert (workspace / str(STUDY / f"figures/{name}.{suffix}")).stat().st_size > 0
        assert name in report
    experiments = read_table(workspace, "experiments.csv")
    keys = ["dataset", "training_set", "model", "recipe"]
    asked = {
        (run["dataset"], training_set, run["model"], run["recipe"])
        for run in study["runs"]
        for training_set in run["training_set"]
    }
    seeds = experiments.groupby(keys)["seed"].nunique()
    assert set(seeds.index) == asked
    assert set(seeds) == {study["runs"][0]["seeds"]}
    assert experiments["balanced_accuracy"].between(0, 1).all()
    comparisons = read_table(workspace, "comparisons.csv")
    assert comparisons["primary"].sum() == 1
    assert set(comparisons["metric"]) == {"balanced_accuracy"}
    scored = [(entry["dataset"], pool) for entry in study["scores"] for pool in listed(entry["pool"])]
    for dataset, pool in scored:
        (path,) = (workspace / f"results/scores/{dataset}/{pool}").glob("lite0-n*.json")
        for name, metric in read_json(path)["metrics"].items():
            assert metric["value"] is not None or metric["reason"], (path, name)
    ranking = read_table(workspace, "tables/ranking.csv")
    ranked = ranking[ranking["reason"].isna()]
    assert "kid" in set(ranked["metric"])
    assert set(ranked["pools"]) == {8}
    assert ranked["p"].between(0, 1).all()
    published = read_table(workspace, "tables/published.csv")
    assert {0.617, 0.581, 0.649} <= set(published["published"])
    assert set(published["comparable"].dropna()) == {"no"}
    ledger = [line.split(",")[2] for line in workspace.read("results/test_ledger.csv").splitlines()]
    assert len(ledger) == len(set(ledger))


def test_the_report_is_complete_in_a_variant_of_minutes(tmp_path: Path) -> None:
    study = small_studies.reduced(small_studies.at_hand(SHIPPED))
    check_report(built(tmp_path / "built", study), study)


@pytest.mark.long
@pytest.mark.skipif(not small_studies.has_data(SHIPPED), reason="no MNIST or no lesions in SYNTHMIX_TEST_DATA")
def test_the_whole_study_finds_what_it_should_find(tmp_path: Path) -> None:
    """Half an hour on two cores."""
    study = small_studies.at_hand(SHIPPED)
    workspace = built(tmp_path / "built", study)
    check_report(workspace, study)
    experiments, comparisons = (read_table(workspace, f"{name}.csv") for name in ("experiments", "comparisons"))

    def least(training_set: str, model: str, recipe: str) -> float:
        asked = (training_set, model, recipe)
        rows = experiments[(experiments[["training_set", "model", "recipe"]] == asked).all(axis=1)]
        low = t_interval(rows["balanced_accuracy"]).low
        assert low is not None
        return low

    # images of a diffusion model, and images made from words, teach a classifier digits
    assert least("syn16", "resnet18-w16", "w16-steps") > 0.8
    assert least("syn-words", "resnet18-w16", "w16-steps") > 0.3
    recognition = read_table(workspace, "tables/recognition.csv")
    assert (recognition[recognition["dataset"] == "mnist"]["generated"] > 0.5).all()
    # wrong labels do not help, and fifty more real images do
    steps = comparisons[comparisons["recipe"].isin(["w16-steps", "block-steps"])].set_index("training_set")
    assert steps.loc["mix16-shuffled", "t_low"].max() < 0
    assert steps.loc["shot10-real50", "t_low"] > 0
    assert re.search(
        r"lesions \(1,194 test images, 1\d\d of them of the rarest", workspace.read(f"{STUDY}/tables/main.md")
    )
