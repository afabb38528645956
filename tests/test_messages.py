"""What messages about a configuration say beyond what is wrong: the place as it is written, and the remedy."""

import re
from pathlib import Path

import pytest

from synthmix.planning.configuration import ConfigurationError, missing_study, read_studies, says_something
from synthmix.planning.configuration import validate_config as validate
from synthmix.planning.messages import suggestion
from synthmix.planning.schema import validated
from synthmix.planning.yaml_reader import read_yaml

NAMES = {key: "x" for key in ("dataset", "training_set", "model", "recipe")}
DATASET = {"source": "embedded", "name": "digits", "val": 0.2, "test": 0.2}
STUDY = {"title": "x", "question": "x", "datasets": {"d": DATASET}}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a:\n\t- 1\n", "line 2: a tab; indent with spaces"),
        ("a:\n  b: 1\n\tc: 2\n", "line 3: a tab; indent with spaces"),
        ("title: x\nquestion: who: what\n", "line 2: .*; put a text that has a colon in quotes, or correct the .*"),
        ("a: {b: 1,\n  c: 2\nd: 3\n", "line 3: .*; what was opened in line 1 is not closed"),
        ("x: 1\na: [1,\n 2\nb: 3\n", "line 4: .*; what was opened in line 2 is not closed"),
        ('a: "x\nb: 1\n', "line 3: .*; what was opened in line 1 is not closed"),
        ("a: @x\n", "line 1: .*; put the text in quotes"),
    ],
)
def test_a_syntax_error_has_a_remedy(folder: Path, text: str, expected: str) -> None:
    Path("a.yaml").write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        read_yaml("a.yaml")
    assert re.fullmatch(rf"a\.yaml: {expected}", str(caught.value))


def problem(study: dict) -> str:
    with pytest.raises(ConfigurationError) as caught:
        validated({**STUDY, **study}, "study", "a.yaml")
    return str(caught.value).removeprefix("a.yaml: ")


@pytest.mark.parametrize(
    ("seeds", "expected"),
    [
        ([1, 1, 2], ", not [1, 1, 2]; 1 is given twice"),
        (0, ", not 0; a number must be at least 1 and at most 10000"),
        (20000, ", not 20000; a number must be at least 1 and at most 10000"),
        ([], ", not []; a list must have at least one entry"),
        ("5", ', not "5"'),
        (True, ", not true"),
    ],
)
def test_seeds(seeds: object, expected: str) -> None:
    text = "runs[0].seeds: must be a number of seeds (3 is 0, 1, 2) or a list of seeds"
    assert problem({"runs": [{**NAMES, "seeds": seeds}]}) == text + expected


def test_lists_and_numbers_that_break_a_bound_say_which() -> None:
    run = {"runs": [{**NAMES, "seeds": 1, "training_set": ["a", "b", "a"]}]}
    assert problem(run).endswith('names, not ["a", "b", "a"]; "a" is given twice')
    assert problem({"training_sets": {"t": {"real": 0}}}).endswith(", not 0; a number must be at least 1")
    bounds = "; a number must be above 0 and below 1, or at least 1"
    assert problem({"datasets": {"d": {**DATASET, "val": 0}}}).endswith(f"a number of images, not 0{bounds}")
    assert problem({"datasets": {"d": {**DATASET, "classes": ["1"]}}}).endswith('class names, not ["1"]')
    for studies, expected in (([], "not []; a list must have at least one entry"), (["a", "a"], '"a" is given twice')):
        with pytest.raises(ConfigurationError, match=f"^config.yaml: studies: .*{re.escape(expected)}$"):
            validate({"studies": studies}, "config.yaml")


def test_a_key_is_named_as_the_file_has_it() -> None:
    """A text stands for a list of one, of which the file knows no position."""
    assert problem({"scale": [{"stage": "trian", "gpu": 0}]}).startswith("scale[0].stage: must be one of")
    assert problem({"scale": [{"stage": ["train", "trian"], "gpu": 0}]}).startswith("scale[0].stage[1]: must be")


def test_known_names_follow_a_suggestion_or_the_problem() -> None:
    assert suggestion("smg", ["sgd", "adam"]) == "; did you mean sgd? (known: sgd, adam)"
    assert suggestion("foo", ["sgd", "adam"]) == " (known: sgd, adam)"
    assert suggestion("foo", []) == "; none is defined"


def test_a_study_without_a_file_may_have_another_name(folder: Path) -> None:
    (folder / "flowers.yaml").touch()
    (folder / "cars.yml").touch()
    for name, remedy in {
        "flowers.yaml": "; write flowers, without .yaml",
        "cars": "; rename cars.yml to cars.yaml",
        "flowrs": "; did you mean flowers? (known: flowers)",
    }.items():
        assert str(missing_study(name, folder, "no such file")) == f"studies/{name}.yaml: no such file{remedy}"


def test_both_files_that_differ_are_named_from_the_working_directory(folder: Path) -> None:
    for name, width in (("a", 8), ("b", 9)):
        model = f"models: {{m: {{architecture: cnn_block, width: {width}}}}}"
        figure = "figures: {c: {kind: class_counts, dataset: d}}"
        data = "datasets: {d: {source: embedded, name: digits, val: 0.2, test: 0.2}}"
        (folder / f"{name}.yaml").write_text(f"title: x\nquestion: x\n{data}\n{model}\n{figure}\n")
    with pytest.raises(ConfigurationError) as caught:
        read_studies(folder.absolute(), ["a", "b"])
    expected = "studies/b.yaml: models.m: differs from models.m in studies/a.yaml (in width); rename one, or make them"
    assert str(caught.value).startswith(expected)


def test_an_empty_configuration_says_nothing(folder: Path) -> None:
    for text, expected in (("", False), ("# a\n", False), ("{}\n", False), ("device: cpu\n", True)):
        Path("config.yaml").write_text(text)
        assert says_something("config.yaml") is expected
    Path("config.yaml").write_text("just a text\n")
    with pytest.raises(ConfigurationError, match="^config.yaml: must be a mapping of keys to values, not"):
        says_something("config.yaml")
