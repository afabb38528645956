"""Datasets: every kind of source, the conversion chain, the splits, the files."""

import os
import shutil
import struct
import urllib.error
import urllib.request
from pathlib import Path

import datasets
import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat
from sklearn.datasets import load_digits

from synthmix import data
from synthmix.files import DamagedFileError
from synthmix.images.classes import DatasetError
from synthmix.sources import embedded, torchvision

SHARED = Path(os.environ.get("SYNTHMIX_TEST_DATA", Path(__file__).parents[1].parent / "shared/data"))
DIGITS = {"source": "embedded", "name": "digits", "val": 0.2, "test": 0.2, "seed": 0}


def shared(name):
    if not (SHARED / name / "train.parquet").exists():
        pytest.skip(f"no {name} in SYNTHMIX_TEST_DATA")
    return {
        "source": "parquet",
        "name": name,
        "root": str(SHARED / name),
        "train": "train.parquet",
        "test": "test.parquet",
        "image_column": "image",
        "label_column": "label",
        "val": 0.1,
        "seed": 0,
    }


def prepare(tmp_path, dataset, **changes):
    return data.prepare("mine", {**dataset, **changes}, tmp_path / "cache", offline=True)


def write_folder(root, images, labels, names="abcdefghij", suffix="png"):
    for k, (image, label) in enumerate(zip(images, labels, strict=True)):
        path = root / names[label] / f"{k:04d}.{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)


def pixels(n, shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, *shape), dtype=np.uint8)


def parquet(path, images, labels, **features):
    table = datasets.Dataset.from_dict(
        {"image": [Image.fromarray(image) for image in images], "label": labels},
        features=datasets.Features({"image": datasets.Image(), "label": datasets.Value("int64"), **features}),
    )
    table.to_parquet(str(path))
    return {
        "source": "parquet",
        "name": "tiny",
        "train": str(path),
        "image_column": "image",
        "label_column": "label",
        "val": 0.2,
        "test": 0.2,
        "seed": 0,
    }


# splits


def test_digits_counts_and_meta(tmp_path):
    prepared = prepare(tmp_path, DIGITS)
    assert {split: len(part.labels) for split, part in prepared.splits.items()} == {
        "train": 1077,
        "val": 360,
        "test": 360,
    }
    meta = prepared.meta
    assert meta["classes"] == list("0123456789")
    assert (meta["size"], meta["channels"], meta["seed"], meta["name"]) == ([8, 8], 1, 0, "mine")
    assert meta["splits"]["val"] == {"n": 360, "from": "train"}
    assert sum(meta["counts"]["test"].values()) == 360
    assert meta["source"]["name"] == "digits"
    assert len(meta["source"]["sha256"]) == 64
    train = prepared.splits["train"]
    assert (train.images.dtype, train.images.shape) == (np.uint8, (1077, 8, 8, 1))
    assert (train.labels.dtype, train.index.dtype) == (np.int64, np.int64)


def test_digits_pixels_are_those_of_the_source_row(tmp_path):
    digits = load_digits()
    for part in prepare(tmp_path, DIGITS).splits.values():
        np.testing.assert_array_equal(part.labels, digits.target[part.index])
        np.testing.assert_allclose(part.images[..., 0], digits.images[part.index] * 255 / 16, atol=0.5)


@pytest.mark.parametrize("seed", [0, 1, 7])
def test_splits_are_disjoint_whole_and_stratified(tmp_path, seed):
    prepared = prepare(tmp_path, DIGITS, seed=seed, val=0.15, test=200)
    indices = np.concatenate([part.index for part in prepared.splits.values()])
    assert sorted(indices.tolist()) == list(range(1797))
    whole = np.bincount(np.concatenate([part.labels for part in prepared.splits.values()])) / 1797
    for part in prepared.splits.values():
        assert np.all(np.diff(part.index) > 0)
        np.testing.assert_allclose(np.bincount(part.labels), whole * len(part.labels), atol=2)


def test_splits_follow_the_seed_alone(tmp_path):
    first, again, other = (prepare(tmp_path, DIGITS, seed=seed).splits for seed in (3, 3, 4))
    for split in data.SPLITS:
        for name, array in vars(first[split]).items():
            np.testing.assert_array_equal(array, getattr(again[split], name))
        assert not np.array_equal(first[split].index, other[split].index)
    # neither the share of val nor a limit moves an image into or out of test
    for changes in ({"val": 0.05}, {"limit": {"train": 100}}):
        changed = prepare(tmp_path, DIGITS, seed=3, **changes).splits
        np.testing.assert_array_equal(changed["test"].index, first["test"].index)


