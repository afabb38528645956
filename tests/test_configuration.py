"""Configuration: bad input gives one line with file, key and remedy; good input comes out complete."""

import copy
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from synthmix import schema
from synthmix.configuration import ConfigurationError, read_config, read_studies, read_yaml, validate_config
from synthmix.counts import DIGITS, check_counts, known_counts

ROOT = Path(__file__).resolve().parents[1]
DIGITS_STUDY = read_yaml(ROOT / "studies" / "digits.yaml")
Edit = Callable[[dict[str, Any]], object]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder `studies` in the working directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "studies").mkdir()
    return Path("studies")


def write(folder: Path, name: str, study: object) -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(study if isinstance(study, str) else yaml.safe_dump(study, sort_keys=False), encoding="utf-8")
    return path


def edited(*edits: Edit) -> dict[str, Any]:
    study = copy.deepcopy(DIGITS_STUDY)
    for edit in edits:
        edit(study)
    return study


def setter(path: str, value: object) -> Edit:
    """Sets the value at a path such as "runs/0/seeds"."""

    def edit(study: dict[str, Any]) -> None:
        *parents, last = (int(part) if part.isdigit() else part for part in path.split("/"))
        target: Any = study
        for part in parents:
            target = target[part]
        target[last] = value

    return edit


def remover(path: str) -> Edit:
    def edit(study: dict[str, Any]) -> None:
        *parents, last = path.split("/")
        target: Any = study
        for part in parents:
            target = target[int(part) if part.isdigit() else part]
        del target[last]

    return edit


