"""Rotations and random crops; test_engine.py has the other augmentations."""

import math

import pytest
import torch
from test_engine import batch
from torchvision.transforms.v2 import functional as tv

from synthmix.images.augmentation import ANGLE, augment

KINDS = ("rotate", "random_resized_crop")


def augmented(images, kind, seed=0):
    return augment(images, kind, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("kind", KINDS)
def test_an_augmentation_is_a_function_of_its_generator_and_of_each_image_alone(kind):
    images = batch(n=12)
    before, first = images.clone(), augmented(images, kind)
    torch.manual_seed(99)
    assert torch.equal(first, augmented(images, kind))
    assert not torch.equal(first, augmented(images, kind, seed=1))
    assert torch.equal(images, before)
    assert first.shape == images.shape
    assert (first.min() >= 0) & (first.max() <= 255)
    other = batch(n=12, seed=5)
    other[3] = images[3]
    assert torch.equal(augmented(other, kind)[3], first[3])
    same = augmented(images[:1].expand(12, -1, -1, -1), kind)
    assert len({image.numpy().tobytes() for image in same}) == 12


def plane(height, width, n=200):
    """Images whose two channels are the row and the column of each pixel, counted from the centre."""
    rows, columns = torch.arange(height) - (height - 1) / 2, torch.arange(width) - (width - 1) / 2
    return torch.stack(torch.meshgrid(rows, columns, indexing="ij")).expand(n, -1, -1, -1)


@pytest.mark.parametrize(("height", "width"), [(33, 33), (21, 41)])
def test_rotate_turns_about_the_centre_and_mirrors(height, width):
    """Where each pixel comes from says how the image was turned, whatever its shape."""
    found = augmented(plane(height, width), "rotate")
    middle = (slice(None), slice(None), height // 2, width // 2)
    torch.testing.assert_close(found[middle], torch.zeros(200, 2), rtol=0, atol=1e-3)
    right = found[:, :, height // 2, width // 2 + 5] / 5  # (row, column) of the source, one pixel to the right
    below = found[:, :, height // 2 + 5, width // 2] / 5
    torch.testing.assert_close(right.norm(dim=1), torch.ones(200), rtol=1e-3, atol=0)
    torch.testing.assert_close((right * below).sum(1), torch.zeros(200), rtol=0, atol=1e-3)
    mirrored = right[:, 1] < 0
    assert 60 < mirrored.sum() < 140  # of 200; 5.6 standard deviations
    angle = torch.rad2deg(torch.atan2(below[:, 1], below[:, 0]))
    assert angle.abs().max() <= ANGLE
    assert angle.max() > ANGLE - 2
    assert angle.min() < 2 - ANGLE


def test_rotate_is_torchvisions_rotation():
    image = batch(n=1, size=32).float()
    for seed in range(8):
        found = augmented(image, "rotate", seed)
        turned = augmented(plane(32, 32, 1), "rotate", seed)[0]
        across = turned[:, 16, 20] - turned[:, 16, 12]  # towards the right, in rows and columns of the source
        if across[1] < 0:
            across, found = -across, found.flip(3)
        degrees = math.degrees(math.atan2(across[0], across[1]))
        expected = tv.rotate(image, degrees, tv.InterpolationMode.BILINEAR)
        torch.testing.assert_close(found, expected, rtol=0, atol=0.1)


def test_a_random_crop_has_area_proportions_and_place_as_usual():
    side = 64
    found = augmented(plane(side, side, 400), "random_resized_crop")
    inner = side - 17
    high = (found[:, 0, inner, 32] - found[:, 0, 16, 32]) / (inner - 16)
    wide = (found[:, 1, 32, inner] - found[:, 1, 32, 16]) / (inner - 16)
    assert 140 < (wide < 0).sum() < 260  # mirrored; 6 standard deviations
    wide = wide.abs()
    area, ratio = wide * high, wide / high
    assert 0.07 < area.min() < 0.15
    assert 0.9 < area.max() < 1.001
    uncut = (wide < 0.99) & (high < 0.99)
    assert ratio[uncut].min() > 3 / 4 - 0.01
    assert ratio[uncut].max() < 4 / 3 + 0.01
    centre = found[:, :, 31:33, 31:33].mean((2, 3))
    for axis, part in ((0, high), (1, wide)):
        room = side * (1 - part) / 2
        assert (centre[:, axis].abs() <= room + 0.5).all()
        assert centre[:, axis].abs().max() > 10


def test_others_are_those_of_generators():
    images = batch()
    assert augmented(images, "none") is images
    assert augmented(images, "flip").dtype == torch.uint8