def test_limit_per_class_balances_train_and_grows_by_adding_images(tmp_path):
    whole, more, fewer = (
        prepare(tmp_path, DIGITS, limit=limit).splits["train"]
        for limit in (None, {"train_per_class": 105}, {"train_per_class": 50})
    )
    counts = np.bincount(whole.labels)
    assert counts.min() < 105 < counts.max()
    np.testing.assert_array_equal(np.bincount(more.labels), np.minimum(counts, 105))
    np.testing.assert_array_equal(np.bincount(fewer.labels), np.full(10, 50))
    assert set(fewer.index) < set(more.index) < set(whole.index)


def test_limit_keeps_a_stratified_subset(tmp_path):
    whole, limited = (
        prepare(tmp_path, DIGITS).splits,
        prepare(tmp_path, DIGITS, limit={"train": 100, "test": 50}).splits,
    )
    assert [len(limited[split].labels) for split in data.SPLITS] == [100, 360, 50]
    for split in data.SPLITS:
        assert set(limited[split].index) <= set(whole[split].index)
    assert set(np.bincount(limited["train"].labels)) <= {9, 10, 11}
    assert len(prepare(tmp_path, DIGITS, limit={"train": 5000}).splits["train"].labels) == 1077


def test_kept_classes_in_any_order_have_the_same_result(tmp_path):
    first, second = (prepare(tmp_path, DIGITS, classes=names) for names in (["7", "1", "3"], ["1", "3", "7"]))
    assert first.meta == second.meta
    assert first.meta["classes"] == ["1", "3", "7"]
    part = first.splits["train"]
    np.testing.assert_array_equal(part.images, second.splits["train"].images)
    whole = data._prepare("mine", DIGITS, _digits_source())
    at = {
        int(i): int(label)
        for split in whole.splits.values()
        for i, label in zip(split.index, split.labels, strict=True)
    }
    assert [[1, 3, 7][label] for label in part.labels] == [at[i] for i in part.index]


def test_merged_classes_have_the_images_of_all_that_they_are_made_of(tmp_path):
    merge = {"even": list("02468"), "odd": list("13579")}
    plain, merged = prepare(tmp_path, DIGITS), prepare(tmp_path, DIGITS, merge=merge)
    assert merged.meta["classes"] == ["even", "odd"]
    labels = {}
    for part in plain.splits.values():
        labels |= dict(zip(part.index.tolist(), part.labels.tolist(), strict=True))
    for part in merged.splits.values():
        assert [labels[i] % 2 for i in part.index.tolist()] == part.labels.tolist()
    some = prepare(tmp_path, DIGITS, merge={"round": ["0", "8"]}, classes=["round", "7"])
    assert some.meta["classes"] == ["round", "7"]
    assert some.meta["counts"]["test"]["round"] == pytest.approx(2 * some.meta["counts"]["test"]["7"], abs=3)


def _digits_source():
    return embedded.load(DIGITS, Path(), True)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"test": None}, "dataset mine: the source has no test split: give `test`"),
        ({"test": 1795}, "`test` takes 1795 of 1797 images, too many"),
        ({"val": 1437}, "`val` takes 1437 of 1437 images, too many"),
        ({"val": 0.001}, "`val` takes 2 images for 10 classes"),
        ({"limit": {"train": 5}}, "`limit.train` takes 5 images for 10 classes"),
        ({"classes": ["1", "nine"]}, "`classes` names 'nine'"),
        ({"merge": {"small": ["1", "10"]}}, r"`merge` names '10', .*did you mean '1'"),
        ({"merge": {"7": ["1", "2"]}}, "two classes are named '7'"),
        ({"merge": {"small": ["1", "2"]}, "classes": ["1", "3"]}, "`classes` names '1'"),
        ({"classes": ["1", "33"]}, r"'33', which the source does not have \(did you mean '3'\?\)"),
        ({"name": "digit"}, "'digit' .did you mean 'digits'"),
    ],
)
def test_refused_entries(tmp_path, changes, message):
    with pytest.raises(DatasetError, match=message) as error:
        prepare(tmp_path, DIGITS, **changes)
    assert "\n" not in str(error.value)