def error_of(folder: Path, *active: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        read_studies(folder, active)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    return message


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
    studies = read_studies(ROOT / "studies", [name])
    assert list(studies.active) == [name]
    assert studies.broken == {}


def test_defaults_and_lists_are_resolved() -> None:
    study = read_studies(ROOT / "studies", ["digits"]).active["digits"]
    assert study["generators"]["ddpm"]["ema_decay"] == 0.995
    assert "train_on" not in study["generators"]["ddpm"]
    assert study["pools"]["ddpm"]["batch_size"] == 256
    assert study["training_sets"]["org"] == {"real": "all", "label_noise": 0, "shuffle_synthetic_labels": False}
    assert study["training_sets"]["mix"]["draw_from"] == 80
    assert study["training_sets"]["shot3-syn5"]["draw_from"] == 80
    recipe = study["recipes"]["vit-steps"]
    assert (recipe["schedule"], recipe["checkpoint"], recipe["seeds_per_job"]) == ("constant", "last", 6)
    assert "epochs" not in recipe
    assert study["runs"][4]["recipe"] == ["cnn-steps"]
    assert all(run["seeds"] == [0, 1, 2, 3, 4, 5] for run in study["runs"])
    scores = [(entry["dataset"], entry["pool"], entry["extractor"], entry["n"]) for entry in study["scores"]]
    assert scores[0] == (["digits"], ["ddpm"], ["digits-features"], 100)
    assert [n for *_, n in scores] == [100, 80, 80, 20]
    assert study["figures"]["curves"]["dataset"] == "digits"
    assert study["figures"]["main"]["training_set"] == ["org", "syn", "mix"]
    assert (study["published"], study["use"]) == ([], [])


def test_null_is_absent_and_integral_floats_are_integers(folder: Path) -> None:
    null = [setter("recipes/cnn-steps/patience", None), setter("training_sets/org/pool", None)]
    write(folder, "a", edited(*null, setter("recipes/cnn-steps/steps", 6e2), setter("runs/4/seeds", [3.0, 1])))
    study = read_studies(folder, ["a"]).active["a"]
    assert "patience" not in study["recipes"]["cnn-steps"]
    assert isinstance(study["recipes"]["cnn-steps"]["steps"], int)
    assert study["runs"][4]["seeds"] == [3, 1]
    assert all(isinstance(seed, int) for seed in study["runs"][4]["seeds"])


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
    write(folder, "a", edited(setter(f"{section}/other", definition)))
    assert definition.items() <= read_studies(folder, ["a"]).active["a"][section]["other"].items()
    write(folder, "a", edited(setter(f"{section}/other", {**definition, "epochs": 3})))
    kind = f"source {definition['source']}" if section == "datasets" else f"kind {definition['kind']}"
    assert f"studies/a.yaml: {section}.other.epochs: unknown key for {kind}; (known: " in error_of(folder, "a")


# ---- bad input: schema -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (setter("recipes/cnn-steps/learning_rat", 1), "recipes.cnn-steps.learning_rat: unknown key; did you mean learning_rate? (known: optimizer,"),
        (setter("figure", {}), "figure: unknown key; did you mean figures? (known: title, question,"),
        (setter("models/vit/head", 4), "models.vit.head: unknown key for architecture vit_block; did you mean heads? (known: "),
        (setter("training_sets/shot3/monitor/frist", 4), "training_sets.shot3.monitor.frist: unknown key; did you mean first? (known: pool, first, per_class)"),
        (setter("generators/ddpm/weights", None), "generators.ddpm.weights: unknown key for kind ddpm"),
        (setter("recipes/cnn-steps/optimizer", "sdg"), 'recipes.cnn-steps.optimizer: must be one of sgd, adam, adamw, not "sdg"; did you mean sgd?'),
        (setter("generators/ddpm/kind", "dpm"), 'generators.ddpm.kind: must be ddpm, not "dpm"; did you mean ddpm?'),
        (setter("models/cnn/architecture", "resnet"), 'models.cnn.architecture: must be one of cnn_block, vit_block, feature_cnn, not "resnet"'),
        (setter("extractors/digits-features/model/architecture", "cnn_block"), 'extractors.digits-features.model.architecture: must be feature_cnn, not "cnn_block"'),
        (setter("datasets/digits/source", 3), "datasets.digits.source: must be one of embedded, torchvision, hub, parquet, folder, not 3"),
        (setter("recipes/cnn-steps/learning_rate", "fast"), 'recipes.cnn-steps.learning_rate: must be a number above 0, not "fast"'),
        (setter("recipes/cnn-steps/batch_size", 0), "recipes.cnn-steps.batch_size: must be an integer at least 1, not 0"),
        (setter("recipes/cnn-steps/batch_size", 1.5), "recipes.cnn-steps.batch_size: must be an integer at least 1, not 1.5"),
        (setter("recipes/cnn-steps/batch_size", True), "recipes.cnn-steps.batch_size: must be an integer at least 1, not true"),
        (setter("recipes/cnn-steps/width_scaled", "yes"), 'recipes.cnn-steps.width_scaled: must be true or false, not "yes"'),
        (setter("training_sets/mix/label_noise", 1.5), "training_sets.mix.label_noise: must be a number at least 0 and at most 1, not 1.5"),
        (setter("training_sets/org/real", "al"), 'training_sets.org.real: must be all, a number of images per class or {total: a number of images}, not "al"; did you mean all?'),
        (setter("training_sets/org/real", 0), "training_sets.org.real: must be all, a number of images per class or"),
        (setter("training_sets/org/real", {"totl": 3}), "training_sets.org.real.totl: unknown key; did you mean total?"),
        (setter("training_sets/org/real", {"total": 0}), "training_sets.org.real.total: must be an integer at least 1, not 0"),
        (setter("datasets/digits/val", 0), "datasets.digits.val: must be a fraction between 0 and 1 or a number of images, not 0"),
        (setter("datasets/digits/limit", {}), "datasets.digits.limit: must be a mapping with train, test or both, not {}"),
        (setter("datasets/digits/classes", [0, 1]), "datasets.digits.classes[0]: must be a text, not 0"),
        (setter("runs/0/seeds", 0), "runs[0].seeds: must be a number of seeds (3 is 0, 1, 2) or a list of seeds, not 0"),
        (setter("runs/0/seeds", [0, -1]), "runs[0].seeds[1]: must be an integer at least 0"),
        (setter("runs/0/seeds", [1, 1]), "runs[0].seeds: must be a number of seeds"),
        (setter("runs/0/training_set", ["org", 3]), "runs[0].training_set[1]: must be a name, not 3"),
        (setter("runs/0/training_set", []), "runs[0].training_set: must be a name or a list of names, not []"),
        (setter("runs/0/bundle", "Main"), 'runs[0].bundle: must be a name of at most 40 lower-case letters, digits, - and _'),
        (setter("runs", {"a": 1}), 'runs: must be a list of mappings, not {"a": 1}'),
        (setter("figures/main", None), "figures.main: must be a mapping of keys to values, not null"),
        (setter("figures/samples/style", {"dpi": 5}), "figures.samples.style.dpi: must be an integer at least 50 and at most 1200, not 5"),
        (setter("figures/usefulness/metrics", ["fid", "kidd"]), 'figures.usefulness.metrics[1]: must be one of isc, fid, kid, precision, recall, not "kidd"; did you mean kid?'),
        (setter("title", ""), 'title: must be a text, not ""'),
        (lambda study: study["datasets"].update({3: {}}), "datasets: key 3 is not a text; write it in quotes"),
        (remover("question"), "question: missing key; add it, a text"),
        (remover("recipes/vit-steps/learning_rate"), "recipes.vit-steps.learning_rate: missing key; add it, a number above 0"),
        (remover("pools/ddpm/per_class"), "pools.ddpm.per_class: missing key; add it, an integer at least 1"),
        (setter("generators/ddpm", {"kin": "ddpm"}), "generators.ddpm.kind: missing key; rename kin, ddpm"),
    ],
)  # fmt: skip
def test_violations_of_the_schema(folder: Path, edit: Edit, expected: str) -> None:
    write(folder, "bad", edited(edit))
    assert error_of(folder, "bad").startswith(f"studies/bad.yaml: {expected}")


