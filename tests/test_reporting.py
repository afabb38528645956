"""The report of a study: it says what the numbers say, cites what the study uses, and its documents stand alone."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import fabricate
import numpy as np
import pandas as pd
import pytest
import scipy.stats
import written
from pages import Page

from synthmix.analysis import statistics
from synthmix.checks.study import DEFINITIONS
from synthmix.planning import kinds
from synthmix.planning.schema import read_schema
from synthmix.reporting import Report, composition
from synthmix.reports import answers, citations, classifier_methods, contents, limitations, markup, methods, rendering

ROOT = Path(__file__).parents[1]
SCHEMA = read_schema("study")["properties"]
STUDIES = sorted(path.stem for path in (ROOT / "studies").glob("*.yaml"))
ROW: dict[str, Any] = {
    **fabricate.PRIMARY,
    "metric": "accuracy",
    "n": 6,
    "mean": 0.9,
    "baseline_mean": 0.8,
    "difference": 0.1,
    "t_low": 0.05,
    "t_high": 0.15,
    "joint_low": 0.04,
    "joint_high": 0.16,
    "p": 0.03125,
    "p_min": 0.03125,
}


FEW: dict[str, Any] = {
    "definitions": {"generators": {}, "models": {}, "extractors": {}, "recipes": {}, "training_sets": {}},
    "published": [],
}
RUNS = pd.DataFrame({"dataset": "digits", "model": "cnn", "recipe": "steps", "training_set": "org", "seed": range(3)})


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> tuple[Report, Path]:
    return written.digits(tmp_path_factory.mktemp("report"))


# ---- the answer ------------------------------------------------------------------------------------------------------


def test_the_answer_has_the_numbers_of_the_primary_comparison(digits: tuple[Report, Path]) -> None:
    report, folder = digits
    comparisons = pd.read_csv(folder / "comparisons.csv")
    primary = comparisons[comparisons["primary"]].iloc[0]
    text = " ".join(part.text for section in report.sections if section.title == "Answer" for part in section.parts)
    assert text.startswith("**Shown:** with `shot3-syn80`, accuracy is higher than with `shot3`")
    for name in ("mean", "baseline_mean", "t_low", "t_high", "joint_low", "joint_high"):
        assert f"{100 * primary[name]:.1f}" in text, name
    assert f"{100 * primary['difference']:+.1f} percentage points" in text
    assert "p = 0.031; 6 seeds reach 0.031 at best" in text
    assert "the classifier saw 30 real and 800 generated images, its generator 1,149 real ones" in text
    assert "full-data generator, few-shot classifier" in text


@pytest.mark.parametrize(
    ("changes", "starts", "says"),
    [
        ({}, "**Shown:**", "is higher than"),
        ({"difference": -0.1}, "**Shown:**", "is lower than with `shot3`, by 10.0 percentage points"),
        ({"joint_low": -0.01}, "**Shown:**", "resamples them, too, does not exclude no difference"),
        ({"p": 0.06}, "**Not shown:**", "no evidence that they are equal"),
        ({"p": 0.25, "p_min": 0.25, "n": 3}, "**Not shown:**", "3 seeds cannot show any difference at 5 %"),
        ({"p": 1.0, "p_min": 1.0, "n": 1}, "**Not shown:**", "1 seed cannot show any difference"),
    ],
)
def test_a_verdict_claims_no_more_than_the_test_shows(changes: dict[str, Any], starts: str, says: str) -> None:
    text = answers.verdict({**ROW, **changes})
    assert text.startswith(starts)
    assert says in text


def test_intervals_that_are_not_there_are_not_spoken_of() -> None:
    text = answers.found({**ROW, "n": 1, "t_low": None, "t_high": None, "joint_low": None, "joint_high": None})
    assert "interval" not in text
    assert "resampling" not in text
    assert "four of five" not in text
    assert "four of five" in answers.found(ROW)
    assert "is the same for all seeds" in answers.found({**ROW, "t_low": 0.1, "t_high": 0.1})
    assert "four of five" not in answers.found({**ROW, "n": 2, "p": 0.5, "p_min": 0.5}), "two seeds show nothing"


@pytest.mark.parametrize("seeds", [6, 8])
def test_a_difference_that_is_said_to_be_seen_is_seen_four_times_in_five(seeds: int) -> None:
    sd = 0.02
    half = sd * scipy.stats.t.ppf(0.975, seeds - 1) / np.sqrt(seeds)
    text = answers.found({**ROW, "n": seeds, "t_low": 0.1 - half, "t_high": 0.1 + half, "p_min": 2 / 2**seeds})
    seen = float(re.findall("a true difference of ([0-9.]+) percentage points", text)[0]) / 100
    values = np.random.default_rng(0).normal(seen, sd, (400, seeds))
    assert np.mean([statistics.sign_flip_test(row) <= 0.05 for row in values]) == pytest.approx(0.8, abs=0.08)


@pytest.mark.parametrize(
    ("metric", "says"),
    [
        ("accuracy", "over seeds, a second interval"),
        ("auroc", "over seeds, with two classes a second interval"),
        ("macro_f1", "over seeds, and an exact"),
    ],
)
def test_joint_intervals_are_promised_where_there_are_some(metric: str, says: str) -> None:
    spec = {"runs": [{}], "metric": metric, "comparisons": [{}], "tables": [], "figures": []}
    text = " ".join(classifier_methods.evaluation(spec))
    assert f"the mean difference with a t interval {says}" in text


def test_without_a_primary_comparison_the_report_claims_none() -> None:
    assert answers.answer({"runs": [{}]}, pd.DataFrame(), pd.DataFrame({"primary": [False]})) == [answers.WITHOUT[True]]
    assert answers.answer({"runs": []}, None, None) == [answers.WITHOUT[False]]


# ---- methods and citations -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("study", STUDIES)
def test_methods_of_every_study_name_all_that_it_uses(study: str) -> None:
    spec = written.spec_of(study)
    text = " ".join(text for _, text in methods.paragraphs(spec))
    for section in ("datasets", "generators", "pools", "filters", "models", "recipes", "explainers", "corruptions"):
        for name in spec["definitions"][section]:
            assert f"`{name}`" in text, f"{section}: {name}"
    assert citations.cited([text])


def test_what_a_study_does_not_use_is_not_cited() -> None:
    text = {study: str(methods.paragraphs(written.spec_of(study))) for study in ("digits", "blocks", "cars")}
    assert "@lu2022" in text["digits"]
    assert not re.search("@song2021|@rombach2022|@hendrycks2019|@belkin2019|@selvaraju2017", text["digits"])
    assert "@belkin2019" in text["blocks"]
    assert "@yang2021" in text["blocks"]
    assert "@ho2020" not in text["blocks"], "it generates no images"
    assert "@rombach2022" in text["cars"]
    assert "@szegedy2016" in text["cars"] or "inception" not in str(written.spec_of("cars")["scores"])


def test_every_publication_is_cited_somewhere_and_every_mark_is_known() -> None:
    library = (ROOT / "workflow/scripts/synthmix").rglob("*.py")
    sources = "\n".join(path.read_text() for path in library if path.name not in ("bibliography.py", "citations.py"))
    keys = set(re.findall(r"@([a-z]+[0-9]{4})", sources)) | set(re.findall(r'"([a-z]+[0-9]{4})"', sources))
    assert keys == set(citations.REFERENCES)


def test_every_choice_of_the_schema_has_words() -> None:
    of = {name: each["additionalProperties"]["properties"] for name, each in SCHEMA.items() if name in DEFINITIONS}
    words = {
        "sampler": (of["pools"]["sampler"], methods.SAMPLERS),
        "metric": (SCHEMA["scores"]["items"]["properties"]["metrics"]["items"], methods.METRICS),
        "source": (of["datasets"]["source"], methods.SOURCES),
        "filter": (of["filters"]["kind"], methods.FILTERS),
        "explainer": (of["explainers"]["kind"], {**methods.EXPLAINERS, "cam": ""}),
        "corruption": (of["corruptions"]["kinds"]["items"], methods.CORRUPTIONS),
        "optimizer": (of["recipes"]["optimizer"], classifier_methods.OPTIMIZERS),
        "augment": (of["recipes"]["augment"], {**classifier_methods.AUGMENTATIONS, "none": ""}),
    }
    for name, (schema, table) in words.items():
        assert set(schema["enum"]) == set(table), name
    assert set(of["extractors"]["kind"]["enum"]) == {*methods.EXTRACTORS, "classifier", "timm"}


@pytest.mark.parametrize(("prediction", "words"), [("v_prediction", "velocity"), ("epsilon", "noise")])
def test_methods_say_what_a_generator_predicts_and_where_its_sampling_starts(prediction: str, words: str) -> None:
    spec = written.spec_of("digits")
    for each in spec["definitions"]["generators"].values():
        each["prediction"] = prediction
    text = " ".join(text for _, text in methods.paragraphs(spec))
    assert f"it predicts the {words}" in text
    assert "networks trained here starts at pure noise" in text
    left_out = "Of those that predict noise, DPM-Solver++ leaves out steps where log(signal / noise) is below -5.1."
    assert (left_out in text) == (prediction == "epsilon")


def test_what_starts_from_real_images_is_not_said_to_start_at_noise() -> None:
    spec = written.spec_of("believing-small")
    used = spec["definitions"]["generators"]
    (words,) = [name for name, each in used.items() if "train_from_scratch" in each]
    spec["definitions"]["generators"] = {words: {**used[words], "img2img": {"strength": 0.5}}}
    pools = spec["definitions"]["pools"]
    spec["definitions"]["pools"] = {name: each for name, each in pools.items() if each["generator"] == words}
    text = " ".join(text for _, text in methods.paragraphs(spec))
    assert "starting from real train images with strength 0.5" in text
    assert "starts at pure noise" not in text


def test_weights_of_a_package_are_pretrained() -> None:
    """cars-small names no `weights`: those of its networks come with a Python package."""
    spec = written.spec_of("cars-small")
    said = dict(methods.paragraphs(spec))["Classifiers"]
    assert "`model-a` is `tf_efficientnet_lite0` of timm [@tan2019] with pretrained weights." in said
    assert "`random` is `tf_efficientnet_lite0` of timm [@tan2019] with random weights." in said
    found = limitations.limitations(spec, [], None, None)
    assert any(text.startswith("`model-a`, `model-b`, `lite0`: published weights.") for text in found)


# Keys that say nothing of a method, or nothing that a reader of methods looks for; the YAML file says everything.
NO_METHOD = {
    "datasets": {"seed", "splits", "channels", "licence", "config", "root", "image_column", "label_column"}
    | {"classes", "revision", "train", "val", "test"},  # another section of the report counts images, and names sources
    "generators": {"seed", "licence", "compile", "seeds_per_job", "gradient_clip", "attention"}
    | {"image_column", "label_column", "path", "class_names", "class_ids", "attempts", "negative_prompt"}
    | {"template", "scenarios", "one_per", "precision", "source"},
    "pools": {"seed", "licence", "shard_size", "batch_size"},
    "extractors": {"seed", "model", "learning_rate", "batch_size", "weights", "package", "precision"},
    "filters": {"template"},
    "training_sets": {"monitor"},
    "models": {"licence", "package", "input_size"},
    "recipes": {"accumulate", "compile", "evaluate_every", "plateau", "seeds_per_job", "step"},
    "explainers": {"seed", "instances", "layers", "drawn", "channels", "choose", "classes"},
    "corruptions": {"seed"},
}
DDPM: dict[str, Any] = {
    "kind": "ddpm",
    "channels": [8, 16],
    "layers_per_block": 1,
    "prediction": "v_prediction",
    "noise_schedule": "squaredcos_cap_v2",
    "train_timesteps": 1000,
    "steps": 10,
    "batch_size": 8,
    "learning_rate": 0.01,
}
POOL = {"generator": "ddpm", "per_class": 10, "guidance": 1, "sampler": "ddim", "steps": 5}
NAMED = {"architecture": "timm", "name": "resnet18"}
RECIPE: dict[str, Any] = {
    "optimizer": "sgd",
    "learning_rate": 0.1,
    "schedule": "constant",
    "batch_size": 8,
    "epochs": 2,
    "augment": "none",
    "precision": "float32",
    "checkpoint": "last",
}
TUNED = {"steps": 5, "batch_size": 2}


def test_what_is_lost_of_images_that_are_resized_is_said() -> None:
    lost = "Images are resized at their shorter side and cut to a centred square; transparency is dropped."
    digits = written.spec_of("digits")
    assert lost not in dict(methods.paragraphs(digits))["Data"]
    resized = {name: {**each, "resolution": 16} for name, each in digits["definitions"]["datasets"].items()}
    changed = {**digits, "definitions": {**digits["definitions"], "datasets": resized}}
    assert lost in dict(methods.paragraphs(changed))["Data"]


# Definitions, and the values of keys that make each another method.
METHODS: dict[str, list[tuple[dict[str, Any], dict[str, Any]]]] = {
    "datasets": [
        ({"source": "hub", "name": "a"}, {"source": "parquet", "name": "b", "resolution": 16, "one_per": "patient"}),
        ({"source": "hub", "name": "a"}, {"merge": {"a": ["b"]}, "limit": {"train": 5}}),
    ],
    "generators": [
        (DDPM, {"kind": "files", "channels": [8], "layers_per_block": 2, "prediction": "epsilon", "steps": 20}),
        (DDPM, {"noise_schedule": "linear", "train_timesteps": 10, "batch_size": 9, "learning_rate": 0.1}),
        (DDPM, {"label_dropout": 0.1, "train_on": {"real": 3}, "resolution": 16}),
        (DDPM, {"augment": "flip", "warmup_steps": 7, "ema_decay": 0.9}),
        ({"kind": "text2image"}, {"pipeline": "a/b", "revision": "abc", "prompts": "a.csv", "safety": "drop"}),
        ({"kind": "text2image"}, {"lora": TUNED, "textual_inversion": TUNED, "train_from_scratch": DDPM}),
        ({"kind": "text2image"}, {"img2img": {"strength": 0.5}}),
    ],
    "pools": [(POOL, {"generator": "other", "per_class": 9, "guidance": 2, "sampler": "dpm-solver++", "steps": 6})],
    "extractors": [
        ({"kind": "clip"}, {"kind": "dinov2", "variant": "a/b"}),
        ({"kind": "timm", "variant": "a", "image_size": 96}, {"image_size": 48}),
        ({"kind": "classifier", "epochs": 2}, {"epochs": 3, "train_on": {"real": 3}}),
    ],
    "filters": [
        (
            {"kind": "distance", "extractor": "a", "among": 8, "keep": 4, "prefer": "near"},
            {"kind": "diversity", "extractor": "b", "among": 9, "keep": 5, "prefer": "far"},
        )
    ],
    "training_sets": [
        ({"real": 3}, {"real": 4, "held_back": 2, "rebalance": True, "label_noise": 0.2}),
        ({"real": 3, "held_back": 2}, {"corrupt": {"kind": "blur", "severity": 5}}),
        ({"synthetic": 4, "pool": "a"}, {"synthetic": 5, "pool": "b", "filter": "sure", "draw_from": 8}),
        ({"synthetic": 4, "pool": "a"}, {"shuffle_synthetic_labels": True}),
    ],
    "models": [
        ({"architecture": "cnn_block", "width": 2}, {"width": 3, "parametrisation": "mean_field"}),
        ({"architecture": "vit_block", "width": 8, "heads": 2, "layers": 1, "patch": 4}, {"heads": 4, "layers": 2}),
        ({"architecture": "vit_block", "width": 8, "heads": 2, "layers": 1, "patch": 4}, {"patch": 2}),
        ({"architecture": "resnet", "depth": 18, "width": 8, "stem": "cifar"}, {"depth": 34, "stem": "imagenet"}),
        (NAMED, {"architecture": "torchvision", "name": "vit_tiny", "weights": "default"}),
        (NAMED, {"head": {"hidden": 8, "batch_norm": False, "dropout": 0}, "random_layers": ["fc"]}),
    ],
    "recipes": [
        (RECIPE, {"optimizer": "adam", "learning_rate": 0.2, "schedule": "cosine", "batch_size": 9, "epochs": 3}),
        (RECIPE, {"augment": "flip", "precision": "bfloat16", "checkpoint": "best-val", "steps": 9, "momentum": 0.9}),
        (RECIPE, {"width_scaled": True, "weight_decay": 0.1, "warmup_steps": 3, "layer_decay": 0.5, "head_rate": 10}),
        (RECIPE, {"freeze": ["backbone"], "clip": 1, "label_smoothing": 0.1, "stop": {"max_seconds": 5}}),
    ],
    "explainers": [
        ({"kind": "masking"}, {"kind": "attention"}),
        ({"kind": "cam", "methods": ["grad_cam"]}, {"methods": ["eigen_cam"]}),
    ],
    "corruptions": [({"kinds": ["blur"], "severities": [2]}, {"kinds": ["noise"], "severities": [5]})],
}


def keys_of(section: str) -> set[str]:
    """All keys of a section's definitions, of every kind."""
    whole, found = read_schema("study"), set()
    open_ends = [whole["properties"][section]["additionalProperties"]]
    while open_ends:
        schema = open_ends.pop()
        found |= set(schema.get("properties") or {})
        open_ends += [each for key in ("allOf", "oneOf", "anyOf") for each in schema.get(key) or []]
        open_ends += [schema[key] for key in ("if", "then", "else") if key in schema]
        open_ends += [whole["$defs"][schema["$ref"].rpartition("/")[2]]] if "$ref" in schema else []
    return found


