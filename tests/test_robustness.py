"""Robustness in tables and figures: what is shown equals what the results say, compared with whom it should be."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from synthmix.analysis import statistics
from synthmix.analysis.artefacts import Artefacts
from synthmix.analysis.robustness import MEAN
from synthmix.corrupting import COLUMNS
from synthmix.figures import corrupted_images as images_figure
from synthmix.figures import robustness as robustness_figure
from synthmix.files import write_arrays, write_rows
from synthmix.tables import robustness as robustness_table

SEEDS, SEVERITIES, KINDS = range(4), (1, 3, 5), ("blur", "low_light")
# accuracy on clean images, and what a severity takes of it, by arm and kind; noise of seeds is added to both
ARMS = {
    ("cnn", "cnn-steps", "org"): (0.90, {"blur": 0.08, "low_light": 0.04}),
    ("cnn", "cnn-steps", "mix"): (0.92, {"blur": 0.05, "low_light": 0.04}),
    ("vit", "vit-steps", "org"): (0.80, {"blur": 0.02, "low_light": 0.06}),
}
SPEC = {
    "kind": "robustness",
    "corruption": "quality",
    "order": {"model": ["cnn", "vit"], "training_set": ["org", "mix"]},
}


def accuracy(arm: tuple[str, str, str], kind: str, severity: int, seed: int) -> float:
    clean, lost = ARMS[arm]
    luck = 0.01 * np.sin(7 * seed + len(arm[2]))
    return clean + luck - severity * (lost.get(kind, 0) + 0.001 * seed * (arm[0] == "vit"))


@pytest.fixture
def artefacts(tmp_path: Path) -> Artefacts:
    runs, paths = [], []
    for arm in ARMS:
        model, recipe, training_set = arm
        job = {"dataset": "digits", "bundle": "main", "model": model, "recipe": recipe}
        rows = []
        for seed in SEEDS:
            runs.append({**job, "training_set": training_set, "seed": seed})
            for kind, severity in [("none", 0), *((kind, severity) for kind in KINDS for severity in SEVERITIES)]:
                value = accuracy(arm, kind, severity, seed)
                row = {"training_set": training_set, "seed": seed, "kind": kind, "severity": severity}
                rows.append({**row, "accuracy": value, "auroc": value / 2})
        for name in ("quality", "other"):
            folder = tmp_path / f"corruptions/digits/main/{model}/{recipe}/seeds0-3"
            paths.append(folder / f"{training_set}.{name}.csv")
            shown = rows if name == "quality" else [row for row in rows if row["kind"] != "low_light"]
            write_rows(paths[-1], ["training_set", "seed", *COLUMNS], shown)
    write_rows(tmp_path / "experiments.csv", [*runs[0]], runs)
    return Artefacts(experiments=tmp_path / "experiments.csv", corruptions=paths)


def means(arm: tuple[str, str, str], kind: str) -> np.ndarray:
    """By seed, over the severities; over kinds, too, for the mean of all."""
    kinds = KINDS if kind == MEAN else (kind,)
    each = [[accuracy(arm, one, severity, seed) for one in kinds for severity in SEVERITIES] for seed in SEEDS]
    return np.mean(each, axis=1)


def clean(arm: tuple[str, str, str]) -> np.ndarray:
    return np.array([accuracy(arm, "none", 0, seed) for seed in SEEDS])


def test_the_table_has_a_row_per_arm_and_kind_with_intervals(artefacts: Artefacts) -> None:
    table = robustness_table.build(SPEC, artefacts)
    data = table.data
    named = [(row.model, row.recipe, row.training_set, row.kind) for row in data.itertuples()]
    assert named == [(*arm, kind) for arm in ARMS for kind in (*KINDS, MEAN)]
    for (*arm, kind), row in zip(named, data.to_dict("records"), strict=True):
        own = (arm[0], arm[1], arm[2])
        for name, values in (
            ("clean", clean(own)),
            ("mean", means(own, kind)),
            ("drop", clean(own) - means(own, kind)),
        ):
            interval = statistics.t_interval(values)
            assert row[name] == pytest.approx(interval.mean)
            assert (row[f"{name}_low"], row[f"{name}_high"]) == pytest.approx((interval.low, interval.high))
    assert [name for name in table.frame if name.startswith("Severity")] == [f"Severity {s}, %" for s in SEVERITIES]
    assert list(table.frame["Corruption"][:3]) == ["Gaussian blur", "Low light", "Mean of all"]
    assert "Difference, points" not in table.frame


def test_training_sets_are_compared_by_seed_and_corrected_over_the_corruptions(artefacts: Artefacts) -> None:
    table = robustness_table.build({**SPEC, "training_set": "mix", "baseline": "org"}, artefacts)
    data = table.data.dropna(subset=["baseline"]).set_index("kind")
    assert list(data.index) == [*KINDS, MEAN]
    assert set(data["baseline"]) == {"org"}
    org, mix = (("cnn", "cnn-steps", name) for name in ("org", "mix"))
    for kind in (*KINDS, MEAN):
        lost = (clean(mix) - means(mix, kind)) - (clean(org) - means(org, kind))
        assert data.loc[kind, "difference"] == pytest.approx((means(mix, kind) - means(org, kind)).mean())
        assert data.loc[kind, "drop_difference"] == pytest.approx(lost.mean(), abs=1e-12)
    for test in ("difference", "drop_difference"):
        single = data.loc[list(KINDS)]
        corrected = statistics.holm(single[f"{test}_p"])
        assert single[f"{test}_p_holm"].tolist() == pytest.approx(corrected.tolist())
        assert data.loc[MEAN, f"{test}_p_holm"] == data.loc[MEAN, f"{test}_p"]
    assert data.loc["blur", "difference_p_holm"] > data.loc["blur", "difference_p"]
    assert any("over the 2 comparisons of single corruptions" in note for note in table.notes)


def test_models_are_compared_whatever_their_recipes(artefacts: Artefacts) -> None:
    table = robustness_table.build({**SPEC, "model": "vit", "baseline_model": "cnn"}, artefacts)
    data = table.data.dropna(subset=["baseline"])
    assert set(data["model"]) == {"vit"}
    assert set(data["baseline"]) == {"cnn, cnn-steps"}
    vit, cnn = ("vit", "vit-steps", "org"), ("cnn", "cnn-steps", "org")
    blur = data[data["kind"] == "blur"].iloc[0]
    assert blur["difference"] == pytest.approx((means(vit, "blur") - means(cnn, "blur")).mean())
    assert blur["drop_difference"] < 0 < data[data["kind"] == "low_light"].iloc[0]["drop_difference"]


def test_another_metric_is_shown(artefacts: Artefacts) -> None:
    data = robustness_table.build({**SPEC, "metric": "auroc"}, artefacts).data
    assert data["clean"].iloc[0] == pytest.approx(clean(next(iter(ARMS))).mean() / 2)


def test_one_kind_has_no_mean_of_all(artefacts: Artefacts) -> None:
    assert set(robustness_table.build({**SPEC, "corruption": "other"}, artefacts).data["kind"]) == {"blur"}


def test_the_figure_has_a_panel_per_kind_and_a_line_per_arm(artefacts: Artefacts) -> None:
    figure = robustness_figure.draw({**SPEC, "labels": {"mix": "real and generated"}}, artefacts)
    assert [axes.get_title() for axes in figure.axes] == ["Gaussian blur", "Low light", "Mean of all"]
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts == ["cnn, org", "cnn, real and generated", "vit, org"]
    for axes, kind in zip(figure.axes, (*KINDS, MEAN), strict=True):
        lines = [container.lines[0] for container in axes.containers]
        assert len(lines) == len(ARMS)
        for line, arm in zip(lines, ARMS, strict=True):
            assert np.round(line.get_xdata()).tolist() == [0, *SEVERITIES]
            assert line.get_ydata()[0] == pytest.approx(100 * clean(arm).mean())
            assert np.mean(line.get_ydata()[1:]) == pytest.approx(100 * means(arm, kind).mean())


def test_a_recipe_that_follows_from_the_model_is_not_named(
    artefacts: Artefacts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each model has a recipe of its own, of the same name."""
    found = robustness_figure.tested(SPEC, artefacts)
    own = [each._replace(arm=each.arm._replace(recipe=each.arm.model)) for each in found]
    monkeypatch.setattr(robustness_figure, "tested", lambda *_: own)
    legend = robustness_figure.draw(SPEC, artefacts).legends[0]
    assert [text.get_text() for text in legend.get_texts()] == ["cnn, org", "cnn, mix", "vit, org"]


