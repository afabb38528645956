"""Figures: what is drawn equals the statistics, every name is on it, and the same inputs give the same bytes."""

import dataclasses
import itertools
import re
from pathlib import Path
from typing import Any

import fabricate
import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image

from synthmix.analysis import statistics
from synthmix.analysis.artefacts import Artefacts
from synthmix.figures import arms, confusion, ladder, learning_curves, samples, style, tiles, usefulness
from synthmix.files import read_arrays, read_json, write_arrays, write_json
from synthmix.images import pools
from synthmix.reports import rendering

LABELS = {"org": "ORG", "shot3-own20": "own generator", "cnn": "CNN"}
SPECS: dict[str, dict[str, Any]] = {
    "arms": {"kind": "arms", "training_set": ["org", "syn", "mix"], "labels": LABELS},
    "ladder": {
        "kind": "ladder",
        "ladder": ["shot3", "shot3-syn5", "shot3-syn20", "shot3-syn80"],
        "beside": ["shot3-own20", "shot3-real20", "shot3-shuffled20"],
        "labels": LABELS,
    },
    "usefulness": {
        "kind": "usefulness",
        "model": "cnn",
        "recipe": "cnn-steps",
        "baseline": "shot3",
        "training_set": ["shot3-syn20", "shot3-unguided20", "shot3-rough20", "shot3-own20"],
        "metrics": ["fid", "kid", "precision", "recall"],
    },
    "learning_curves": {
        "kind": "learning_curves",
        "training_set": ["shot3", "shot3-syn20"],
        "model": "cnn",
        "recipe": "cnn-steps",
    },
    "samples": {"kind": "samples", "dataset": "digits", "pool": ["ddpm", "ddpm-rough"], "columns": 4},
    "confusion": {"kind": "confusion", "training_set": ["org", "syn"], "model": "cnn", "recipe": "cnn-steps"},
}
KINDS = {
    "arms": arms,
    "ladder": ladder,
    "usefulness": usefulness,
    "learning_curves": learning_curves,
    "samples": samples,
    "confusion": confusion,
}


@pytest.fixture(scope="module")
def figures(artefacts: Artefacts) -> dict[str, Figure]:
    return {kind: module.draw(SPECS[kind], artefacts) for kind, module in KINDS.items()}


def accuracies(artefacts: Artefacts, training_set: str, recipe: str) -> np.ndarray:
    runs = artefacts.read_experiments()
    return 100 * runs[(runs["training_set"] == training_set) & (runs["recipe"] == recipe)]["accuracy"].to_numpy()


def means(axes: Axes) -> list[tuple[float, float]]:
    """(x, y) of the large markers."""
    lines = [line for line in axes.lines if line.get_marker() in style.MARKERS and len(line.get_xdata()) == 1]
    return [(float(line.get_xdata()[0]), float(line.get_ydata()[0])) for line in lines]


def dots(axes: Axes) -> list[np.ndarray]:
    """The seeds' values behind each large marker."""
    return [np.asarray(line.get_ydata()) for line in axes.lines if line.get_marker() == "."]


def shown(axes: Axes) -> list[float]:
    """Where the large markers are seen, in data coordinates of the horizontal axis."""
    axes.get_figure(root=True).canvas.draw()
    lines = [line for line in axes.lines if line.get_marker() in style.MARKERS and len(line.get_xdata()) == 1]
    seen = [line.get_transform().transform(line.get_xydata())[0] for line in lines]
    return [float(axes.transData.inverted().transform(place)[0]) for place in seen]


def bars(axes: Axes) -> list[tuple[float, float]]:
    """(low, high) of the vertical bars, in the order of `means`."""
    segments = [container.lines[2][0].get_segments()[0] for container in axes.containers]
    return [(segment[0, 1], segment[1, 1]) for segment in segments]