def words_of(section: str, definition: dict[str, Any]) -> object:
    """What the report says of the methods of a study that uses one definition of a section."""
    used: dict[str, dict[str, Any]] = {name: {} for name in DEFINITIONS}
    used["generators"] = {"ddpm": DDPM, "other": DDPM} if section == "pools" else {}
    used[section] = {"it": definition}
    asked = ("scores", "audits", "detections", "cross_tests", "runs", "comparisons", "tables", "figures")
    said = methods.paragraphs({"definitions": used, **{name: [] for name in asked}})
    return composition(definition) if section == "training_sets" else said


@pytest.mark.parametrize("section", [each for each in DEFINITIONS if each != "searches"])  # their table says all
def test_every_key_of_a_method_has_words(section: str) -> None:
    told = set()
    for definition, changes in METHODS[section]:
        for key, value in changes.items():
            assert words_of(section, {**definition, key: value}) != words_of(section, definition), key
            told.add(key)
    assert told | NO_METHOD[section] == keys_of(section)
    assert not told & NO_METHOD[section]


def test_bibtex_is_ascii_with_one_entry_for_each_key() -> None:
    text = citations.bibtex(citations.REFERENCES)
    assert text.isascii()
    assert re.findall(r"^@article\{(\w+),$", text, re.MULTILINE) == list(citations.REFERENCES)
    assert r"Bi{\'n}kowski" in text
    assert r"Miko{\l}aj" in text
    for reference in citations.REFERENCES.values():
        assert re.fullmatch(r"(\d{4}\.\d{4,5})?", reference.arxiv)
        assert not reference.doi or reference.doi.startswith("10.")
        assert 1950 < reference.year < 2100


