"""Networks: sizes against closed forms, blocks against what the study says of them, inputs that do not fit."""

import pytest
import torch
import torchvision
from torch.nn import functional as F

from synthmix.models import cnn_block, feature_cnn, resnet, vit_block


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


def resnet_parameters(depth, width, stem, channels, classes):
    blocks = {18: [2, 2, 2, 2], 34: [3, 4, 6, 3], 50: [3, 4, 6, 3]}[depth]
    total = (9 if stem == "cifar" else 49) * channels * width + 2 * width
    inputs = width
    for stage, count in enumerate(blocks):
        c = width * 2**stage
        outputs = 4 * c if depth == 50 else c
        for block in range(count):
            if depth == 50:
                total += (inputs * c + 2 * c) + (9 * c * c + 2 * c) + (c * outputs + 2 * outputs)
            else:
                total += (9 * inputs * c + 2 * c) + (9 * c * c + 2 * c)
            if block == 0 and inputs != outputs:  # the shortcut changes its shape
                total += inputs * outputs + 2 * outputs
            inputs = outputs
    return total + inputs * classes + classes


@pytest.mark.parametrize(("depth", "width"), [(18, 4), (34, 2), (50, 3), (18, 64)])
@pytest.mark.parametrize("stem", ["cifar", "imagenet"])
@pytest.mark.parametrize(("channels", "size", "classes"), [(1, 8, 2), (3, 32, 10)])
def test_resnet_has_the_parameters_of_its_closed_form(depth, width, stem, channels, size, classes):
    network = resnet.build({"depth": depth, "width": width, "stem": stem}, channels, size, classes).eval()
    assert parameters(network) == resnet_parameters(depth, width, stem, channels, classes)
    assert network(torch.zeros(2, channels, size, size)).shape == (2, classes)


@pytest.mark.parametrize(("depth", "published"), [(18, 11_689_512), (34, 21_797_672), (50, 25_557_032)])
def test_resnet_of_width_64_is_that_of_torchvision(depth, published):
    torch.manual_seed(0)
    network = resnet.build({"depth": depth, "width": 64, "stem": "imagenet"}, 3, 224, 1000)
    assert parameters(network) == published
    torch.manual_seed(0)
    reference = getattr(torchvision.models, f"resnet{depth}")(weights=None)
    for (name, mine), (_, other) in zip(network.state_dict().items(), reference.state_dict().items(), strict=True):
        assert torch.equal(mine, other), name
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(network.eval()(images), reference.eval()(images))


def test_the_stems_of_resnet_keep_what_they_say():
    """Behind the stem, 32 pixels are 32 for small images and 8 for ImageNet's."""
    for stem, side in (("cifar", 32), ("imagenet", 8)):
        network = resnet.build({"depth": 18, "width": 4, "stem": stem}, 3, 32, 10)
        x = network.maxpool(network.relu(network.bn1(network.conv1(torch.zeros(2, 3, 32, 32)))))
        assert x.shape == (2, 4, side, side)


def test_resnet_of_another_width_is_initialised_as_torchvision_does_it():
    """Standard deviation sqrt(2 / fan out) in every convolution: within 5 % over thousands of weights."""
    torch.manual_seed(0)
    for name, module in resnet.build({"depth": 18, "width": 32, "stem": "cifar"}, 3, 32, 10).named_modules():
        if isinstance(module, torch.nn.Conv2d) and module.weight.numel() > 5000:
            fan_out = module.out_channels * module.kernel_size[0] ** 2
            assert module.weight.std().item() == pytest.approx((2 / fan_out) ** 0.5, rel=0.05), name


@pytest.mark.parametrize("width", [1, 2, 10, 24])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("size", "classes"), [(8, 10), (16, 10), (20, 7), (28, 10), (32, 10)])
def test_cnn_block_has_the_parameters_of_its_closed_form(width, channels, size, classes):
    for form in ({}, {"parametrisation": "mean_field"}):
        network = cnn_block.build({"width": width, **form}, channels, size, classes)
        assert parameters(network) == cnn_parameters(width, channels, size, classes)
        assert network(torch.zeros(2, channels, size, size)).shape == (2, classes)