def test_a_corruption_without_results_is_named(artefacts: Artefacts) -> None:
    with pytest.raises(ValueError, match="robustness: no run matches"):
        robustness_figure.draw({**SPEC, "corruption": "absent"}, artefacts)


@pytest.mark.parametrize("channels", [1, 3])
def test_the_images_stand_by_kind_and_severity(tmp_path: Path, channels: int) -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, 4, 8, 8, channels), dtype=np.uint8)
    labels = {"jpeg": ["quality 80", "quality 58", "quality 40"], "noise": ["a", "b", "c"]}
    about: dict[str, Any] = {"kinds": list(labels), "severities": list(SEVERITIES), "labels": labels}
    path = tmp_path / "quality.safetensors"
    write_arrays(path, {"images": images}, {name: json.dumps(value) for name, value in about.items()})
    spec = {"kind": "corrupted_images", "dataset": "digits", "corruption": "quality"}
    figure = images_figure.draw(spec, Artefacts(corrupted_images=[path]))
    grid = np.array(figure.axes).reshape(2, 4)
    assert [axes.get_title() for axes in grid[0]] == ["Clean", "Severity 1", "Severity 3", "Severity 5"]
    assert [axes.get_ylabel() for axes in grid[:, 0]] == ["JPEG", "Gaussian noise"]
    assert [axes.get_xlabel() for axes in grid[0]] == ["", *labels["jpeg"]]
    figure.draw_without_rendering()
    for axes in figure.axes:
        for text in (axes.title, axes.xaxis.label, axes.yaxis.label):
            box = text.get_window_extent()
            assert not text.get_text() or (box.x0 >= 0 and box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1), text
    for at in np.ndindex(2, 4):
        np.testing.assert_array_equal(grid[at].images[0].get_array().reshape(8, 8, channels), images[at])
