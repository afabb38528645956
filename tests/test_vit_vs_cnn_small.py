"""Study vit_vs_cnn-small: complete in a variant of a few minutes; in full it finds what it should find."""

from pathlib import Path
from typing import Any

import pytest
import small_studies
from small_studies import read_table
from workspace import Workspace

from synthmix.analysis.statistics import t_interval

NAME = "vit_vs_cnn-small"
SHIPPED = small_studies.read(NAME)

pytestmark = pytest.mark.workflow


def check(workspace: Workspace, study: dict[str, Any]) -> None:
    """Everything that the study asks for is there and holds what it is about."""
    small_studies.check_report(workspace, NAME, study)
    models = read_table(workspace, NAME, "tables/comparison.csv")
    measured = models[models["status"] == "run"]
    assert set(measured["model"]) == set(study["models"])
    assert (measured[["flops", "parameters", "images_per_second", "test_images_per_second"]] > 0).all(axis=None)
    faithful = read_table(workspace, NAME, "tables/faithful.csv")
    assert set(faithful["model"]) == {"vit96", "resnet18-w16"}
    assert {"random", "centre"} <= set(faithful["method"])


def test_the_report_is_complete_in_a_variant_of_minutes(tmp_path: Path) -> None:
    study = small_studies.reduced_networks(small_studies.at_hand(SHIPPED))
    check(small_studies.built(tmp_path / "built", NAME, study), study)


@pytest.mark.long
@pytest.mark.skipif(not small_studies.has_data(SHIPPED), reason="no CIFAR-10 in SYNTHMIX_TEST_DATA")
def test_the_whole_study_finds_what_it_should_find(tmp_path: Path) -> None:
    """Half an hour on two cores."""
    study = small_studies.at_hand(SHIPPED)
    workspace = small_studies.built(tmp_path / "built", NAME, study)
    check(workspace, study)
    experiments = read_table(workspace, NAME, "experiments.csv")
    whole = experiments[experiments["training_set"] == "all-real"]
    accuracy = {model: t_interval(runs["accuracy"]) for model, runs in whole.groupby("model")}
    # all learn; a network that has seen ImageNet learns more from 4,000 images than one that has not
    assert all(interval.low is not None and interval.low > 0.3 for interval in accuracy.values())
    assert accuracy["lite0"].mean > max(accuracy[name].mean for name in ("vit96", "resnet18-w16"))