@pytest.mark.parametrize(
    "name", ["Org", "a b", "-a", "", "a" * 41, "all", "seeds0-5", "seeds3", "0.3", "a/b", "..", "org\n", "é"]
)
def test_names_that_are_unfit_for_paths(folder: Path, name: str) -> None:
    write(folder, "bad", edited(setter("training_sets", {**DIGITS_STUDY["training_sets"], name: {"real": "all"}})))
    message = error_of(folder, "bad")
    assert message.startswith("studies/bad.yaml: training_sets.")
    assert "must be a name of at most 40 lower-case letters, digits, - and _" in message
    assert message.endswith("; rename it")


def test_files_that_hold_no_mapping(folder: Path) -> None:
    write(folder, "empty", "")
    write(folder, "list", "[1]")
    assert error_of(folder, "empty") == "studies/empty.yaml: title: missing key; add it, a text"
    assert error_of(folder, "list") == "studies/list.yaml: must be a mapping of keys to values, not [1]"


# ---- bad input: what definitions say of each other -------------------------------------------------------------------

HUB = {"source": "hub", "name": "a/b", "splits": {"train": "train", "test": "test"}, "val": 0.1}


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        # names that are not defined
        (setter("runs/0/recipe", ["cnn-step"]), 'runs[0].recipe: unknown recipe "cnn-step"; did you mean cnn-steps or cnn-epochs? (known: cnn-epochs, cnn-steps, vit-epochs, vit-steps)'),
        (setter("runs/0/training_set", ["org", "mixx"]), 'runs[0].training_set[1]: unknown training set "mixx"; did you mean mix'),
        (setter("runs/0/dataset", "digit"), 'runs[0].dataset: unknown dataset "digit"; did you mean digits? (known: digits)'),
        (setter("runs/0/model", "zzz"), 'runs[0].model: unknown model "zzz"; (known: cnn, vit)'),
        (setter("pools/ddpm/generator", "dppm"), 'pools.ddpm.generator: unknown generator "dppm"; did you mean ddpm'),
        (setter("training_sets/mix/pool", "pool"), 'training_sets.mix.pool: unknown pool "pool"; (known: ddpm, '),
        (setter("training_sets/shot3/monitor/pool", "dpm"), 'training_sets.shot3.monitor.pool: unknown pool "dpm"; did you mean ddpm'),
        (setter("scores/0/extractor", "digit-feature"), 'scores[0].extractor: unknown extractor "digit-feature"; did you mean digits-features?'),
        (setter("scores/0/pool", ["dpm"]), 'scores[0].pool: unknown pool "dpm"; did you mean ddpm'),
        (setter("cross_tests/1/training_set", "og"), 'cross_tests[1].training_set: unknown training set "og"; did you mean org?'),
        (setter("primary/baseline", "shot"), 'primary.baseline: unknown training set "shot"; did you mean shot3'),
        (setter("comparisons/0/training_set", ["sny", "mix"]), 'comparisons[0].training_set[0]: unknown training set "sny"; did you mean syn?'),
        (setter("tables/main/training_set", "all"), 'tables.main.training_set: unknown training set "all"'),
        (setter("figures/fewshot/ladder", ["shot3", "shot4"]), 'figures.fewshot.ladder[1]: unknown training set "shot4"; did you mean shot3'),
        (setter("figures/fewshot/beside", ["shot33"]), 'figures.fewshot.beside: unknown training set "shot33"; did you mean shot3'),
        (setter("figures/samples/pool", "x"), 'figures.samples.pool: unknown pool "x"; (known: ddpm, '),
        (setter("published", [{"dataset": "digits", "training_set": "og", "model": "cnn", "value": 0.5, "source": "x", "comparable": True}]), 'published[0].training_set: unknown training set "og"; did you mean org?'),
        # definitions
        (setter("datasets/hub", {**HUB, "test": 0.2}), "datasets.hub.test: given although splits.test names the source's own; delete one of the two"),
        (setter("datasets/hub", {**HUB, "val": None}), "datasets.hub.val: missing key; add it (what is cut from train), or splits.val"),
        (setter("generators/ddpm/attention", [True]), "generators.ddpm.attention: has 1 values for 2 channels; give one for each"),
        (setter("generators/ddpm/seeds_per_job", 2), "generators.ddpm.seeds_per_job: needs train_on"),
        (setter("models/vit/heads", 5), "models.vit.heads: 5 heads do not divide width 32; change one of the two"),
        (setter("models/vit/patch", 3), "models.vit.patch: 3 does not divide the resolution 8 of data set digits; change it"),
        (setter("models/cnn", {"architecture": "feature_cnn", "width": 8}), "models.cnn.architecture: feature_cnn is the architecture of extractor digits-features too"),
        (setter("recipes/cnn-steps/epochs", 3), "recipes.cnn-steps.steps: given beside epochs; delete one of the two"),
        (remover("recipes/cnn-steps/steps"), "recipes.cnn-steps.steps: missing key; add it, or epochs"),
        (setter("recipes/vit-steps/momentum", 0.9), "recipes.vit-steps.momentum: is for sgd, not adamw; delete it"),
        (setter("training_sets/none", {"label_noise": 0.1}), "training_sets.none: has no images; add real, or synthetic and pool"),
        (remover("training_sets/mix/pool"), "training_sets.mix.pool: missing key; name the pool"),
        (remover("training_sets/mix/synthetic"), "training_sets.mix.pool: needs synthetic"),
        (setter("training_sets/org/draw_from", 5), "training_sets.org.draw_from: needs synthetic"),
        (setter("training_sets/org/shuffle_synthetic_labels", True), "training_sets.org.shuffle_synthetic_labels: needs synthetic"),
        (setter("training_sets/org/held_back", 5), "training_sets.org.held_back: needs real to be a number"),
        (setter("training_sets/mix/synthetic", 101), "training_sets.mix.synthetic: 101 images per class, but pool ddpm has 100; lower it, or raise pools.ddpm.per_class"),
        (setter("training_sets/shot3-syn20/draw_from", 19), "training_sets.shot3-syn20.draw_from: 19 is fewer than synthetic, 20; raise it"),
        (setter("training_sets/shot3-syn20/draw_from", 101), "training_sets.shot3-syn20.draw_from: 101 images per class, but pool ddpm has 100"),
        (setter("training_sets/shot3/monitor/first", 81), "training_sets.shot3.monitor: first + per_class: 101 images per class, but pool ddpm has 100"),
        (setter("training_sets/shot3-syn80/monitor/first", 79), "training_sets.shot3-syn80.monitor.first: the first 80 images of ddpm are trained on; raise it to 80 or more"),
        (setter("training_sets/shot3-own20/real", 5), "training_sets.shot3-own20.real: must be 3: the generator of pool ddpm-3shot is trained on the 3 real images"),
        (setter("training_sets/org/monitor", {"pool": "ddpm-3shot", "per_class": 5}), "training_sets.org.real: must be 3: the generator of monitor.pool ddpm-3shot"),
        (setter("training_sets/shot3-real20/real", 150), "training_sets.shot3-real20.real: 150 images per class, but class "),
        (setter("training_sets/shot3-real20/held_back", 120), "training_sets.shot3-real20.held_back: 3 real images and 120 held back per class, but class "),
        (setter("training_sets/org/real", {"total": 1500}), "training_sets.org.real.total: 1500 images, held back ones included, but train has "),
        # runs
        (setter("runs", []), "runs: a study needs at least one run; add an entry"),
        (setter("runs/0/bundle", "shot3"), "runs[0].bundle: shot3 is a training set that the bundle does not hold; rename the bundle"),
        (lambda study: study["runs"].append({**study["runs"][0], "bundle": "more"}), "runs[5].bundle: seed 0 of digits/org/cnn/cnn-epochs is in bundle main too; ask for it once"),
        # scores and cross tests
        (setter("scores/0/n", 30), "scores[0].n: 30 per class, but pool ddpm-3shot has 20; lower it"),
        (setter("cross_tests/0/seeds", 7), "cross_tests[0].seeds: no run digits/org/cnn/cnn-steps with seed 6; add it to runs, or leave it out here"),
        (setter("cross_tests/0/recipe", "vit-steps"), "cross_tests[0].seeds: no run digits/org/cnn/vit-steps with any seed"),
        # comparisons
        (setter("primary/model", "vit"), "primary.baseline: no run of shot3 with dataset digits and model vit and recipe cnn-steps; add it to runs, or leave it out here"),
        (setter("primary/training_set", "shot3"), "primary.training_set: shot3 is the baseline itself; leave it out"),
        (setter("comparisons/0/training_set", ["org"]), "comparisons[0].training_set: org is the baseline itself"),
        (setter("comparisons/2/model", "vit"), "comparisons[2].baseline: no run of shot3-real20 with model vit"),
        (setter("runs/4/seeds", [6, 7]), "comparisons[1].training_set: shot3-real20 and shot3 share no seed; give their runs the same seeds"),
        (setter("published", [{"dataset": "digits", "training_set": "org", "model": "cnn", "value": 0.5, "source": "x", "comparable": False}]), "published[0].reason: missing key; say why the value is not comparable"),
        # tables and figures
        (lambda study: study["tables"]["fewshot"].update(model="vit"), "tables.fewshot.training_set: nothing in runs has shot3-real20 with model vit; add it there, or leave it out here"),
        (setter("tables/recognition/training_set", "mix"), "tables.recognition.training_set: nothing in cross_tests has mix; add it there"),
        (remover("scores"), "tables.scores: the study has no scores to show; add some, or delete it"),
        (setter("figures/main/training_set", ["org", "spare"]), "figures.main.training_set: nothing in runs has spare"),
        (setter("figures/fewshot/ladder", ["shot3", "spare"]), "figures.fewshot.ladder: nothing in runs has spare"),
        (setter("figures/fewshot/beside", ["spare"]), "figures.fewshot.beside: nothing in runs has spare"),
        (setter("figures/curves/training_set", ["spare"]), "figures.curves.training_set: nothing in runs has spare"),
        (setter("figures/confusion/model", "vit"), "figures.confusion.training_set: nothing in runs has org with dataset digits and model vit and recipe cnn-steps; add it there"),
        (setter("figures/usefulness/baseline", "spare"), "figures.usefulness.baseline: nothing in runs has spare"),
        (setter("figures/usefulness/training_set", ["shot3-real20"]), "figures.usefulness.training_set: shot3-real20 has no generated images; leave it out"),
        (setter("scores/0/pool", ["ddpm"]), "figures.usefulness.training_set: pool ddpm-unguided of shot3-unguided20 is not scored on digits; add it to scores"),
    ],
)  # fmt: skip
def test_studies_that_contradict_themselves(folder: Path, edit: Edit, expected: str) -> None:
    spare = setter("training_sets/spare", {"real": 5})
    write(folder, "bad", edited(spare, edit))
    assert error_of(folder, "bad").startswith(f"studies/bad.yaml: {expected}")


