"""Which model to use when: paired tests against values by hand, and the table's verdicts."""

import dataclasses
from pathlib import Path
from typing import Any

import fabricate
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from synthmix.analysis import pairwise
from synthmix.analysis.artefacts import Artefacts
from synthmix.files import write_rows
from synthmix.reports import rendering
from synthmix.tables import when


def history(*seeds: list[tuple[float, float]]) -> pd.DataFrame:
    """One seed after another, each a list of (seconds, validation accuracy)."""
    rows = [(seed, *row) for seed, each in enumerate(seeds) for row in each]
    return pd.DataFrame(rows, columns=["seed", "seconds", "val_accuracy"])


# ---- comparisons -----------------------------------------------------------------------------------------------------


def test_values_are_paired_by_seed() -> None:
    first, second = pd.Series({0: 0.9, 1: 0.8, 3: 0.7}), pd.Series({1: 0.7, 0: 0.7, 3: 0.71, 4: 0.1})
    found = pairwise.by_metric(first, second)
    assert (found.n, found.better) == (3, 1)
    assert found.difference == pytest.approx((0.2 + 0.1 - 0.01) / 3)
    assert found.p == pytest.approx(stats.ttest_rel([0.9, 0.8, 0.7], [0.7, 0.7, 0.71]).pvalue)
    assert pairwise.by_metric(second, first).better == -1


@pytest.mark.parametrize(
    ("differences", "p", "reason"),
    [([0.1], None, "one seed"), ([0.25, 0.25], None, "all seeds differ by the same"), ([0.0, 0.0], 1.0, "")],
)
def test_what_cannot_be_tested_says_why(differences: list[float], p: float | None, reason: str) -> None:
    found = pairwise.by_metric(pd.Series(differences), pd.Series(np.zeros(len(differences))))
    assert (found.p, found.reason) == (p, reason)


def test_equal_times_end_where_the_shorter_training_ends() -> None:
    fast = history([(1, 0.5), (2, 0.6)], [(1, 0.4), (4, 0.7)])
    slow = history([(2, 0.3), (9, 0.9)], [(3, 0.2), (9, 0.9)])
    found = pairwise.at_equal("seconds", fast, slow)
    assert found.at == pytest.approx((2 + 4) / 2)
    assert found.difference == pytest.approx(((0.6 - 0.3) + (0.7 - 0.2)) / 2)
    nothing = pairwise.at_equal("seconds", fast, history([(5, 0.9)], [(5, 0.9)]))
    assert (nothing.n, nothing.p, nothing.reason) == (0, None, "no validation of both in the budget")


def test_operations_count_images_so_far_and_three_passes() -> None:
    rows = pd.DataFrame({"seed": [0, 0, 1], "images": [10, 20, 5], "val_accuracy": 0.5})
    assert pairwise.with_flops(rows, 7.0)["flops"].tolist() == [210, 630, 105]


def test_time_to_a_target_is_a_ratio_where_all_reach_it() -> None:
    first = history([(1, 0.5), (2, 0.8), (3, 0.9)], [(4, 0.8)], [(5, 0.9)])
    second = history([(4, 0.8)], [(4, 0.85)], [(20, 0.8)])
    found = pairwise.by_time_to(0.8, first, second)
    assert found.difference == pytest.approx((2 * 1 * 4) ** (1 / 3))
    assert found.p == pytest.approx(stats.ttest_1samp(np.log([2, 1, 4]), 0).pvalue)
    assert found.better == 1


def test_time_to_a_target_that_some_miss_is_a_sign_test() -> None:
    reaching = history(*[[(9, 0.9)]] * 6)
    missing = history(*[[(1, 0.5)]] * 5, [(10, 0.9)])
    found = pairwise.by_time_to(0.8, missing, reaching)
    assert (found.better, found.difference, found.reason) == (-1, None, "reached by 1 and 6 of 6")
    assert found.p == pytest.approx(2 / 2**6)
    assert pairwise.by_time_to(0.95, missing, reaching).reason == "neither reaches it"
    alike = history([(9, 0.9)], [(1, 0.5)])
    assert pairwise.by_time_to(0.8, alike, alike)[3:8] == (0, None, None, None, 1.0)


def test_correction_leaves_out_what_was_not_tested() -> None:
    assert pairwise.corrected([0.04, None, 0.01]) == [pytest.approx(0.04), None, pytest.approx(0.02)]


# ---- the table -------------------------------------------------------------------------------------------------------