def test_words_of_a_reference() -> None:
    named = citations.Reference("A B and C D and E F", "A title", "Venue", 2001)
    assert citations.words(named) == "A B, C D and E F. A title. Venue, 2001."
    assert citations.words(citations.Reference("A B", "A title", "Venue", 2001)) == "A B. A title. Venue, 2001."
    several = citations.Reference("A B and C D and others", "A title", "Venue", 2001)
    assert citations.words(several) == "A B, C D et al. A title. Venue, 2001."


def test_marks_become_html_and_latex() -> None:
    text = "**Shown:** `a_b` < 5 % *not run* in 2 * 3 [@ho2020; @lu2022]"
    assert markup.to_html(text, ["lu2022", "ho2020"]) == (
        "<strong>Shown:</strong> <code>a_b</code> &lt; 5 % <em>not run</em> in 2 * 3 "
        '<span class="cite">[<a href="#ho2020">2</a>, <a href="#lu2022">1</a>]</span>'
    )
    assert markup.to_latex(text) == (
        r"\textbf{Shown:} \texttt{a\_b} \textless{} 5 \% \emph{not run} in 2 * 3 \cite{ho2020,lu2022}"
    )


# ---- who saw what, limitations ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("definition", "words"),
    [
        ({"real": "all"}, "real: all"),
        ({"real": {"total": 4000}, "label_noise": 0.2}, "real: 4,000 in all; 20 % of labels wrong"),
        (
            {"real": 3, "synthetic": 20, "pool": "a", "draw_from": 100},
            "real: 3 a class; generated: 20 a class of pool a, drawn per seed from the first 100",
        ),
        ({"synthetic": 20, "pool": "a", "draw_from": 20}, "generated: 20 a class of pool a"),
        (
            {"real": 3, "synthetic": 5, "pool": "a", "filter": "sure", "shuffle_synthetic_labels": True},
            "real: 3 a class; generated: 5 a class of pool a by filter sure; labels of generated images shuffled",
        ),
        ({"real": 3, "held_back": 9}, "real: 3 a class; further real in the place of generated: 9 a class"),
        (
            {"real": 3, "held_back": 9, "corrupt": {"kind": "blur", "severity": 5}},
            "real: 3 a class; further real in the place of generated: 9 a class, with Gaussian blur of severity 5",
        ),
        ({"real": "all", "rebalance": True}, "real: all; smaller classes repeated"),
    ],
)
def test_a_training_set_in_words(definition: dict[str, Any], words: str) -> None:
    assert composition(definition) == words