def test_a_long_value_is_shortened_and_kept_on_one_line(folder: Path) -> None:
    write(folder, "bad", edited(setter("recipes/cnn-steps/schedule", "fast\n" * 100)))
    message = error_of(folder, "bad")
    assert message.startswith('studies/bad.yaml: recipes.cnn-steps.schedule: must be one of constant, cosine, not "fast')
    assert len(message) < 160


def test_joined_names_fit_into_one_file_name(folder: Path) -> None:
    """Each name may have 40 characters, but a cross test joins six of them."""
    long = {section: f"{section}-".ljust(40, "x") for section in ("datasets", "training_sets", "models", "recipes", "pools")}
    entry = {key: long[f"{key}s"] for key in ("dataset", "training_set", "model", "recipe")}
    study = {
        **{key: DIGITS_STUDY[key] for key in ("title", "question", "generators")},
        "datasets": {long["datasets"]: DIGITS_STUDY["datasets"]["digits"]},
        "pools": {long["pools"]: DIGITS_STUDY["pools"]["ddpm"]},
        "training_sets": {long["training_sets"]: {"real": "all"}},
        "models": {long["models"]: DIGITS_STUDY["models"]["cnn"]},
        "recipes": {long["recipes"]: DIGITS_STUDY["recipes"]["cnn-steps"]},
        "runs": [{**entry, "seeds": [999999]}],
    }
    write(folder, "long", study)
    assert list(read_studies(folder, ["long"]).active) == ["long"]
    write(folder, "long", {**study, "cross_tests": [{**entry, "seeds": [999999], "pool": long["pools"]}]})
    assert "studies/long.yaml: cross_tests[0]: its names make 264 characters, more than 255; shorten some of" in error_of(
        folder, "long"
    )


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (setter("scores/0/dataset", ["digits", "other"]), "scores[0].pool: ddpm-3shot is drawn per seed of the runs, and no run on other uses it; add such a run"),
        (setter("figures/samples/dataset", "other"), "figures.samples.pool: ddpm-3shot is drawn per seed of the runs"),
        (setter("cross_tests/0/pool", "ddpm-own"), "cross_tests[0].pool: ddpm-own is drawn per seed of the runs"),
        (lambda study: study["runs"].append({**study["runs"][0], "dataset": "other"}), "figures.usefulness.dataset: missing key; add it, for the study's runs do not have one data set only"),
        (setter("comparisons/0", {"baseline": "org", "training_set": "elsewhere"}), "comparisons[0].training_set: no run of elsewhere; add it to runs"),
        (lambda study: (study["runs"].append({**study["runs"][0], "dataset": "other", "training_set": "elsewhere", "bundle": None}), study["comparisons"][0].update(training_set="elsewhere", dataset="other")), "comparisons[0].baseline: no run of org with dataset other"),
        (lambda study: (study["runs"].append({**study["runs"][0], "dataset": "other", "training_set": "elsewhere", "bundle": None}), study["comparisons"][0].update(training_set="elsewhere")), "comparisons[0].training_set: elsewhere and org have no data set, model and recipe in common; add runs of one"),
    ],
)  # fmt: skip
def test_studies_of_two_data_sets(folder: Path, edit: Edit, expected: str) -> None:
    own = {**DIGITS_STUDY["pools"]["ddpm-3shot"], "seed": 1}
    other = [
        setter("datasets/other", {"source": "torchvision", "name": "MNIST", "val": 0.1}),
        setter("training_sets/elsewhere", {"real": 7}),
        setter("pools/ddpm-own", own),
    ]
    write(folder, "bad", edited(*other, edit))
    assert error_of(folder, "bad").startswith(f"studies/bad.yaml: {expected}")


