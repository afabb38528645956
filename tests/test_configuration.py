"""Configuration: bad input gives one line with file, key and remedy; good input comes out complete."""

import copy
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from synthmix.checks.counts import DIGITS, check_counts, known_counts
from synthmix.checks.known import train_counts
from synthmix.planning import configuration, schema
from synthmix.planning.configuration import (
    RULES,
    ConfigurationError,
    read_config,
    read_studies,
    read_yaml,
    validate_config,
)

ROOT = Path(__file__).resolve().parents[1]
STUDY = read_yaml(ROOT / "tests" / "configuration_study.yaml")
Edit = Callable[[dict[str, Any]], object]


def write(folder: Path, name: str, study: object) -> Path:
    path = folder / f"{name}.yaml"
    text = study if isinstance(study, str) else json.dumps(study)  # JSON is YAML, and faster to write
    path.write_text(text, encoding="utf-8")
    return path


def edited(*edits: Edit) -> dict[str, Any]:
    study = copy.deepcopy(STUDY)
    for edit in edits:
        edit(study)
    return study


def setter(path: str, value: object) -> Edit:
    """Sets the value at a path such as "runs/0/seeds"; a position just behind a list's end appends."""

    def edit(study: dict[str, Any]) -> None:
        *parents, last = (int(part) if part.isdigit() else part for part in path.split("/"))
        target: Any = study
        for part in parents:
            target = target[part]
        if isinstance(target, list) and last == len(target):
            target.append(value)
        else:
            target[last] = value

    return edit


def remover(path: str) -> Edit:
    def edit(study: dict[str, Any]) -> None:
        *parents, last = path.split("/")
        target: Any = study
        for part in parents:
            target = target[part]
        del target[last]

    return edit


def error_cases(section: str) -> list[Any]:
    """(edits, the error's beginning) of a section of configuration_errors.yaml."""
    cases = read_yaml(ROOT / "tests" / "configuration_errors.yaml")[section]
    edits = [
        [remover(case["remove"])] if "remove" in case else [setter(path, value) for path, value in case["set"].items()]
        for case in cases
    ]
    return [pytest.param(each, case["error"], id=case["error"][:70]) for each, case in zip(edits, cases, strict=True)]


