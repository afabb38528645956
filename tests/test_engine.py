"""Normalisation, augmentation and prediction of uint8 images."""

import numpy as np
import pytest
import torch
from torch import nn

from synthmix.images.augmentation import augment
from synthmix.networks import engine

KINDS = ("none", "flip", "crop", "shift", "strong")


def batch(n=16, channels=3, size=16, seed=0):
    random = np.random.default_rng(seed)
    return engine.to_device(random.integers(0, 256, (n, size, size, channels), dtype=np.uint8), "cpu")


def augmented(images, kind, seed=0):
    return augment(images, kind, torch.Generator().manual_seed(seed))


# ---- tensors ---------------------------------------------------------------------------------------------------------


def test_to_device_keeps_the_pixels_in_channels_last_order():
    images = np.random.default_rng(0).integers(0, 256, (5, 4, 6, 3), dtype=np.uint8)
    tensor = engine.to_device(images[::2], "cpu")  # not contiguous
    assert tensor.dtype == torch.uint8
    assert tensor.is_contiguous(memory_format=torch.channels_last)
    np.testing.assert_array_equal(tensor.numpy(), images[::2].transpose(0, 3, 1, 2))


# ---- augmentation ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("channels", [1, 3])
def test_augmentation_keeps_shape_and_range(kind, channels):
    images = batch(channels=channels)
    found = augmented(images, kind)
    assert found.shape == images.shape
    assert found.min() >= 0
    assert found.max() <= 255


@pytest.mark.parametrize("kind", KINDS)
def test_augmentation_is_a_function_of_its_generator(kind):
    images = batch()
    first = augmented(images, kind, seed=1)
    torch.manual_seed(99)  # the global generator plays no part
    assert torch.equal(first, augmented(images, kind, seed=1))
    assert torch.equal(first, augmented(images, kind, seed=2)) == (kind == "none")


@pytest.mark.parametrize("kind", KINDS)
def test_augmentation_leaves_its_input_alone(kind):
    images = batch()
    before = images.clone()
    augmented(images, kind)
    assert torch.equal(images, before)


@pytest.mark.parametrize("kind", ["flip", "crop", "shift", "strong"])
def test_each_image_is_augmented_on_its_own(kind):
    """Other images in the batch do not matter, and equal images do not all come out equal."""
    images = batch(n=12)
    other = images.clone()
    other[1:] = batch(n=11, seed=5)
    assert torch.equal(augmented(images, kind)[0], augmented(other, kind)[0])
    same = augmented(images[:1].expand(12, -1, -1, -1), kind)
    different = len({image.numpy().tobytes() for image in same})
    # crop has 50 outcomes at this size: 12 draws of fewer than 6 are rarer than one in a million
    assert different == 2 if kind == "flip" else different >= 6 if kind == "crop" else different == 12


def test_none_is_the_identity():
    images = batch()
    assert augmented(images, "none") is images


def test_flip_only_mirrors_left_to_right():
    images = batch(n=400, size=4)
    found = augmented(images, "flip")
    kept = (found == images).flatten(1).all(1)
    mirrored = (found == images.flip(3)).flatten(1).all(1)
    assert found.dtype == torch.uint8
    assert (kept ^ mirrored).all()
    assert mirrored.float().mean().item() == pytest.approx(0.5, abs=0.1)  # 4 standard deviations


@pytest.mark.parametrize(("size", "pad"), [(32, 4), (16, 2), (4, 1)])
def test_crop_is_a_window_of_the_padded_image_or_its_mirror(size, pad):
    """4 pixels of 32: each output is one of the (2 pad + 1)^2 windows, and all offsets and both sides occur."""
    images = batch(n=600, size=size) // 2 + 1  # no pixel is zero, so that borders are told from images
    found = augmented(images, "crop")
    assert found.dtype == torch.uint8
    padded = nn.functional.pad(images, [pad] * 4)
    seen = set()
    for image, source in zip(found[:150], padded, strict=False):
        windows = [
            (y, x, mirrored)
            for y in range(2 * pad + 1)
            for x in range(2 * pad + 1)
            for mirrored in (False, True)
            for window in [source[:, y : y + size, x : x + size]]
            if torch.equal(image, window.flip(2) if mirrored else window)
        ]
        assert len(windows) == 1
        seen.add(windows[0])
    assert {each[0] for each in seen} == {each[1] for each in seen} == set(range(2 * pad + 1))
    assert {each[2] for each in seen} == {False, True}


