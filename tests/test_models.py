"""The two small networks: sizes against closed forms, attention against PyTorch's own, inputs that do not fit."""

import pytest
import torch
from torch.nn import functional as F

from synthmix.models import cnn_block, feature_cnn, vit_block


def parameters(network):
    return sum(parameter.numel() for parameter in network.parameters())


def cnn_parameters(c, channels, size, classes):
    """Kernels, then biases, of the three 5x5 convolutions; the hidden layer; the output."""
    convolutions = 25 * (channels * c + c * 2 * c + 2 * c * 4 * c) + (c + 2 * c + 4 * c)
    flat = 4 * c * (size // 8) ** 2
    return convolutions + (flat * 4 * c + 4 * c) + (4 * c * classes + classes)


def vit_parameters(h, layers, patch, channels, size, classes):
    tokens = (size // patch) ** 2 + 1
    embedding = (patch * patch * channels * h + h) + h + tokens * h  # patches, class token, positions
    attention = (3 * h * h + 3 * h) + (h * h + h)
    mlp = (2 * h * h + 2 * h) + (2 * h * h + h)
    norms = 2 * 2 * h
    return embedding + layers * (attention + mlp + norms) + 2 * h + (h * classes + classes)


@pytest.mark.parametrize("width", [1, 2, 10, 24])
@pytest.mark.parametrize(("channels", "size", "classes"), [(1, 8, 10), (1, 16, 10), (3, 32, 10), (3, 20, 7)])
def test_cnn_block_has_the_parameters_of_its_closed_form(width, channels, size, classes):
    network = cnn_block.build({"width": width}, channels, size, classes)
    assert parameters(network) == cnn_parameters(width, channels, size, classes)
    assert network(torch.zeros(2, channels, size, size)).shape == (2, classes)


def test_cnn_block_of_width_2_has_the_published_number_of_parameters():
    """The `blocks` study counts 2,186 for C1 = 2 on MNIST at 32 x 32."""
    assert parameters(cnn_block.build({"width": 2}, 1, 32, 10)) == 2186


def test_cnn_block_grows_with_the_square_of_its_width():
    """At 16 pixels: 25 (2 + 8) for the convolutions and 4 x 4 x 4 for the hidden layer, 314 per squared channel."""
    second_difference = [parameters(cnn_block.build({"width": c}, 1, 16, 10)) for c in (10, 20, 30)]
    assert (second_difference[2] - 2 * second_difference[1] + second_difference[0]) / 200 == 314


@pytest.mark.parametrize(
    ("width", "heads", "layers", "patch"), [(8, 1, 1, 4), (48, 4, 1, 4), (32, 4, 3, 2), (12, 3, 2, 8)]
)
@pytest.mark.parametrize(("channels", "size", "classes"), [(1, 8, 10), (3, 32, 10), (1, 16, 3)])
def test_vit_block_has_the_parameters_of_its_closed_form(width, heads, layers, patch, channels, size, classes):
    model = {"width": width, "heads": heads, "layers": layers, "patch": patch}
    network = vit_block.build(model, channels, size, classes)
    assert parameters(network) == vit_parameters(width, layers, patch, channels, size, classes)
    assert network(torch.zeros(2, channels, size, size)).shape == (2, classes)


@pytest.mark.parametrize(
    ("build", "model", "size", "message"),
    [
        (cnn_block.build, {"width": 4}, 7, "at least 8 pixels, not 7: raise the data set's resolution"),
        (
            vit_block.build,
            {"width": 8, "heads": 2, "layers": 1, "patch": 3},
            8,
            "patch 3 does not divide the image size 8: choose a divisor",
        ),
        (
            vit_block.build,
            {"width": 30, "heads": 4, "layers": 1, "patch": 4},
            32,
            "4 heads do not divide width 30: choose a divisor",
        ),
    ],
)
def test_sizes_that_do_not_fit_are_refused(build, model, size, message):
    with pytest.raises(ValueError, match=message):
        build(model, 1, size, 10)


def test_attention_weights_are_those_that_attention_uses():
    torch.manual_seed(0)
    attention = vit_block.Attention(24, 3).eval()
    x = torch.randn(2, 5, 24) * 3
    with torch.no_grad():
        weights = attention.weights(x)
        values = attention.qkv(x)[..., 48:].view(2, 5, 3, 8).transpose(1, 2)
        mixed = attention.projection((weights @ values).transpose(1, 2).flatten(2))
        assert weights.shape == (2, 3, 5, 5)
        assert (weights > 0).all()
        torch.testing.assert_close(weights.sum(-1), torch.ones(2, 3, 5))
        torch.testing.assert_close(mixed, attention(x), rtol=1e-5, atol=1e-6)


def test_attention_equals_pytorch_multi_head_attention():
    torch.manual_seed(0)
    attention = vit_block.Attention(24, 3).eval()
    reference = torch.nn.MultiheadAttention(24, 3, batch_first=True).eval()
    reference.load_state_dict(
        {
            "in_proj_weight": attention.qkv.weight.detach(),
            "in_proj_bias": attention.qkv.bias.detach(),
            "out_proj.weight": attention.projection.weight.detach(),
            "out_proj.bias": attention.projection.bias.detach(),
        }
    )
    x = torch.randn(2, 5, 24)
    with torch.no_grad():
        expected, weights = reference(x, x, x, average_attn_weights=False)
        torch.testing.assert_close(attention(x), expected, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(attention.weights(x), weights, rtol=1e-5, atol=1e-6)


def test_vit_block_reads_where_its_patches_are():
    """Without positions a transformer is blind to the order of its patches; with them it is not."""
    torch.manual_seed(0)
    network = vit_block.build({"width": 16, "heads": 2, "layers": 1, "patch": 4}, 1, 8, 3).eval()
    image = torch.randn(1, 1, 8, 8)
    swapped = image.roll(4, dims=3)
    with torch.no_grad():
        assert not torch.allclose(network(image), network(swapped), atol=1e-6)
        network.position.zero_()
        torch.testing.assert_close(network(image), network(swapped), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("build", "model"),
    [
        (cnn_block.build, {"width": 6}),
        (vit_block.build, {"width": 16, "heads": 2, "layers": 1, "patch": 4}),
        (feature_cnn.build, {"width": 8}),
    ],
)
def test_every_parameter_learns(build, model):
    """Nothing is cut off from the loss, and the initial weights are a function of PyTorch's seed."""
    torch.manual_seed(0)
    network = build(model, 3, 16, 5)
    loss = F.cross_entropy(network(torch.randn(32, 3, 16, 16)), torch.arange(32) % 5)
    loss.backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name
    torch.manual_seed(0)
    again = build(model, 3, 16, 5)
    for mine, other in zip(network.parameters(), again.parameters(), strict=True):
        assert torch.equal(mine, other)


@pytest.mark.parametrize("size", [8, 16, 32])
def test_cnn_block_keeps_the_scale_of_its_activations(size):
    """He initialisation: the second moment stays within a factor of ten from layer to layer, for wide layers."""
    torch.manual_seed(0)
    x = torch.randn(64, 3, size, size)
    for layer in cnn_block.build({"width": 32}, 3, size, 10):
        before, x = x, layer(x)
        if isinstance(layer, torch.nn.Conv2d):
            ratio = x.square().mean() / before.square().mean()
            assert 0.2 < ratio < 4


@pytest.mark.parametrize("size", [8, 28, 32, 64])
def test_feature_cnn_gives_features_of_its_width(size):
    network = feature_cnn.build({"width": 12}, 3, size, 7).eval()
    images = torch.rand(2, 3, size, size)
    assert network.features(images).shape == (2, 12)
    torch.testing.assert_close(network(images), network.head(network.features(images)))