def error_of(folder: Path, *active: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        read_studies(folder, active)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    return message


def assert_refused(folder: Path, content: dict[str, Any], message: str) -> None:
    write(folder, "bad", content)
    assert error_of(folder, "bad") == f"studies/bad.yaml: {message}"


def assert_accepted(folder: Path, content: dict[str, Any]) -> None:
    write(folder, "good", content)
    assert list(read_studies(folder, ["good"])) == ["good"]


# ---- YAML ------------------------------------------------------------------------------------------------------------


def test_yaml_has_the_types_of_yaml_1_2(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("{a: 1e-4, b: 1e5, c: 010, d: no, e: 1:30, f: 2026-01-01, g: ~, h: True, i: .5, j: 0x1f, k: 1_0}")
    expected = {"a": 1e-4, "b": 1e5, "c": 10, "d": "no", "e": "1:30", "f": "2026-01-01"}
    assert read_yaml(path) == {**expected, "g": None, "h": True, "i": 0.5, "j": 31, "k": "1_0"}


def test_yaml_keeps_anchors_and_merge_keys(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\n")
    assert read_yaml(path) == {"a": {"x": 1, "y": 2}, "b": {"x": 1, "y": 3}}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\nb: 2\na: 3\n", 'line 3: key "a" given twice (first in line 1); delete one of the two'),
        ("a: {b: 1,\n    b: 2}\n", 'line 2: key "b" given twice (first in line 1)'),
        ("a: [1,\n  2\nb: 3\n", "line 3: while parsing a flow sequence did not find expected ',' or ']'"),
        ("a: b: c\n", "line 1: mapping values are not allowed in this context"),
        ("a:\n\t- 1\n", "line 2: "),
        ("a: !!python/object/apply:os.system [ls]\n", "line 1: could not determine a constructor for the tag"),
        ("a: !!set {x}\n", "line 1: could not determine a constructor for the tag"),
        ("a: !!int abc\n", 'line 1: "abc" is not an integer'),
        ("a: 1\nb: .nan\n", "line 2: .nan is not a finite number"),
        ("a: 1e999\n", "line 1: 1e999 is not a finite number"),
        ("a: &a [*a]\n", "line 1: found unconstructable recursive node"),
        ("[" * 2000 + "]" * 2000, "is nested too deeply"),
        ("? [1]\n: 2\n", "line 1: a list or mapping as a key"),
        ("a: 1\n---\nb: 2\n", "line 2: expected a single document"),
        ("a: \x01\n", "unacceptable character"),
    ],
)
def test_bad_yaml_is_one_line_with_file_and_line(folder: Path, text: str, expected: str) -> None:
    write(folder, "bad", text)
    assert f"studies/bad.yaml: {expected}" in error_of(folder, "bad")


def test_files_that_cannot_be_read(folder: Path) -> None:
    (folder / "bad.yaml").write_bytes(b"title: \xff\n")
    assert error_of(folder, "bad") == "studies/bad.yaml: is not UTF-8 at byte 7; save it as UTF-8"
    with pytest.raises(ConfigurationError, match=r"^missing\.yaml: cannot be read \(No such file or directory\)"):
        read_config("missing.yaml")


# ---- good input ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [path.stem for path in (ROOT / "studies").glob("*.yaml")])
def test_every_study_of_the_repository_is_valid(name: str) -> None:
    assert list(read_studies(ROOT / "studies", [name])) == [name]


def test_defaults_and_lists_are_resolved(folder: Path) -> None:
    write(folder, "a", STUDY)
    study = read_studies(folder, ["a"])["a"]
    assert study["generators"]["ddpm"]["ema_decay"] == 0.995
    assert "train_on" not in study["generators"]["ddpm"]
    assert study["pools"]["ddpm"]["batch_size"] == 256
    assert study["training_sets"]["org"] == {"real": "all", "label_noise": 0, "shuffle_synthetic_labels": False}
    assert study["training_sets"]["mix"]["draw_from"] == 80
    assert study["training_sets"]["shot3-syn5"]["draw_from"] == 80
    recipe = study["recipes"]["vit-steps"]
    assert (recipe["schedule"], recipe["checkpoint"], recipe["seeds_per_job"]) == ("constant", "last", 6)
    assert not {"epochs", "stop"} & recipe.keys()
    assert study["models"]["cnn"] == {"architecture": "cnn_block", "width": 10}
    assert study["runs"][4]["recipe"] == ["cnn-steps"]
    assert all(run["seeds"] == [0, 1, 2, 3, 4, 5] for run in study["runs"])
    scores = [(entry["dataset"], entry["pool"], entry["extractor"], entry["n"]) for entry in study["scores"]]
    assert scores[0] == (["digits"], ["ddpm"], ["digits-features"], 100)
    assert [n for *_, n in scores] == [100, 80, 80, 20]
    usual = ["isc", "fid", "kid", "precision", "recall"]
    assert [entry["metrics"] for entry in study["scores"]] == [usual] * 4
    assert study["tables"]["scores"]["metrics"] == usual
    assert study["figures"]["curves"]["dataset"] == "digits"
    assert study["figures"]["main"]["training_set"] == ["org", "syn", "mix"]
    assert (study["published"], study["use"]) == ([], [])


def test_null_is_absent_and_integral_floats_are_integers(folder: Path) -> None:
    null = [setter("recipes/cnn-steps/evaluate_every", None), setter("training_sets/org/pool", None)]
    write(folder, "a", edited(*null, setter("recipes/cnn-steps/steps", 6e2), setter("runs/4/seeds", [3.0, 1])))
    study = read_studies(folder, ["a"])["a"]
    assert "evaluate_every" not in study["recipes"]["cnn-steps"]
    assert isinstance(study["recipes"]["cnn-steps"]["steps"], int)
    assert study["runs"][4]["seeds"] == [3, 1]
    assert all(isinstance(seed, int) for seed in study["runs"][4]["seeds"])


def test_a_study_may_have_figures_of_its_data_and_no_run(folder: Path) -> None:
    figures = {
        "counts": {"kind": "class_counts", "dataset": "digits"},
        "changed": {"kind": "augmentation", "dataset": "digits", "recipe": "strong"},
    }
    recipes = {"strong": {**STUDY["recipes"]["cnn-steps"], "augment": "strong"}}
    kept = {key: STUDY[key] for key in ("title", "question", "datasets")}
    write(folder, "a", {**kept, "recipes": recipes, "figures": figures})
    study = read_studies(folder, ["a"])["a"]
    assert (study["runs"], study["figures"]["changed"]["augment"]) == ([], {"strong": "strong"})
    write(folder, "a", {**kept, "tables": {"main": {"kind": "accuracy"}}})
    assert error_of(folder, "a") == "studies/a.yaml: tables.main: the study has no runs to show; add some, or delete it"


DATASETS = [
    {"source": "torchvision", "name": "CIFAR10", "val": 5000, "resolution": 32, "limit": {"train": 1000}},
    {"source": "hub", "name": "ylecun/mnist", "splits": {"train": "train", "test": "test"}, "val": 0.1, "channels": 1},
    {"source": "parquet", "root": "data", "train": "train-*.parquet", "val": 0.1, "test": 200},
    {"source": "folder", "train": "cars/train", "val": "cars/val", "test": 0.2, "classes": ["audi", "bmw"]},
]
EXTRACTORS = [
    {"kind": "inception", "weights": "inception.pth"},
    {"kind": "dinov2", "image_size": 126},
    {"kind": "clip"},
]


@pytest.mark.parametrize(
    ("section", "definition"),
    [*(("datasets", each) for each in DATASETS), *(("extractors", each) for each in EXTRACTORS)],
)
def test_every_kind_is_accepted_and_its_keys_are_its_own(folder: Path, section: str, definition: dict) -> None:
    for name in ("data/train-0.parquet", "cars/train/audi/0.png", "cars/val/audi/0.png"):
        Path(name).parent.mkdir(parents=True)
        Path(name).touch()
    write(folder, "a", edited(setter(f"{section}/other", definition)))
    assert definition.items() <= read_studies(folder, ["a"])["a"][section]["other"].items()
    write(folder, "a", edited(setter(f"{section}/other", {**definition, "epochs": 3})))
    kind = f"source {definition['source']}" if section == "datasets" else f"kind {definition['kind']}"
    assert f"studies/a.yaml: {section}.other.epochs: unknown key for {kind} (known: " in error_of(folder, "a")


# ---- bad input: schema -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("edits", "expected"), error_cases("schema"))
def test_violations_of_the_schema(folder: Path, edits: list[Edit], expected: str) -> None:
    write(folder, "bad", edited(*edits))
    assert error_of(folder, "bad").startswith(f"studies/bad.yaml: {expected}")


@pytest.mark.parametrize(
    "name", ["Org", "a b", "-a", "", "a" * 41, "all", "seeds0-5", "seeds3", "0.3", "a/b", "..", "org\n", "é"]
)
def test_names_that_are_unfit_for_paths(folder: Path, name: str) -> None:
    write(folder, "bad", edited(setter("training_sets", {**STUDY["training_sets"], name: {"real": "all"}})))
    message = error_of(folder, "bad")
    assert message.startswith("studies/bad.yaml: training_sets.")
    assert "must be a name of at most 40 lower-case letters, digits, - and _" in message
    assert message.endswith("; rename it")


def test_keys_that_are_no_texts(folder: Path) -> None:
    write(folder, "bad", "title: x\ndatasets: {3: {}}\n")
    assert error_of(folder, "bad") == "studies/bad.yaml: datasets: key 3 is not a text; write it in quotes"


def test_files_that_hold_no_mapping(folder: Path) -> None:
    write(folder, "empty", "")
    write(folder, "list", "[1]")
    assert error_of(folder, "empty") == "studies/empty.yaml: title: missing key; add it, a text"
    assert error_of(folder, "list") == "studies/list.yaml: must be a mapping of keys to values, not [1]"


# ---- bad input: what definitions say of each other -------------------------------------------------------------------


@pytest.mark.parametrize(("edits", "expected"), error_cases("contradictions"))
def test_studies_that_contradict_themselves(folder: Path, edits: list[Edit], expected: str) -> None:
    write(folder, "bad", edited(setter("training_sets/spare", {"real": 5}), *edits))
    assert error_of(folder, "bad").startswith(f"studies/bad.yaml: {expected}")


def test_a_long_value_is_shortened_and_kept_on_one_line(folder: Path) -> None:
    write(folder, "bad", edited(setter("recipes/cnn-steps/schedule", "fast\n" * 100)))
    message = error_of(folder, "bad")
    assert message.startswith(
        'studies/bad.yaml: recipes.cnn-steps.schedule: must be one of constant, cosine, step, plateau, not "fast'
    )
    assert len(message) < 160


def test_joined_names_fit_into_one_file_name(folder: Path) -> None:
    """Each name may have 40 characters, but a cross test joins six of them."""
    long = {
        section: f"{section}-".ljust(40, "x") for section in ("datasets", "training_sets", "models", "recipes", "pools")
    }
    entry = {key: long[f"{key}s"] for key in ("dataset", "training_set", "model", "recipe")}
    study = {
        **{key: STUDY[key] for key in ("title", "question", "generators")},
        "datasets": {long["datasets"]: STUDY["datasets"]["digits"]},
        "pools": {long["pools"]: STUDY["pools"]["ddpm"]},
        "training_sets": {long["training_sets"]: {"real": "all"}},
        "models": {long["models"]: STUDY["models"]["cnn"]},
        "recipes": {long["recipes"]: STUDY["recipes"]["cnn-steps"]},
        "runs": [{**entry, "seeds": [999999]}],
    }
    write(folder, "long", study)
    assert list(read_studies(folder, ["long"])) == ["long"]
    write(folder, "long", {**study, "cross_tests": [{**entry, "seeds": [999999], "pool": long["pools"]}]})
    assert (
        "studies/long.yaml: cross_tests[0]: its names make 264 characters, more than 255; shorten some of"
        in error_of(folder, "long")
    )


OTHER = setter("datasets/other", {"source": "torchvision", "name": "MNIST", "val": 0.1})


@pytest.mark.parametrize(("edits", "expected"), error_cases("two_data_sets"))
def test_studies_of_two_data_sets(folder: Path, edits: list[Edit], expected: str) -> None:
    elsewhere = setter("training_sets/elsewhere", {"real": 7})
    own = setter("pools/ddpm-own", {**STUDY["pools"]["ddpm-3shot"], "seed": 1})
    write(folder, "bad", edited(OTHER, elsewhere, own, *edits))
    assert error_of(folder, "bad").startswith(f"studies/bad.yaml: {expected}")


def filtered() -> list[Edit]:
    """Adds three filters, and a training set that uses one of them."""
    choice = {"among": 80, "keep": 40}
    filters = {
        "sure": {"kind": "confidence", "extractor": "digits-features", **choice},
        "fitting": {"kind": "clip_score", "extractor": "clip", **choice},
        "near": {"kind": "distance", "extractor": "digits-features", **choice},
    }
    return [
        setter("extractors/clip", {"kind": "clip"}),
        setter("extractors/few", {**STUDY["extractors"]["digits-features"], "train_on": {"real": 3}}),
        setter("filters", filters),
        setter("training_sets/filtered", {"real": 3, "synthetic": 20, "pool": "ddpm", "filter": "sure"}),
        setter("runs/2/training_set", [*STUDY["runs"][2]["training_set"], "filtered"]),
    ]


@pytest.mark.parametrize(("edits", "expected"), error_cases("filters"))
def test_filters_that_cannot_be_used(folder: Path, edits: list[Edit], expected: str) -> None:
    write(folder, "bad", edited(*filtered(), *edits))
    assert error_of(folder, "bad").startswith(f"studies/bad.yaml: {expected}")


def test_a_filtered_training_set_draws_from_all_that_is_kept(folder: Path) -> None:
    write(folder, "a", edited(*filtered()))
    study = read_studies(folder, ["a"])["a"]
    assert study["training_sets"]["filtered"]["draw_from"] == 40
    assert study["filters"]["near"]["prefer"] == "nearest"


def searching() -> list[Edit]:
    """Adds a search, runs of it and a table."""
    grid = {"learning_rate": [0.5, 1.0], "batch_size": [16, 32]}
    runs = {
        "dataset": "digits",
        "training_set": ["shot3", "shot3-syn20"],
        "model": "cnn",
        "recipe": "rates",
        "seeds": 6,
    }
    table = {"kind": "searched", "search": "rates", "baseline": "shot3", "training_set": "shot3-syn20"}
    return [
        setter("searches", {"rates": {"recipe": "cnn-steps", "grid": grid, "selection_seeds": [100, 101]}}),
        setter("runs/5", runs),
        setter("tables/searched", table),
    ]


@pytest.mark.parametrize(("edits", "expected"), error_cases("searches"))
def test_searches_that_cannot_be_made(folder: Path, edits: list[Edit], expected: str) -> None:
    write(folder, "good", edited(*searching()))
    assert list(read_studies(folder, ["good"])) == ["good"]
    write(folder, "bad", edited(*searching(), *edits))
    assert error_of(folder, "bad").startswith(f"studies/bad.yaml: {expected}")


def ranking(**changes: Any) -> dict[str, Any]:
    """A study in which a ranking of two pools is right but for the changes."""
    table = {"kind": "ranking", "model": "cnn", "recipe": "cnn-steps", "baseline": "shot3", "extractor": "dino"}
    return edited(
        setter("extractors/dino", {"kind": "dinov2"}),
        setter("figures/usefulness/extractor", "digits-features"),
        setter("scores/1", {"dataset": "digits", "pool": ["ddpm", "ddpm-rough"], "extractor": "dino"}),
        setter("tables/ranking", {**table, "training_set": ["shot3-syn20", "shot3-rough20"], **changes}),
    )


def test_a_ranking_has_the_data_set_of_the_study(folder: Path) -> None:
    write(folder, "good", ranking())
    table = read_studies(folder, ["good"])["good"]["tables"]["ranking"]
    assert table["dataset"] == "digits"
    assert "metric" not in table


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"extractor": "digits-features"}, "extractor: digits-features was trained on the data set, which favours"),
        (
            {"training_set": ["shot3-syn20", "shot3-syn5"]},
            "training_set: shot3-syn20 and shot3-syn5 both use pool ddpm; name one training set a pool",
        ),
        ({"training_set": ["shot3-syn20", "shot3-real20"]}, "training_set: shot3-real20 has no generated images"),
        ({"training_set": ["shot3-own20"]}, "extractor: pool ddpm-3shot is not scored by dino; add it to scores"),
        ({"baseline": "mix", "recipe": "vit-steps"}, "training_set: nothing in runs has shot3-syn20 with"),
        ({"extractor": "dinno"}, 'extractor: unknown extractor "dinno"; did you mean dino?'),
        ({"metrics": ["fidd"]}, "metrics[0]: must be one of"),
    ],
)
def test_rankings_that_cannot_be_made(folder: Path, changes: dict[str, Any], expected: str) -> None:
    write(folder, "bad", ranking(**changes))
    assert error_of(folder, "bad").startswith(f"studies/bad.yaml: tables.ranking.{expected}")


