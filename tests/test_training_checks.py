"""Batches on which a network cannot be trained are refused before anything runs."""

from pathlib import Path
from typing import Any

import pytest
import torch

from synthmix.checks import known, trainings
from synthmix.checks.study import DEFINITIONS, Study
from synthmix.models import resnet
from synthmix.networks import libraries

DIGITS = {"source": "embedded", "name": "digits", "val": 0.1, "test": 0.1, "seed": 0}


def study_of(training_set: dict, recipe: dict, **model: Any) -> Study:
    model = {"architecture": "resnet", "depth": 18, "stem": "imagenet", "width": 8, **model}
    defined = {
        "datasets": {"digits": DIGITS},
        "training_sets": {"few": training_set},
        "models": {"net": model},
        "recipes": {"short": recipe},
    }
    run = {"dataset": ["digits"], "training_set": ["few"], "model": ["net"], "recipe": ["short"], "seeds": [0]}
    return Study({section: {} for section in DEFINITIONS} | defined | {"runs": [run]})


def problems(training_set: dict, batch_size: int = 10, budget: str = "epochs", **model: Any) -> list[tuple[str, str]]:
    recipe = {"batch_size": batch_size, budget: 3}
    return list(trainings.last_batches(study_of(training_set, recipe, **model)))


def test_a_last_batch_of_one_image_is_refused() -> None:
    assert problems({"real": 3}, 29) == [
        (
            "recipes.short.batch_size",
            "29 makes a batch of one image of the 30 of training set few on digits, and model net, whose last features "
            "are one pixel, has a batch norm that needs two; change it",
        )
    ]
    assert problems({"real": 3}, 1)[0][1].startswith("1 makes a batch of one image, and model net")


@pytest.mark.parametrize(
    ("training_set", "images"),
    [
        ({"real": 3, "held_back": 1, "synthetic": 2}, 60),
        ({"real": {"total": 31}}, 31),
        ({"synthetic": {"total": 21}}, 21),
        ({"real": "all"}, None),
        ({"real": {"total": 31}, "rebalance": True}, None),
    ],
)
def test_images_of_an_epoch(training_set: dict, images: int | None, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    assert trainings.train_images("digits", DIGITS, training_set) == images
    assert bool(problems(training_set, 10)) == (images is not None and images % 10 == 1)


def test_all_images_are_counted_once_they_are_prepared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known, "prepared", lambda name, dataset: {"counts": {"train": {"0": 5, "1": 6}}})
    assert trainings.train_images("digits", DIGITS, {"real": "all"}) == 11
    assert problems({"real": "all"}, 10)


def test_a_batch_that_no_step_reaches_is_no_problem() -> None:
    assert problems({"real": {"total": 31}}, 10, "steps") == []
    assert problems({"real": {"total": 21}}, 10, "steps")


@pytest.mark.parametrize("stem", ["cifar", "imagenet"])
def test_networks_fail_on_one_image_where_they_are_refused_for_it(stem: str) -> None:
    """Up to the side that the check knows of, and no further."""
    for side in (trainings.ONE_PIXEL[stem], trainings.ONE_PIXEL[stem] + 1):
        network = resnet.build({"depth": 18, "stem": stem, "width": 8}, 3, side, 2).train()
        if side == trainings.ONE_PIXEL[stem]:
            with pytest.raises(ValueError, match="more than 1 value per channel"):
                network(torch.zeros(1, 3, side, side))
        else:
            network(torch.zeros(1, 3, side, side))


def test_a_head_with_batch_norm_needs_two_images() -> None:
    head = {"hidden": 4, "batch_norm": True}
    (problem,) = problems({"real": 3}, 29, architecture="torchvision", name="vgg11", head=head)
    assert "and model net has a batch norm in its head that needs two; change it" in problem[1]
    network = libraries.head(head, 3, 2).train()
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        network(torch.zeros(1, 3))


def test_other_networks_train_on_one_image() -> None:
    assert problems({"real": 3}, 29, architecture="cnn_block") == []


# ---- batches in parts ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("batch_size", "parts", "refused"), [(10, 2, False), (27, 2, True), (26, 2, False), (27, 3, True), (3, 2, True)]
)
def test_a_part_of_one_image_is_refused(batch_size: int, parts: int, refused: bool) -> None:
    """Of 30 images: 27 in a batch leave three, which in two parts are two images and one."""
    study = study_of({"real": 3}, {"batch_size": batch_size, "epochs": 3, "accumulate": parts})
    found = list(trainings.last_batches(study))
    assert bool(found) == refused
    assert all(f"{batch_size} makes a part of {parts} of one image" in text for _, text in found)


# ---- backbone and head -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("recipe", "architecture", "keys"),
    [
        ({"freeze": ["backbone"]}, "resnet", ["recipes.short.freeze"]),
        (
            {"freeze": ["backbone.layer1"], "head_rate": 2.0},
            "resnet",
            ["recipes.short.freeze", "recipes.short.head_rate"],
        ),
        ({"freeze": ["layer1"], "layer_decay": 0.5}, "resnet", []),
        ({"freeze": ["backbone"], "head_rate": 2.0}, "timm", []),
        ({}, "resnet", []),
    ],
)
def test_parts_that_a_network_does_not_have_are_refused(recipe: dict, architecture: str, keys: list[str]) -> None:
    found = list(trainings.parts(study_of({"real": 3}, recipe, architecture=architecture)))
    assert [key for key, _ in found] == keys
    assert all("model net, a resnet, has no backbone and no head" in text for _, text in found)
