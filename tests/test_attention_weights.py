"""Attention weights of transformers of libraries: against the libraries' own slow path, planted weights, refusals."""

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import timm
import torch
import torchvision
from timm.models.vision_transformer import VisionTransformer as TimmTransformer
from torch import Tensor, nn
from torch.nn import functional as F

from synthmix.data import Split
from synthmix.explainers import attention
from synthmix.explaining import Images
from synthmix.networks import attention_weights, engine
from synthmix.networks.libraries import Backbone, Network

WIDTH, HEADS, SIDE, INPUT = 8, 2, 4, 16  # SIDE: patches a side, INPUT: pixels


def of_timm(layers: int = 2, **options: Any) -> Network:
    small = {"img_size": INPUT, "patch_size": INPUT // SIDE, "embed_dim": WIDTH, "num_heads": HEADS, "num_classes": 0}
    return Network(Backbone(TimmTransformer(**small, depth=layers, **options), INPUT), nn.Linear(WIDTH, 2))


def of_torchvision(layers: int = 2) -> Network:
    own = torchvision.models.VisionTransformer(INPUT, INPUT // SIDE, layers, HEADS, WIDTH, 2 * WIDTH)
    own.heads = nn.Identity()
    return Network(Backbone(own, INPUT), nn.Linear(WIDTH, 2))


def steep(network: Network) -> Network:
    """With weights so large that attention is far from equal."""
    torch.manual_seed(0)
    for parameter in network.parameters():
        nn.init.normal_(parameter)
    return network.eval()


def observed(network: Network, images: Tensor) -> tuple[Tensor, attention_weights.Attention]:
    with torch.inference_mode():
        return attention_weights.observed(network, lambda: network(images))


@pytest.fixture
def images() -> Tensor:
    return torch.randn(3, 3, 8, 8, generator=torch.Generator().manual_seed(1))  # resized to INPUT


def check(weights: list[Tensor], expected: list[Tensor]) -> None:
    for found, own in zip(weights, expected, strict=True):
        torch.testing.assert_close(found, own, rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(found.sum(-1), torch.ones(found.shape[:-1]))
        assert found.max() > 1.5 / found.shape[-1], "weights that are all equal test nothing"


# ---- weights ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"qk_norm": True}, {"reg_tokens": 3}, {"attn_drop_rate": 0.5}], ids=str)
def test_weights_of_timm_are_those_of_its_unfused_attention(images: Tensor, options: dict[str, Any]) -> None:
    network = steep(of_timm(**options))
    output, (weights, prefix) = observed(network, images)
    assert prefix == 1 + options.get("reg_tokens", 0)
    kept: list[Tensor] = []
    for block in network.backbone.network.blocks:  # type: ignore[union-attr]
        block.attn.fused_attn = False  # then the softmax reaches the dropout of the weights
        block.attn.attn_drop.register_forward_hook(lambda module, inputs, _: kept.append(inputs[0]))
    with torch.inference_mode():
        unfused = network(images)
    torch.testing.assert_close(output, unfused, rtol=1e-4, atol=1e-5)
    assert [each.shape for each in weights] == [(3, HEADS, SIDE**2 + prefix, SIDE**2 + prefix)] * 2
    check(weights, kept)


@pytest.mark.parametrize("grouped", [False, True])
def test_masks_and_scales_are_part_of_the_weights(grouped: bool) -> None:
    random = torch.Generator().manual_seed(0)
    query = torch.randn(1, 4, 5, 3, generator=random)
    key, value = torch.randn(2, 1, 2 if grouped else 4, 5, 3, generator=random)
    mask = torch.randn(5, 5, generator=random)
    with attention_weights._Listening() as listening:
        output = F.scaled_dot_product_attention(query, key, value, attn_mask=mask, scale=2.0, enable_gqa=grouped)
    key, value = (each.repeat_interleave(2, 1) if grouped else each for each in (key, value))
    (weights,) = listening.found
    check([weights], [(2 * query @ key.mT + mask).softmax(-1)])
    torch.testing.assert_close(weights @ value, output)


def test_weights_of_torchvision_give_the_output_of_its_attention(images: Tensor) -> None:
    network = steep(of_torchvision())
    layers = [block.self_attention for block in network.backbone.network.encoder.layers]  # type: ignore[union-attr]
    seen: list[tuple[Tensor, Tensor]] = []
    handles = [
        each.register_forward_hook(lambda _, inputs, output: seen.append((inputs[0], output[0]))) for each in layers
    ]
    with torch.inference_mode():
        alone = network(images)
    for handle in handles:
        handle.remove()
    output, (weights, prefix) = observed(network, images)
    torch.testing.assert_close(output, alone, rtol=1e-4, atol=1e-5)
    assert prefix == 1
    expected = []
    for layer, each, (tokens, mixed) in zip(layers, weights, seen, strict=True):
        with torch.inference_mode():
            projected = F.linear(tokens, layer.in_proj_weight, layer.in_proj_bias).unflatten(2, (3, HEADS, -1))
            query, key, value = projected.permute(2, 0, 3, 1, 4)
            expected.append((query @ key.mT * (WIDTH / HEADS) ** -0.5).softmax(-1))
            again = layer.out_proj((each @ value).transpose(1, 2).flatten(2))
        torch.testing.assert_close(again, mixed, rtol=1e-4, atol=1e-5)
    check(weights, expected)


# ---- planted weights -------------------------------------------------------------------------------------------------


def plant(network: Network) -> None:
    """Of one layer: the class token of head 1 looks at bright patches, that of head 2 at dark ones.

    A token is a unit vector: of axis 0 for the class token, 1 for a bright patch, 2 for a dark one.
    """
    own: Any = network.backbone.network
    timm_own = isinstance(own, TimmTransformer)
    block = own.blocks[0] if timm_own else own.encoder.layers[0]
    patches = own.patch_embed.proj if timm_own else own.conv_proj
    cls, position = (own.cls_token, own.pos_embed) if timm_own else (own.class_token, own.encoder.pos_embedding)
    attn = block.attn.qkv if timm_own else block.self_attention
    weight, bias = (attn.weight, attn.bias) if timm_own else (attn.in_proj_weight, attn.in_proj_bias)
    with torch.no_grad():
        for each in (position, cls, patches.weight, patches.bias, weight, bias):
            each.zero_()
        cls[..., 0] = 1
        patches.weight[1], patches.weight[2], patches.bias[2] = 1 / 48, -1 / 48, 1
        bias[[0, WIDTH // HEADS]] = 2  # the queries of all tokens
        weight[WIDTH, 1] = weight[WIDTH + WIDTH // HEADS, 2] = 5  # the keys of both heads


def bright_patch(size: int) -> Images:
    """Images of so many pixels a side that are black, but for the patch in row 2 and column 3 (from 1)."""
    pixels = np.zeros((2, size, size, 3), dtype=np.uint8)
    pixels[:, size // 4 : size // 2, size // 2 : 3 * size // 4] = 255
    split = Split(pixels, np.array([0, 1]), np.arange(2))
    return Images(split, {"name": "patches", "classes": ["a", "b"], "size": [size, size], "channels": 3}, lambda: split)


def head_maps(network: Network, size: int) -> Iterator[tuple[dict[str, Any], np.ndarray]]:
    classifier = engine.Classifier(network, 3)
    classifier.normalise_by(None)
    rows = list(attention.explain(classifier, {"kind": "attention", "instances": 1}, bright_patch(size), "cpu"))
    for row in rows:
        if row["what"] == "head" and (row["subject"], row["label"]) == ("instance", 0):
            yield row, np.array(json.loads(row["values"]))


@pytest.mark.parametrize("make", [of_timm, of_torchvision])
def test_maps_attend_where_it_was_planted(make: Any) -> None:
    network = make(layers=1)
    plant(network)
    (_, bright), (_, dark) = head_maps(network, 8)
    assert bright.shape == dark.shape == (SIDE, SIDE)
    assert np.unravel_index(bright.argmax(), bright.shape) == (1, 2)
    assert bright.max() > 0.9
    assert np.unravel_index(dark.argmin(), dark.shape) == (1, 2)
    assert dark.min() < 1e-4
    # the outer patches, which no blur of resizing reaches
    np.testing.assert_allclose(dark[3], 1 / 15, rtol=0.1)


def test_class_and_register_tokens_are_told_apart() -> None:
    network = of_timm(layers=1, reg_tokens=2)
    plant(network)
    with torch.no_grad():
        network.backbone.network.reg_token.zero_()[..., 1] = 1  # type: ignore[operator]
    (row, bright), (other, dark) = head_maps(network, INPUT)
    # the registers are as bright as the patch, so that head 1 gives each a third
    assert row["other_tokens"] == pytest.approx(2 / 3, abs=1e-4)
    assert bright[1, 2] == pytest.approx(1 / 3, abs=1e-4)
    assert other["other_tokens"] < 1e-4
    for each, values in ((row, bright), (other, dark)):
        assert values.sum() + each["class_token"] + each["other_tokens"] == pytest.approx(1, abs=1e-5)
        assert each["class_token"] < 1e-4


# ---- refusals --------------------------------------------------------------------------------------------------------


def refusal(network: nn.Module, size: int = 32) -> str:
    whole = Network(Backbone(network.eval(), None), nn.Identity())
    with torch.device("meta"), pytest.raises(ValueError, match="leave it out") as caught:
        observed(whole, torch.empty(1, 3, size, size))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_networks_that_are_no_such_transformers_are_refused() -> None:
    with torch.device("meta"):
        averaged = of_timm(class_token=False, global_pool="avg").backbone.network
        beside = of_timm(global_pool="avg").backbone.network
        unfused: Any = of_timm().backbone.network
        residual, swin = torchvision.models.resnet18(), timm.create_model("swin_tiny_patch4_window7_224")
    unfused.blocks[1].attn.fused_attn = False
    none = "is no vision transformer whose blocks share a class token; leave it out"
    assert refusal(averaged, INPUT) == f"attention: VisionTransformer {none}"
    assert refusal(residual) == f"attention: ResNet {none}"
    assert refusal(swin) == f"attention: swin_tiny_patch4_window7_224 {none}"
    assert "the output of VisionTransformer is not read from its class token" in refusal(beside, INPUT)
    assert "VisionTransformer has 2 layers, of which 1 use PyTorch's scaled dot-product" in refusal(unfused, INPUT)


def test_layers_that_see_other_tokens_are_refused() -> None:
    """DeiT's distillation token is one more before the patches; CaiT shows its class token to its last layers only."""
    with torch.device("meta"):
        distilled = timm.create_model("deit_tiny_distilled_patch16_224", num_classes=0).eval()
        cait = timm.create_model("cait_xxs24_224", num_classes=0)
        whole = Network(Backbone(distilled, None), nn.Identity())
        _, (weights, prefix) = observed(whole, torch.empty(1, 3, 224, 224))
    assert (prefix, weights[0].shape) == (2, (1, 3, 198, 198))
    assert "cait_xxs24_224" in refusal(cait, 224)