def test_class_with_too_few_images_is_named(tmp_path):
    dataset = parquet(tmp_path / "a.parquet", pixels(21, (8, 8)), [0] * 10 + [1] * 10 + [2])
    with pytest.raises(DatasetError, match=r"class '2' has too few images \(1\) for `test`"):
        prepare(tmp_path, dataset)
    assert len(prepare(tmp_path, dataset, classes=["0", "1"]).splits["train"].labels) == 12


def test_class_missing_from_a_split_is_named(tmp_path):
    dataset = parquet(tmp_path / "a.parquet", pixels(30, (8, 8)), [0, 1, 2] * 10)
    parquet(tmp_path / "b.parquet", pixels(10, (8, 8)), [0, 2] * 5)
    with pytest.raises(DatasetError, match="class '1' has no images in test"):
        prepare(tmp_path, dataset, test=str(tmp_path / "b.parquet"))


# the chain


def test_resizing_keeps_the_shorter_side_and_the_centre():
    image = np.zeros((40, 80, 3), dtype=np.uint8)
    image[:, 20:60] = 200  # the central square
    # Lanczos overshoots a little beside an edge
    np.testing.assert_allclose(data.to_array(Image.fromarray(image), (10, 10), 3)[:, 1:-1], 200, atol=4)
    tall = data.to_array(Image.fromarray(image.transpose(1, 0, 2)), (10, 10), 1)
    assert tall.shape == (10, 10, 1)
    np.testing.assert_allclose(tall[1:-1], 200, atol=4)


def test_reduced_images_do_not_alias():
    # a fine checkerboard is grey from afar; without a filter that widens it would stay black and white
    board = np.indices((64, 64)).sum(0) % 2 * 255
    small = data.to_array(Image.fromarray(board.astype(np.uint8)), (8, 8), 1)
    assert abs(small.astype(int) - 127).max() < 20


def test_images_of_the_asked_size_are_untouched():
    image = pixels(1, (9, 7, 3))[0]
    np.testing.assert_array_equal(data.to_array(Image.fromarray(image), (9, 7), 3), image)


def test_channels(tmp_path):
    grey, colour = pixels(30, (8, 8)), pixels(30, (8, 8, 3))
    dataset = parquet(tmp_path / "grey.parquet", grey, [0, 1] * 15)
    prepared = prepare(tmp_path, dataset, channels=3)
    part = prepared.splits["train"]
    np.testing.assert_array_equal(part.images, np.repeat(grey[part.index][..., np.newaxis], 3, axis=3))
    assert prepared.meta["notes"][0] == "train: 18 of 18 images converted from L to RGB"
    dataset = parquet(tmp_path / "colour.parquet", colour, [0, 1] * 15)
    prepared = prepare(tmp_path, dataset, channels=1)
    part = prepared.splits["test"]
    expected = np.stack([np.asarray(Image.fromarray(image).convert("L")) for image in colour[part.index]])
    np.testing.assert_array_equal(part.images[..., 0], expected)
    assert prepare(tmp_path, dataset).meta["notes"] == []
    mixed = parquet(tmp_path / "mixed.parquet", [*grey[:29], colour[0]], [0, 1] * 15)
    with pytest.raises(DatasetError, match="give `channels`"):
        prepare(tmp_path, mixed)


def test_sixteen_bit_images_are_refused(tmp_path):
    write_folder(tmp_path / "images", [np.full((8, 8), 40_000, dtype=np.uint16)] * 10, [0, 1] * 5)
    with pytest.raises(DatasetError, match=r"images/a/000\d\.png has pixels of mode I;16"):
        prepare(tmp_path, {"source": "folder", "train": str(tmp_path / "images"), "val": 2, "test": 2, "seed": 0})


def test_images_of_several_sizes_need_a_resolution(tmp_path):
    images = [*pixels(15, (8, 8)), *pixels(15, (8, 10))]
    dataset = parquet(tmp_path / "a.parquet", images, [0, 1] * 15)
    with pytest.raises(DatasetError, match="give `resolution`"):
        prepare(tmp_path, dataset)
    assert prepare(tmp_path, dataset, resolution=6).meta["size"] == [6, 6]


def test_images_that_are_not_square_need_a_resolution(tmp_path):
    dataset = parquet(tmp_path / "a.parquet", pixels(30, (8, 10)), [0, 1] * 15)
    with pytest.raises(DatasetError, match=r"images are not square \(10x8\): give `resolution`"):
        prepare(tmp_path, dataset)
    assert prepare(tmp_path, dataset, resolution=8).meta["size"] == [8, 8]


