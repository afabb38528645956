"""Study believing-small: its report is complete in a variant of a few minutes; in full it finds what it should find."""

import re
from pathlib import Path
from typing import Any

import pytest
import small_studies
from small_studies import read_table
from workspace import Workspace

from synthmix.analysis.statistics import t_interval
from synthmix.files import read_json
from synthmix.planning.plan import listed

NAME = "believing-small"
SHIPPED = small_studies.read(NAME)

pytestmark = pytest.mark.workflow


def check(workspace: Workspace, study: dict[str, Any]) -> None:
    """Everything that the study asks for is there and holds what it is about."""
    small_studies.check_report(workspace, NAME, study)
    comparisons = read_table(workspace, NAME, "comparisons.csv")
    assert comparisons["primary"].sum() == 1
    assert set(comparisons["metric"]) == {"balanced_accuracy"}
    scored = [(entry["dataset"], pool) for entry in study["scores"] for pool in listed(entry["pool"])]
    for dataset, pool in scored:
        (path,) = (workspace / f"results/scores/{dataset}/{pool}").glob("lite0-n*.json")
        for name, metric in read_json(path)["metrics"].items():
            assert metric["value"] is not None or metric["reason"], (path, name)
    ranking = read_table(workspace, NAME, "tables/ranking.csv")
    ranked = ranking[ranking["reason"].isna()]
    assert "kid" in set(ranked["metric"])
    assert set(ranked["pools"]) == {8}
    assert ranked["p"].between(0, 1).all()
    published = read_table(workspace, NAME, "tables/published.csv")
    assert {0.617, 0.581, 0.649} <= set(published["published"])
    assert set(published["comparable"].dropna()) == {"no"}


def test_the_report_is_complete_in_a_variant_of_minutes(tmp_path: Path) -> None:
    study = small_studies.reduced(small_studies.at_hand(SHIPPED))
    check(small_studies.built(tmp_path / "built", NAME, study), study)


@pytest.mark.long
@pytest.mark.skipif(not small_studies.has_data(SHIPPED), reason="no MNIST or no lesions in SYNTHMIX_TEST_DATA")
def test_the_whole_study_finds_what_it_should_find(tmp_path: Path) -> None:
    """Half an hour on two cores."""
    study = small_studies.at_hand(SHIPPED)
    workspace = small_studies.built(tmp_path / "built", NAME, study)
    check(workspace, study)
    experiments, comparisons = (read_table(workspace, NAME, f"{name}.csv") for name in ("experiments", "comparisons"))

    def least(training_set: str, model: str, recipe: str) -> float:
        asked = (training_set, model, recipe)
        rows = experiments[(experiments[["training_set", "model", "recipe"]] == asked).all(axis=1)]
        low = t_interval(rows["balanced_accuracy"]).low
        assert low is not None
        return low

    # images of a diffusion model, and images made from words, teach a classifier digits
    assert least("syn16", "resnet18-w16", "w16-steps") > 0.8
    assert least("syn-words", "resnet18-w16", "w16-steps") > 0.3
    recognition = read_table(workspace, NAME, "tables/recognition.csv")
    assert (recognition[recognition["dataset"] == "mnist"]["generated"] > 0.5).all()
    # wrong labels do not help, and fifty more real images do
    steps = comparisons[comparisons["recipe"].isin(["w16-steps", "block-steps"])].set_index("training_set")
    assert steps.loc["mix16-shuffled", "t_low"].max() < 0
    assert steps.loc["shot10-real50", "t_low"] > 0
    assert re.search(
        r"lesions \(1,194 test images, 1\d\d of them of the rarest",
        workspace.read(f"results/studies/{NAME}/tables/main.md"),
    )