def legend_texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_arms_draws_means_intervals_and_seeds(artefacts: Artefacts, figures: dict[str, Figure]) -> None:
    figure = figures["arms"]
    panels = figure.axes
    assert [axes.get_title() for axes in panels] == ["CNN", "vit"]
    assert [tick.get_text() for tick in panels[0].get_xticklabels()] == ["ORG", "syn", "mix"]
    assert legend_texts(figure) == ["epochs", "steps"]
    expected = [
        accuracies(artefacts, name, f"cnn-{budget}") for budget in ("epochs", "steps") for name in ("org", "syn", "mix")
    ]
    intervals = [statistics.t_interval(values) for values in expected]
    assert [y for _, y in means(panels[0])] == pytest.approx([one.mean for one in intervals])
    assert np.array(bars(panels[0])) == pytest.approx(np.array([(one.low, one.high) for one in intervals]))
    assert np.concatenate(dots(panels[0])) == pytest.approx(np.concatenate(expected))
    assert figure.get_supxlabel().startswith("n = 6 seeds (dots)")


def test_two_recipes_stand_beside_each_other(figures: dict[str, Figure]) -> None:
    x = sorted(x for x, _ in means(figures["arms"].axes[0]))
    assert np.diff(x).min() > 0.2
    assert [round(value) for value in x] == [0, 0, 1, 1, 2, 2]


def test_one_seed_is_drawn_without_an_interval(artefacts: Artefacts, tmp_path: Path) -> None:
    runs = artefacts.read_experiments()
    rendering.write_frame(tmp_path / "one.csv", runs[runs["seed"] == 0])
    figure = arms.draw(SPECS["arms"], dataclasses.replace(artefacts, experiments=tmp_path / "one.csv"))
    assert len(means(figure.axes[0])) == 6
    assert all(not container.lines[2] for container in figure.axes[0].containers)


def test_arms_beside_the_end_of_a_ladder_are_in_the_picture(artefacts: Artefacts) -> None:
    """Where controls add as many images as the ladder's last training set, all of them are seen."""
    shorter = {"ladder": ["shot3", "shot3-syn5", "shot3-syn20"], "beside": SPECS["ladder"]["beside"]}
    for axes in ladder.draw({**SPECS["ladder"], **shorter}, artefacts).axes:
        found = shown(axes)
        assert len(found) >= 3
        assert max(found) < axes.get_xlim()[1]


def test_arms_beside_a_linear_ladder_stand_near_their_number_of_images(artefacts: Artefacts) -> None:
    """Three controls of 20 images, in a figure in which these are a quarter of the axis."""
    axes = ladder.draw({**SPECS["ladder"], "fit": True}, artefacts).axes[0]
    place = 20 / 80 * 3
    found = sorted(x for x in shown(axes) if 0.5 < x < 2)
    assert len(found) == 2 * 2 + 2  # the rung and the own generator with both recipes, two controls with one
    assert found[0] < place < found[-1]
    points = axes.transData.transform([(x, 0) for x in (found[0], place, found[-1])])[:, 0] * 72 / axes.figure.dpi
    assert np.abs(points - points[1]).max() <= 2 * ladder.STEP_PT + 3  # two steps, and where two recipes stand


def test_ladder_stands_at_the_images_added_per_class(artefacts: Artefacts, figures: dict[str, Figure]) -> None:
    cnn, vit = figures["ladder"].axes
    assert [tick.get_text() for tick in cnn.get_xticklabels()] == ["0", "5", "20", "80"]
    lines = {line.get_label(): line for line in cnn.lines if len(line.get_xdata()) == 4 and line.get_marker() == "None"}
    assert set(lines) == {"epochs", "steps"}
    expected = [accuracies(artefacts, name, "cnn-steps").mean() for name in SPECS["ladder"]["ladder"]]
    assert np.asarray(lines["steps"].get_ydata()) == pytest.approx(expected)
    assert len(means(cnn)) == 2 * 5 + 2  # four rungs and the own generator with both recipes, two controls with one
    assert len(means(vit)) == 2 * 5
    real = accuracies(artefacts, "shot3-real20", "cnn-steps").mean()
    x = next(x for x, (_, y) in zip(shown(cnn), means(cnn), strict=True) if y == pytest.approx(real))
    assert 1.5 < x < 2.5  # beside 20, the third tick
    assert legend_texts(figures["ladder"]) == ["epochs", "steps", "own generator", "shot3-real20", "shot3-shuffled20"]
    assert "one per seed" in figures["ladder"].get_supxlabel()


