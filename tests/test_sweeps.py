"""Sweeps over widths: thresholds and peaks of errors that are known, in numbers, a table and figures."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from synthmix.analysis import statistics, sweeps
from synthmix.analysis.artefacts import Artefacts
from synthmix.figures import epochs, width
from synthmix.files import write_rows
from synthmix.reports import rendering
from synthmix.reports.rendering import Table
from synthmix.tables import threshold

WIDTHS = (1, 2, 4, 8, 16)
TRAIN = {"clean": (0.08, 0.005, 0, 0, 0), "noisy": (0.3, 0.2, 0.04, 0.004, 0), "hard": (0.4,) * 5}
TEST = (0.20, 0.10, 0.15, 0.08, 0.12)  # a peak at 4, and a rise after 8
SEEDS, SELECTION = 7, [0, 1]
SPEC: dict[str, Any] = {
    "model": [f"cnn{width}" for width in reversed(WIDTHS)],
    "widths": {f"cnn{width}": width for width in WIDTHS},
    "training_set": ["clean", "noisy"],
    "tolerance": 0.01,
}
TABLE = {**SPEC, "kind": "threshold", "selection_seeds": SELECTION, "narrow": "cnn2", "wide": "cnn16"}
TABLE["peak_tolerance"] = 0.1


def runs() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    rows = [
        {"dataset": "mnist", "training_set": name, "model": f"cnn{width}", "recipe": "long", "seed": seed}
        | {"parameters": 300 * width**2, "train_error": train, "accuracy": 1 - test - rng.normal(0, 0.002)}
        for name, errors in TRAIN.items()
        for width, train, test in zip(WIDTHS, errors, TEST, strict=True)
        for seed in range(SEEDS)
    ]
    return pd.DataFrame(rows)


def study(root: Path, frame: pd.DataFrame) -> Artefacts:
    rendering.write_frame(root / "experiments.csv", frame)
    return Artefacts(experiments=root / "experiments.csv")


def row(table: Table, training_set: str, contrast: str) -> tuple[pd.Series, pd.Series]:
    keep = (table.data["training_set"] == training_set) & (table.data["contrast"] == contrast)
    assert keep.sum() == 1
    return table.data[keep].iloc[0], table.frame[keep].iloc[0]


@pytest.mark.parametrize(
    ("errors", "tolerance", "expected"),
    [
        ([0.3, 0.1, 0.01, 0.0], 0.01, 2),
        ([0.3, 0.1, 0.01, 0.0], 0.1, 1),
        ([0.3, 0.0, 0.2, 0.0], 0.01, 3),  # one that fits by luck is none from which on all fit
        ([0.0, 0.0], 0.01, 0),
        ([0.3, 0.2], 0.01, None),
        ([0.3, 0.0, np.nan, 0.0], 0.01, 3),
    ],
)
def test_threshold_is_the_first_from_which_on_all_fit(errors: list[float], tolerance: float, expected: int) -> None:
    assert sweeps.threshold(np.array(errors), tolerance) == expected


def test_the_table_chooses_the_peak_from_train_error_and_tests_it_on_other_seeds(tmp_path: Path) -> None:
    frame = runs()
    # what test errors the selection seeds have says nothing about the peak
    misleading = frame["seed"].isin(SELECTION) & (frame["model"] == "cnn1")
    frame.loc[misleading, "accuracy"] = 0
    table = threshold.build(TABLE, study(tmp_path, frame))
    data, shown = row(table, "noisy", "peak against wide")
    assert (data["threshold_width"], data["threshold_parameters"], data["peak_model"]) == (8, 19200, "cnn4")
    assert (shown["Threshold, width"], shown["Parameters there"], shown["By seed"]) == ("8", "19,200", "8" + ", 8" * 6)
    noisy = frame[(frame["training_set"] == "noisy") & ~frame["seed"].isin(SELECTION)]
    errors = 1 - noisy.pivot(index="seed", columns="model", values="accuracy")
    for against, contrast in (("cnn16", "peak against wide"), ("cnn2", "peak against narrow")):
        data, shown = row(table, "noisy", contrast)
        interval = statistics.t_interval(errors["cnn4"] - errors[against])
        assert (data["model"], data["against"], data["n"]) == ("cnn4", against, SEEDS - len(SELECTION))
        assert data[["difference", "low", "high"]].tolist() == pytest.approx(
            [interval.mean, interval.low, interval.high]  # type: ignore[list-item]
        )
        assert data["p"] == data["p_min"] == 2 / 2**5
        assert shown["Difference, points"].startswith(f"+{100 * interval.mean:.1f} [")


def test_the_table_looks_for_a_second_rise_with_a_best_that_other_seeds_chose(tmp_path: Path) -> None:
    table = threshold.build(TABLE, study(tmp_path, runs()))
    data, shown = row(table, "noisy", "widest against best after the peak")
    assert (data["model"], data["against"]) == ("cnn16", "cnn8")
    assert data["difference"] == pytest.approx(0.04, abs=0.004)
    tested = table.data["p"].dropna()
    corrected = table.data.loc[tested.index, "p_holm"]
    assert corrected.tolist() == pytest.approx(statistics.holm(tested).tolist())
    assert f"over the {len(tested)} contrasts" in table.notes[-1]
    # without a rise there is nothing to test
    frame = runs()
    frame.loc[frame["model"] == "cnn16", "accuracy"] = 0.99
    data, _ = row(threshold.build(TABLE, study(tmp_path, frame)), *("noisy", "widest against best after the peak"))
    assert data["remark"] == "none: the widest is the best"


def test_what_cannot_be_contrasted_says_why(tmp_path: Path) -> None:
    frame = runs()
    few = frame[(frame["model"] != "cnn4") | (frame["seed"] < 3)]
    spec = {**TABLE, "training_set": ["clean", "noisy", "hard"]}
    table = threshold.build(spec, study(tmp_path, few))
    remarks = table.data.set_index(["training_set", "contrast"])["remark"]
    assert remarks["noisy", "peak against wide"] == "fewer than two other seeds in common: not tested"
    assert remarks["clean", "peak against narrow"] == "the peak is not between cnn2 and cnn16"
    assert remarks["hard", "peak against wide"] == "no model fits its training labels: no peak is chosen"
    _, shown = row(table, "hard", "peak against wide")
    assert (shown["Threshold, width"], shown["By seed"]) == ("not within the widths", "none, none, none")
    assert table.frame["Threshold, width"].tolist()[1:3] == ["", ""]  # said once for each sweep


def test_published_thresholds_stand_beside_ours(tmp_path: Path) -> None:
    publication = {"source": "a paper", "comparable": False, "reason": "more images", "oddity": "cannot fit."}
    published = [
        {"dataset": "mnist", "training_set": "noisy", "width": 2, **publication},
        {"dataset": "cifar", "width": 6, **publication},
    ]
    table = threshold.build({**TABLE, "published": published}, study(tmp_path, runs()))
    shown = table.frame[table.frame["Published threshold"] != ""]
    assert shown["Published threshold"].tolist() == ["2", "6"]
    assert shown["Threshold, width"].tolist() == ["8", "not run"]
    assert shown["Reason"].tolist() == ["more images"] * 2
    assert "Oddity of the publication: cannot fit." in table.notes


def test_runs_without_train_errors_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="lacks train errors"):
        threshold.build(TABLE, study(tmp_path, runs().drop(columns="train_error")))
    frame = runs()
    unfinished = frame[(frame["model"] != "cnn2") | (frame["training_set"] != "noisy")]
    with pytest.raises(ValueError, match="no run of cnn2 in mnist/noisy/long"):
        threshold.build(TABLE, study(tmp_path, unfinished))


# ---- figures ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("axis", ["parameters", "width"])
def test_the_figure_draws_both_errors_and_marks_thresholds(tmp_path: Path, axis: str) -> None:
    spec = {**SPEC, "kind": "width", "axis": axis, "training_set": ["noisy", "hard"], "labels": {"hard": "Too hard"}}
    artefacts = study(tmp_path, runs())
    figure = width.draw(spec, artefacts)
    (axes,) = figure.axes
    test, train = axes.containers[0].lines[0], axes.containers[1].lines[0]
    x = np.array(WIDTHS) if axis == "width" else 300 * np.array(WIDTHS) ** 2
    assert np.asarray(test.get_xdata()).tolist() == x.tolist()
    frame = artefacts.read_experiments()
    errors = 100 * (1 - frame[frame["training_set"] == "noisy"].groupby("model")["accuracy"].mean())
    assert np.asarray(test.get_ydata()) == pytest.approx(errors[[f"cnn{width}" for width in WIDTHS]].to_numpy())
    assert np.asarray(train.get_ydata()) == pytest.approx(100 * np.array(TRAIN["noisy"]))
    assert (test.get_linestyle(), train.get_linestyle()) == ("-", "--")
    marks = [line.get_xdata()[0] for line in axes.lines if line.get_label() == "threshold"]
    assert marks == [x[3]]
    assert "not reached: Too hard" in figure.get_supxlabel()
    rendering.save_figure(figure, [tmp_path / "one.svg"])


def test_recipes_have_panels_of_their_own(tmp_path: Path) -> None:
    frame = runs()
    both = pd.concat([frame, frame.assign(recipe="early")])
    spec = {**SPEC, "kind": "width", "labels": {"early": "Early stopping"}, "order": {"recipe": ["long", "early"]}}
    figure = width.draw(spec, study(tmp_path, both))
    assert [axes.get_title() for axes in figure.axes] == ["long", "Early stopping"]
    slow = pd.concat([frame.assign(recipe="early", train_error=1.0), frame])
    unreached = " ".join(width.draw(spec, study(tmp_path, slow)).get_supxlabel().split()).split("not reached: ")[1]
    assert unreached == "clean, Early stopping; noisy, Early stopping"


def test_epochs_are_drawn_as_far_as_every_seed_came(tmp_path: Path) -> None:
    histories, rows = [], []
    for model in ("cnn2", "cnn4"):
        history = [
            {"training_set": "noisy", "seed": seed, "step": 10 * epoch, "epoch": float(epoch)}
            | {"train_accuracy": 1 - 0.2 / epoch, "val_accuracy": 1 - 0.1 * epoch - 0.01 * seed}
            for seed in range(2)
            for epoch in range(1, 5 - (model == "cnn4" and seed == 1))
        ]
        histories.append(tmp_path / f"runs/mnist/noisy/{model}/long/seeds0-1/history.csv")
        write_rows(histories[-1], list(history[0]), history)
        run = {"dataset": "mnist", "training_set": "noisy", "model": model, "recipe": "long", "bundle": "noisy"}
        rows += [{**run, "seed": seed} for seed in range(2)]
    rendering.write_frame(tmp_path / "experiments.csv", pd.DataFrame(rows))
    artefacts = Artefacts(experiments=tmp_path / "experiments.csv", histories=histories)
    spec = {"kind": "epochs", "training_set": "noisy", "model": ["cnn4", "cnn2"], "labels": {"cnn2": "Narrow"}}
    figure = epochs.draw(spec, artefacts)
    (axes,) = figure.axes
    lines = {line.get_label(): line for line in axes.lines}
    assert np.asarray(lines["cnn4 val"].get_xdata()).tolist() == [1, 2, 3]
    assert np.asarray(lines["cnn2 val"].get_ydata()) == pytest.approx([10.5, 20.5, 30.5, 40.5])
    assert np.asarray(lines["cnn2 train"].get_ydata()) == pytest.approx([20, 10, 20 / 3, 5])
    assert axes.get_xscale() == "log"
    assert [text.get_text() for text in figure.legends[0].get_texts()][:2] == ["cnn4", "Narrow"]
