"""Study cars-small: its report is complete in a variant of a few minutes; in full it finds what it should find."""

from pathlib import Path
from typing import Any

import pytest
import small_studies
from small_studies import read_table
from workspace import Workspace

NAME = "cars-small"
SHIPPED = small_studies.read(NAME)

pytestmark = pytest.mark.workflow


def check(workspace: Workspace, study: dict[str, Any]) -> None:
    """Everything that the study asks for is there and holds what it is about."""
    small_studies.check_report(workspace, NAME, study)
    saturation = read_table(workspace, NAME, "tables/saturation.csv")
    assert set(saturation["recipe"]) == {"head-steps", "head-epochs"}
    most = study["training_sets"][study["tables"]["saturation"]["ladder"][-1]]["held_back"]
    assert set(saturation[["smallest", "largest"]].itertuples(index=False, name=None)) == {(0, most)}
    assert list(read_table(workspace, NAME, "tables/best.csv")["rank"]) == [1, 2, 3]
    faithful = read_table(workspace, NAME, "tables/faithful.csv")
    assert set(faithful["method"]) >= {*study["explainers"]["looks"]["methods"], "random", "centre"}
    robust = read_table(workspace, NAME, "tables/robustness.csv")
    assert set(robust["kind"]) >= set(study["corruptions"]["quality"]["kinds"])


def test_the_report_is_complete_in_a_variant_of_minutes(tmp_path: Path) -> None:
    study = small_studies.reduced_cars(small_studies.at_hand(SHIPPED))
    workspace = small_studies.built(tmp_path / "built", NAME, study)
    check(workspace, study)
    levels = list(read_table(workspace, NAME, "tables/classes.csv")["level"])
    assert (levels.count("group"), levels.count("class")) == (len(study["tables"]["classes"]["groups"]), 10)


@pytest.mark.long
@pytest.mark.skipif(not small_studies.has_data(SHIPPED), reason="no Stanford Cars in SYNTHMIX_TEST_DATA")
def test_the_whole_study_finds_what_it_should_find(tmp_path: Path) -> None:
    """Half an hour on two cores."""
    study = small_studies.at_hand(SHIPPED)
    workspace = small_studies.built(tmp_path / "built", NAME, study)
    check(workspace, study)
    found = read_table(workspace, NAME, "comparisons.csv").set_index("training_set")
    # more photographs help, shuffled labels do not
    assert (found.loc[["few3-real20", "few3-real80"], "t_low"] > 0).all()
    assert found.loc["few3-shuffled20", "t_low"] <= 0
    experiments = read_table(workspace, NAME, "experiments.csv")
    tuned = experiments[experiments["training_set"] == "n1000"].pivot(index="seed", columns="model", values="accuracy")
    assert (tuned["model-a"] > tuned["random"]).all()