# files


def test_files_hold_what_was_prepared(tmp_path):
    prepared = prepare(tmp_path, DIGITS, limit={"train": 20, "test": 10})
    paths = [tmp_path / name for name in ("train", "val", "test", "meta.json")]
    data.write(prepared, *paths)
    for split, path in zip(data.SPLITS, paths, strict=False):
        for name, array in vars(data.read(path)).items():
            np.testing.assert_array_equal(array, getattr(prepared.splits[split], name))
    first = [path.read_bytes() for path in paths]
    data.write(prepare(tmp_path, DIGITS, limit={"train": 20, "test": 10}), *paths)
    assert first == [path.read_bytes() for path in paths]


def test_damaged_files_are_noticed(tmp_path):
    paths = [tmp_path / name for name in ("train", "val", "test", "meta.json")]
    data.write(prepare(tmp_path, DIGITS, limit={"test": 10}), *paths)
    path, content = paths[2], paths[2].read_bytes()
    for position in range(len(content)):
        path.write_bytes(content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :])
        with pytest.raises(DamagedFileError, match="test is damaged"):
            data.read(path)
    for length in range(0, len(content), 13):
        path.write_bytes(content[:length])
        with pytest.raises(DamagedFileError, match="test is damaged"):
            data.read(path)


# parquet and hub


def test_mnist(tmp_path):
    prepared = prepare(tmp_path, shared("mnist"), limit={"train": 500, "test": 200}, val=300)
    assert [len(prepared.splits[split].labels) for split in data.SPLITS] == [500, 300, 200]
    assert (prepared.meta["size"], prepared.meta["channels"]) == ([28, 28], 1)
    assert {split: each["from"] for split, each in prepared.meta["splits"].items()} == {
        "train": "train",
        "val": "train",
        "test": "test",
    }
    table = datasets.load_dataset(
        "parquet", data_files=str(SHARED / "mnist/train.parquet"), split="train", cache_dir=str(tmp_path / "cache")
    )
    part = prepared.splits["val"]
    for k in (0, 150, 299):
        row = table[int(part.index[k])]
        assert row["label"] == part.labels[k]
        np.testing.assert_array_equal(np.asarray(row["image"]), part.images[k, ..., 0])


def test_cifar10(tmp_path):
    prepared = prepare(tmp_path, shared("cifar10"), limit={"train": 1000, "test": 500}, val=500, classes=["cat", "dog"])
    assert prepared.meta["classes"] == ["cat", "dog"]
    assert prepared.meta["counts"]["train"] == {"cat": 500, "dog": 500}
    assert prepared.splits["train"].images.shape == (1000, 32, 32, 3)


def test_melanoma64(tmp_path):
    meta = prepare(tmp_path, shared("melanoma64"), resolution=32, limit={"train": 600, "test": 300}).meta
    assert meta["size"] == [32, 32]
    assert meta["counts"]["val"]["benign"] / meta["counts"]["val"]["malignant"] == pytest.approx(5.4, abs=0.3)


def test_stanford_cars192(tmp_path):
    cars = {**shared("stanford_cars192"), "limit": {"train": 400, "test": 200}, "val": 200}
    with pytest.raises(DatasetError, match="give `resolution`"):
        prepare(tmp_path, cars)
    prepared = prepare(tmp_path, cars, resolution=64)
    assert len(prepared.meta["classes"]) == 196
    assert prepared.splits["test"].images.shape == (200, 64, 64, 3)


def test_parquet_errors(tmp_path):
    dataset = parquet(tmp_path / "a.parquet", pixels(30, (8, 8)), [0, 1, 2] * 10)
    with pytest.raises(DatasetError, match=r"`train`: there is no file .*b\.parquet"):
        prepare(tmp_path, dataset, train=str(tmp_path / "b.parquet"))
    with pytest.raises(DatasetError, match=r"`image_column`: no column 'img'.* among image, label"):
        prepare(tmp_path, dataset, image_column="img")
    with pytest.raises(DatasetError, match="`image_column`: 'label' does not hold encoded images"):
        prepare(tmp_path, dataset, image_column="label")
    (tmp_path / "b.parquet").write_bytes((tmp_path / "a.parquet").read_bytes()[:500])
    with pytest.raises(DatasetError, match=r"b\.parquet cannot be read as Parquet"):
        prepare(tmp_path, dataset, train=str(tmp_path / "b.parquet"))