SPEC: dict[str, Any] = {"kind": "when", "model": ["cnn", "vit"], "recipe": ["cnn-steps", "vit-steps"]}
SPEC |= {"training_set": ["shot3", "org"], "targets": [0.5], "order": fabricate.ORDER}


@pytest.fixture(scope="module")
def artefacts(tmp_path_factory: pytest.TempPathFactory) -> Artefacts:
    """The CNN is ahead with three images a class and twice as fast; with all of them, nothing is to be seen."""
    root = tmp_path_factory.mktemp("when")
    runs, histories = [], []
    for model, speed in (("cnn", 1), ("vit", 2)):
        rows = []
        for name, real, gap in (("shot3", 30, 0.1), ("org", 1149, 0.0)):
            for seed in range(4):
                noise = 0.01 * np.random.default_rng([seed, real, speed]).normal()
                accuracy = 0.8 + noise - (gap if model == "vit" else 0)
                job = {"dataset": "digits", "bundle": "main", "model": model, "recipe": f"{model}-steps"}
                own = {"accuracy": accuracy, "real_images": real, "flops": 1e6 * speed, "trained_on": "A GPU"}
                runs.append({**job, "training_set": name, "seed": seed, "synthetic_images": 0, **own})
                for step, share in ((1, 0.5), (2, 0.7), (3, 1.0)):
                    seconds = step * speed * (1 + abs(noise))
                    row = {"training_set": name, "seed": seed, "step": step, "images": 100, "seconds": seconds}
                    rows.append({**row, "val_accuracy": accuracy * share})
        histories.append(root / f"runs/digits/main/{model}/{model}-steps/seeds0-5/history.csv")
        write_rows(histories[-1], [*rows[0]], rows)
    write_rows(root / "experiments.csv", [*runs[0]], runs)
    return Artefacts(experiments=root / "experiments.csv", histories=histories)


def test_verdicts_come_from_corrected_tests(artefacts: Artefacts) -> None:
    table = when.build(SPEC, artefacts)
    data = table.data.set_index(["training_set", "condition"])
    assert len(data) == 2 * 4
    assert data.loc[("shot3", "test"), "use"] == "cnn"
    assert data.loc[("org", "test"), "use"] == when.NONE
    assert data.loc[("org", "seconds"), "use"] == "cnn", "the slower one is at half of its training"
    assert data.loc[("org", "target"), "difference"] > 1
    known = data["p"].dropna()
    assert len(known) == len(data)
    assert (data["p_holm"] >= known).all()
    assert data["p_holm"].min() == pytest.approx(min(1, len(known) * known.min()))
    (sentence,) = [note for note in table.notes if note.startswith("cnn or vit")]
    assert sentence == f"cnn or vit on digits, by test accuracy: cnn with shot3; {when.NONE} with org."
    texts = table.frame["By"].tolist()
    assert "validation accuracy after 0.900 GFLOPs of training" in texts
    assert "time to 50.0 % validation accuracy" in texts


def test_times_on_different_devices_are_not_compared(artefacts: Artefacts, tmp_path: Path) -> None:
    runs = artefacts.read_experiments()
    runs.loc[runs["model"] == "vit", "trained_on"] = "a CPU"
    rendering.write_frame(tmp_path / "experiments.csv", runs)
    table = when.build(SPEC, dataclasses.replace(artefacts, experiments=tmp_path / "experiments.csv"))
    assert table.data["condition"].tolist() == ["test", "flops", "seconds"] * 2
    assert set(table.data[table.data["condition"] == "seconds"]["use"]) == {f"not tested: {when.ONE_DEVICE}"}


def test_operations_are_not_compared_where_layers_are_frozen(artefacts: Artefacts) -> None:
    """A backward pass ends where nothing before is trained, and features of a frozen backbone are computed once."""
    table = when.build({**SPEC, "frozen": ["vit-steps"]}, artefacts)
    rows = table.data["condition"] == "flops"
    assert set(table.data[rows]["use"]) == {f"not tested: {when.FROZEN}"}
    assert set(table.frame[rows]["By"]) == {"operations of training"}
    assert table.data["condition"].tolist() == ["test", "flops", "seconds", "target"] * 2


def test_models_without_a_common_training_set_are_refused(artefacts: Artefacts, tmp_path: Path) -> None:
    runs = artefacts.read_experiments()
    rendering.write_frame(
        tmp_path / "experiments.csv", runs[(runs["model"] == "cnn") == (runs["training_set"] == "org")]
    )
    with pytest.raises(ValueError, match="no two of the models share"):
        when.build(SPEC, dataclasses.replace(artefacts, experiments=tmp_path / "experiments.csv"))