def ladder_of(artefacts: Artefacts, root: Path, images: dict[str, tuple[int, int]]) -> Artefacts:
    """A study whose training sets have these numbers of real and generated images."""
    runs = artefacts.read_experiments()
    template = runs[(runs["training_set"] == "shot3") & (runs["recipe"] == "cnn-steps")]
    frames = [
        template.assign(training_set=name, real_images=real, synthetic_images=synthetic)
        for name, (real, synthetic) in images.items()
    ]
    rendering.write_frame(root / "experiments.csv", pd.concat(frames))
    return dataclasses.replace(artefacts, experiments=root / "experiments.csv")


def test_a_ladder_of_totals_stands_at_the_mean_of_the_classes(artefacts: Artefacts, tmp_path: Path) -> None:
    totals = {"org": (1149, 0), "mix128": (1149, 128), "mix512": (1149, 512)}
    spec = {"kind": "ladder", "ladder": list(totals)}
    axes = ladder.draw(spec, ladder_of(artefacts, tmp_path, totals)).axes[0]
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["0", "12.8", "51.2"]
    assert axes.get_xlabel() == "Images added per class"


def test_a_ladder_of_shares_exchanges_real_images_for_generated_ones(artefacts: Artefacts, tmp_path: Path) -> None:
    mixes = {"org": (800, 0), "half": (400, 400), "most": (100, 700), "syn": (0, 800)}
    spec = {"kind": "ladder", "ladder": list(mixes), "axis": "share", "metric": "balanced_accuracy"}
    axes = ladder.draw(spec, ladder_of(artefacts, tmp_path, mixes)).axes[0]
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["0", "50", "87.5", "100"]
    assert [x for x, _ in means(axes)] == [0, 1, 2, 3]
    assert axes.get_xlabel() == "Generated images (% of all)"
    assert axes.get_ylabel() == "Test balanced accuracy (%)"


def test_usefulness_plots_paired_gains_against_each_metric(artefacts: Artefacts, figures: dict[str, Figure]) -> None:
    fid, _, _, recall = figures["usefulness"].axes
    base = accuracies(artefacts, "shot3", "cnn-steps")
    gains = [accuracies(artefacts, name, "cnn-steps") - base for name in SPECS["usefulness"]["training_set"]]
    expected = list(zip((9.4, 7.1, 41.0, 62.5), [gain.mean() for gain in gains], strict=True))
    assert np.array(means(fid)) == pytest.approx(np.array(expected))
    assert np.concatenate(dots(fid)) == pytest.approx(np.concatenate(gains))
    assert len(means(recall)) == 3  # refused for one pool
    assert fid.get_xlabel() == "Frechet distance\n(lower is better)"
    assert recall.get_xlabel() == "Recall\n(higher is better)"
    assert fid.get_title() == "rank correlation needs 8 pools,\nthere are 4"
    assert legend_texts(figures["usefulness"]) == ["ddpm", "ddpm-unguided", "ddpm-rough", "ddpm-3shot"]


def many_pools(artefacts: Artefacts, root: Path, sizes: list[int]) -> tuple[dict[str, Any], Artefacts]:
    """A study with eight pools, each with its own training set; gains follow the distance."""
    runs = artefacts.read_experiments()
    template = runs[(runs["training_set"] == "shot3-syn20") & (runs["recipe"] == "cnn-steps")]
    frames, scores = [runs], []
    for number, size in enumerate(sizes):
        frames.append(
            template.assign(
                training_set=f"set{number}", pool=f"pool{number}", accuracy=template["accuracy"] - number / 50
            )
        )
        scores.append(root / f"scores/digits/pool{number}/digits-features-n{size}.json")
        score = read_json(artefacts.scores[0])
        score["metrics"]["fid"] |= {"value": 10.0 + number, "n_generated": size}
        write_json(scores[-1], score)
    rendering.write_frame(root / "experiments.csv", pd.concat(frames))
    spec = {**SPECS["usefulness"], "training_set": [f"set{number}" for number in range(len(sizes))], "metrics": ["fid"]}
    return spec, dataclasses.replace(artefacts, experiments=root / "experiments.csv", scores=scores)