def test_of_each_lesion_one_image_is_kept_in_one_split(tmp_path):
    number = {"lesion": datasets.Value("int64")}

    def written(name, lesions, first):
        table = {"image": [Image.fromarray(image) for image in pixels(len(lesions), (8, 8), first)], "lesion": lesions}
        table["label"] = [lesion % 2 for lesion in lesions]
        features = datasets.Features({"image": datasets.Image(), "label": datasets.Value("int64"), **number})
        datasets.Dataset.from_dict(table, features=features).to_parquet(str(tmp_path / name))
        return str(tmp_path / name)

    train = written("train.parquet", [1, 1, 2, 2, 3, 4, 5, 6, 7, 8, 9, 10], 0)
    test = written("test.parquet", [10, 11, 12, 1, 11, 13], 1)
    dataset = {"source": "parquet", "train": train, "test": test, "val": 2, "seed": 0, "one_per": "lesion"}
    dataset |= {"image_column": "image", "label_column": "label"}
    splits = prepare(tmp_path, dataset).splits
    assert [len(splits[split].labels) for split in data.SPLITS] == [8, 2, 3]
    # written by a source that names its splits in another order, train still comes first
    other = prepare(tmp_path, dict(sorted(dataset.items()))).splits
    np.testing.assert_array_equal(other["test"].images, splits["test"].images)
    np.testing.assert_array_equal(splits["test"].labels, [1, 0, 1])
    with pytest.raises(DatasetError, match="`one_per`: no column 'leson' .did you mean 'lesion'"):
        prepare(tmp_path, dataset, one_per="leson")


def test_class_names_without_class_label(tmp_path):
    images, labels = pixels(30, (8, 8)), ["dog", "cat", "fox"] * 10
    dataset = parquet(tmp_path / "a.parquet", images, labels, label=datasets.Value("string"))
    prepared = prepare(tmp_path, dataset)
    assert prepared.meta["classes"] == ["cat", "dog", "fox"]
    part = prepared.splits["train"]
    assert [prepared.meta["classes"][label] for label in part.labels] == [labels[i] for i in part.index]
    numbers = parquet(tmp_path / "b.parquet", images, [5, 20, 100] * 10)
    assert prepare(tmp_path, numbers).meta["classes"] == ["5", "20", "100"]


def test_hidden_test_labels_are_refused(tmp_path):
    names = {"label": datasets.ClassLabel(names=["a", "b"])}
    dataset = parquet(tmp_path / "a.parquet", pixels(30, (8, 8)), [0, 1] * 15, **names)
    parquet(tmp_path / "b.parquet", pixels(6, (8, 8)), [-1] * 6, **names)
    with pytest.raises(DatasetError, match="test split has labels outside 0..1"):
        prepare(tmp_path, dataset, test=str(tmp_path / "b.parquet"))


def test_undecodable_parquet_cell_is_named(tmp_path):
    cells = [{"bytes": b"no image", "path": None}] * 30
    table = datasets.Dataset.from_dict({"image": cells, "label": [0, 1] * 15})
    table.to_parquet(str(tmp_path / "a.parquet"))
    dataset = parquet(tmp_path / "b.parquet", pixels(30, (8, 8)), [0, 1] * 15)
    with pytest.raises(DatasetError, match=r"image \d+ of train is not an image"):
        prepare(tmp_path, dataset, train=str(tmp_path / "a.parquet"))


def test_hub(tmp_path, monkeypatch):
    (tmp_path / "repository/data").mkdir(parents=True)
    names = {"label": datasets.ClassLabel(names=["a", "b"])}
    dataset = parquet(tmp_path / "repository/data/train-0.parquet", pixels(30, (8, 8)), [0, 1] * 15, **names)
    parquet(tmp_path / "repository/data/validation-0.parquet", pixels(10, (8, 8), 1), [1, 0] * 5, **names)
    hub = {**dataset, "source": "hub", "name": str(tmp_path / "repository"), "config": None, "revision": None}
    prepared = prepare(tmp_path, hub, splits={"train": "train", "test": "validation"}, val=4)
    assert prepared.meta["classes"] == ["a", "b"]
    assert prepared.meta["splits"]["test"] == {"n": 10, "from": "validation"}
    np.testing.assert_array_equal(prepared.splits["test"].images[..., 0], pixels(10, (8, 8), 1))
    with pytest.raises(DatasetError, match="cannot be loaded .*check `name`"):
        data.prepare("mine", {**hub, "splits": {"train": "training"}}, tmp_path / "cache", offline=False)


