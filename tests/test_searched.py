"""What arms choose among the points of a search, and the table of it, on results that are known."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from synthmix.analysis import choosing, statistics
from synthmix.analysis.artefacts import Artefacts
from synthmix.files import write_json
from synthmix.reports import rendering
from synthmix.tables import searched

SEEDS, SELECTION = list(range(6)), [100, 101]
POINTS = {f"rates-{n}": {"learning_rate": rate} for n, rate in enumerate((0.003, 0.01, 0.03))}
# Test accuracy by learning rate: the fixed one, 0.03, is the best for `mix` and bad for the baseline.
LEVELS = {"org": (0.60, 0.70, 0.50), "mix": (0.55, 0.65, 0.75), "other": (0.6, 0.6, 0.6)}
SPEC: dict[str, Any] = {
    "kind": "searched",
    "search": "rates",
    "baseline": "org",
    "training_set": ["mix"],
    "recipe": "fixed",
    "points": POINTS,
    "fixed": {"learning_rate": 0.03},
    "selection_seeds": SELECTION,
    "seeds": {f"digits/cnn/{name}": SEEDS for name in LEVELS},
}
BY_SEED = {key: value for key, value in SPEC.items() if key != "selection_seeds"}


def run(name: str, point: int, seed: int, **changes: Any) -> dict[str, Any]:
    """A run whose accuracies on val and test are near its level; pairs share the luck of their seed."""
    luck = np.random.default_rng([seed, point, len(name)]).normal(0, 0.004, 2) + seed % 3 / 100
    accuracy = LEVELS[name][point]
    row = {"training_set": name, "seed": seed, "accuracy": accuracy + luck[0], "selection_images": 30}
    return row | {"selection_accuracy": accuracy + luck[1], "selection_loss": 1 - accuracy} | changes


def study(root: Path, change: Any = lambda row, point: row) -> Artefacts:
    """Results of all arms, in jobs that hold a seed more than the study asks for; `change` replaces rows of points."""
    rows = [
        {"dataset": "digits", "model": "cnn", "recipe": "fixed", "bundle": "main", **run(name, 2, seed)}
        for name in LEVELS
        for seed in SEEDS
    ]
    rendering.write_frame(root / "experiments.csv", pd.DataFrame(rows))
    files: dict[str, list[Path]] = {"searched": [], "trainings": []}
    for n, recipe in enumerate(POINTS):
        folder = root / f"runs/digits/main/cnn/{recipe}"
        for kind, seeds, path in (
            ("searched", [*SEEDS, 99], folder / "seeds0-99/metrics.json"),
            ("trainings", [*SELECTION, 102], folder / "seeds100-199/training.json"),
        ):
            made = [change(run(name, n, seed), n) for name in LEVELS for seed in seeds]
            write_json(path, {"runs": [row for row in made if row]})
            files[kind].append(path)
    return Artefacts(experiments=root / "experiments.csv", **files)


# ---- the choice ------------------------------------------------------------------------------------------------------


def measured(*rows: tuple[str, float, float]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["recipe", "selection_accuracy", "selection_loss"])
    return frame.assign(seed=frame.groupby("recipe").cumcount())


def test_the_best_mean_accuracy_is_chosen() -> None:
    rows = measured(("a", 0.9, 0), ("b", 0.7, 1), ("a", 0.3, 0), ("b", 0.6, 1))
    assert choosing.choose(rows, ["a", "b"]) == "b"


def test_of_equal_ones_the_lowest_loss_is_chosen_then_the_first() -> None:
    # sums of thirds in another order differ in their last bit
    thirds = [("a", 0.1, 2.0), ("a", 0.2, 2.0), ("a", 0.3, 2.0), ("b", 0.3, 1.0), ("b", 0.2, 1.0), ("b", 0.1, 1.0)]
    assert choosing.choose(measured(*thirds), ["a", "b"]) == "b"
    equal = [(name, accuracy, 1.0) for name, accuracy, _ in thirds]
    assert choosing.choose(measured(*equal), ["b", "a"]) == "b"
    assert choosing.choose(measured(*equal), ["a", "b"]) == "a"


def test_an_edge_is_a_number_with_none_beyond() -> None:
    grid = [{"learning_rate": rate, "weight_decay": decay} for rate in (1, 2, 3) for decay in (0, 0.5)]
    points = {f"p{n}": {**each, "augment": "none", "momentum": 0.9} for n, each in enumerate(grid)}
    assert choosing.at_edge(points, "p0") == ["learning_rate"]  # below 0 there is no weight decay
    assert choosing.at_edge(points, "p3") == ["weight_decay"]
    assert choosing.at_edge(points, "p5") == ["learning_rate", "weight_decay"]
    assert choosing.at_edge(points, "p2") == []


# ---- the table -------------------------------------------------------------------------------------------------------


def test_a_fixed_recipe_that_favours_an_arm_is_told_from_a_search(tmp_path: Path) -> None:
    artefacts = study(tmp_path)
    table = searched.build(SPEC, artefacts)
    org, mix = (table.data.iloc[row] for row in (0, 1))
    assert (org["training_set"], org["chosen"], org["values"]) == ("org", "rates-1", "learning_rate 0.01")
    assert (mix["training_set"], mix["chosen"], mix["at_edge"]) == ("mix", "rates-2", "learning_rate")
    # by hand, from the files
    tested = artefacts.read_searched().set_index(["training_set", "recipe", "seed"])["accuracy"].sort_index()
    best = {name: tested[name, recipe][SEEDS] for name, recipe in (("org", "rates-1"), ("mix", "rates-2"))}
    fixed = artefacts.read_experiments().pivot(index="seed", columns="training_set", values="accuracy")
    differences = {"fixed": fixed["mix"] - fixed["org"], "searched": best["mix"] - best["org"]}
    for name, values in differences.items():
        interval = statistics.t_interval(values)
        found = mix[[f"{name}_difference", f"{name}_difference_low", f"{name}_difference_high"]]
        assert found.tolist() == pytest.approx([interval.mean, interval.low, interval.high])  # type: ignore[list-item]
    change = statistics.t_interval(differences["searched"] - differences["fixed"])
    assert mix[["change", "change_low", "change_high"]].tolist() == pytest.approx(
        [change.mean, change.low, change.high]  # type: ignore[list-item]
    )
    assert mix["fixed_difference"] == pytest.approx(0.25, abs=0.01)
    assert mix["searched_difference"] == pytest.approx(0.05, abs=0.01)
    assert org["searched"] == pytest.approx(best["org"].mean())
    assert mix["p"] == mix["p_holm"] == mix["p_min"] == 2 / 2**6
    assert (mix["trainings"], mix["val_images"], mix["n"]) == (3 * (2 + 6), "30", 6)
    frame, notes = table.frame, " ".join(table.notes)
    assert frame["Searched difference, points"].tolist()[0] == ""
    shown = f"{100 * mix['searched_difference']:+.1f} ["
    assert frame["Searched difference, points"].tolist()[1].startswith(shown)
    assert "Trainings in all: 48, of every arm at the same 3 points." in notes
    assert "Chose another point than the baseline: mix." in notes
    assert "edge of the grid, beyond which a better value may lie: mix (learning_rate)" in notes
    assert "no point of the grid" not in notes


def test_test_accuracies_and_judging_seeds_do_not_choose(tmp_path: Path) -> None:
    def mislead(row: dict[str, Any], point: int) -> dict[str, Any]:
        """The worst point is the best on test, and on val in the seeds that judge."""
        if row["seed"] in SELECTION:
            return {**row, "accuracy": float(point == 0)}
        return {**row, "selection_accuracy": float(point == 0)} if row["seed"] in SEEDS else row

    table = searched.build(SPEC, study(tmp_path, mislead))
    assert table.data["chosen"].tolist() == ["rates-1", "rates-2"]
    by_seed = searched.build(BY_SEED, study(tmp_path, mislead))
    assert by_seed.data["chosen"].tolist() == ["rates-0", "rates-0"]


def test_without_selection_seeds_each_seed_chooses_for_itself(tmp_path: Path) -> None:
    def shifted(row: dict[str, Any], point: int) -> dict[str, Any]:
        own = row["training_set"] == "org" and row["seed"] in (1, 4) and point == 0
        return {**row, "selection_accuracy": 0.99} if own else row

    artefacts = study(tmp_path, shifted)
    table = searched.build(BY_SEED, artefacts)
    org = table.data.iloc[0]
    assert org["values"] == "learning_rate 0.003 (2 of 6); learning_rate 0.01 (4 of 6)"
    tested = artefacts.read_searched().set_index(["training_set", "recipe", "seed"])["accuracy"]["org"]
    values = [tested["rates-0" if seed in (1, 4) else "rates-1", seed] for seed in SEEDS]
    assert org["searched"] == pytest.approx(np.mean(values))
    assert (org["trainings"], org["at_edge"]) == (3 * 6, "learning_rate")
    assert "for each seed by itself: the luck" in " ".join(table.notes)
    assert "Chose another point" not in " ".join(table.notes)


def test_tests_of_several_arms_are_corrected(tmp_path: Path) -> None:
    table = searched.build({**SPEC, "training_set": ["mix", "other"], "fixed": {"learning_rate": 1}}, study(tmp_path))
    compared = table.data[table.data["baseline"].notna()]
    assert compared["training_set"].tolist() == ["mix", "other"]
    assert compared["p_holm"].tolist() == pytest.approx(statistics.holm(compared["p"]).tolist())
    notes = " ".join(table.notes)
    assert "over the 2 searched differences" in notes
    assert "The fixed recipe is no point of the grid." in notes


def test_a_choice_among_what_happens_to_be_there_is_refused(tmp_path: Path) -> None:
    def unfinished(row: dict[str, Any], point: int) -> dict[str, Any]:
        return {} if point == 1 and row["seed"] == 101 else row

    with pytest.raises(ValueError, match="no run under rates-1 with seed 101"):
        searched.build(SPEC, study(tmp_path, unfinished))
    with pytest.raises(ValueError, match="lack an accuracy on val"):
        searched.build(SPEC, study(tmp_path, lambda row, point: {**row, "selection_accuracy": None}))


# ---- false positives -------------------------------------------------------------------------------------------------


def null(rng: np.random.Generator, levels: list[float], seeds: list[int]) -> pd.DataFrame:
    """Runs of an arm whose accuracies have one distribution for all arms; 30 val images, 300 test images."""
    level = np.repeat(levels, len(seeds))
    runs = {"recipe": np.repeat(list(POINTS), len(seeds)), "seed": np.tile(seeds, len(levels))}
    measured = {"selection_accuracy": rng.binomial(30, level) / 30, "accuracy": rng.binomial(300, level) / 300}
    return pd.DataFrame({**runs, "selection_loss": 1.0, "selection_images": 30, **measured})


@pytest.mark.parametrize(
    ("levels", "selection"),
    [
        pytest.param([0.7, 0.7, 0.7], SELECTION, id="seeds that choose for all"),
        pytest.param([0.6, 0.7, 0.75], None, id="each seed, where points differ"),
    ],
)
def test_arms_that_do_not_differ_are_told_apart_in_at_most_one_of_twenty(
    levels: list[float], selection: list[int] | None
) -> None:
    rng, repetitions, found = np.random.default_rng(0), 400, 0
    fixed = pd.Series(0.5, index=SEEDS)
    for _ in range(repetitions):
        arms = []
        for _ in range(2):
            tested, trained = null(rng, levels, SEEDS), null(rng, levels, SELECTION)
            arms.append(choosing.searched(tested, trained, fixed, list(POINTS), SEEDS, selection, "accuracy"))
        found += statistics.sign_flip_test(arms[0].chosen - arms[1].chosen) <= 0.05
    # so many would be improbable (1 in 100) at a rate of 5 %
    assert found <= stats.binom.ppf(0.99, repetitions, 0.05)
    assert found > 0