def test_shift_moves_by_at_most_an_eighth():
    """A bright dot in the middle of 33 pixels ends within 33/8 pixels of it, and its light is not lost."""
    images = torch.zeros(200, 1, 33, 33)
    images[:, :, 16, 16] = 255
    found = augmented(images, "shift")
    position = torch.arange(33.0) - 16
    light = found.sum((1, 2, 3))
    x, y = (found.sum(axes) @ position / light for axes in ((1, 2), (1, 3)))
    torch.testing.assert_close(light, torch.full((200,), 255.0), rtol=1e-4, atol=0)
    for moved in (x, y):
        assert 3.5 < moved.abs().max() <= 33 / 8 + 1e-3
        assert abs(moved.mean()) < 0.7  # 4 standard deviations
    assert abs(np.corrcoef(x, y)[0, 1]) < 0.3


def test_shift_and_strong_leave_a_constant_image_its_shape():
    """The border is filled with the edge: nothing dark comes in from outside."""
    images = torch.full((20, 3, 16, 16), 100, dtype=torch.uint8)
    torch.testing.assert_close(augmented(images, "shift"), images.float())
    strong = augmented(images, "strong")
    torch.testing.assert_close(strong, strong[:, :, :1, :1].expand_as(strong), rtol=0, atol=1e-3)
    brightness = strong[:, 0, 0, 0] - 100
    assert brightness.abs().max() <= 51
    assert brightness.std() > 10


def test_strong_stays_in_range_at_the_extremes():
    black, white = torch.zeros(50, 1, 8, 8), torch.full((50, 1, 8, 8), 255.0)
    for images in (black, white):
        found = augmented(images, "strong")
        assert (found.min() >= 0) & (found.max() <= 255)


# ---- normalisation and prediction ------------------------------------------------------------------------------------


def test_normalisation_is_per_channel():
    images = batch(n=64)
    images[:, 1] //= 4
    model = engine.Classifier(nn.Identity(), 3)
    model.normalise_by(images)
    found = model(images)
    torch.testing.assert_close(found.mean((0, 2, 3)), torch.zeros(3), rtol=0, atol=1e-5)
    torch.testing.assert_close(found.std((0, 2, 3)), torch.ones(3), rtol=0, atol=1e-5)
    np.testing.assert_allclose(model.mean.flatten(), images.double().mean((0, 2, 3)), rtol=1e-6)


def test_a_constant_channel_is_not_blown_up():
    model = engine.Classifier(nn.Identity(), 1)
    model.normalise_by(torch.full((4, 1, 3, 3), 7, dtype=torch.uint8))
    assert model(torch.full((1, 1, 3, 3), 9.0)).unique().tolist() == [2.0]


def test_the_normalisation_travels_with_the_weights():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.LazyLinear(5))
    images = batch()
    model = engine.Classifier(network, 3)
    model.normalise_by(images)
    expected = engine.logits(model, images)
    other = engine.Classifier(nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.LazyLinear(5)), 3)
    other.load_state_dict(model.state_dict())
    assert {"mean", "std"} < set(other.state_dict())
    assert torch.equal(engine.logits(other, images), expected)


def test_uint8_and_float_images_give_the_same_logits():
    model = engine.Classifier(nn.Flatten(), 3)
    images = batch()
    model.normalise_by(images)
    assert torch.equal(model(images), model(images.float()))


def test_logits_come_in_order_and_leave_the_mode_alone():
    model = engine.Classifier(nn.Sequential(nn.Flatten(), nn.Dropout(0.5)), 3)
    images = batch(n=10)
    whole = engine.logits(model, images)
    assert model.training
    assert whole.dtype == torch.float32
    assert not whole.requires_grad
    assert torch.equal(whole, images.float().flatten(1))  # no dropout
    assert torch.equal(engine.logits(model, images, batch_size=3), whole)
    model.eval()
    engine.logits(model, images)
    assert not model.training


def test_rows_of_features_are_no_images():
    seen = []
    head = nn.Linear(1000, 2)
    head.register_forward_pre_hook(lambda _, inputs: seen.append(len(inputs[0])))
    features = torch.rand(5000, 1000)
    torch.testing.assert_close(engine.logits(head, features), head(features).detach())
    assert seen[:-1] == [4096, 904]


def test_each_part_gets_its_own_mode_back():
    """Batch norms of frozen parts stay in evaluation mode between steps, whatever is measured there."""
    model = engine.Classifier(nn.Sequential(nn.Flatten(), nn.BatchNorm1d(3), nn.Dropout(0.5)), 3)
    model.network[1].eval()
    engine.logits(model, batch(n=4, size=1))
    assert [module.training for module in model.network] == [True, False, True]


def test_the_mode_comes_back_after_an_error():
    model = engine.Classifier(nn.Linear(2, 2), 3)
    with pytest.raises(RuntimeError):
        engine.logits(model, batch())
    assert model.training


def test_autocast_is_only_on_where_it_was_asked_for():
    weights = torch.ones(2, 2)
    with engine.autocast("cpu", "float32"):
        assert (weights @ weights).dtype == torch.float32
    with engine.autocast("cpu", "bfloat16"):
        assert (weights @ weights).dtype == torch.bfloat16