def test_cnn_block_computes_what_the_study_describes():
    """Kernel 5, stride 1, padding 2, ReLU, then average pooling, three times; a head with one hidden layer of 4 C."""
    torch.manual_seed(0)
    network = cnn_block.build({"width": 3}, 3, 32, 10)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.2)  # biases, too
    weights = dict(network.named_parameters())
    kernels = [weight for weight in weights.values() if weight.dim() == 4]
    assert [tuple(kernel.shape) for kernel in kernels] == [(3, 3, 5, 5), (6, 3, 5, 5), (12, 6, 5, 5)]
    values = list(weights.values())
    images = torch.randn(2, 3, 32, 32)
    x = images
    for kernel, bias in zip(values[0:6:2], values[1:6:2], strict=True):
        x = F.avg_pool2d(F.conv2d(x, kernel, bias, stride=1, padding=2).clamp_min(0), 2)
    hidden = F.linear(x.reshape(2, -1), values[6], values[7]).clamp_min(0)
    assert hidden.shape == (2, 12)
    torch.testing.assert_close(network(images), F.linear(hidden, values[8], values[9]))


def test_cnn_block_of_width_2_has_the_published_number_of_parameters():
    """The `blocks` study counts 2,186 for C1 = 2 on MNIST at 32 x 32."""
    assert parameters(cnn_block.build({"width": 2}, 1, 32, 10)) == 2186


def test_cnn_block_grows_with_the_square_of_its_width():
    """At 16 pixels: 25 (2 + 8) for the convolutions and 4 x 4 x 4 for the hidden layer, 314 per squared channel."""
    second_difference = [parameters(cnn_block.build({"width": c}, 1, 16, 10)) for c in (10, 20, 30)]
    assert (second_difference[2] - 2 * second_difference[1] + second_difference[0]) / 200 == 314


@pytest.mark.parametrize(
    ("width", "heads", "layers", "patch"), [(8, 1, 1, 4), (48, 4, 1, 4), (32, 4, 3, 2), (12, 3, 2, 4)]
)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("size", "classes"), [(8, 10), (16, 3), (28, 10), (32, 10)])
def test_vit_block_has_the_parameters_of_its_closed_form(width, heads, layers, patch, channels, size, classes):
    model = {"width": width, "heads": heads, "layers": layers, "patch": patch}
    network = vit_block.build(model, channels, size, classes)
    assert parameters(network) == vit_parameters(width, layers, patch, channels, size, classes)
    assert network(torch.zeros(2, channels, size, size)).shape == (2, classes)


@pytest.mark.parametrize(
    ("channels", "size", "width", "heads", "layers", "count"),
    [
        (3, 32, 128, 1, 1, 148_746),  # the ViT of the learning curves, on CIFAR-10
        (1, 28, 128, 1, 1, 142_730),  # and on MNIST
        (3, 32, 128, 8, 3, 413_706),
        (1, 28, 120, 1, 2, 242_650),
    ],
)
def test_the_vits_of_the_study_have_these_sizes(channels, size, width, heads, layers, count):
    """Counted by hand; the number of heads plays no part."""
    model = {"width": width, "heads": heads, "layers": layers, "patch": 4}
    assert parameters(vit_block.build(model, channels, size, 10)) == count


