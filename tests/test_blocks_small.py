"""Study blocks-small: its report is complete in a variant of a few minutes; in full it finds what it should find."""

from pathlib import Path
from typing import Any

import pytest
import small_studies
from small_studies import read_table
from workspace import Workspace

NAME = "blocks-small"
SHIPPED = small_studies.read(NAME)

pytestmark = pytest.mark.workflow


def check(workspace: Workspace, study: dict[str, Any]) -> None:
    """Everything that the study asks for is there and holds what it is about."""
    small_studies.check_report(workspace, NAME, study)
    exponents = read_table(workspace, NAME, "tables/exponents.csv")
    assert set(exponents["model"]) == {"cnn10", "vit64-h1-l1", "vit64-h4-l3"}
    assert set(exponents["n"]) == {4}
    images = [study["training_sets"][name]["real"]["total"] for name in study["tables"]["exponents"]["training_set"]]
    assert set(exponents["smallest"]) == {min(images)}
    assert set(exponents["largest"]) == {max(images)}
    assert set(exponents["published_alpha"].dropna()) == {-0.53}
    peak = read_table(workspace, NAME, "tables/peak.csv")
    assert list(peak["training_set"]) == ["noise20"] * 3
    assert set(peak["published_width"].dropna()) == {2}
    crossing = read_table(workspace, NAME, "tables/crossing.csv")
    assert [(row.model, row.over, row.n) for row in crossing.itertuples()] == [
        ("vit64-h1-l1", "cnn10", 4),
        ("vit64-h4-l3", "cnn10", 4),
    ]


def test_the_report_is_complete_in_a_variant_of_minutes(tmp_path: Path) -> None:
    study = small_studies.reduced_sweeps(small_studies.at_hand(SHIPPED))
    sizes = {key: study["tables"]["sizes"][key] for key in ("training_set", "recipe")}
    models = ["cnn10", "vit64-h1-l1", "vit64-h4-l3"]
    study["tables"]["choice"] = {"kind": "best", **sizes, "model": models, "selection_seeds": [0, 1]}
    workspace = small_studies.built(tmp_path / "built", NAME, study)
    check(workspace, study)
    choice = read_table(workspace, NAME, "tables/choice.csv")
    assert list(choice["training_set"]) == sizes["training_set"]
    assert set(choice["n"]) == {2}, "two of four seeds choose"
    peak = read_table(workspace, NAME, "tables/peak.csv")
    assert set(peak["threshold_by_seed"]) == {", ".join(["none"] * 3)}, "two epochs fit nothing"


@pytest.mark.long
@pytest.mark.skipif(not small_studies.has_data(SHIPPED), reason="no MNIST in SYNTHMIX_TEST_DATA")
def test_the_whole_study_finds_what_it_should_find(tmp_path: Path) -> None:
    """Half an hour on two cores."""
    study = small_studies.at_hand(SHIPPED)
    workspace = small_studies.built(tmp_path / "built", NAME, study)
    check(workspace, study)
    # test error peaks where networks begin to fit the wrong labels: at a width that train error chose on other seeds
    peak = read_table(workspace, NAME, "tables/peak.csv")
    tested = peak[peak["against"].isin(["cnn4", "cnn20"]) & peak["p"].notna()]
    assert len(tested) == 2
    assert (tested["n"] == 6).all()
    assert (tested["low"] > 0).all()
    exponents = read_table(workspace, NAME, "tables/exponents.csv")
    assert (exponents["alpha_high"] < 0).all()
