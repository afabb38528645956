"""Figures of a data set: what they measure against other code and values by hand, and what they draw."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from synthmix import training
from synthmix.analysis import exploring
from synthmix.analysis.artefacts import Artefacts
from synthmix.figures import augmentation, channel_correlation, channel_histograms, class_counts, sharpness
from synthmix.files import write_arrays, write_json
from synthmix.images import pools
from synthmix.networks import engine
from synthmix.planning.configuration import read_studies, validate_config
from synthmix.planning.plan import Plan
from synthmix.planning.products import Products
from synthmix.planning.specs import Specs
from synthmix.streams import seed

CLASSES = ["ant", "bee", "cow"]
COUNTS = {"train": [20, 30, 50], "val": [3, 3, 3], "test": [7, 8, 9]}


@pytest.fixture(scope="module")
def artefacts(tmp_path_factory: pytest.TempPathFactory) -> Artefacts:
    """100 colour images, darker in red, and a pool of 40 of which the first half is flagged."""
    root = tmp_path_factory.mktemp("explored")
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (100, 8, 8, 3), dtype=np.uint8)
    images[..., 0] //= 2
    write_arrays(root / "data/farm/train.safetensors", {"images": images, "labels": np.arange(100) % 3})
    counts = {split: dict(zip(CLASSES, each, strict=True)) for split, each in COUNTS.items()}
    write_json(root / "data/farm/meta.json", {"classes": CLASSES, "counts": counts})
    shard = root / "pools/farm/ddpm/all/shard-0000.parquet"
    drawn = np.repeat(np.arange(40, dtype=np.uint8), 8 * 8 * 3).reshape(40, 8, 8, 3)
    pools.write_shard(shard, drawn, np.zeros(40, int), np.arange(40), None, flagged=np.arange(40) < 20)
    data = {name: root / f"data/farm/{name}" for name in ("train.safetensors", "meta.json")}
    own = {"train": data["train.safetensors"], "meta": data["meta.json"]}
    return Artefacts(data={"farm": own}, pools={("farm", "ddpm"): [shard]})


# ---- what is measured ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(13, 9, 1), (16, 16, 3), (6, 7, 3)])
def test_sharpness_is_that_of_opencv(shape: tuple[int, int, int]) -> None:
    image = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    grey = image[..., 0].astype(float) if shape[2] == 1 else image @ np.array(exploring.LUMINANCE)
    x, y = (cv2.Sobel(grey, cv2.CV_64F, *order, ksize=5) for order in ((1, 0), (0, 1)))
    assert exploring.sharpness(image[None]) == pytest.approx([np.sqrt(x**2 + y**2).mean()])


def test_sharpness_of_a_slope() -> None:
    ramp = np.tile(np.arange(0, 120, 3, dtype=np.uint8), (40, 1))[None, ..., None]
    inside = exploring.sharpness(np.concatenate([ramp, ramp.transpose(0, 2, 1, 3)]))
    assert inside[0] == pytest.approx(inside[1])
    # 36 of 40 columns have the full slope; of mirrored ones, the first has none and the second less
    assert 36 / 40 * 3 * exploring.SLOPE < inside[0] < 3 * exploring.SLOPE


def test_correlation_of_channels() -> None:
    red = np.random.default_rng(2).integers(0, 256, (5, 8, 8), dtype=np.uint8)
    images = np.stack([red, 255 - red, np.full_like(red, 7)], 3)
    found = exploring.correlation(images)
    assert found[:2, :2] == pytest.approx(np.array([[1, -1], [-1, 1]]))
    assert np.isnan(found[2]).all()


def test_densities_sum_to_one_over_grey_levels() -> None:
    values = np.array([0, 3, 4, 255, 255, 255], dtype=np.uint8)
    found = exploring.density(values)
    assert found[[0, 1, 63]] * 4 == pytest.approx([2 / 6, 1 / 6, 3 / 6])
    assert found.sum() * 4 == pytest.approx(1)


def test_images_are_drawn_at_random_and_flagged_ones_left_out(artefacts: Artefacts) -> None:
    spec = {"dataset": "farm", "pool": ["ddpm"], "images": 10}
    train, pool = exploring.sources(spec, artefacts)
    again = exploring.sources(spec, artefacts)[1]
    levels = pool.images[:, 0, 0, 0]
    assert (len(train.images), len(levels)) == (10, 10)
    assert levels.min() >= 20
    assert len(set(levels)) == 10
    assert levels.tolist() != list(range(20, 30)), "not the first ones"
    np.testing.assert_array_equal(again.images, pool.images)
    assert [len(each.images) for each in exploring.sources({**spec, "images": 1000}, artefacts)] == [100, 20]


# ---- what is drawn ---------------------------------------------------------------------------------------------------


def test_class_counts_are_those_of_each_split(artefacts: Artefacts) -> None:
    figure = class_counts.draw({"kind": "class_counts", "dataset": "farm", "labels": {"ant": "Ant"}}, artefacts)
    assert [[bar.get_width() for bar in axes.patches] for axes in figure.axes] == list(COUNTS.values())  # type: ignore[attr-defined]
    assert [axes.get_title() for axes in figure.axes] == [
        "Train: 100 images\n20 to 50 a class",
        "Val: 9 images\n3 a class",
        "Test: 24 images\n7 to 9 a class",
    ]
    assert [tick.get_text() for tick in figure.axes[0].get_yticklabels()] == ["Ant", "bee", "cow"]


def test_many_classes_are_bars_without_names(artefacts: Artefacts, tmp_path: Path) -> None:
    many = {f"class {n}": n + 1 for n in range(class_counts.NAMED + 1)}
    write_json(tmp_path / "meta.json", {"counts": dict.fromkeys(COUNTS, many)})
    figure = class_counts.draw({"dataset": "a"}, Artefacts(data={"a": {"meta": tmp_path / "meta.json"}}))
    assert [bar.get_height() for bar in figure.axes[2].patches] == list(many.values())  # type: ignore[attr-defined]


def test_histograms_of_pools_stand_beside_those_of_train(artefacts: Artefacts) -> None:
    spec: dict[str, Any] = {"kind": "channel_histograms", "dataset": "farm", "images": 1000}
    alone = channel_histograms.draw(spec, artefacts)
    assert len(alone.axes) == 1
    red, green, blue = channel_histograms.draw({**spec, "pool": ["ddpm"]}, artefacts).axes
    assert [axes.get_title() for axes in (red, green, blue)] == ["Red", "Green", "Blue"]
    train, pool = exploring.sources({**spec, "pool": ["ddpm"]}, artefacts)
    for axes, channel in ((red, 0), (blue, 2)):
        filled, line, generated = (patch.get_data() for patch in axes.patches)  # type: ignore[attr-defined]
        expected = np.histogram(train.images[..., channel], channel_histograms.EDGES, density=True)[0]
        assert filled.values == pytest.approx(expected)
        assert line.values == pytest.approx(expected)
        assert generated.values == pytest.approx(
            np.histogram(pool.images[..., channel], channel_histograms.EDGES, density=True)[0]
        )


def test_sharpness_of_pools_stands_beside_that_of_train(artefacts: Artefacts) -> None:
    figure = sharpness.draw({"dataset": "farm", "images": 50, "pool": ["ddpm"]}, artefacts)
    train, pool = exploring.sources({"dataset": "farm", "images": 50, "pool": ["ddpm"]}, artefacts)
    marks = [line.get_xdata()[0] for line in figure.axes[0].lines]  # type: ignore[index]
    assert marks == pytest.approx([np.median(exploring.sharpness(each.images)) for each in (train, pool)])
    assert marks[1] == 0  # images of one grey
    assert figure.get_supxlabel().startswith("Images, drawn at random: train 50, ddpm 20.")


def test_grey_images_have_no_correlation(artefacts: Artefacts, tmp_path: Path) -> None:
    figure = channel_correlation.draw({"dataset": "farm", "images": 50}, artefacts)
    assert np.diag(np.asarray(figure.axes[0].collections[0].get_array()).reshape(3, 3)) == pytest.approx(1)
    write_arrays(tmp_path / "train.safetensors", {"images": np.zeros((4, 8, 8, 1), np.uint8), "labels": np.zeros(4)})
    grey = Artefacts(data={"digits": {"train": tmp_path / "train.safetensors"}})
    with pytest.raises(ValueError, match="the images of digits are grey"):
        channel_correlation.draw({"dataset": "digits", "images": 4}, grey)
    assert len(channel_histograms.draw({"dataset": "digits", "images": 4}, grey).axes) == 1


@pytest.mark.parametrize("kind", ["crop", "strong", "rotate", "random_resized_crop"])
def test_augmented_images_are_those_of_training(kind: str) -> None:
    images = np.random.default_rng(3).integers(0, 256, (2, 8, 8, 3), dtype=np.uint8)
    found = augmentation.augmented(images, kind, 3)
    assert found.shape == (2, 3, 8, 8, 3)
    random = torch.Generator().manual_seed(seed("augment", 0, 1))
    expected = training.augment(engine.to_device(images, "cpu"), kind, random).permute(0, 2, 3, 1).numpy()
    np.testing.assert_array_equal(found[:, 1], expected.round().clip(0, 255).astype(np.uint8))


def test_recipes_with_one_augmentation_share_a_panel(artefacts: Artefacts) -> None:
    augment = {"a": "strong", "b": "crop", "c": "strong"}
    spec = {"dataset": "farm", "recipe": ["a", "b", "c"], "augment": augment, "draws": 2, "classes": ["cow", "ant"]}
    strong, crop = augmentation.draw(spec, artefacts).axes
    assert [axes.get_title() for axes in (strong, crop)] == ["strong (a, c)", "crop (b)"]
    shown = np.asarray(crop.images[0].get_array())
    assert shown.shape == (2 * 9, 3 * 9, 3)  # tiles of 8 pixels with a gap of 1
    first_cow = exploring.read_arrays(artefacts.data["farm"]["train"])[0]["images"][2]
    np.testing.assert_array_equal(shown[:8, :8], first_cow)
    with pytest.raises(ValueError, match="farm has no class pig"):
        augmentation.draw({**spec, "classes": ["pig"]}, artefacts)


# ---- studies without runs --------------------------------------------------------------------------------------------


def test_a_study_of_figures_builds_no_experiments(tmp_path: Path) -> None:
    figures = {
        "sharp": {"kind": "sharpness", "dataset": "digits"},
        "changed": {"kind": "augmentation", "dataset": "digits", "recipe": "crop"},
    }
    recipe = {"optimizer": "sgd", "learning_rate": 0.1, "batch_size": 8, "steps": 1, "augment": "crop"}
    data = {"digits": {"source": "embedded", "name": "digits", "val": 0.1, "test": 0.1}}
    study = {"title": "T", "question": "Q?", "datasets": data, "recipes": {"crop": recipe}, "figures": figures}
    (tmp_path / "a.yaml").write_text(json.dumps(study))
    plan = Plan(validate_config({"studies": ["a"]}, "config.yaml"), read_studies(tmp_path, ["a"]))
    products = Products(plan)
    drawn = [f"results/studies/a/figures/{name}.{kind}" for name in figures for kind in ("svg", "pdf", "png")]
    report = [f"results/studies/a/{name}" for name in ("report.html", "report.tex", "references.bib")]
    assert sorted(products.targets("a")) == sorted([*drawn, *report])
    train, meta = "results/data/digits/train.safetensors", "results/data/digits/meta.json"
    assert products.view_files("figures", "a", "sharp") == {"train": [train], "meta": [meta], "shards": []}
    assert [Path(products.environment("a", name)).stem for name in figures] == ["figures", "learning"]
    spec = json.loads(Specs(plan).figure("a", "changed"))
    assert spec["view"]["augment"] == {"crop": "crop"}
