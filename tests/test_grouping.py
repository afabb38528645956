"""Groups of classes in a CSV: read strictly, compared with the classes of the data set, part of the spec by content."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from small_studies import SHARED
from test_configuration import error_of, write

from synthmix.checks import known
from synthmix.planning import grouping
from synthmix.planning.configuration import read_studies

ROOT = Path(__file__).parents[1]
HALVES = "class,group\n" + "".join(f"{digit},{'low' if digit < 5 else 'high'}\n" for digit in range(10))


@pytest.fixture
def folder(folder: Path) -> Path:
    """An empty folder `studies` in the working directory, which has a CSV of groups."""
    Path("halves.csv").write_text(HALVES)
    return folder


def study(**dataset: Any) -> dict[str, Any]:
    """A study whose only data set is merged by the CSV, with changes of the data set."""
    own: dict[str, Any] = {"source": "embedded", "name": "digits", "val": 0.2, "test": 0.2, "merge": "halves.csv"}
    return {
        "title": "x",
        "question": "x",
        "datasets": {"digits": {**own, **dataset}},
        "training_sets": {"few": {"real": 3}},
        "models": {"cnn": {"architecture": "cnn_block", "width": 2}},
        "recipes": {"steps": {"optimizer": "sgd", "learning_rate": 1, "batch_size": 6, "steps": 2}},
        "runs": [{"dataset": "digits", "training_set": "few", "model": "cnn", "recipe": "steps", "seeds": 1}],
    }


def merged(folder: Path, content: dict[str, Any]) -> Any:
    write(folder, "a", content)
    return read_studies(folder, ["a"])["a"]["datasets"]["digits"]["merge"]


def test_a_file_gives_the_groups_in_one_order(folder: Path) -> None:
    groups = grouping.read("halves.csv")
    assert groups == {"high": list("56789"), "low": list("01234")}
    head, *rows = HALVES.splitlines()
    Path("other.csv").write_text("\n".join([head, *reversed(rows)]))
    assert json.dumps(grouping.read("other.csv")) == json.dumps(groups)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("class,kind\n0,low\n", "must have the columns class and group, not class, kind"),
        ("class,group\n", "has no rows"),
        ("class,group\n0,low\n0,high\n", "line 3 has class '0' again"),
        ("class,group\n0,\n", "line 2 is not one class and one group"),
        ("class,group\n0\n", "line 2 is not one class and one group"),
        ("class,group\n0,low,high\n", "line 2 is not one class and one group"),
    ],
)
def test_files_that_cannot_be_used(folder: Path, text: str, problem: str) -> None:
    Path("halves.csv").write_text(text)
    with pytest.raises(grouping.GroupError, match=problem):
        grouping.read("halves.csv")
    write(folder, "a", study())
    assert f"studies/a.yaml: datasets.digits.merge: halves.csv{',' if 'line' in problem else ''}" in error_of(
        folder, "a"
    )


def test_the_content_of_a_file_is_what_a_study_holds(folder: Path) -> None:
    groups = grouping.read("halves.csv")
    assert merged(folder, study()) == merged(folder, study(merge=groups)) == groups
    assert known.class_names("digits", study()["datasets"]["digits"]) == ["low", "high"]
    Path("halves.csv").write_text(HALVES.replace("4,low", "4,high"))
    assert merged(folder, study())["high"] == list("456789")


def test_rows_are_about_exactly_the_classes(folder: Path) -> None:
    Path("halves.csv").write_text(HALVES + "ten,high\n")
    write(folder, "a", study())
    assert error_of(folder, "a").startswith(
        'studies/a.yaml: datasets.digits.merge: "ten" is no class of data set digits (known: 0, 1, 2,'
    )
    Path("halves.csv").write_text(HALVES.replace("3,low\n", ""))
    write(folder, "a", study())
    missing = 'datasets.digits.merge: halves.csv has no row for class "3" of data set digits; add it'
    assert error_of(folder, "a") == f"studies/a.yaml: {missing}"
    Path("gone").mkdir()
    write(folder, "a", study(merge="gone"))
    assert "datasets.digits.merge: gone cannot be read" in error_of(folder, "a")


def test_classes_of_parquet_files_are_compared_too(folder: Path) -> None:
    pq.write_table(pa.table({"image": [b""] * 4, "label": [0, 0, 1, 1]}), "train.parquet")
    Path("halves.csv").write_text("class,group\n0,low\n2,high\n")
    content = study(source="parquet", train="train.parquet")
    del content["datasets"]["digits"]["name"]
    write(folder, "a", content)
    assert 'datasets.digits.merge: "2" is no class of data set digits' in error_of(folder, "a")


def test_the_body_types_are_those_of_the_196_cars() -> None:
    groups = grouping.read(ROOT / "studies/cars/body_types.csv")
    counts = Counter({group: len(names) for group, names in groups.items()})
    assert (len(counts), counts.total()) == (9, 196)
    train = SHARED / "stanford_cars192/train.parquet"
    if not train.exists():
        pytest.skip("needs Stanford Cars as Parquet files")
    info = json.loads(pq.read_schema(train).metadata[b"huggingface"])["info"]
    assert sorted(info["features"]["label"]["names"]) == sorted(name for names in groups.values() for name in names)