def test_eight_pools_of_equal_size_get_a_rank_correlation(artefacts: Artefacts, tmp_path: Path) -> None:
    figure = usefulness.draw(*many_pools(artefacts, tmp_path, [80] * 8))
    assert figure.axes[0].get_title() == "Spearman rho = 1.00, p (Holm) < 0.001", "the nearer, the greater the gain"
    assert "the better the score, the greater the gain" in " ".join(figure.get_supxlabel().split())
    assert len(legend_texts(figure)) == 8


def test_pools_of_unequal_size_get_none(artefacts: Artefacts, tmp_path: Path) -> None:
    figure = usefulness.draw(*many_pools(artefacts, tmp_path, [80] * 7 + [40]))
    assert figure.axes[0].get_title() == "pools of unequal size:\nno rank correlation"


def test_training_sets_of_unequal_size_get_none(artefacts: Artefacts, tmp_path: Path) -> None:
    spec, many = many_pools(artefacts, tmp_path, [80] * 8)
    runs = many.read_experiments()
    runs.loc[runs["training_set"] == "set3", "synthetic_images"] = 100
    rendering.write_frame(tmp_path / "experiments.csv", runs)
    title = usefulness.draw(spec, many).axes[0].get_title()
    assert title == "unequal numbers of generated images:\nno rank correlation"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"training_set": ["shot3-real20"]}, "shot3-real20 has no generated images"),
        ({"recipe": ["cnn-steps", "cnn-epochs"]}, "name one dataset, model and recipe"),
        ({"extractor": "other"}, "pool ddpm has no score"),
        ({"baseline": "absent"}, "share no seed"),
    ],
)
def test_usefulness_refuses_what_has_no_place_in_it(artefacts: Artefacts, change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        usefulness.draw({**SPECS["usefulness"], **change}, artefacts)


def test_learning_curves_are_means_with_bands(artefacts: Artefacts, figures: dict[str, Figure]) -> None:
    figure = figures["learning_curves"]
    loss, _, accuracy, other_accuracy = figure.axes
    history = artefacts.read_histories()
    history = history[(history["training_set"] == "shot3") & (history["recipe"] == "cnn-steps")]
    curve = next(line for line in accuracy.lines if line.get_label() == "val_accuracy")
    by_step = 100 * history.groupby("step")["val_accuracy"].mean()
    assert np.asarray(curve.get_xdata()).tolist() == by_step.index.tolist()
    assert np.asarray(curve.get_ydata()) == pytest.approx(by_step.to_numpy())
    interval = statistics.t_interval(100 * history[history["step"] == 600]["val_accuracy"])
    band = accuracy.collections[1].get_paths()[0].vertices  # train, real validation, generated validation
    at_end = band[band[:, 0] == 600][:, 1]
    assert (at_end.min(), at_end.max()) == pytest.approx((interval.low, interval.high))
    assert "training images: mean since the validation before" in " ".join(figure.get_supxlabel().split())
    assert [line.get_label() for line in loss.lines] == ["train_loss", "val_loss", "generated_loss"]
    assert [line.get_label() for line in other_accuracy.lines] == ["train_accuracy", "val_accuracy"]  # no monitor
    assert [axes.get_title() for axes in figure.axes[:2]] == ["shot3", "shot3-syn20"]


def test_learning_curves_end_where_the_first_seed_ends(artefacts: Artefacts, tmp_path: Path) -> None:
    source = next(path for path in artefacts.histories if "ladder/cnn/cnn-steps" in str(path))
    history = pd.read_csv(source)
    short = tmp_path / "runs/digits/ladder/cnn/cnn-steps/seeds0-5/history.csv"
    rendering.write_frame(short, history[(history["seed"] != 2) | (history["step"] <= 400)])
    figure = learning_curves.draw(SPECS["learning_curves"], dataclasses.replace(artefacts, histories=[short]))
    assert max(figure.axes[0].lines[0].get_xdata()) == 400


def test_samples_are_the_first_of_each_class(artefacts: Artefacts, figures: dict[str, Figure]) -> None:
    panels = figures["samples"].axes
    assert [axes.get_title() for axes in panels] == ["real (train)", "ddpm (generated)", "ddpm-rough (generated)"]
    assert [tick.get_text() for tick in panels[0].get_yticklabels()] == fabricate.CLASSES
    arrays, _ = read_arrays(artefacts.data["digits"]["train"])
    pool = pools.read(artefacts.pools["digits", "ddpm-rough"])
    for axes, images, labels in (
        (panels[0], arrays["images"], arrays["labels"]),
        (panels[2], pool.images, pool.labels),
    ):
        shown = np.asarray(axes.images[0].get_array())
        assert shown.shape == (10 * 9, 4 * 9)  # tiles of 8 pixels with a gap of 1
        third_of_seven = images[np.flatnonzero(labels == 7)[2]][:, :, 0]
        assert (shown[7 * 9 : 7 * 9 + 8, 2 * 9 : 2 * 9 + 8] == third_of_seven).all()
        assert axes.images[0].get_interpolation() == "nearest"


def test_mosaic_of_colour_images_leaves_white_where_images_lack() -> None:
    images = np.zeros((3, 16, 16, 3), dtype=np.uint8)
    canvas = samples.mosaic(images, np.array([0, 0, 1]), np.arange(3), [1, 0], columns=2)
    assert canvas.shape == (36, 36, 3)
    assert (canvas[:16, :16] == 0).all()
    assert (canvas[:16, 18:] == 255).all()  # class 1 has one image
    assert (canvas[18:34, 18:34] == 0).all()


def test_samples_leave_flagged_images_out(artefacts: Artefacts, tmp_path: Path) -> None:
    pool = pools.read(artefacts.pools["digits", "ddpm"])
    flagged = pool.index == 0
    pools.write_shard(tmp_path / "shard.parquet", pool.images, pool.labels, pool.index, None, flagged=flagged)
    changed = dataclasses.replace(artefacts, pools={("digits", "ddpm"): [tmp_path / "shard.parquet"]})
    figure = samples.draw({**SPECS["samples"], "pool": "ddpm"}, changed)
    second = pool.images[(pool.labels == 0) & (pool.index == 1)][0, :, :, 0]
    assert (np.asarray(figure.axes[1].images[0].get_array())[:8, :8] == second).all()
    with pytest.raises(ValueError, match="pool other of digits is not among the inputs"):
        samples.draw({**SPECS["samples"], "pool": "other"}, changed)
    with pytest.raises(ValueError, match="no class ten"):
        samples.draw({**SPECS["samples"], "classes": ["ten"]}, changed)


def test_confusion_counts_sum_to_the_predictions(artefacts: Artefacts, figures: dict[str, Figure]) -> None:
    org, syn, _ = figures["confusion"].axes
    assert (org.get_title(), syn.get_title()) == ("org", "syn")
    predictions = artefacts.read_predictions(["training_set", "seed", "label", "prediction"])
    predictions = predictions[(predictions["training_set"] == "org") & (predictions["recipe"] == "cnn-steps")]
    expected = pd.crosstab(predictions["label"], predictions["prediction"]).reindex(columns=range(10), fill_value=0)
    shares = np.asarray(org.collections[0].get_array()).reshape(10, 10)
    assert shares == pytest.approx(expected.div(expected.sum(axis=1), axis=0).to_numpy())
    written = [int(text.get_text()) for text in org.texts if text.get_text()]
    assert sum(written) == len(predictions) == 6 * fabricate.TEST_IMAGES
    assert [tick.get_text() for tick in org.get_yticklabels()] == fabricate.CLASSES


def test_runs_of_other_studies_are_left_out(artefacts: Artefacts, tmp_path: Path) -> None:
    # a job's files may hold more seeds than this study asks for
    runs = artefacts.read_experiments()
    rendering.write_frame(tmp_path / "experiments.csv", runs[runs["seed"] < 2])
    fewer = dataclasses.replace(artefacts, experiments=tmp_path / "experiments.csv")
    org = confusion.draw(SPECS["confusion"], fewer).axes[0]
    assert sum(int(text.get_text()) for text in org.texts if text.get_text()) == 2 * fabricate.TEST_IMAGES
    assert "n = 2 seeds" in learning_curves.draw(SPECS["learning_curves"], fewer).get_supxlabel()
    assert fewer.read_cross_tests()["seed"].unique().tolist() == [0, 1]


def test_confusion_of_many_classes_has_no_numbers(artefacts: Artefacts, tmp_path: Path) -> None:
    write_json(tmp_path / "meta.json", {"classes": [f"class {number}" for number in range(13)]})
    changed = dataclasses.replace(artefacts, data={"digits": {"meta": tmp_path / "meta.json"}})
    figure = confusion.draw(SPECS["confusion"], changed)
    assert len(figure.axes[0].texts) == 0
    assert np.asarray(figure.axes[0].collections[0].get_array()).size == 13 * 13


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in {"samples", "usefulness"}])
def test_an_arm_that_was_not_run_is_named(artefacts: Artefacts, kind: str) -> None:
    key = "ladder" if kind == "ladder" else "training_set"
    with pytest.raises(ValueError, match=f"{kind}: no run has training_set absent"):
        KINDS[kind].draw({**SPECS[kind], key: ["shot3", "absent"]}, artefacts)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_clipped_and_no_texts_overlap(figures: dict[str, Figure], kind: str) -> None:
    figure = figures[kind]
    figure.draw_without_rendering()
    renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]
    whole = figure.bbox
    texts = [*figure.texts, *[text for legend in figure.legends for text in legend.get_texts()]]
    for axes in figure.axes:
        texts += [axes.title, axes.xaxis.label, axes.yaxis.label]
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            texts += [tick.label1 for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
            texts += [tick.label2 for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
    boxes = [
        (text.get_text(), text.get_window_extent(renderer)) for text in texts if text.get_text() and text.get_visible()
    ]
    for name, box in boxes:
        assert box.x0 >= whole.x0 - 1, name
        assert box.x1 <= whole.x1 + 1, name
        assert box.y0 >= whole.y0 - 1, name
        assert box.y1 <= whole.y1 + 1, name
    for position, (name, box) in enumerate(boxes):
        for other, second in boxes[position + 1 :]:
            assert not box.padded(-1).overlaps(second.padded(-1)), f"{name} / {other}"


@pytest.mark.parametrize("kind", ["arms", "confusion"])
def test_unchanged_inputs_give_identical_bytes(artefacts: Artefacts, tmp_path: Path, kind: str) -> None:
    for name in ("a", "b"):
        figure = KINDS[kind].draw(SPECS[kind], artefacts)
        rendering.save_figure(figure, [tmp_path / f"{name}{suffix}" for suffix in (".svg", ".pdf", ".png")])
    for suffix in (".svg", ".pdf", ".png"):
        assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()
    assert "<text" in (tmp_path / "a.svg").read_text()  # text stays text


@pytest.mark.parametrize(("width", "expected"), [(None, 174), (84, 84)])
def test_width_is_that_of_the_page_or_of_a_column(
    artefacts: Artefacts, tmp_path: Path, width: int | None, expected: int
) -> None:
    rendering.save_figure(arms.draw({**SPECS["arms"], "width_mm": width}, artefacts), [tmp_path / "figure.png"])
    assert Image.open(tmp_path / "figure.png").width == pytest.approx(expected / 25.4 * rendering.DPI, abs=1)


def test_a_figure_is_saved_as_svg_pdf_or_png_only(figures: dict[str, Figure], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"\.svg, \.pdf or \.png"):
        rendering.save_figure(figures["arms"], [tmp_path / "figure.gif"])


def test_a_pdf_has_its_fonts_in_it_and_the_width_of_a_page(figures: dict[str, Figure], tmp_path: Path) -> None:
    rendering.save_figure(figures["arms"], [tmp_path / "figure.pdf"])
    content = (tmp_path / "figure.pdf").read_bytes()
    assert b"/FontFile2" in content, "a TrueType font, embedded"
    assert b"/Type3" not in content
    box = re.search(rb"/MediaBox \[ ?0 0 ([0-9.]+)", content)
    assert box
    assert float(box[1]) / 72 * 25.4 == pytest.approx(style.PAGE_MM, abs=0.1)


# What people without one kind of cones see, in linear RGB (Machado et al. 2009, doi:10.1109/TVCG.2009.113, severity 1).
BLIND = {
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def lab(colors: tuple[Any, ...], seen: np.ndarray) -> np.ndarray:
    """CIE L*a*b* (D65) of colours, (N, 3), as seen through a matrix in linear RGB."""
    srgb = np.array([to_rgb(color) for color in colors])
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4) @ seen.T
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = linear.clip(0, 1) @ to_xyz.T / to_xyz.sum(axis=1)
    f = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    return np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], axis=1)


