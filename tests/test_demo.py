"""The study that `make demo` builds: it is complete, and its numbers are what an honest pipeline gives."""

import json
import os
from pathlib import Path

import pandas as pd
import pytest
import small_studies
from workspace import Workspace

STUDY = Path(__file__).parents[1] / "results/studies/digits"
pytestmark = pytest.mark.skipif(
    not (STUDY / "report.html").exists() and "CI" not in os.environ, reason="study digits is not built: run make demo"
)


@pytest.fixture(scope="module")
def experiments() -> pd.DataFrame:
    return pd.read_csv(STUDY / "experiments.csv", keep_default_na=False, na_values=[""])


@pytest.fixture(scope="module")
def comparisons() -> pd.DataFrame:
    return pd.read_csv(STUDY / "comparisons.csv", keep_default_na=False, na_values=[""])


def compared(comparisons: pd.DataFrame, recipe: str, training_set: str, baseline: str) -> pd.Series:
    """The one comparison of two training sets under a recipe."""
    keys = {"recipe": recipe, "training_set": training_set, "baseline": baseline}
    rows = comparisons[(comparisons[list(keys)] == pd.Series(keys)).all(axis=1)]
    assert len(rows) == 1
    return rows.iloc[0]


def test_every_product_is_there() -> None:
    small_studies.check_report(Workspace(small_studies.REPOSITORY), "digits", small_studies.read("digits"))
    assert (STUDY / "report.tex").stat().st_size > 0
    assert "ho2020" in (STUDY / "references.bib").read_text()


def test_every_run_has_six_seeds(experiments: pd.DataFrame) -> None:
    seeds = experiments.groupby(["model", "recipe", "training_set"])["seed"].nunique()
    assert (seeds == 6).all()
    assert len(seeds) == 2 * 2 * 8 + 3 + 2


@pytest.mark.parametrize("recipe", ["cnn-steps", "vit-steps"])
@pytest.mark.parametrize(("training_set", "least"), [("syn", 0.9), ("syn300", 0.92)])
def test_generated_images_alone_teach_the_digits(
    experiments: pd.DataFrame, recipe: str, training_set: str, least: float
) -> None:
    from synthmix.analysis.statistics import t_interval

    values = experiments.query("recipe == @recipe and training_set == @training_set")["accuracy"]
    low = t_interval(values).low
    assert low is not None
    assert low > least


@pytest.mark.parametrize("recipe", ["cnn-steps", "vit-steps", "cnn-epochs", "vit-epochs"])
def test_mixing_does_not_harm(comparisons: pd.DataFrame, recipe: str) -> None:
    assert compared(comparisons, recipe, "mix", "org")["t_high"] >= 0


@pytest.mark.parametrize("recipe", ["cnn-steps", "vit-steps"])
def test_generated_images_help_a_few_shot_classifier(comparisons: pd.DataFrame, recipe: str) -> None:
    assert compared(comparisons, recipe, "shot3-syn80", "shot3")["t_low"] > 0


def test_primary_comparison_reaches_the_smallest_p_of_six_seeds(comparisons: pd.DataFrame) -> None:
    primary = comparisons[comparisons["primary"]]
    assert len(primary) == 1
    assert primary.iloc[0]["p"] == pytest.approx(2 / 2**6)


def test_shuffled_labels_do_not_help(comparisons: pd.DataFrame) -> None:
    assert compared(comparisons, "cnn-steps", "shot3-shuffled20", "shot3")["t_low"] < 0


def test_real_only_classifiers_recognise_generated_images() -> None:
    tables = pd.read_csv(STUDY / "tables/recognition.csv")
    assert (tables["generated"] > 0.9).all()


def test_scores_carry_sizes_intervals_and_floors() -> None:
    paths = sorted((STUDY.parents[1] / "scores/digits").glob("*/digits-features-n*.json"))
    assert {path.parent.name for path in paths} >= {"ddpm", "ddpm-guided", "ddpm-3shot"}
    for path in paths:
        for name, metric in json.loads(path.read_text())["metrics"].items():
            assert metric["n_generated"] > 0
            assert metric["interval"] or metric["reason"], (path, name)
            assert metric["floors"]["n"] > 0
