"""Ladders: curves that are known, in numbers, in the table and in the figure; and ladders that are refused early."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from test_configuration import STUDY, error_of, write

from synthmix.analysis import saturation, statistics
from synthmix.analysis.artefacts import Artefacts
from synthmix.analysis.saturation import SHAPES, Ladder
from synthmix.checks import ladders
from synthmix.figures import ladder as figure
from synthmix.files import write_json
from synthmix.planning.configuration import read_studies
from synthmix.reports import rendering
from synthmix.tables import saturation as table

ADDED = np.array([0.0, 3, 5, 10, 15, 20, 35, 40])
REAL, TOP, GAIN = 3.0, 0.34, 0.21
NAMES = [f"k{added:.0f}" for added in ADDED]
SPEC: dict[str, Any] = {"kind": "saturation", "ladder": NAMES}


def falls(form: str, scale: float) -> np.ndarray:
    return np.asarray(SHAPES[form].falls(ADDED, scale, REAL))


def ladder(values: np.ndarray) -> Ladder:
    return Ladder("cars", "cnn", "steps", NAMES, ADDED, REAL, np.arange(len(values)), values)


def noisy(rng: np.random.Generator, shape: np.ndarray, seeds: int = 6, noise: float = 0.008) -> Ladder:
    """Seeds that differ in asymptote and gain, with noise in every run."""
    tops, gains = TOP + rng.normal(0, 0.01, (seeds, 1)), GAIN + rng.normal(0, 0.01, (seeds, 1))
    return ladder(tops - gains * shape + rng.normal(0, noise, (seeds, len(shape))))


def study(root: Path, values: dict[str, np.ndarray]) -> Artefacts:
    """Experiments of ladders, by model: values (S, K)."""
    rows = [
        {"dataset": "cars", "training_set": name, "model": model, "recipe": "steps", "seed": seed}
        | {"real_images": 30, "synthetic_images": 10 * ADDED[place] or None, "accuracy": matrix[seed, place]}
        for model, matrix in values.items()
        for seed in range(len(matrix))
        for place, name in enumerate(NAMES)
    ]
    rendering.write_frame(root / "experiments.csv", pd.DataFrame(rows))
    write_json(root / "data/cars/meta.json", {"classes": list("0123456789")})
    return Artefacts(experiments=root / "experiments.csv", data={"cars": {"meta": root / "data/cars/meta.json"}})


@pytest.mark.parametrize(("form", "scale", "reached"), [("exponential", 8.0, 18.42), ("power", 1.5, 10.92)])
def test_curves_without_noise_give_back_their_parameters(form: str, scale: float, reached: float) -> None:
    own = ladder(np.array([[TOP], [TOP + 0.02]]) - GAIN * falls(form, scale))
    curve = saturation.fit(own)
    assert curve.form == form
    assert curve.asymptote == pytest.approx([TOP, TOP + 0.02], abs=1e-4)
    assert curve.gain == pytest.approx([GAIN, GAIN], abs=1e-4)
    assert curve.reached == pytest.approx([reached, reached], rel=2e-3)
    assert curve.mean(ADDED) == pytest.approx(own.values.mean(axis=0), abs=1e-4)
    left = SHAPES[form].falls(np.array([reached]), scale, REAL)
    assert left == pytest.approx([0.1], rel=2e-3)  # a tenth of the gain is left
    assert curve.levels_off(own)


@pytest.mark.parametrize(("form", "scale"), [("exponential", 8.0), ("power", 2.0)])
def test_intervals_cover_the_truth(form: str, scale: float) -> None:
    """At 95 %, of 60 intervals fewer than 52 cover with a probability of 0.7 %."""
    rng = np.random.default_rng(5)
    reached = float(SHAPES[form].reaches(np.array(scale), REAL))
    levels, images = [], []
    for _ in range(60):
        curve = saturation.fit(noisy(rng, falls(form, scale)))
        levels.append(statistics.t_interval(curve.asymptote))
        images.append(statistics.t_interval(np.log(curve.reached)))
    for intervals, truth in ((levels, TOP), (images, np.log(reached))):
        assert sum(one.low <= truth <= one.high for one in intervals) >= 52  # type: ignore[operator]


def test_straight_ladders_are_seldom_said_to_level_off() -> None:
    rng = np.random.default_rng(6)
    own = [noisy(rng, 1 - ADDED / 40) for _ in range(60)]
    assert np.mean([saturation.bends(each) for each in own]) <= 0.1
    assert np.mean([saturation.fit(each).levels_off(each) for each in own]) <= 0.1


def test_a_ladder_that_bends_may_level_off_beyond_its_range() -> None:
    own = noisy(np.random.default_rng(7), falls("exponential", 30.0), noise=0.001)  # 90 % at 69 images
    assert saturation.bends(own)
    assert not saturation.fit(own).levels_off(own)


def test_a_ladder_that_rises_like_a_logarithm_does_not_level_off() -> None:
    """Without a power law, an exponential would have its asymptote within the ladder."""
    own = noisy(np.random.default_rng(3), 1 - np.log1p(ADDED / REAL) / 4)
    curve = saturation.fit(own)
    assert curve.form == "power"
    assert saturation.bends(own)
    assert curve.seen(own) == saturation.STILL_RISES
    assert saturation.fit(own._replace(real=0)).levels_off(own)


def test_a_ladder_that_ends_above_its_asymptote_does_not_level_off() -> None:
    values = np.array([13, 20, 24, 28, 29.5, 30, 30.2, 33]) / 100
    own = noisy(np.random.default_rng(3), (TOP - values) / GAIN, noise=0.002)._replace(real=0)
    curve = saturation.fit(own)
    assert saturation.bends(own)
    assert np.exp(np.log(curve.reached).mean()) < ADDED[-1]
    assert statistics.t_interval(own.values[:, -1] - curve.asymptote).low > 0  # type: ignore[operator]
    assert curve.seen(own) == saturation.STILL_RISES


@pytest.mark.parametrize(
    ("percents", "many", "one"),
    [
        ([30, 29.9, 29.9, 29.8, 29.3, 28, 25, 18], saturation.FALLS, saturation.FALLS),
        ([13, 16, 19, 26, 30, 28, 22, 17], saturation.FALLS, saturation.FALLS),
        ([30, 30.1, 29.9, 30, 29.9, 30.1, 30, 30], saturation.NO_RISE, None),
        ([13, 17, 20, 26, 29, 31, 32.5, 32.6], saturation.LEVELS_OFF, saturation.LEVELS_OFF),
    ],
)
def test_what_is_seen_of_a_ladder(percents: list[float], many: str, one: str | None) -> None:
    values = np.array(percents) / 100
    own = noisy(np.random.default_rng(4), (TOP - values) / GAIN, noise=0.002)
    assert saturation.fit(own).seen(own) == many
    assert one is None or saturation.fit(ladder(values[None])).seen(ladder(values[None])) == one


def test_flat_ladders_seldom_show_a_rise() -> None:
    rng = np.random.default_rng(10)
    own = [noisy(rng, np.zeros(len(ADDED))) for _ in range(60)]
    assert np.mean([saturation.fit(each).seen(each) != saturation.NO_RISE for each in own]) <= 0.15


def test_without_real_images_the_curve_is_an_exponential() -> None:
    values = TOP - GAIN * falls("power", 1.5)[None]
    assert saturation.fit(ladder(values)._replace(real=0)).form == "exponential"


def test_the_table_reports_an_asymptote_only_where_there_is_one(tmp_path: Path) -> None:
    rng = np.random.default_rng(8)
    bent, straight = noisy(rng, falls("exponential", 8.0)), noisy(rng, 1 - ADDED / 40)
    entry = {"dataset": "cars", "model": "cnn", "source": "a paper", "comparable": True}
    values = TOP - GAIN * falls("exponential", 6.0)
    published = [{**entry, "training_set": name, "value": value} for name, value in zip(NAMES, values, strict=True)]
    published[2] |= {"comparable": False, "reason": "another split"}
    artefacts = study(tmp_path, {"cnn": bent.values, "vit": straight.values})
    built = table.build({**SPEC, "published": published}, artefacts)
    cnn, vit = built.frame.to_dict("records")
    curve = saturation.fit(bent)
    level, images = statistics.t_interval(curve.asymptote), statistics.t_interval(np.log(curve.reached))
    assert built.data["asymptote"].iloc[0] == pytest.approx(level.mean)
    assert built.data["reached_high"].iloc[0] == pytest.approx(np.exp(images.high))
    assert cnn["Asymptote: accuracy, %"].startswith(f"{100 * level.mean:.1f} [")
    assert vit["Asymptote: accuracy, %"] == vit["90 % of the gain at, images per class"] == saturation.STILL_RISES
    assert [note.split(":")[0] for note in built.notes if "no asymptote is given" in note] == ["still rises"]
    assert built.data[["asymptote", "reached"]].iloc[1].isna().all()
    assert (cnn["Published, asymptote, %"], cnn["Published, 90 % of the gain at"]) == ("34.0", "13.8")
    assert (cnn["Comparable"], cnn["Reason"]) == ("no", "another split")
    assert vit["Published, asymptote, %"] == vit["Comparable"] == ""
    every = [{**each, "comparable": True} for each in published]
    assert table.build({**SPEC, "published": every}, artefacts).frame["Comparable"].tolist() == ["yes", ""]
    assert "Published: a paper." in built.notes
    assert table.SINGLE not in built.notes


def test_verdicts_without_intervals_do_not_claim_any(tmp_path: Path) -> None:
    """Of a published ladder that falls, and of one of a single seed, beside one of six seeds that levels off."""
    bent = noisy(np.random.default_rng(8), falls("exponential", 8.0))
    fallen = bent.values.mean(axis=0) - np.r_[np.zeros(len(NAMES) - 1), 0.05]
    entry = {"dataset": "cars", "model": "cnn", "source": "a paper", "comparable": True}
    published = [{**entry, "training_set": name, "value": value} for name, value in zip(NAMES, fallen, strict=True)]
    six = table.build({**SPEC, "published": published}, study(tmp_path / "six", {"cnn": bent.values}))
    assert six.data["published_seen"].tolist() == [saturation.FALLS]
    assert table.SINGLE in six.notes
    one = table.build(SPEC, study(tmp_path / "one", {"cnn": fallen[None]}))
    assert one.data["seen"].tolist() == [saturation.FALLS]
    assert table.SINGLE in one.notes


def test_ladders_need_seeds_and_images(tmp_path: Path) -> None:
    artefacts = study(tmp_path, {"cnn": noisy(np.random.default_rng(9), falls("power", 1.0)).values})
    with pytest.raises(ValueError, match="cars/cnn/steps needs 4 training sets"):
        saturation.ladders({**SPEC, "ladder": NAMES[:3]}, artefacts)
    runs = artefacts.read_experiments()
    rendering.write_frame(tmp_path / "experiments.csv", runs[(runs["seed"] > 2) | (runs["training_set"] != "k5")])
    assert saturation.ladders(SPEC, artefacts)[0].seeds.tolist() == [3, 4, 5]


def test_the_figure_draws_the_curve_where_the_ladder_levels_off(tmp_path: Path) -> None:
    rng = np.random.default_rng(8)
    bent, straight = noisy(rng, falls("exponential", 8.0)), noisy(rng, 1 - ADDED / 40)
    artefacts = study(tmp_path, {"cnn": bent.values, "vit": straight.values})
    drawn = figure.draw({"kind": "ladder", "ladder": NAMES, "fit": True}, artefacts)
    lines = [next(line for line in axes.lines if line.get_label() == "steps") for axes in drawn.axes]
    curve = 100 * saturation.fit(bent).mean(np.linspace(0, 40, 200))
    assert np.asarray(lines[0].get_ydata()) == pytest.approx(curve)
    assert np.asarray(lines[1].get_ydata()) == pytest.approx(100 * straight.values.mean(axis=0))
    assert drawn.axes[0].get_xticks() == pytest.approx(ADDED / 40 * 7)  # in proportion
    assert [tick.get_text() for tick in drawn.axes[0].get_xticklabels()][:4] == ["0", "3", "5", "10"]
    assert figure.FITTED.split()[-1] in drawn.get_supxlabel()
    plain = figure.draw({"kind": "ladder", "ladder": NAMES}, artefacts)
    assert plain.axes[0].get_xticks() == pytest.approx(np.arange(8))


def test_numbers_of_images_that_stand_close_do_not_run_into_each_other() -> None:
    places = figure._places([0, 3, 5, 10, 40, 160], linear=True)
    assert figure._tick_labels(places, 12.0) == ["0", "", "", "10", "40", "160"]
    beside = figure._places([0, 3, 5, 10], linear=True)
    assert figure._tick_labels(beside, 4.0) == ["0", "3", "", "10"]  # not 35
    assert figure._tick_labels(figure._places([0, 3, 160], linear=False), 12.0) == ["0", "3", "160"]


# ---- what is refused before anything runs ----------------------------------------------------------------------------


LADDER = ["shot3", "shot3-syn5", "shot3-syn20", "shot3-syn80"]


@pytest.mark.parametrize(
    ("view", "expected"),
    [
        ({"ladder": LADDER[:3]}, "ladder: a curve needs at least 4 training sets; add some"),
        ({"ladder": [*LADDER, "shot3-rough20"]}, "ladder: shot3-syn20 and shot3-rough20 have equally many images"),
        ({"ladder": [*LADDER, "shot3-real20"]}, "ladder: no run of shot3-real20 in digits/cnn/cnn-epochs; add it"),
        ({"ladder": [*LADDER, "spare"]}, "ladder: no seed of digits/cnn/cnn-steps has all of them"),
        ({"ladder": LADDER, "fit": True}, "fit: unknown key for kind saturation"),
    ],
)
def test_ladders_that_cannot_be_fitted(tmp_path: Path, monkeypatch: Any, view: dict[str, Any], expected: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path("studies").mkdir()
    content = copy.deepcopy(STUDY)
    content["training_sets"]["spare"] = {"real": 3, "synthetic": 40, "pool": "ddpm", "draw_from": 80}
    content["runs"].append({**content["runs"][2], "training_set": "spare", "seeds": [7], "bundle": "spares"})
    if "spare" in view["ladder"]:
        view = {**view, "recipe": "cnn-steps"}
    content["tables"]["levels"] = {"kind": "saturation", **view}
    write(Path("studies"), "bad", content)
    assert error_of(Path("studies"), "bad").startswith(f"studies/bad.yaml: tables.levels.{expected}")
    content["tables"]["levels"] = {"kind": "saturation", "ladder": LADDER}
    content["figures"]["fewshot"] |= {"fit": True}
    write(Path("studies"), "good", content)
    assert read_studies(Path("studies"), ["good"])["good"]["figures"]["fewshot"]["fit"] is True
    content["figures"]["fewshot"] |= {"axis": "share"}
    write(Path("studies"), "bad", content)
    assert "figures.fewshot.fit: curves are over the images that are added" in error_of(Path("studies"), "bad")


def test_both_say_how_many_points_a_curve_needs() -> None:
    assert ladders.POINTS == saturation.POINTS