def test_what_a_study_is_judged_by_reaches_what_shows_it(folder: Path) -> None:
    own = {"kind": "arms", "training_set": ["org", "syn"], "metric": "macro_f1"}
    edits = [setter("metric", "auroc"), setter("figures/own", own)]
    write(folder, "a", edited(*edits))
    study = read_studies(folder, ["a"])["a"]
    assert study["metric"] == study["tables"]["main"]["metric"] == study["figures"]["fewshot"]["metric"] == "auroc"
    assert study["figures"]["own"]["metric"] == "macro_f1"
    assert not any("metric" in study["tables"][name] for name in ("scores", "recognition", "cost"))


def test_accuracy_is_what_a_study_is_judged_by_whether_it_says_so_or_not(folder: Path) -> None:
    write(folder, "a", STUDY)
    write(folder, "b", edited(setter("metric", "accuracy")))
    studies = read_studies(folder, ["a", "b"])
    assert studies["a"] == studies["b"]


def test_a_figure_names_its_data_set_where_there_are_several(folder: Path) -> None:
    names = ("usefulness", "curves", "confusion", "maps", "looks", "gallery", "disagreements")
    figures = [setter(f"figures/{name}/dataset", "digits") for name in names]
    second = setter("runs/5", {**STUDY["runs"][0], "dataset": "other"})
    write(folder, "a", edited(OTHER, *figures, second))
    assert list(read_studies(folder, ["a"])) == ["a"]