def test_vit_block_computes_what_the_study_describes():
    """Patches, class token and positions; pre-norm blocks with PyTorch's attention and GELU; LayerNorm and head."""
    torch.manual_seed(0)
    network = vit_block.build({"width": 8, "heads": 2, "layers": 2, "patch": 4}, 3, 8, 5).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    images = torch.randn(2, 3, 8, 8)
    # patches in reading order, the values of a patch in the order of the kernel's
    patches = images.unfold(2, 4, 4).unfold(3, 4, 4).permute(0, 2, 3, 1, 4, 5).reshape(2, 4, 48)
    embedded = patches @ network.embedding.weight.flatten(1).T + network.embedding.bias
    x = torch.cat([network.class_token.expand(2, 1, 8), embedded], 1) + network.position
    for block in network.blocks:
        a = block.attention
        normed = F.layer_norm(x, (8,), block.norm1.weight, block.norm1.bias).transpose(0, 1)
        mixed, _ = F.multi_head_attention_forward(
            normed, normed, normed, 8, 2, a.qkv.weight, a.qkv.bias, None, None, False, 0.0,
            a.projection.weight, a.projection.bias, training=False,
        )  # fmt: skip
        x = x + mixed.transpose(0, 1)
        first, _, second = block.mlp
        assert first.out_features == 16
        hidden = F.gelu(F.linear(F.layer_norm(x, (8,), block.norm2.weight, block.norm2.bias), first.weight, first.bias))
        x = x + F.linear(hidden, second.weight, second.bias)
    expected = network.head(F.layer_norm(x[:, 0], (8,), network.norm.weight, network.norm.bias))
    torch.testing.assert_close(network(images), expected, rtol=1e-4, atol=1e-5)


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
        torch.testing.assert_close(attention(x), reference(x, x, x)[0], rtol=1e-5, atol=1e-6)


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
        (cnn_block.build, {"width": 6, "parametrisation": "mean_field"}),
        (vit_block.build, {"width": 16, "heads": 2, "layers": 1, "patch": 4}),
        (feature_cnn.build, {"width": 8}),
        (resnet.build, {"depth": 18, "width": 4, "stem": "cifar"}),
        (resnet.build, {"depth": 50, "width": 4, "stem": "imagenet"}),
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


def test_mean_field_starts_with_the_activations_of_the_standard_form_and_smaller_logits():
    """Weights of unit variance, He's scale in front of every layer; logits are 1 / (2 C) times a sum over 4 C units."""
    images = torch.randn(64, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    network = cnn_block.build({"width": 16, "parametrisation": "mean_field"}, 1, 16, 10)
    standard = cnn_block.build({"width": 16}, 1, 16, 10)
    layers, others = (
        [layer for layer in each if isinstance(layer, torch.nn.Conv2d | torch.nn.Linear)]
        for each in (network, standard)
    )
    with torch.no_grad():
        for layer, other in zip(layers, others, strict=True):
            assert layer.weight.std().item() == pytest.approx(1, abs=0.05)
            assert not layer.bias.any()
            other.weight.copy_(layer.weight * (2 / layer.weight[0].numel()) ** 0.5)
        hidden = standard[:-1](images)
        torch.testing.assert_close(network(images), hidden @ layers[-1].weight.T / (2 * 16))


def change_of_logits(width, form):
    """Root mean square change of the logits by one step of SGD with rate 0.1 x width, median of five draws."""
    changes = []
    for seed in range(5):
        torch.manual_seed(seed)
        network = cnn_block.build({"width": width, **form}, 1, 8, 10)
        images, labels = torch.randn(64, 1, 8, 8), torch.arange(64) % 10
        before = network(images)
        F.cross_entropy(before, labels).backward()
        with torch.no_grad():
            for parameter in network.parameters():
                parameter -= 0.1 * width * parameter.grad
            changes.append((network(images) - before).square().mean().sqrt().item())
    return sorted(changes)[2]


def test_a_rate_proportional_to_the_width_suits_mean_field_alone():
    """From width 8 to 64, a step moves the logits about equally far in mean field, and ever farther otherwise."""
    mean_field = {"parametrisation": "mean_field"}
    assert 0.5 < change_of_logits(64, mean_field) / change_of_logits(8, mean_field) < 2
    assert change_of_logits(64, {}) / change_of_logits(8, {}) > 8


@pytest.mark.parametrize(("size", "channels"), [(8, 1), (28, 1), (32, 3), (64, 3)])
def test_feature_cnn_gives_features_of_its_width(size, channels):
    network = feature_cnn.build({"width": 12}, channels, size, 7).eval()
    images = torch.rand(3, channels, size, size)
    values = network.features(images)
    assert values.shape == (3, 12)
    assert (values >= 0).all()
    torch.testing.assert_close(network(images), network.head(values))