def test_a_figure_names_its_data_set_where_there_are_several(folder: Path) -> None:
    other = {"source": "torchvision", "name": "MNIST", "val": 0.1}
    figures = [setter(f"figures/{name}/dataset", "digits") for name in ("usefulness", "curves", "confusion")]
    second = lambda study: study["runs"].append({**study["runs"][0], "dataset": "other"})  # noqa: E731
    write(folder, "a", edited(setter("datasets/other", other), *figures, second))
    assert list(read_studies(folder, ["a"]).active) == ["a"]


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
    assert read_studies(folder, ["a"]).active["a"]["published"][0]["metric"] == "accuracy"


# ---- several studies -------------------------------------------------------------------------------------------------


def test_a_study_that_does_not_exist(folder: Path) -> None:
    write(folder, "digits", DIGITS_STUDY)
    message = error_of(folder, "digist")
    assert message.startswith("studies/digist.yaml: no such file, but studies of config.yaml names the study")
    assert message.endswith("; did you mean digits? (known: digits)")


@pytest.mark.parametrize("name", ["train", "all", "figure", "Digits", "seeds0-5", "a.b"])
def test_names_that_a_study_may_not_have(folder: Path, name: str) -> None:
    write(folder, name, DIGITS_STUDY)
    message = error_of(folder, name)
    assert message.startswith(f"studies/{name}.yaml: a ")
    assert message.endswith("; rename the file")