def test_labels_may_be_of_classes_where_these_are_shown_or_known(folder: Path) -> None:
    labels = {"5": "five", "train": "real", "cnn": "CNN"}
    write(folder, "a", edited(setter("figures/gallery/style", {"labels": labels})))
    assert list(read_studies(folder, ["a"])) == ["a"]
    unknown = [OTHER, setter("figures/counts", {"kind": "class_counts", "dataset": "other"})]
    for name, named in (("counts", True), ("main", False)):  # counts are of classes, arms of none
        write(folder, "a", edited(*unknown, setter(f"figures/{name}/style", {"labels": {"6 - six": "six"}})))
        if named:
            assert list(read_studies(folder, ["a"])) == ["a"]
        else:
            assert error_of(folder, "a").startswith('studies/a.yaml: figures.main.style.labels: "6 - six" is the name')


def test_published_values_may_stand_in_a_table_without_a_run(folder: Path) -> None:
    published = {"dataset": "digits", "model": "cnn", "value": 0.5, "source": "x", "comparable": True}
    edits = [
        setter("training_sets/spare", {"real": 5}),
        setter("tables/main/training_set", ["org", "spare"]),
        setter("published", [{**published, "training_set": "org"}]),
    ]
    write(folder, "a", edited(*edits))
    assert "tables.main.training_set: nothing in runs has spare" in error_of(folder, "a")
    write(folder, "a", edited(*edits, setter("published/0/training_set", "spare")))
    assert read_studies(folder, ["a"])["a"]["published"][0]["metric"] == "accuracy"