def test_hub_offline_names_the_dataset_and_the_remedy(tmp_path):
    dataset = {
        "source": "hub",
        "name": "nobody/nothing",
        "splits": {"train": "train"},
        "image_column": "image",
        "label_column": "label",
        "seed": 0,
    }
    with pytest.raises(DatasetError, match=r"nobody/nothing cannot be loaded .*offline: false") as error:
        prepare(tmp_path, dataset)
    assert "\n" not in str(error.value)
    assert not datasets.config.HF_HUB_OFFLINE or os.environ.get("HF_HUB_OFFLINE")


# torchvision


def write_mnist(root, n=60):
    raw = root / "MNIST/raw"
    raw.mkdir(parents=True)
    for seed, prefix in enumerate(("train", "t10k")):
        images, labels = pixels(n, (28, 28), seed), np.arange(n, dtype=np.uint8) % 10
        (raw / f"{prefix}-images-idx3-ubyte").write_bytes(struct.pack(">4i", 0x803, n, 28, 28) + images.tobytes())
        (raw / f"{prefix}-labels-idx1-ubyte").write_bytes(struct.pack(">2i", 0x801, n) + labels.tobytes())


def test_torchvision_with_a_train_argument(tmp_path):
    write_mnist(tmp_path)
    dataset = {"source": "torchvision", "name": "MNIST", "root": str(tmp_path), "val": 0.25, "seed": 0}
    prepared = prepare(tmp_path, dataset)
    assert [len(prepared.splits[split].labels) for split in data.SPLITS] == [45, 15, 60]
    assert prepared.meta["classes"][3] == "3 - three"
    assert prepared.meta["splits"]["test"]["from"] == "test"
    np.testing.assert_array_equal(prepared.splits["test"].images[..., 0], pixels(60, (28, 28), 1))