def test_no_rule_has_a_name_that_a_study_may_have() -> None:
    from synthmix.configuration import RULES

    smk = [*(ROOT / "workflow" / "rules").glob("*.smk"), *ROOT.glob("Snakefile")]
    rules = {name for file in smk for name in re.findall(r"^\s*rule (\w+):", file.read_text(), re.MULTILINE)}
    assert rules <= set(RULES)


def test_active_studies_share_names_only_with_one_meaning(folder: Path) -> None:
    write(folder, "a", DIGITS_STUDY)
    write(folder, "b", DIGITS_STUDY)
    assert list(read_studies(folder, ["a", "b"]).active) == ["a", "b"]
    write(folder, "b", edited(setter("recipes/cnn-steps/steps", 700)))
    assert error_of(folder, "a", "b") == (
        "studies/b.yaml: recipes.cnn-steps: differs from recipes.cnn-steps in studies/a.yaml (in steps); rename one, or "
        "make them equal"
    )
    assert list(read_studies(folder, ["a"]).active) == ["a"]


def test_written_defaults_do_not_differ_from_absent_ones(folder: Path) -> None:
    write(folder, "a", DIGITS_STUDY)
    write(folder, "b", edited(setter("recipes/cnn-steps/momentum", 0.0), setter("pools/ddpm/batch_size", 256.0)))
    assert len(read_studies(folder, ["a", "b"]).active) == 2