def test_published_scores_are_shown_whether_they_were_computed_or_not(folder: Path) -> None:
    entry = {"dataset": "digits", "pool": "ddpm", "metric": "cmmd", "value": 1.5, "source": "x", "comparable": True}
    write(folder, "a", edited(setter("published", [entry])))
    study = read_studies(folder, ["a"])["a"]
    assert study["tables"]["scores"]["metrics"] == ["isc", "fid", "kid", "precision", "recall", "cmmd"]
    assert study["scores"][0]["metrics"] == ["isc", "fid", "kid", "precision", "recall"]
    alone = [setter("published", [entry]), setter("scores", []), remover("figures/usefulness")]
    write(folder, "a", edited(*alone))
    assert read_studies(folder, ["a"])["a"]["tables"]["scores"]["metrics"] == ["cmmd"]
    write(folder, "a", edited(*alone, setter("tables/main", {"kind": "accuracy", "dataset": "digits"})))
    assert list(read_studies(folder, ["a"])) == ["a"]


# ---- several studies -------------------------------------------------------------------------------------------------


def test_a_study_that_does_not_exist(folder: Path) -> None:
    write(folder, "digits", STUDY)
    message = error_of(folder, "digist")
    assert message.startswith("studies/digist.yaml: no such file, but studies of config.yaml names the study")
    assert message.endswith("; did you mean digits? (known: digits)")


@pytest.mark.parametrize("name", ["train", "all", "figure", "Digits", "seeds0-5", "a.b"])
def test_names_that_a_study_may_not_have(folder: Path, name: str) -> None:
    write(folder, name, STUDY)
    message = error_of(folder, name)
    assert message.startswith(f"studies/{name}.yaml: a ")
    assert message.endswith("; rename the file")


def test_no_rule_has_a_name_that_a_study_may_have() -> None:
    smk = [*(ROOT / "workflow" / "rules").glob("*.smk"), *ROOT.glob("Snakefile")]
    rules = {name for file in smk for name in re.findall(r"^\s*rule (\w+):", file.read_text(), re.MULTILINE)}
    assert rules <= set(RULES)


def test_active_studies_share_names_only_with_one_meaning(folder: Path) -> None:
    write(folder, "a", STUDY)
    write(folder, "b", STUDY)
    assert list(read_studies(folder, ["a", "b"])) == ["a", "b"]
    write(folder, "b", edited(setter("recipes/cnn-steps/steps", 700)))
    message = error_of(folder, "a", "b")
    assert message.startswith(
        "studies/b.yaml: recipes.cnn-steps: differs from recipes.cnn-steps in studies/a.yaml (in ste"
    )
    assert message.endswith("; rename one, or make them equal")
    assert list(read_studies(folder, ["a"])) == ["a"]


