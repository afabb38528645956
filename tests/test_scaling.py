"""Learning curves: exponents and crossings of curves that are known, in numbers, tables and a figure."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from synthmix.analysis import scaling, statistics
from synthmix.analysis.artefacts import Artefacts
from synthmix.analysis.scaling import Curve
from synthmix.figures import power_law as figure
from synthmix.reports import rendering
from synthmix.reports.formatting import bracket
from synthmix.tables import best, overtaking, power_law

IMAGES = (128, 256, 512, 1024, 2048)
SEEDS = 4
LAWS = {"cnn": (-0.5, 2.0), "vit": (-0.7, 6.0)}  # exponent, error at one image
SPEC: dict[str, Any] = {"kind": "power_law", "training_set": [f"n{images}" for images in IMAGES]}
CROSSING = 3.0 ** (1 / 0.2)  # 2 n^-0.5 = 6 n^-0.7


def slopes(model: str) -> np.ndarray:
    """The exponent of each seed."""
    return LAWS[model][0] + 0.01 * (np.arange(SEEDS) - 1.5)


def study(root: Path, **changes: float) -> Artefacts:
    """Experiments whose test errors follow a power law for every seed; `changes` sets the errors of a training set."""
    rows = [
        {"dataset": "mnist", "training_set": f"n{images}", "model": model, "recipe": f"{model}-long", "seed": seed}
        | {"real_images": images, "accuracy": 1 - changes.get(f"n{images}", scale * images ** slopes(model)[seed])}
        for model, (_, scale) in LAWS.items()
        for images in IMAGES
        for seed in range(SEEDS)
    ]
    rendering.write_frame(root / "experiments.csv", pd.DataFrame(rows))
    return Artefacts(experiments=root / "experiments.csv")


def curve(errors: np.ndarray, seeds: range = range(SEEDS)) -> Curve:
    return Curve("mnist", "cnn", "long", np.array(IMAGES, dtype=float), np.array(seeds), errors)


def straight(slope: np.ndarray, at_512: np.ndarray) -> Curve:
    """Curves that are straight in log-log, with the log error that each seed has at 512 images."""
    return curve(np.exp(at_512[:, None] + slope[:, None] * np.log(np.array(IMAGES) / 512)))


def test_power_laws_give_back_their_exponents(tmp_path: Path) -> None:
    for found in scaling.curves(SPEC, study(tmp_path)):
        law = scaling.fit(found)
        assert law.alpha == pytest.approx(slopes(found.model))
        assert np.exp(law.intercept) == pytest.approx(LAWS[found.model][1])
        assert law.mean(IMAGES) == pytest.approx(np.exp(np.log(found.errors).mean(axis=0)))


def test_the_table_says_exponent_interval_range_and_last_error(tmp_path: Path) -> None:
    publication = {"source": "a paper", "comparable": False, "reason": "larger images"}
    published = [
        {"model": "cnn", "dataset": "mnist", "alpha": -0.53, "error": 0.1, **publication, "oddity": "odd."},
        {"model": "resnet", "alpha": -0.4, **publication},
        {"model": "vit", "dataset": "cifar", "alpha": -0.3, **publication},
    ]
    table = power_law.build({**SPEC, "published": published}, study(tmp_path))
    cnn, frame = table.data.iloc[0], table.frame.iloc[0]
    interval = statistics.t_interval(slopes("cnn"))
    assert cnn[["alpha", "alpha_low", "alpha_high"]].tolist() == pytest.approx(
        [-0.5, interval.low, interval.high]  # type: ignore[list-item]
    )
    assert interval.low < cnn["bootstrap_low"] < cnn["bootstrap_high"] < interval.high  # type: ignore[operator]
    assert cnn["deviation"] == pytest.approx(0, abs=1e-9)
    assert cnn["error"] == pytest.approx((2.0 * 2048 ** slopes("cnn")).mean())
    assert frame["alpha"] == f"-0.500 [{interval.low:.3f}, {interval.high:.3f}]"
    assert frame["Fit range, images"] == "128 to 2,048 (5 sizes)"
    assert (frame["Published alpha"], frame["Published error, %"], frame["Comparable"]) == ("-0.530", "10.0", "no")
    assert frame["Reason"] == "larger images"
    assert table.frame["alpha"].tolist()[2:] == ["not run", "not run"]
    assert table.frame["Published alpha"].tolist() == ["-0.530", "", "-0.400", "-0.300"]
    assert table.notes[-2:] == ["Published: a paper.", "Oddity of the publication: odd."]


def test_a_curve_that_bends_shows_its_deviation(tmp_path: Path) -> None:
    table = power_law.build({**SPEC, "model": "cnn"}, study(tmp_path, n128=0.9))
    assert table.data["deviation"].iloc[0] > 0.5


def test_an_error_of_0_has_no_power_law(tmp_path: Path) -> None:
    table = power_law.build({**SPEC, "model": "cnn"}, study(tmp_path, n2048=0))
    assert table.frame["alpha"].tolist() == ["refused"]
    assert table.frame["Remark"].tolist() == ["an error of 0 has no logarithm"]
    with pytest.raises(ValueError, match="an error of 0"):
        scaling.fit(scaling.curves({**SPEC, "model": "cnn"}, study(tmp_path, n2048=0))[0])


def test_seeds_without_every_training_set_are_left_out(tmp_path: Path) -> None:
    artefacts = study(tmp_path)
    runs = artefacts.read_experiments()
    rendering.write_frame(tmp_path / "experiments.csv", runs[(runs["seed"] != 2) | (runs["training_set"] != "n512")])
    assert scaling.curves(SPEC, artefacts)[0].seeds.tolist() == [0, 1, 3]
    rendering.write_frame(tmp_path / "experiments.csv", runs[(runs["seed"] < 2) == (runs["training_set"] != "n512")])
    with pytest.raises(ValueError, match="no seed of mnist/cnn/cnn-long has every training set"):
        scaling.curves(SPEC, artefacts)
    rendering.write_frame(tmp_path / "experiments.csv", runs.assign(real_images=128))
    with pytest.raises(ValueError, match="equally many real images"):
        scaling.curves(SPEC, artefacts)
    rendering.write_frame(tmp_path / "experiments.csv", runs)
    with pytest.raises(ValueError, match="mnist/cnn/cnn-long has one training set only"):
        scaling.curves({**SPEC, "training_set": ["n128"]}, artefacts)


# ---- overtaking ------------------------------------------------------------------------------------------------------


def test_curves_cross_where_their_laws_do(tmp_path: Path) -> None:
    spec = {**SPEC, "kind": "overtaking", "model": ["vit"], "over": "cnn"}
    published = [{"model": "vit", "images": 3000, "source": "a paper", "comparable": True}]
    table = overtaking.build({**spec, "published": published}, study(tmp_path))
    data, frame = table.data.iloc[0], table.frame.iloc[0]
    assert data["images"] == pytest.approx(CROSSING)
    # both models' exponents differ from their mean by the same in each seed, so that all cross at one place
    assert data[["low", "high"]].tolist() == pytest.approx([CROSSING, CROSSING], rel=0.005)
    assert (frame["Seeds that cross"], frame["By seed"]) == ("4 of 4", "243, 243, 243, 243")
    assert frame["Published, images"] == "3,000"
    assert "Over: cnn." not in table.notes  # a table of one row keeps its columns
    assert frame["Over"] == "cnn"


def test_a_crossing_beyond_the_range_is_said_to_be_there(tmp_path: Path) -> None:
    spec = {**SPEC, "kind": "overtaking", "model": ["vit"], "over": "cnn", "training_set": ["n512", "n1024", "n2048"]}
    ahead = overtaking.build(spec, study(tmp_path)).frame.iloc[0]
    assert ahead["Overtakes at, images"] == "ahead throughout [below 512]"
    behind = overtaking.build({**spec, "model": ["cnn"], "over": "vit"}, study(tmp_path)).frame.iloc[0]
    assert behind["Overtakes at, images"] == "not within the range [beyond 2,048]"
    assert (behind["Seeds that cross"], behind["By seed"]) == ("0 of 4", "beyond, beyond, beyond, beyond")


def test_the_last_of_several_crossings_counts() -> None:
    against = curve(np.full((1, 5), 0.5), range(1))
    zigzag = curve(np.array([[0.4, 0.6, 0.4, 0.6, 0.4]]), range(1))
    found = scaling.overtaking(zigzag, against)
    assert 1024 < found.images < 2048
    assert (found.low, found.high) == (None, None)  # one seed


def test_the_interval_ends_where_a_t_test_begins_to_find_a_difference() -> None:
    rng = np.random.default_rng(0)
    own, against = (straight(rng.normal(mean, 0.03, SEEDS), rng.normal(-1, 0.05, SEEDS)) for mean in (-0.7, -0.3))
    found = scaling.overtaking(own, against)
    differences = np.log(own.errors / against.errors)
    slope = np.log(2048 / 128)
    for end, sign in ((found.low, 1), (found.high, -1)):
        assert end is not None
        assert 128 < end < 2048
        share = np.log(end / 128) / slope
        there = differences[:, 0] * (1 - share) + differences[:, -1] * share
        assert stats.ttest_1samp(there, 0).statistic == pytest.approx(sign * stats.t.ppf(0.975, SEEDS - 1), rel=0.05)


def test_the_interval_of_a_crossing_covers_95_percent() -> None:
    rng = np.random.default_rng(1)
    covered, studies = 0, 400
    for _ in range(studies):
        own, against = (straight(rng.normal(mean, 0.05, SEEDS), rng.normal(-1, 0.05, SEEDS)) for mean in (-0.7, -0.4))
        found = scaling.overtaking(own, against)
        covered += found.low <= 512 <= found.high  # type: ignore[operator]
    assert abs(covered / studies - 0.95) < 4 * np.sqrt(0.95 * 0.05 / studies)


def test_curves_that_share_no_seed_are_not_compared() -> None:
    with pytest.raises(ValueError, match="share 0 seeds"):
        scaling.overtaking(curve(np.ones((4, 5))), curve(np.ones((4, 5)), range(4, 8)))


# ---- the best of several ---------------------------------------------------------------------------------------------


def of_heads(root: Path) -> Artefacts:
    """Three models on one training set: h4 is the best on the first two seeds, h8 on the others, h1 on none."""
    errors = {"h1": [0.3] * 6, "h4": [0.1, 0.1, 0.2, 0.21, 0.22, 0.2], "h8": [0.2, 0.2, 0.19, 0.2, 0.22, 0.19]}
    names = {"dataset": "mnist", "training_set": "n2048", "recipe": "long"}
    rows = [
        {**names, "model": model, "seed": seed, "accuracy": 1 - error}
        for model, each in errors.items()
        for seed, error in enumerate(each)
    ]
    rendering.write_frame(root / "experiments.csv", pd.DataFrame(rows))
    return Artefacts(experiments=root / "experiments.csv")


def test_the_best_is_judged_by_seeds_that_did_not_choose_it(tmp_path: Path) -> None:
    spec: dict[str, Any] = {"kind": "best", "model": ["h1", "h4", "h8"], "training_set": ["n2048"]}
    spec |= {"selection_seeds": [0, 1]}
    publication = {"dataset": "mnist", "best": "h8", "source": "a paper", "comparable": True}
    table = best.build({**spec, "published": [publication]}, of_heads(tmp_path))
    data, frame = table.data.iloc[0], table.frame.iloc[0]
    assert (data["best"], data["n"], data["alike"]) == ("h4", 4, "h8")
    assert data["error"] == pytest.approx(np.mean([0.2, 0.21, 0.22, 0.2]))
    gap = statistics.t_interval([-0.01, -0.01, 0, -0.01])
    assert data[["published_difference", "published_low", "published_high"]].tolist() == pytest.approx(
        [gap.mean, gap.low, gap.high]  # type: ignore[list-item]
    )
    assert frame["Published best"] == "h8"
    assert frame["Its difference, points"] == f"{100 * gap.mean:+.1f} {bracket(gap.low, gap.high)}"
    with pytest.raises(ValueError, match="two others"):
        best.build({**spec, "selection_seeds": [0, 1, 2, 3, 4]}, of_heads(tmp_path))


# ---- figure ----------------------------------------------------------------------------------------------------------


def test_the_figure_draws_geometric_means_and_laws(tmp_path: Path) -> None:
    drawn = figure.draw({**SPEC, "labels": {"cnn": "CNN"}}, study(tmp_path))
    (axes,) = drawn.axes
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["128", "256", "512", "1,024", "2,048"]
    assert [text.get_text() for text in drawn.legends[0].get_texts()] == ["CNN", "vit"]
    law, points = axes.lines[0], axes.containers[0].lines[0]
    expected = 200.0 * np.array(IMAGES) ** -0.5
    assert np.asarray(law.get_ydata()) == pytest.approx(expected)
    assert np.asarray(points.get_ydata()) == pytest.approx(expected)
    bar = axes.containers[0].lines[2][0].get_segments()[0]
    interval = statistics.t_interval(np.log(200.0 * 128 ** slopes("cnn")))
    assert bar[:, 1] == pytest.approx(np.exp([interval.low, interval.high]))  # type: ignore[list-item]
    rendering.save_figure(drawn, [tmp_path / "one.svg"])


def test_bootstrap_of_a_mean_lies_within_the_values_and_is_reproducible() -> None:
    values = [0.1, 0.2, 0.4, 0.5]
    interval = statistics.bootstrap_interval(values)
    assert interval is not None
    assert 0.1 <= interval[0] < 0.3 < interval[1] <= 0.5
    assert interval == statistics.bootstrap_interval(values)
    assert statistics.bootstrap_interval([0.3]) is None