def test_torchvision_with_a_split_argument(tmp_path):
    # wordnet names of Imagenette's tench and English springer
    for split, n in (("train", 12), ("val", 6)):
        images = pixels(n, (16, 20, 3), n)
        write_folder(
            tmp_path / "imagenette2-160" / split, images, [0, 1] * (n // 2), ["n01440764", "n02102040"], "jpeg"
        )
    dataset = {"source": "torchvision", "name": "Imagenette", "root": str(tmp_path), "val": 4, "seed": 0}
    prepared = prepare(tmp_path, dataset, resolution=16)
    assert prepared.meta["classes"] == ["tench", "English springer"]
    assert prepared.meta["splits"] == {
        "train": {"n": 8, "from": "train"},
        "val": {"n": 4, "from": "train"},
        "test": {"n": 6, "from": "val"},
    }
    assert prepared.meta["size"] == [16, 16]


CARS = ["AM General Hummer SUV 2000", "Acura RL Sedan 2012", "Ram C/V Cargo Van Minivan 2012"]


def write_cars(root, train=12, test=6):
    """Stanford Cars as its development kit lays it out; images differ in size, as theirs do."""
    folder = root / "stanford_cars"
    (folder / "devkit").mkdir(parents=True)
    savemat(folder / "devkit/cars_meta.mat", {"class_names": np.array([CARS], dtype=object)})
    names = ("bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2", "class", "fname")
    for split, n, file in (("train", train, "devkit/cars_train_annos"), ("test", test, "cars_test_annos_withlabels")):
        rows = np.empty((1, n), dtype=[(name, object) for name in names])
        for k in range(n):
            box = [np.array([[side]], dtype=np.uint16) for side in (2, 3, 17, 15)]
            rows[0, k] = (*box, np.array([[k % 3 + 1]], dtype=np.uint8), f"{k + 1:05d}.jpg")
            (folder / f"cars_{split}").mkdir(exist_ok=True)
            image = np.full((18 + k, 20, 3), (40 + 70 * (k % 3), 90, 30 + k), dtype=np.uint8)
            Image.fromarray(image).save(folder / f"cars_{split}/{k + 1:05d}.jpg", quality=95)
        savemat(folder / f"{file}.mat", {"annotations": rows})


@pytest.fixture
def cars(tmp_path):
    return {"source": "torchvision", "name": "StanfordCars", "root": str(tmp_path), "val": 0.25, "seed": 0}


def test_stanford_cars_as_its_development_kit_lays_it_out(tmp_path, cars):
    write_cars(tmp_path)
    prepared = prepare(tmp_path, cars, resolution=16)
    assert prepared.meta["classes"] == CARS
    assert prepared.meta["splits"] == {
        "train": {"n": 9, "from": "train"},
        "val": {"n": 3, "from": "train"},
        "test": {"n": 6, "from": "test"},
    }
    for part in prepared.splits.values():
        np.testing.assert_array_equal(part.labels, part.index % 3)
        np.testing.assert_allclose(part.images[:, 8, 8, 0], 40 + 70 * part.labels, atol=4)  # JPEG
        np.testing.assert_allclose(part.images[:, 8, 8, 2], 30 + part.index, atol=4)


@pytest.mark.parametrize(
    "missing",
    ["devkit/cars_meta.mat", "devkit/cars_train_annos.mat", "cars_test_annos_withlabels.mat", "cars_test", ""],
)
@pytest.mark.parametrize("offline", [True, False])
def test_missing_files_of_stanford_cars_are_told_with_their_places(tmp_path, cars, missing, offline):
    write_cars(tmp_path)
    path = tmp_path / "stanford_cars" / missing
    path.unlink() if path.is_file() else shutil.rmtree(path)
    places = rf"put the first two into {tmp_path}/stanford_cars/devkit, the others into {tmp_path}/stanford_cars$"
    with pytest.raises(DatasetError, match=places) as error:
        data.prepare("cars", cars, tmp_path / "cache", offline)
    assert str(error.value).startswith("dataset cars: torchvision's StanfordCars cannot be loaded from")
    assert "\n" not in str(error.value)


def test_a_missing_image_of_torchvision_is_told(tmp_path, cars):
    write_cars(tmp_path)
    (tmp_path / "stanford_cars/cars_train/00004.jpg").unlink()
    with pytest.raises(
        DatasetError, match=r"StanfordCars has an image that cannot be opened .*00004.jpg.*: replace it"
    ):
        prepare(tmp_path, cars, resolution=16)


def test_torchvision_without_splits(tmp_path):
    dataset = {"source": "torchvision", "name": "FakeData", "val": 100, "test": 100, "seed": 0}
    meta = prepare(tmp_path, dataset, resolution=8).meta
    assert meta["splits"]["train"] == {"n": 800, "from": "all"}
    assert meta["classes"] == list("0123456789")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {},
            r"CIFAR10 cannot be loaded .*CIFAR10\(root='.*', train=True, download=True\)` in a Python with network",
        ),
        ({"name": "CIFAR12"}, r"torchvision.datasets has no 'CIFAR12' \(did you mean 'CIFAR1"),
        ({"name": "EMNIST"}, "EMNIST has variants: name one with `config`"),
        ({"name": "EMNIST", "config": "capital"}, "`config`: Unknown value 'capital' for argument split"),
        ({"name": "Imagenette", "config": "17px"}, "Unknown value '17px' for argument size"),
        ({"name": "ImageNet"}, "put its files into .* as the documentation of torchvision.datasets.ImageNet says"),
    ],
)
def test_torchvision_errors(tmp_path, changes, message):
    dataset = {"source": "torchvision", "name": "CIFAR10", "val": 0.1, "seed": 0, **changes}
    with pytest.raises(DatasetError, match=message) as error:
        prepare(tmp_path, dataset)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["CIFAR10", "FashionMNIST", "SVHN"])
def test_failed_download_names_what_to_fetch_and_where_to_put_it(tmp_path, monkeypatch, name):
    asked = []

    def urlopen(request, *_, **__):
        asked.append(request)
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr(urllib.request, "urlopen", urlopen)
    dataset = {"source": "torchvision", "name": name, "val": 0.1, "seed": 0}
    with pytest.raises(
        DatasetError, match=rf"datasets\.{name}\(root=.*download=True.* copy its files to .*cache"
    ) as error:
        data.prepare("mine", dataset, tmp_path / "cache", offline=False)
    assert "\n" not in str(error.value)
    assert asked


def test_synonyms_of_class_names():
    class Birds:
        classes = [("crane",), ("crane", "lifting machine"), ("tench", "Tinca tinca")]

    assert torchvision._classes(Birds(), {}) == ["crane", "crane, lifting machine", "tench"]


# folders


@pytest.fixture
def digit_folder(tmp_path):
    digits = _digits_source()
    rows = digits.splits["train"]
    write_folder(tmp_path / "digits", rows.images[:200], rows.labels[:200])
    return {"source": "folder", "name": "tiny", "train": str(tmp_path / "digits"), "val": 0.2, "test": 0.2, "seed": 0}