def test_limitations_follow_from_the_study(digits: tuple[Report, Path]) -> None:
    report, _ = digits
    (points,) = [part.texts for section in report.sections if section.title == "Limitations" for part in section.parts]
    text = " ".join(points)
    assert "The test split of `digits` is our own" in text
    assert "`digits` is tested on 200 images, 20 of them of the rarest class" in text
    assert "`ddpm`: trained once" in text
    assert "`ddpm-3shot`" not in text, "it is trained once per seed"
    assert "27 comparisons are corrected for, and 6 seeds reach p = 0.84 then at best" in text
    assert "By `cnn-epochs`, `vit-epochs`, larger training sets get more steps" in text
    assert "Val takes part" not in text


@pytest.mark.parametrize(
    ("pairs", "says"),
    [
        ([6, 6, 6], "2 comparisons are corrected for, and 6 seeds reach p = 0.062 then at best"),
        ([12, 4, 4], "2 comparisons are corrected for, and 4 seeds reach p = 0.25 then at best"),  # 12: the primary one
        ([6, 5, 12], "Of the 2 comparisons that are corrected for, 1 has too few seeds"),
        ([6, 5], "1 comparison is corrected for, and 5 seeds reach p = 0.062 then at best"),
        ([6, 12, 12], None),
    ],
)
def test_limitations_say_what_corrected_comparisons_can_reach(pairs: list[int], says: str | None) -> None:
    compared = pd.DataFrame(
        {"n": pairs, "p_min": [2 / 2**n for n in pairs], "primary": [True] + [False] * (len(pairs) - 1)}
    )
    found = [text for text in limitations.limitations(FEW, [], RUNS, compared) if "corrected for" in text]
    assert found[0].startswith(says) if says else not found


