"""What is trained and how fast: frozen parts, learning rates by layer."""

import pytest
from torch import nn

from synthmix.networks import optimisers
from synthmix.networks.engine import Classifier
from synthmix.networks.optimisers import freeze, optimiser, rates

SGD = {"optimizer": "sgd", "learning_rate": 0.1}


class Parts(nn.Module):
    """A network of a backbone, with stages as in torchvision, and a head."""

    def __init__(self):
        super().__init__()
        stages = {"stem": _stage(1), "layer1": nn.Sequential(_stage(2), _stage(2)), "layer10": _stage(2)}
        self.backbone = nn.Sequential()
        for name, stage in stages.items():
            self.backbone.add_module(name, stage)
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.5), nn.Linear(2, 3))

    def forward(self, images):
        return self.head(self.backbone(images))


def _stage(channels):
    return nn.Sequential(nn.Conv2d(channels, 2, 3), nn.BatchNorm2d(2), nn.Dropout(0.5))


def names(model, trained=True):
    return {name for name, each in model.network.named_parameters() if each.requires_grad == trained}


@pytest.fixture
def model():
    return Classifier(Parts(), 1)


# ---- frozen parts ----------------------------------------------------------------------------------------------------


def test_a_frozen_backbone_leaves_the_head(model):
    still = freeze(model, ["backbone"])
    assert names(model) == {"head.3.weight", "head.3.bias"}
    trained = [each for group in optimiser(model, SGD, 1).param_groups for each in group["params"]]
    assert {id(each) for each in trained} == {id(each) for each in model.network.head.parameters()}
    model.train()
    for module in still:
        module.eval()
    assert not any(module.training for module in model.network.backbone.modules())
    assert all(module.training for module in model.network.head.modules())


def test_a_prefix_is_whole_parts_of_a_name(model):
    still = freeze(model, ["backbone.layer1"])
    assert {name.split(".")[1] for name in names(model, trained=False)} == {"layer1"}
    assert model.network.backbone.layer1 in still
    assert model.network.backbone.layer10 not in still


def test_nothing_is_frozen_where_nothing_is_named(model):
    assert freeze(model, []) == []
    assert not names(model, trained=False)


def test_an_unknown_prefix_is_refused_with_what_there_is(model):
    with pytest.raises(ValueError, match="no parameter's name begins with 'backbon': there are backbone, head$"):
        freeze(model, ["backbon"])
    with pytest.raises(ValueError, match=r"there are backbone.stem, backbone.layer1, backbone.layer10, head.3$"):
        freeze(model, ["backbone.layer"])


def test_a_network_that_is_frozen_as_a_whole_is_refused(model):
    with pytest.raises(ValueError, match="backbone, head leaves nothing to train"):
        freeze(model, ["backbone", "head"])


# ---- learning rates --------------------------------------------------------------------------------------------------


def test_one_rate_for_all_where_nothing_else_is_asked_for(model):
    (group,) = optimiser(model, SGD, 1).param_groups
    assert [id(each) for each in group["params"]] == [id(each) for each in model.parameters()]
    assert group["lr"] == 0.1


def test_the_rate_scales_with_the_width_where_asked():
    found = [
        optimiser(nn.Linear(1, 1), {**SGD, **scaled}, 10).param_groups[0]["lr"]
        for scaled in ({}, {"width_scaled": True})
    ]
    assert found == pytest.approx([0.1, 1.0])


def test_rates_fall_from_the_head_to_the_stem(model):
    """The stem has two layers here, a convolution and a batch norm, since neither it nor they are numbered blocks."""
    recipe = {**SGD, "layer_decay": 0.5, "head_rate": 10.0}
    optimizer = optimiser(model, recipe, 1)
    rate_of = {id(each): group["lr"] for group in optimizer.param_groups for each in group["params"]}
    found = {name: rate_of[id(each)] for name, each in model.network.named_parameters()}
    assert found["head.3.weight"] == pytest.approx(1.0)
    assert found["backbone.layer10.0.weight"] == found["backbone.layer10.1.bias"] == pytest.approx(0.05)
    assert found["backbone.layer1.0.0.weight"] == found["backbone.layer1.1.1.bias"] == pytest.approx(0.025)
    assert found["backbone.stem.1.weight"] == pytest.approx(0.0125)
    assert found["backbone.stem.0.weight"] == pytest.approx(0.00625)


def test_layers_are_counted_whether_they_are_frozen_or_not(model):
    freeze(model, ["backbone.layer10"])
    found = [group["lr"] for group in optimiser(model, {**SGD, "layer_decay": 0.5}, 1).param_groups]
    assert max(found) == pytest.approx(0.1)
    assert min(found) == pytest.approx(0.00625)


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("backbone.blocks.11.mlp.fc1.weight", "backbone.blocks.11"),  # timm's vision transformers
        ("backbone.encoder.layers.encoder_layer_3.ln_1.bias", "backbone.encoder.layers.encoder_layer_3"),
        ("backbone.patch_embed.proj.weight", "backbone.patch_embed.proj"),
        ("backbone.layer2.0.conv1.weight", "backbone.layer2"),
        ("head.0.weight", "head."),
        ("3.weight", "3"),
        ("cls_token", ""),
    ],
)
def test_what_a_layer_is(name, layer):
    assert optimisers._layer(name) == layer


def test_a_rate_for_a_head_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="the network has no part `head`"):
        rates(["0.weight"], {"head_rate": 2.0})