def test_folder(tmp_path, digit_folder):
    prepared = prepare(tmp_path, digit_folder)
    assert prepared.meta["classes"] == list("abcdefghij")
    rows = _digits_source().splits["train"]
    order = sorted(range(200), key=lambda k: ("abcdefghij"[rows.labels[k]], k))
    for part in prepared.splits.values():
        np.testing.assert_array_equal(part.images[..., 0], rows.images[[order[i] for i in part.index]])
    by_root = {**digit_folder, "root": digit_folder["train"], "train": None}
    assert prepare(tmp_path, by_root).meta["counts"] == prepared.meta["counts"]


def test_folder_with_its_own_test_folder(tmp_path, digit_folder):
    images = pixels(20, (8, 8))
    write_folder(tmp_path / "test", images, list(range(10)) * 2)
    prepared = prepare(tmp_path, digit_folder, test=str(tmp_path / "test"))
    np.testing.assert_array_equal(prepared.splits["test"].labels, np.repeat(np.arange(10), 2))
    shutil.move(tmp_path / "test/b", tmp_path / "test/bb")
    with pytest.raises(DatasetError, match=r"test/bb is not a class of train \(did you mean 'b'\?\)"):
        prepare(tmp_path, digit_folder, test=str(tmp_path / "test"))


def test_folder_of_parquet_images(tmp_path):
    cars = shared("stanford_cars192")
    part = prepare(tmp_path, cars, resolution=64, limit={"train": 400, "test": 200}, val=200).splits["test"]
    write_folder(tmp_path / "cars", part.images[:40], np.arange(40) % 4, suffix="jpg")
    dataset = {"source": "folder", "train": str(tmp_path / "cars"), "val": 4, "test": 8, "seed": 0}
    assert prepare(tmp_path, dataset).splits["train"].images.shape == (28, 64, 64, 3)


@pytest.mark.parametrize("kept", [0, 40, 0.7])
def test_corrupt_image_is_named(tmp_path, digit_folder, kept):
    path = sorted(Path(digit_folder["train"]).glob("c/*"))[0]
    Image.fromarray(pixels(1, (64, 64, 3))[0]).save(path)
    content = path.read_bytes()
    path.write_bytes(content[: kept if kept in (0, 40) else int(kept * len(content))])
    with pytest.raises(DatasetError, match=rf"c/{path.name} .*: replace or remove it") as error:
        prepare(tmp_path, digit_folder, resolution=8, channels=1)
    assert "\n" not in str(error.value)


def test_files_that_are_no_images_are_named(tmp_path, digit_folder):
    root = Path(digit_folder["train"])
    (root / "a/.DS_Store").write_text("hidden")
    prepare(tmp_path, digit_folder)
    (root / "a/notes.txt").write_text("not an image")
    with pytest.raises(DatasetError, match=r"not images: .*a/notes\.txt: remove them"):
        prepare(tmp_path, digit_folder)


def test_folder_errors(tmp_path, digit_folder):
    with pytest.raises(DatasetError, match="`train`: .*nowhere"):
        prepare(tmp_path, digit_folder, train=str(tmp_path / "nowhere"))
    (Path(digit_folder["train"]) / "empty").mkdir()
    with pytest.raises(DatasetError, match="`train`: .*digits/empty has no images: add some, or delete the folder$"):
        prepare(tmp_path, digit_folder)
    (tmp_path / "bare").mkdir()
    with pytest.raises(DatasetError, match="`train`: .*bare has no folders of classes: give a folder per class$"):
        prepare(tmp_path, digit_folder, train=str(tmp_path / "bare"))


def test_upright(tmp_path):
    # an orientation tag, as cameras write it: the image is stored lying and to be shown turned by 90 degrees
    for k in range(6):
        image = Image.fromarray(np.tile(np.arange(0, 240, 10, dtype=np.uint8), (12, 1)))
        exif = Image.Exif()
        exif[0x0112] = 6
        path = tmp_path / "photos" / "ab"[k % 2] / f"{k}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(path, exif=exif)
    dataset = {"source": "folder", "train": str(tmp_path / "photos"), "val": 2, "test": 2, "seed": 0}
    prepared = prepare(tmp_path, dataset, resolution=12)  # the centre of 12 x 24 pixels
    assert np.all(np.diff(prepared.splits["train"].images[0, :, 5, 0].astype(int)) == 10)