def test_written_defaults_do_not_differ_from_absent_ones(folder: Path) -> None:
    write(folder, "a", STUDY)
    write(folder, "b", edited(setter("recipes/cnn-steps/momentum", 0.0), setter("pools/ddpm/batch_size", 256.0)))
    assert len(read_studies(folder, ["a", "b"])) == 2


def test_one_run_may_be_in_bundles_of_two_studies(folder: Path) -> None:
    write(folder, "a", STUDY)
    write(folder, "b", edited(setter("runs/0/bundle", "another")))
    assert len(read_studies(folder, ["a", "b"])) == 2


def test_a_study_that_is_not_active_is_not_even_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(folder, "a", STUDY)
    write(folder, "syntax", "a: [")
    write(folder, "name", edited(setter("runs/0/model", "cn")))
    write(folder, "fine", edited(setter("recipes/cnn-steps/steps", 700)))
    read = []
    monkeypatch.setattr(configuration, "read_yaml", lambda path: read.append(path.stem) or read_yaml(path))
    studies = read_studies(folder, ["a"])
    assert (list(studies), read) == (["a"], ["a"])
    assert studies == read_studies(folder, ["a", "a"])


USER: dict[str, Any] = {
    **{key: STUDY[key] for key in ("title", "question")},
    "use": "library",
    "training_sets": {"shot7": {"real": 7}},
    "runs": [
        {"dataset": "digits", "training_set": ["org", "shot7"], "model": "cnn", "recipe": "cnn-steps", "seeds": 2}
    ],
}


def test_definitions_are_imported_and_runs_are_not(folder: Path) -> None:
    write(folder, "library", STUDY)
    write(folder, "between", {**{k: USER[k] for k in ("title", "question")}, "use": ["library"]})
    write(folder, "a", {**USER, "use": "between"})
    study = read_studies(folder, ["a"])["a"]
    assert set(study["training_sets"]) == {*STUDY["training_sets"], "shot7"}
    assert study["recipes"]["cnn-steps"]["checkpoint"] == "last"
    assert len(study["runs"]) == 1
    assert study["figures"] == {}
    write(folder, "library", {**STUDY, "runs": [], "figures": {}})
    assert list(read_studies(folder, ["a"])) == ["a"]


def test_only_data_sets_that_a_study_uses_are_looked_for(folder: Path) -> None:
    gone = {"source": "folder", "train": "nowhere", "val": 0.1, "test": 0.1, "resolution": 8}
    write(folder, "library", {**STUDY, "datasets": {**STUDY["datasets"], "gone": gone}})
    write(folder, "a", {**USER, "use": "library"})
    assert "gone" in read_studies(folder, ["a"])["a"]["datasets"]
    write(folder, "a", {**USER, "use": "library", "figures": {"f": {"kind": "class_counts", "dataset": "gone"}}})
    assert (
        error_of(folder, "a") == 'studies/library.yaml: datasets.gone.train: there is no folder "nowhere"; correct it'
    )


def test_bad_imports(folder: Path) -> None:
    write(folder, "a", USER)
    write(folder, "libary", STUDY)
    assert error_of(folder, "a") == (
        "studies/library.yaml: no such file, but use of studies/a.yaml names the study; did you mean libary? "
        "(known: a, libary)"
    )
    write(folder, "library", {**STUDY, "use": "a"})
    assert (
        error_of(folder, "a") == "studies/library.yaml: use: studies use each other (a -> library -> a); drop one use"
    )
    write(folder, "library", edited(setter("models/vit/heads", 5)))
    assert error_of(folder, "a").startswith("studies/library.yaml: models.vit.heads: 5 heads do not divide width 32")
    write(folder, "library", edited(setter("training_sets/shot7", {"real": 8})))
    assert error_of(folder, "a").startswith(
        "studies/library.yaml: training_sets.shot7: differs from training_sets.shot7 in studies/a.yaml (in real)"
    )


# ---- counts ----------------------------------------------------------------------------------------------------------


def test_counts_known_beforehand_bound_those_of_the_data() -> None:
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    labels = load_digits().target
    assert tuple((labels == digit).sum() for digit in range(10)) == DIGITS
    dataset = {"source": "embedded", "name": "digits", "val": 0.2, "test": 0.2}
    known = known_counts(dataset, train_counts(dataset))
    for seed in range(5):
        rest = train_test_split(labels, test_size=360, random_state=seed, stratify=labels)[0]
        train = train_test_split(rest, test_size=360, random_state=seed, stratify=rest)[0]
        counts = [int((train == digit).sum()) for digit in range(10)]
        assert all(n <= most <= n + 2 for n, most in zip(counts, known.values(), strict=True))
    two = train_counts({**dataset, "classes": ["0", "1"]})
    assert known_counts({**dataset, "limit": {"train": 20}}, two) == {"0": 10, "1": 11}
    assert known_counts({**dataset, "limit": {"train": 20, "train_per_class": 30}}, two) == {"0": 20, "1": 20}
    assert set(known_counts({**dataset, "limit": {"train_per_class": 50}}, train_counts(dataset)).values()) == {50}
    assert known_counts({**dataset, "val": "val", "test": "test"}, two) == two