@pytest.mark.parametrize("kind", [None, *BLIND])
def test_colour_blind_readers_tell_the_colours_apart(kind: str | None) -> None:
    seen = np.array(BLIND[kind]) if kind else np.eye(3)

    def least(colors: tuple[Any, ...]) -> float:
        values = lab(colors, seen)
        return min(float(np.linalg.norm(a - b)) for a, b in itertools.combinations(values, 2))

    assert least(style.PALETTE) > 10  # some 2.3 are just noticed
    if kind in ("protanopia", "deuteranopia"):
        usual = tuple(matplotlib.color_sequences["tab10"][: len(style.PALETTE)])
        assert least(usual) < 10, "the simulation finds colours that are not told apart"


def test_drawing_leaves_the_settings_of_matplotlib_alone(artefacts: Artefacts) -> None:
    import matplotlib
    from matplotlib import pyplot

    before = dict(matplotlib.rcParams)
    arms.draw(SPECS["arms"], artefacts)
    assert dict(matplotlib.rcParams) == before
    assert pyplot.get_fignums() == []


def test_a_dataset_without_meta_is_named(artefacts: Artefacts) -> None:
    with pytest.raises(ValueError, match="no data files of dataset digits"):
        ladder.draw(SPECS["ladder"], dataclasses.replace(artefacts, data={}))