def test_one_run_may_be_in_bundles_of_two_studies(folder: Path) -> None:
    write(folder, "a", DIGITS_STUDY)
    write(folder, "b", edited(setter("runs/0/bundle", "another")))
    assert len(read_studies(folder, ["a", "b"]).active) == 2


def test_a_broken_study_that_is_not_active_breaks_nothing(folder: Path) -> None:
    write(folder, "a", DIGITS_STUDY)
    write(folder, "syntax", "a: [")
    write(folder, "name", edited(setter("runs/0/model", "cn")))
    write(folder, "fine", edited(setter("recipes/cnn-steps/steps", 700)))
    studies = read_studies(folder, ["a"])
    assert list(studies.active) == ["a"]
    assert sorted(studies.broken) == ["name", "syntax"]
    assert studies.broken["name"].startswith('studies/name.yaml: runs[0].model: unknown model "cn"; did you mean cnn?')
    assert studies.active == read_studies(folder, ["a", "a"]).active


USER: dict[str, Any] = {
    **{key: DIGITS_STUDY[key] for key in ("title", "question")},
    "use": "library",
    "training_sets": {"shot7": {"real": 7}},
    "runs": [{"dataset": "digits", "training_set": ["org", "shot7"], "model": "cnn", "recipe": "cnn-steps", "seeds": 2}],
}


def test_definitions_are_imported_and_runs_are_not(folder: Path) -> None:
    write(folder, "library", DIGITS_STUDY)
    write(folder, "between", {**{k: USER[k] for k in ("title", "question")}, "use": ["library"]})
    write(folder, "a", {**USER, "use": "between"})
    studies = read_studies(folder, ["a"])
    assert studies.broken == {}
    study = studies.active["a"]
    assert set(study["training_sets"]) == {*DIGITS_STUDY["training_sets"], "shot7"}
    assert study["recipes"]["cnn-steps"]["checkpoint"] == "last"
    assert len(study["runs"]) == 1
    assert study["figures"] == {}
    write(folder, "library", {**DIGITS_STUDY, "runs": [], "figures": {}})
    assert list(read_studies(folder, ["a"]).active) == ["a"]


def test_bad_imports(folder: Path) -> None:
    write(folder, "a", USER)
    write(folder, "libary", DIGITS_STUDY)
    assert error_of(folder, "a") == (
        "studies/library.yaml: no such file, but use of studies/a.yaml names the study; did you mean libary? "
        "(known: a, libary)"
    )
    write(folder, "library", {**DIGITS_STUDY, "use": "a"})
    assert error_of(folder, "a") == "studies/library.yaml: use: studies use each other (a -> library -> a); drop one use"
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
    known = known_counts(dataset)
    assert known is not None
    for seed in range(5):
        rest = train_test_split(labels, test_size=360, random_state=seed, stratify=labels)[0]
        train = train_test_split(rest, test_size=360, random_state=seed, stratify=rest)[0]
        counts = [int((train == digit).sum()) for digit in range(10)]
        assert all(n <= most <= n + 2 for n, most in zip(counts, known.values(), strict=True))
    limited = known_counts({**dataset, "classes": ["0", "1"], "limit": {"train": 20}})
    assert limited == {"0": 10, "1": 11}
    assert known_counts({**DATASETS[0]}) is None