@pytest.mark.parametrize(
    ("training_set", "expected"),
    [
        ({"real": 4}, "real: 4 images per class, but class cat has 3 in train; lower it"),
        (
            {"real": 2, "held_back": 2},
            "held_back: 2 real images and 2 held back per class, but class cat has 3 in train; lower it",
        ),
        ({"real": {"total": 9}}, "real.total: 9 images, but train has 8; lower it"),
        (
            {"synthetic": {"total": 9}, "draw_from": 4},
            "synthetic.total: 9 images of 2 classes, but draw_from is 4 per class; lower it, or raise draw_from",
        ),
    ],
)
def test_more_real_images_than_train_has(training_set: dict, expected: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"^a\.yaml: training_sets\.x\.{re.escape(expected)}$"):
        check_counts(training_set, {"dog": 5, "cat": 3}, "a.yaml", "training_sets.x")


@pytest.mark.parametrize(
    "training_set",
    [
        {"real": 3},
        {"real": 1, "held_back": 2},
        {"real": {"total": 8}},
        {"real": "all"},
        {"synthetic": 9, "pool": "x"},
        {"synthetic": {"total": 8}, "draw_from": 4},
        {"synthetic": {"total": 99}, "filter": "sure"},
    ],
)
def test_as_many_real_images_as_train_has(training_set: dict) -> None:
    check_counts(training_set, {"dog": 5, "cat": 3}, "a.yaml", "training_sets.x")


# ---- config.yaml -----------------------------------------------------------------------------------------------------


def test_config_has_every_default_and_says_so() -> None:
    config = read_config(ROOT / "config.yaml")
    assert config == validate_config({}, "config.yaml") == validate_config(None, "config.yaml")
    assert config["studies"] == ["digits"]
    assert config["resources"]["train_generator"] == {"gpu": 1, "threads": 1, "mem_mb": 8000, "runtime": 1440}