@pytest.mark.parametrize(
    ("seeds", "says"),
    [(1, "Training sets have one seed: there are no intervals"), (3, "have 3 seeds: intervals are wide")],
)
def test_one_seed_has_no_interval(seeds: int, says: str) -> None:
    text = limitations.limitations(FEW, [], RUNS[:seeds], None)[0]
    assert says in text


@pytest.mark.parametrize(
    ("generator", "scope"),
    [
        ({"kind": "ddpm"}, "full"),
        ({"kind": "ddpm", "train_on": {"real": 3}}, "same"),
        ({"kind": "text2image"}, "unknown"),
        ({"kind": "text2image", "img2img": {"strength": 0.5}}, "fine-tuned"),
        ({"kind": "text2image", "lora": {"rank": 4}}, "fine-tuned"),
        ({"kind": "text2image", "train_from_scratch": {"steps": 1}, "img2img": {"strength": 0.5}}, "full"),
        ({"kind": "files"}, "unknown"),
    ],
)
def test_which_real_images_a_generator_saw(generator: dict[str, Any], scope: str) -> None:
    assert kinds.scope(generator) == scope


@pytest.mark.parametrize(("real", "warned"), [(30, True), (1149, False), (0, False)])
@pytest.mark.parametrize("scope", ["full", "fine-tuned"])
def test_a_full_data_generator_behind_few_images_is_a_limitation(scope: str, real: int, warned: bool) -> None:
    arm = {"dataset": "digits", "model": "cnn", "recipe": "steps", "training_set": "mixed", "pool": "pool"}
    seen = {"generator_scope": scope, "generator_real_images": 1149 if scope == "full" else None}
    experiments = pd.DataFrame([{**arm, **seen, "real_images": real, "seed": seed} for seed in range(3)])
    counts = {"train": {"0": 1000, "1": 149}, "test": {"0": 100, "1": 100}}
    splits = {"val": {"from": "train"}, "test": {"from": "test"}}
    empty = {"generators": {}, "models": {}, "extractors": {}, "recipes": {}, "training_sets": {}}
    spec = {"definitions": empty, "published": []}
    meta = [{"name": "digits", "counts": counts, "splits": splits}]
    found = limitations.limitations(spec, meta, experiments, None)
    assert any(text.startswith("Behind `mixed` stands a full-data generator") for text in found) == warned