@pytest.mark.parametrize(
    ("training_set", "expected"),
    [
        ({"real": 4}, "a.yaml: training_sets.x.real: 4 images per class, but class cat has 3 in train; lower it"),
        ({"real": 2, "held_back": 2}, "a.yaml: training_sets.x.held_back: 2 real images and 2 held back per class, but class cat has 3 in train; lower it"),
        ({"real": {"total": 9}}, "a.yaml: training_sets.x.real.total: 9 images, held back ones included, but train has 8; lower it"),
    ],
)  # fmt: skip
def test_more_real_images_than_train_has(training_set: dict, expected: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{re.escape(expected)}$"):
        check_counts(training_set, {"dog": 5, "cat": 3}, "a.yaml", "training_sets.x")


@pytest.mark.parametrize(
    "training_set",
    [{"real": 3}, {"real": 1, "held_back": 2}, {"real": {"total": 8}}, {"real": "all"}, {"synthetic": 9, "pool": "x"}],
)
def test_as_many_real_images_as_train_has(training_set: dict) -> None:
    check_counts(training_set, {"dog": 5, "cat": 3}, "a.yaml", "training_sets.x")


# ---- config.yaml -----------------------------------------------------------------------------------------------------


def test_config_has_every_default_and_says_so() -> None:
    config = read_config(ROOT / "config.yaml")
    assert config == validate_config({}, "config.yaml") == validate_config(None, "config.yaml")
    assert config["studies"] == ["digits"]
    assert config["resources"]["train_generator"] == {"gpu": 1, "threads": 2, "mem_mb": 8000, "runtime": 1440}


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
        ({"resources": {"train": {"gpus": 1}}}, "resources.train.gpus: unknown key; did you mean gpu? (known: gpu, threads, mem_mb, runtime)"),
        ({"resources": {"train": {"gpu": -1}}}, "resources.train.gpu: must be an integer at least 0, not -1"),
        ({"resources": {"train": {"runtime": "4h"}}}, 'resources.train.runtime: must be an integer at least 1, not "4h"'),
        ({"studies": []}, "studies: must be a study or a list of studies, not []"),
        ({"offline": "no"}, 'offline: must be true or false, not "no"'),
        ({"resources": {"train": {"mem_mb": float("inf")}}}, "resources.train.mem_mb: inf is not a finite number"),
        ({1: 2}, "key 1 is not a text; write it in quotes"),
        ([], "must be a mapping of keys to values, not []"),
    ],
)  # fmt: skip
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


def replaced(path: tuple, change: Callable[[Any, Any], None]) -> dict[str, Any]:
    study = copy.deepcopy(DIGITS_STUDY)
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
    wrong = 0
    for path in paths_of(DIGITS_STUDY):
        write(folder, "fuzz", replaced(path, CHANGES[change]))
        try:
            study = read_studies(folder, ["fuzz"]).active["fuzz"]
            assert {"datasets", "runs", "scores", "tables", "figures"} <= set(study)
        except ConfigurationError as error:
            assert re.fullmatch(r"studies/fuzz\.yaml: .+", str(error)), f"{path}: {error}"
            wrong += 1
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
    assert set(kinds) == files - {"__init__"}
    assert [rule["if"]["properties"][key]["const"] for rule in written["allOf"]] == kinds


def test_the_reference_is_up_to_date(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "docs" / "reference.py")]
    assert subprocess.run([*command, "--check"]).returncode == 0
    stale = tmp_path / "configuration.md"
    stale.write_text("# Configuration\n")
    check = subprocess.run([*command, "--check", "--output", str(stale)], capture_output=True, text=True)
    assert check.returncode == 1
    assert "run python docs/reference.py" in check.stdout
    assert subprocess.run([*command, "--output", str(stale)]).returncode == 0
    assert stale.read_text() == (ROOT / "docs" / "configuration.md").read_text()


def test_reading_imports_nothing_heavy() -> None:
    code = "import sys, synthmix.configuration; print([m for m in ('torch', 'numpy', 'pandas', 'sklearn') if m in sys.modules])"
    environment = {"PYTHONPATH": str(ROOT / "workflow" / "scripts")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.stdout == "[]\n"