def test_config_keeps_what_is_given() -> None:
    given = {"studies": "blocks", "resources": {"train": {"gpu": 0}}}
    config = validate_config(given, "config.yaml")
    assert config["studies"] == ["blocks"]
    assert (config["resources"]["train"]["gpu"], config["resources"]["train"]["threads"]) == (0, 1)
    assert given == {"studies": "blocks", "resources": {"train": {"gpu": 0}}}


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"study": "a"}, "study: unknown key; did you mean studies? (known: studies, device,"),
        ({"device": "gpu"}, 'device: must be one of auto, cpu, cuda, not "gpu"'),
        ({"resources": {"trian": {}}}, "resources.trian: unknown key; did you mean train"),
        (
            {"resources": {"train": {"gpus": 1}}},
            "resources.train.gpus: unknown key; did you mean gpu? (known: gpu, thr",
        ),
        ({"resources": {"train": {"gpu": -1}}}, "resources.train.gpu: must be an integer at least 0, not -1"),
        ({"resources": {"train": {"runtime": "4h"}}}, "resources.train.runtime: must be an integer at least 1, not "),
        ({"studies": []}, "studies: must be a study or a list of studies, not []"),
        ({"offline": "no"}, 'offline: must be true or false, not "no"'),
        ({"resources": {"train": {"mem_mb": float("inf")}}}, "resources.train.mem_mb: inf is not a finite number"),
        ({1: 2}, "key 1 is not a text; write it in quotes"),
        ([], "must be a mapping of keys to values, not []"),
    ],
)
def test_bad_config(config: Any, expected: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        validate_config(config, "config.yaml")
    assert str(caught.value).startswith(f"config.yaml: {expected}")


# ---- anything at all -------------------------------------------------------------------------------------------------


def paths_of(value: Any, path: tuple = ()) -> Iterator[tuple]:
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from paths_of(item, (*path, key))


def place(path: tuple) -> tuple:
    """Where a path leads, whatever the name of a definition and the position in a list."""
    section, *rest = path
    definition = STUDY[section][rest[0]] if rest else None
    if isinstance(definition, dict):
        kinds = [definition[key] for key in ("kind", "architecture", "source", "optimizer") if key in definition]
        rest[0] = kinds or list(definition)
    return (section, *("" if isinstance(part, int) else str(part) for part in rest))


def replaced(path: tuple, change: Callable[[Any, Any], None]) -> dict[str, Any]:
    study = copy.deepcopy(STUDY)
    target: Any = study
    for part in path[:-1]:
        target = target[part]
    change(target, path[-1])
    return study


def delete(target: Any, key: Any) -> None:
    del target[key]


def misspell(target: Any, key: Any) -> None:
    if isinstance(target, dict):
        target[f"{key[:-1]}z"] = target.pop(key)
    else:
        target[key] = f"{target[key]}z"


def put(value: Any) -> Callable[[Any, Any], None]:
    def change(target: Any, key: Any) -> None:
        target[key] = value

    return change


CHANGES = {
    "delete": delete,
    "misspell": misspell,
    **{repr(value): put(value) for value in (None, "", "x", -1, 0, 1, 10**9, 0.5, True, [], ["x"], [[]], {}, {"x": 1})},
}


@pytest.mark.parametrize("change", CHANGES)
def test_no_change_of_a_study_gives_anything_but_a_result_or_one_line(folder: Path, change: str) -> None:
    wrong, paths = 0, list({place(path): path for path in paths_of(STUDY)}.values())
    # every key is deleted and misspelt; each of the other changes takes a sixth of its own, to be done in seconds
    if change not in ("delete", "misspell"):
        paths = paths[list(CHANGES).index(change) % 6 :: 6]
    for path in paths:
        write(folder, "fuzz", replaced(path, CHANGES[change]))
        try:
            study = read_studies(folder, ["fuzz"])["fuzz"]
        except ConfigurationError as error:
            message = str(error)
            wrong += 1
        else:
            message = "studies/fuzz.yaml: fine"
            assert {"datasets", "runs", "scores", "tables", "figures"} <= set(study)
        assert re.fullmatch(r"studies/fuzz\.yaml: .+", message), path
    assert wrong > 0


# ---- the schemas and their reference ---------------------------------------------------------------------------------

KEYWORDS = {
    *("$schema", "$ref", "$defs", "title", "description", "type", "default", "properties", "additionalProperties"),
    *("required", "enum", "const", "anyOf", "allOf", "if", "then", "items", "minItems", "uniqueItems", "minLength"),
    *("pattern", "propertyNames", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minProperties"),
}


def parts_of(part: Any) -> Iterator[dict[str, Any]]:
    """Every schema within a schema."""
    if not isinstance(part, dict):
        return
    yield part
    for key in ("additionalProperties", "propertyNames", "items", "then"):
        yield from parts_of(part.get(key))
    for key in ("allOf", "anyOf"):
        for each in part.get(key, ()):
            yield from parts_of(each)
    for each in part.get("properties", {}).values():
        yield from parts_of(each)


@pytest.mark.parametrize("name", ["study", "config"])
def test_schemas_are_closed_described_and_hold_valid_defaults(name: str) -> None:
    written = read_yaml(schema.FOLDER / f"{name}.schema.yaml")
    jsonschema.Draft202012Validator.check_schema(written)
    for part in parts_of(schema.read_schema(name)):
        assert set(part) <= KEYWORDS
        if part.get("type") == "object":
            assert "additionalProperties" in part or "allOf" in part
            assert set(part.get("required", ())) <= set(part.get("properties", ()))
        for key, each in part.get("properties", {}).items():
            assert each.get("description", "").strip().endswith("."), f"{name}: {key} lacks a description"
            if "default" in each:
                jsonschema.Draft202012Validator(each).validate(each["default"])
    used = set(re.findall(r'"#/\$defs/(\w+)"', (schema.FOLDER / f"{name}.schema.yaml").read_text()))
    assert used == set(written["$defs"])


@pytest.mark.parametrize(
    ("definition", "key", "package"),
    [
        ("model", "architecture", "models"),
        ("dataset", "source", "sources"),
        ("extractor", "kind", "extractors"),
        ("table", "kind", "tables"),
        ("figure", "kind", "figures"),
    ],
)
def test_every_kind_is_a_file_of_the_library(definition: str, key: str, package: str) -> None:
    written = read_yaml(schema.FOLDER / "study.schema.yaml")["$defs"][definition]
    kinds = written["properties"][key]["enum"]
    files = {path.stem for path in (schema.FOLDER.parent / "scripts" / "synthmix" / package).glob("*.py")}
    shared = {"style", "tiles", "networks"}  # what kinds of figures have in common
    assert set(kinds) == files - {"__init__", *shared}
    assert [rule["if"]["properties"][key]["const"] for rule in written["allOf"]] == kinds


def test_a_reference_that_is_not_up_to_date_is_told_and_written(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "docs" / "reference.py")]
    stale = tmp_path / "configuration.md"
    stale.write_text("# Configuration\n")
    check = subprocess.run([*command, "--check", "--output", str(stale)], capture_output=True, text=True)
    assert check.returncode == 1
    assert "run python docs/reference.py" in check.stdout
    assert subprocess.run([*command, "--output", str(stale)]).returncode == 0
    assert stale.read_text() == (ROOT / "docs" / "configuration.md").read_text()


def test_reading_imports_nothing_heavy() -> None:
    heavy = ("torch", "numpy", "pandas", "sklearn")
    code = f"import sys, synthmix.planning.configuration; print([name for name in {heavy} if name in sys.modules])"
    environment = {"PYTHONPATH": str(ROOT / "workflow" / "scripts")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.stdout == "[]\n"
