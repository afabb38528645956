"""Features under a frozen backbone: computed once per image, and the same as without remembering them."""

from collections import OrderedDict
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from synthmix import evaluating
from synthmix.images.draws import TrainingSet
from synthmix.networks import engine, frozen
from synthmix.networks.frozen import Features
from synthmix.store import Entry
from synthmix.training import Data, fit

NEVER = SimpleNamespace(due=lambda: False, done=lambda: None)
RECIPE = {
    "optimizer": "sgd",
    "learning_rate": 0.05,
    "momentum": 0.9,
    "batch_size": 8,
    "steps": 9,
    "freeze": ["backbone"],
}
RECIPE |= {"schedule": "constant", "precision": "float32", "checkpoint": "best-val", "evaluate_every": 3}


class Network(nn.Module):
    """A backbone with batch norm and dropout, equal for all seeds as a pretrained one is, and a head."""

    def __init__(self, model: dict, channels: int, classes: int) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(model["backbone"])
            layers = [nn.Conv2d(channels, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Dropout(0.5)]
            self.backbone = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(2), nn.Flatten())
            nn.init.uniform_(self.backbone[1].running_mean)
        self.head = nn.Sequential(nn.Linear(24, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, classes))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.backbone(images))


def build(model: dict, channels: int, size: int, classes: int) -> nn.Module:
    return Network(model, channels, classes)


@pytest.fixture(scope="module")
def data() -> Data:
    random = np.random.default_rng(0)
    labels = np.arange(30) % 3
    images = random.integers(0, 256, (30, 8, 8, 1), dtype=np.uint8)
    images[:, :4] = np.minimum(images[:, :4], 100 + 70 * labels[:, None, None, None])  # something to learn
    return Data(TrainingSet(images[:20], labels[:20], 20, None), images[20:], labels[20:], 3)


@pytest.fixture
def train(data, tmp_path):
    def run(features=None, seed=0, name="00", data=data, **changes):
        # as pretrained networks are, normalised in the same way whatever the training set
        spec = {"model": {"backbone": 0}, "recipe": {**RECIPE, **changes}, "scale": "unit"}
        return fit(build, spec, seed, data, Entry(name, tmp_path), NEVER, "cpu", features=features)

    return run


@pytest.fixture
def passes(monkeypatch):
    """The number of images in each pass through a backbone that is remembered."""
    counted = []
    whole = frozen._reaching_head
    monkeypatch.setattr(
        frozen, "_reaching_head", lambda model, images: counted.append(len(images)) or whole(model, images)
    )
    return counted


def test_remembering_features_changes_nothing_but_rounding(train, monkeypatch, passes):
    found = train()
    assert passes
    del passes[:]
    monkeypatch.setattr(frozen, "reusable", lambda recipe: False)
    plain = train(name="01")
    assert not passes
    for name, value in plain["model"].items():
        np.testing.assert_allclose(found["model"][name], value, rtol=1e-4, atol=1e-6, err_msg=name)
    for row, other in zip(found["history"], plain["history"], strict=True):
        assert row["val_loss"] == pytest.approx(other["val_loss"], rel=1e-4)
    assert found["facts"]["kept_step"] == plain["facts"]["kept_step"]
    assert found["facts"]["train_loss"] == pytest.approx(plain["facts"]["train_loss"], rel=1e-4)


def test_a_frozen_backbone_keeps_its_weights_and_statistics(train, monkeypatch):
    start = Network({"backbone": 0}, 1, 3).backbone.state_dict()
    monkeypatch.setattr(frozen, "reusable", lambda recipe: False)  # so that it is run in training
    for name, value in start.items():
        np.testing.assert_array_equal(train()["model"][f"network.backbone.{name}"], value, err_msg=name)


def test_runs_of_a_job_share_features_and_are_none_the_different(train, data, passes):
    alone = train(seed=1, name="01")
    del passes[:]
    features = Features()
    train(features)
    first = len(passes)
    shared = train(features, seed=1, name="02")
    fewer = Data(
        TrainingSet(data.train.images[5:], data.train.labels[5:], 15, None), data.val_images, data.val_labels, 3
    )
    train(features, data=fewer, name="03")
    assert len(passes) == first == 2  # train and val, once
    for name, value in alone["model"].items():
        np.testing.assert_array_equal(shared["model"][name], value, err_msg=name)


def test_features_do_not_depend_on_which_others_are_known(data):
    model = engine.Classifier(Network({"backbone": 0}, 1, 3), 1)
    whole, grown = Features().of(model, data.train.images, "cpu"), Features()
    grown.of(model, data.train.images[7:12], "cpu")
    assert torch.equal(grown.of(model, data.train.images, "cpu"), whole)
    assert whole.shape == (20, 24)


def test_batches_have_one_shape_where_images_are_large():
    """Of 96 pixels, fewer fit into the caches of a CPU than are looked at in a batch; rounding depends on the shape."""
    layers = OrderedDict(backbone=nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()), head=nn.Linear(3, 2))
    model, shapes = engine.Classifier(nn.Sequential(layers), 3), []
    model.network.register_forward_pre_hook(lambda _, inputs: shapes.append(inputs[0].shape))
    images = np.random.default_rng(0).integers(0, 256, (70, 96, 96, 3), dtype=np.uint8)
    assert Features().of(model, images, "cpu").shape == (70, 3)
    assert shapes == [(64, 3, 96, 96)] * 2


def test_another_backbone_or_normalisation_has_features_of_its_own(data, passes):
    features, models = Features(), [engine.Classifier(Network({"backbone": seed}, 1, 3), 1) for seed in (0, 0, 1)]
    found = [features.of(model, data.val_images, "cpu") for model in models]
    assert len(passes) == 2  # heads differ, backbones do not
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])
    models[2].std.fill_(2.0)
    assert not torch.equal(features.of(models[2], data.val_images, "cpu"), found[2])


@pytest.mark.parametrize(
    ("changes", "reusable"),
    [({}, True), ({"augment": "flip"}, False), ({"freeze": ["backbone.0"]}, False), ({"freeze": None}, False)],
)
def test_features_are_reusable_under_a_whole_frozen_backbone_without_augmentation(changes, reusable):
    assert frozen.reusable({**RECIPE, **changes}) == reusable


def test_an_evaluation_passes_test_images_once_through_equal_backbones(data, passes):
    features = Features()
    for seed in range(3):
        torch.manual_seed(seed)
        network = engine.Classifier(Network({"backbone": 0}, 1, 3), 1)
        found = evaluating.probabilities(network, data.val_images, "cpu", features)
        np.testing.assert_allclose(found, evaluating.probabilities(network, data.val_images, "cpu"), rtol=1e-5)
    assert len(passes) == 1
