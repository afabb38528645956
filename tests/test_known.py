"""What is known of data before a job reads them agrees with what the jobs find."""

from pathlib import Path

import datasets
import pytest
from test_data import DIGITS, parquet, pixels, prepare, shared, write_folder

from synthmix import layout
from synthmix.checks import known
from synthmix.files import write_json
from synthmix.generators import files
from synthmix.records import Record, path_of, write

HUB = {"source": "hub", "name": "somebody/pets", "splits": {"train": "train", "test": "test"}, "val": 0.1, "seed": 0}


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def assert_known(dataset, tmp_path):
    assert known.class_names("mine", dataset) == prepare(tmp_path, dataset).meta["classes"]


@pytest.mark.parametrize(
    "changes",
    [{}, {"classes": ["7", "3"]}, {"merge": {"odd": ["1", "3"]}}, {"merge": {"x": ["8", "2"]}, "classes": ["x", "5"]}],
)
def test_classes_of_digits_chosen_and_merged(tmp_path, changes):
    assert_known({**DIGITS, **changes}, tmp_path)


def test_classes_of_folders(tmp_path):
    write_folder(tmp_path / "photos", pixels(30, (4, 4)), [k % 3 for k in range(30)], names=["emu", "Ant", "bee"])
    dataset = {"source": "folder", "root": "photos", "val": 0.2, "test": 0.2, "seed": 0}
    assert_known(dataset, tmp_path)
    assert known.class_names("mine", {**dataset, "root": "nowhere"}) is None


@pytest.mark.parametrize("kind", [datasets.ClassLabel(names=["emu", "ant"]), "int64", "string"])
def test_classes_of_parquet_files(tmp_path, kind):
    labels = [k % 2 for k in range(20)]
    if kind == "string":
        labels = ["emu" if label else "ant" for label in labels]
    feature = datasets.Value(kind) if isinstance(kind, str) else kind
    dataset = parquet(tmp_path / "train.parquet", pixels(20, (4, 4)), labels, label=feature)
    assert_known(dataset, tmp_path)
    assert known.class_names("mine", {**dataset, "one_per": "patient"}) is None
    assert known.class_names("mine", {**dataset, "label_column": "nothing"}) is None
    Path("train.parquet").write_bytes(b"no Parquet")
    known.look_again()
    assert known.class_names("mine", dataset) is None


@pytest.mark.parametrize("name", ["mnist", "imagenette64", "melanoma64"])
def test_classes_of_real_data(tmp_path, name):
    dataset = shared(name)
    assert_known({**dataset, "limit": {"train": 60, "val": 40, "test": 40}, "resolution": 8}, tmp_path)


def test_a_prepared_data_set_is_known_as_long_as_its_definition_stays(tmp_path):
    assert known.class_names("pets", HUB) is None
    folder = layout.DATA.format(dataset="pets")
    log = layout.log("prepare_data", folder)
    write_json(f"{folder}/meta.json", {"classes": ["cat", "dog"]})
    assert known.class_names("pets", HUB) is None
    record = Record({"entries": ["prepare_data.py"], "code": "0" * 16, "dataset": {**HUB, "seed": 0.0}}, 1, None, 0)
    write(log, record)
    assert known.class_names("pets", {**HUB, "revision": None}) == ["cat", "dog"]
    assert known.class_names("pets", {**HUB, "seed": 1}) is None
    assert known.prepared("pets", {**HUB, "source": "folder"}) is None
    path_to_meta = Path(folder, "meta.json")
    path_to_meta.write_text(path_to_meta.read_text()[:10])
    assert known.class_names("pets", HUB) is None
    write_json(path_to_meta, {"classes": ["cat", "dog"]})
    path_of(log).write_text("[")
    assert known.class_names("pets", HUB) is None


def test_a_generators_files_are_counted_as_its_jobs_count_them(tmp_path):
    labels = [0, 0, 1, 0, 1]
    write_folder(tmp_path / "images", pixels(5, (4, 4)), labels, names=["dog", "cat"])
    Path("images/dog/.hidden").touch()
    Path("images/cat/more").mkdir()
    Path("images/cat/0002.png").rename("images/cat/more/0002.png")
    parquet(tmp_path / "images.parquet", pixels(5, (4, 4)), labels, label=datasets.ClassLabel(names=["dog", "cat"]))
    meta = {"classes": ["dog", "cat"], "size": [4, 4], "channels": 1}
    for kind, path in (("folder", "images"), ("parquet", "images.parquet")):
        definition = {"kind": "files", "source": kind, "path": path, "image_column": "image", "label_column": "label"}
        source = files.Source({"drawing": definition}, meta, None, "cpu", {"data": str(tmp_path), "offline": True})
        counts = known.images_per_class(definition)
        assert [counts[name] for name in meta["classes"]] == [len(each) for each in source.members] == [3, 2]


def test_images_of_train_are_counted_by_class_merged_and_chosen(tmp_path):
    labels = [0, 0, 1, 0, 1, 2]
    write_folder(tmp_path / "photos", pixels(6, (4, 4)), labels, names=["emu", "ant", "bee"])
    photos = {"source": "folder", "root": "photos", "train": ".", "val": 1, "test": 1}
    assert known.train_counts(photos) == {"ant": 2, "bee": 1, "emu": 3}
    rows = parquet(tmp_path / "train.parquet", pixels(6, (4, 4)), labels)
    assert known.train_counts(rows) == {"0": 3, "1": 2, "2": 1}
    merged = {"merge": {"insect": ["ant", "bee"]}}
    assert known.train_counts({**photos, **merged}) == {"insect": 3, "emu": 3}
    assert known.train_counts({**photos, **merged, "classes": ["emu", "cat"]}) == {"emu": 3}
    assert known.train_counts({**DIGITS, "classes": ["0", "3"]}) == {"0": 178, "3": 183}
    assert known.train_counts({**rows, "one_per": "patient"}) is known.train_counts(HUB) is None


def test_folders_whose_names_begin_with_a_dot_are_no_classes(tmp_path):
    write_folder(tmp_path / "photos", pixels(30, (4, 4)), [k % 2 for k in range(30)], names=["ant", "bee"])
    for folder in ("photos/.ipynb_checkpoints", "photos/ant/.ipynb_checkpoints"):
        Path(folder).mkdir()
        Path(folder, "0000-checkpoint.png").write_bytes(Path("photos/ant/0000.png").read_bytes())
        Path(folder, "notes.txt").touch()
    dataset = {"source": "folder", "train": "photos", "val": 0.2, "test": 0.2, "seed": 0}
    assert_known(dataset, tmp_path)
    assert known.train_counts(dataset) == {"ant": 15, "bee": 15}
    counts = prepare(tmp_path, dataset).meta["counts"]
    assert sum(sum(split.values()) for split in counts.values()) == 30
