"""Splits and classes that cannot be had of folders and Parquet files are refused before anything runs."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from test_configuration import assert_accepted, assert_refused
from test_data import pixels, prepare, write_folder

from synthmix.checks import known
from synthmix.checks.counts import cannot_take, cuts, known_counts
from synthmix.images.classes import DatasetError

FLOWERS = {"source": "folder", "root": "flowers", "train": "train", "val": 0.2, "test": 0.2}
ROWS = {"source": "parquet", "train": "train-*.parquet", "val": 0.2, "test": 0.2}


@pytest.fixture
def folder(folder: Path) -> Path:
    """An empty folder `studies` beside folders and Parquet files of 30 daisies and 60 roses."""
    images("train", daisy=30, rose=60)
    rows("train-0.parquet", daisy=30, rose=60)
    return folder


def images(split: str, **counts: int) -> None:
    """Empty files, for nothing looks into them."""
    for name, count in counts.items():
        place = Path("flowers", split, name)
        place.mkdir(parents=True)
        for number in range(count):
            (place / f"{number}.png").touch()


def rows(path: str, **counts: int) -> None:
    labels = [name for name, count in counts.items() for _ in range(count)]
    pq.write_table(pa.table({"image": [b""] * len(labels), "label": labels}), path)


def study(dataset: dict[str, Any], **training_set: Any) -> dict[str, Any]:
    return {
        "title": "x",
        "question": "x",
        "datasets": {"flowers": {"resolution": 16, **dataset}},
        "training_sets": {"few": training_set or {"real": 3}},
        "models": {"cnn": {"architecture": "cnn_block", "width": 2}},
        "recipes": {"steps": {"optimizer": "sgd", "learning_rate": 1, "batch_size": 6, "steps": 2}},
        "runs": [{"dataset": "flowers", "training_set": "few", "model": "cnn", "recipe": "steps", "seeds": 1}],
    }


# ---- images in two splits --------------------------------------------------------------------------------------------


def test_folders_of_two_splits_are_apart(folder: Path) -> None:
    images("test", daisy=3, rose=3)
    images("train/rose/late", daisy=3, rose=3)
    Path("flowers/same").symlink_to("train")
    assert_accepted(folder, study({**FLOWERS, "test": "test"}))
    remedy = "give another one, or a fraction to cut from train"
    for name in ("train", "./train/", "same"):
        refused = f"datasets.flowers.test: is the folder of train, too; {remedy}"
        assert_refused(folder, study({**FLOWERS, "test": name}), refused)
    inner = f"datasets.flowers.test: lies in the folder of train; {remedy}"
    assert_refused(folder, study({**FLOWERS, "test": "same/rose/late"}), inner)
    assert_refused(
        folder, study({**FLOWERS, "test": "."}), f"datasets.flowers.test: holds the folder of train; {remedy}"
    )
    both = {**FLOWERS, "val": "test", "test": "test"}
    assert_refused(folder, study(both), f"datasets.flowers.test: is the folder of val, too; {remedy}")


def test_files_of_two_splits_are_others(folder: Path) -> None:
    rows("test.parquet", daisy=3, rose=3)
    assert_accepted(folder, study({**ROWS, "test": "test.parquet"}))
    Path("link.parquet").symlink_to("train-0.parquet")
    for pattern, path in (("*-0.parquet", "train-0.parquet"), ("link.*", "link.parquet")):
        problem = f"matches {path}, which is of train, too; give another one, or a fraction to cut from train"
        assert_refused(folder, study({**ROWS, "test": pattern}), f"datasets.flowers.test: {problem}")


# ---- classes ---------------------------------------------------------------------------------------------------------


def test_every_folder_of_a_class_has_images(folder: Path) -> None:
    images("test", daisy=3, rose=0)
    Path("flowers/test/rose/.DS_Store").touch()
    empty = "datasets.flowers.test: flowers/test/rose has no images; add some, or delete the folder"
    assert_refused(folder, study({**FLOWERS, "test": "test"}), empty)
    Path("flowers/bare/.cache").mkdir(parents=True)
    bare = "datasets.flowers.train: flowers/bare has no folders of classes; give a folder with one for each class"
    assert_refused(folder, study({**FLOWERS, "train": "bare"}), bare)


def test_a_data_set_has_two_classes(folder: Path) -> None:
    images("one", daisy=30)
    need = "makes one class, daisy, and classifiers need at least two; keep more apart, or add images of another"
    assert_refused(folder, study({**FLOWERS, "train": "one"}), f"datasets.flowers.train: {need}")
    merged = {"merge": {"flower": ["daisy", "rose"]}}
    need = need.replace("daisy", "flower")
    assert_refused(folder, study({**FLOWERS, **merged}), f"datasets.flowers.merge: {need}")
    assert_refused(folder, study({**ROWS, **merged}), f"datasets.flowers.merge: {need}")


def test_one_class_is_refused_by_the_job_too(tmp_path: Path) -> None:
    write_folder(tmp_path / "one", pixels(10, (8, 8)), [0] * 10, names=["daisy"])
    dataset = {"source": "folder", "train": str(tmp_path / "one"), "val": 2, "test": 2, "seed": 0}
    with pytest.raises(DatasetError, match=r"mine: there is one class only \(daisy\): classifiers need images of"):
        prepare(tmp_path, dataset)


@pytest.mark.parametrize("dataset", [FLOWERS, ROWS])
def test_misspelt_classes_are_named_where_they_stand(folder: Path, dataset: dict[str, Any]) -> None:
    """Before a generator is compared with the classes that are left."""
    content = study({**dataset, "classes": ["daisy", "rosee"]}, synthetic=2, pool="theirs")
    generator = {"kind": "files", "source": "folder", "path": "flowers/train"}
    content |= {
        "generators": {"theirs": generator},
        "pools": {"theirs": {"generator": "theirs", "per_class": 2, "shard_size": 2}},
    }
    unknown = (
        'datasets.flowers.classes: "rosee" is no class of data set flowers; did you mean rose? (known: daisy, rose)'
    )
    assert_refused(folder, content, unknown)


# ---- counts ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dataset", [FLOWERS, ROWS])
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"val": 500}, "val: takes 500 of 72 images, too many to leave one for each class; lower it"),
        ({"test": 89}, "test: takes 89 of 90 images, too many to leave one for each class; lower it"),
        ({"test": 0.01}, "test: takes 1 images for 2 classes; raise it, or name fewer classes"),
        (
            {"val": 0.6, "test": 0.4},
            "val: 0.6 of train, and 0.4 as test, leave nothing to train on; lower one of the two",
        ),
        ({"limit": {"train": 1}}, "limit.train: keeps 1 images of 2 classes (daisy, rose); raise it"),
    ],
)
def test_splits_that_cannot_be_cut(folder: Path, dataset: dict[str, Any], changes: dict, message: str) -> None:
    assert_accepted(folder, study(dataset))
    assert_refused(folder, study({**dataset, **changes}), f"datasets.flowers.{message}")


def test_a_class_of_one_image_is_in_no_two_splits(folder: Path) -> None:
    rows("train-1.parquet", tulip=1)
    one = 'test: needs two images of each class, but "tulip" has 1; add some, or leave it out with classes'
    assert_refused(folder, study(ROWS), f"datasets.flowers.{one}")
    assert_accepted(folder, study({**ROWS, "classes": ["daisy", "rose"]}))


@pytest.mark.parametrize("dataset", [FLOWERS, ROWS])
def test_training_sets_of_more_images_than_are_left(folder: Path, dataset: dict[str, Any]) -> None:
    assert_accepted(folder, study(dataset, real=18))
    refused = (
        "training_sets.few.real: 19 images per class, but class daisy has 18 in train; lower it (data set flowers)"
    )
    assert_refused(folder, study(dataset, real=19), refused)
    assert_accepted(folder, study({**dataset, "one_per": "plant"} if dataset is ROWS else dataset, real=18))
    images("test", daisy=3, rose=3)
    if dataset is FLOWERS:
        assert_accepted(folder, study({**dataset, "test": "test"}, real=24))


@pytest.mark.parametrize("counts", [(30, 60, 45), (2, 3, 2), (5, 40, 3)])
@pytest.mark.parametrize("changes", [{}, {"val": 3, "test": 3}, {"val": 0.5, "test": 0.3}, {"val": 8, "test": 2}])
@pytest.mark.parametrize("limit", [{}, {"train": 10}, {"train_per_class": 4}, {"train": 7, "train_per_class": 3}])
def test_nothing_is_refused_that_a_job_prepares(tmp_path: Path, counts: tuple, changes: dict, limit: dict) -> None:
    labels = [label for label, count in enumerate(counts) for _ in range(count)]
    write_folder(tmp_path / "train", pixels(len(labels), (4, 4)), labels)
    dataset = {"source": "folder", "train": str(tmp_path / "train"), "val": 0.2, "test": 0.2, "limit": limit, **changes}
    found = known.train_counts(dataset)
    assert found is not None
    most, total = known_counts(dataset, found), sum(counts)
    (_, first), _ = cuts(dataset, total)
    try:
        made = prepare(tmp_path, {**dataset, "seed": 0}).meta["counts"]["train"]
    except DatasetError:
        return
    assert cannot_take(first, total, found) is None
    assert all(made[name] <= most[name] for name in found)