def test_truncated_inputs_are_refused(artefacts: Artefacts, tmp_path: Path) -> None:
    damaged = tmp_path / "data/train.safetensors"
    write_arrays(damaged, {"images": np.zeros((2, 8, 8, 1), np.uint8), "labels": np.zeros(2, np.int64)})
    damaged.write_bytes(damaged.read_bytes()[:-1])
    changed = dataclasses.replace(artefacts, data={"digits": {**artefacts.data["digits"], "train": damaged}})
    with pytest.raises(ValueError, match="is damaged"):
        samples.draw(SPECS["samples"], changed)


@style.context()
def test_wide_text_stays_within_the_figure_and_within_its_tile() -> None:
    """Lines of the widest letters: a footer, and captions of tiles side by side."""
    wide = "MAMMUT WOMBAT " * 12
    picture = np.zeros((8, 8, 3))
    row = tiles.Row([tiles.Tile(picture, ["WOMBAT WOMBAT", "as MAMMUT, 0.93"])] * 4, ["MAMMUT"])
    figure = tiles.sheet({}, [tiles.Block("WOMBAT " * 9, [row])], wide, 16.0)
    figure.canvas.draw()
    boxes = [text.get_window_extent() for text in [*figure.texts, figure._supxlabel]]
    assert max(box.x1 for box in boxes) <= figure.bbox.width
    assert min(box.y0 for box in boxes) >= 0
    captions = [text.get_window_extent() for text in figure.texts if "0.93" in text.get_text()]
    assert all(left.x1 < right.x0 for left, right in itertools.pairwise(captions))
    narrow, _ = style.panels(60, 30)
    style.footer(narrow, wide)
    narrow.canvas.draw()
    assert narrow._supxlabel.get_window_extent().x1 <= narrow.bbox.width
