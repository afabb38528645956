"""Generators that do not fit the classes of a data set are refused before anything runs."""

import copy
from pathlib import Path
from typing import Any

import pytest
from test_configuration import assert_accepted, assert_refused, error_of, write
from test_data import parquet, pixels, write_folder

from synthmix.planning.configuration import read_yaml

STUDY = read_yaml(Path(__file__).parent / "studies/prompts.yaml")
ROWS = "class,prompt\n0,a zero\n1,a one\n"
FILES = {"kind": "files", "source": "folder", "path": "found"}
DIT = {"kind": "class2image", "pipeline": "somebody/dit", "class_ids": {"0": 10, "1": 11}}


def study(**generator: Any) -> dict[str, Any]:
    """The study with another generator in the place of `prompted`; without arguments as it is."""
    changed = copy.deepcopy(STUDY)
    if generator:
        changed["generators"]["prompted"] = generator
    if generator.get("kind") == "files":
        changed["pools"]["prompted"] = {"generator": "prompted", "per_class": 2, "shard_size": 2}
    return changed


def test_prompts_are_of_the_classes(folder: Path) -> None:
    Path("prompts.csv").write_text(ROWS)
    assert_accepted(folder, study())
    Path("prompts.csv").write_text(ROWS.replace("1,a one", "one,a one"))
    unknown = 'generators.prompted.prompts: "one" is no class of data set digits (known: 0, 1)'
    assert_refused(folder, study(), unknown)
    Path("prompts.csv").write_text(ROWS.replace("1,a one\n", ""))
    missing = 'generators.prompted.prompts: prompts.csv has nothing for class "1" of data set digits; add it'
    assert_refused(folder, study(), missing)


def test_names_and_numbers_are_of_the_classes(folder: Path) -> None:
    Path("prompts.csv").write_text(ROWS)
    named = study()
    named["generators"]["own"]["class_names"] = {"zero": "0"}
    assert_refused(folder, named, 'generators.own.class_names: "zero" is no class of data set digits (known: 0, 1)')
    assert_accepted(folder, study(**DIT))
    numbered = {**DIT, "class_ids": {"0": 10}}
    missing = 'generators.prompted.class_ids: has nothing for class "1" of data set digits; add it'
    assert_refused(folder, study(**numbered), missing)
    numbered = {**DIT, "class_ids": {"0": 10, "1": 11, "2": 12}}
    unknown = 'generators.prompted.class_ids: "2" is no class of data set digits (known: 0, 1)'
    assert_refused(folder, study(**numbered), unknown)


def test_classes_that_are_not_known_yet_are_left_to_the_job(folder: Path) -> None:
    Path("prompts.csv").write_text(ROWS.replace("1,a one", "one,a one"))
    content = study()
    content["datasets"]["digits"] = {"source": "torchvision", "name": "MNIST", "val": 0.1}
    assert_accepted(folder, content)


@pytest.mark.parametrize("kind", ["folder", "parquet"])
def test_images_of_others_are_of_the_classes_and_enough(folder: Path, kind: str) -> None:
    def found(labels: list[int]) -> dict[str, Any]:
        path = f"found-{''.join(map(str, labels))}"
        if kind == "folder":
            write_folder(Path(path), pixels(len(labels), (4, 4)), labels, names="012")
        else:
            parquet(Path(path), pixels(len(labels), (4, 4)), labels)
        return {**FILES, "source": kind, "path": path}

    assert_accepted(folder, study(**found([0, 0, 1, 1])))
    few = 'pools.prompted.per_class: 2, but found-001 has 1 images of class "1"; lower it, or add images'
    assert_refused(folder, study(**found([0, 0, 1])), few)
    remedy = "rename it, or say with class_names what the classes are called there"
    none = f'generators.prompted.path: found-00 has no images "1" for class "1" of data set digits; {remedy}'
    assert_refused(folder, study(**found([0, 0])), none)
    three = found([0, 0, 1, 1, 2])
    other = f'generators.prompted.path: found-00112 has images "2", which is no class of data set digits; {remedy}'
    assert_refused(folder, study(**three), other)
    assert_accepted(folder, study(**three, class_names={"0": "1", "1": "0"}))


def test_a_pipeline_in_a_folder_holds_what_is_asked_of_it(folder: Path) -> None:
    Path("prompts.csv").write_text(ROWS)
    index = Path("pipelines/tiny/model_index.json")
    index.parent.mkdir(parents=True)
    index.write_text('{"_class_name": "StableDiffusionPipeline", "safety_checker": [null, null]}')
    without = "generators.prompted.safety: the pipeline in pipelines/tiny has no safety checker; delete it"
    assert_refused(folder, study(), without)
    index.write_text(index.read_text().replace("[null, null]", '["stable_diffusion", "StableDiffusionSafetyChecker"]'))
    assert_accepted(folder, study())
    index.write_text("{")
    write(folder, "bad", study())
    assert error_of(folder, "bad").startswith(f"studies/bad.yaml: generators.prompted.pipeline: {index} cannot be read")