def test_published_values_that_cannot_be_compared_are_counted() -> None:
    entries = [{"value": 0.5, "comparable": False}, {"value": 0.6}, {"value": 0.7, "comparable": True}]
    spec = {"definitions": {"generators": {}, "models": {}, "extractors": {}}, "published": entries}
    assert limitations.limitations(spec, [], None, None) == [
        "Of 3 published values, 1 can be compared with ours; tables give the reasons."
    ]


# ---- the page and the LaTeX document ---------------------------------------------------------------------------------


def test_the_page_stands_alone_and_leads_from_question_to_references(digits: tuple[Report, Path]) -> None:
    _, folder = digits
    page = Page((folder / "report.html").read_text())
    order = ["question", "answer", "data", "who-saw-what", "results", "methods", "limitations", "references"]
    assert [name for name in page.ids if name in order] == order
    assert all(source.startswith("data:image/svg+xml;base64,") for source in page.sources)
    assert len(page.sources) == len(written.VIEWS["figures"])
    assert all(re.match(r"#|https://(doi|arxiv)\.org/", link) for link in page.links)
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))
    words = " ".join(page.words)
    assert "[@" not in words
    assert "Table 1. Images of each split" in words
    assert "Figure 1. With all real images" in words
    accuracy = pd.read_csv(folder / "tables/main.csv").iloc[0]["accuracy"]
    assert f"{100 * accuracy:.1f}" in words
    assert not re.search(r"\b(nan|None|NaT)\b", words)


def test_a_table_of_another_program_is_refused() -> None:
    with pytest.raises(ValueError, match="no page of a table"):
        rendering.body_of("<html><body>A table</body></html>")


def test_captions_of_kinds_are_one_paragraph_without_names_of_studies() -> None:
    text = contents.about("figures", "arms")
    assert text.startswith("Test accuracy, or what the study is judged by, of each training set.")
    assert "\n" not in text
    assert "CSV" not in contents.about("tables", "accuracy")


def has_latex() -> bool:
    """Whether LaTeX is there with the packages that a report needs."""
    packages = ("lmodern.sty", "adjustbox.sty", "placeins.sty")
    return bool(shutil.which("kpsewhich")) and all(
        subprocess.run(["kpsewhich", name], capture_output=True).returncode == 0 for name in packages
    )


@pytest.mark.skipif(not has_latex(), reason="LaTeX is not installed (texlive-latex-extra, lmodern)")
def test_latex_compiles(digits: tuple[Report, Path], tmp_path: Path) -> None:
    report, folder = digits
    shutil.copytree(folder, tmp_path / "study")

    def run(*command: str) -> str:
        done = subprocess.run(command, cwd=tmp_path / "study", capture_output=True, text=True, errors="replace")
        assert done.returncode == 0, done.stdout[-3000:]
        return done.stdout

    latex = ("pdflatex", "-interaction=nonstopmode", "-halt-on-error", "report")
    run(*latex)
    run("bibtex", "report")
    run(*latex)
    output = run(*latex)
    assert "undefined" not in output
    assert not re.search(r"Overfull \\hbox \((\d{2,})", output), "nothing stands out of the page"
    listed = (tmp_path / "study/report.bbl").read_text()
    assert set(re.findall(r"\\bibitem\{(\w+)\}", listed)) == set(report.references)
    assert listed.count("\\bibitem") == len(report.references)
