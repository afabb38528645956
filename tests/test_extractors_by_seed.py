"""Extractors trained per seed: which network is which seed's, and what it may look at."""

from pathlib import Path

import numpy as np
import pytest
import torch

from synthmix import extractors_by_seed
from synthmix.data import Split
from synthmix.features.extraction import extract
from synthmix.files import DamagedFileError, write_arrays
from synthmix.images.draws import draw_real
from synthmix.models import feature_cnn
from synthmix.planning.plan import members

MODEL = {"architecture": "feature_cnn", "width": 4}
META = {"channels": 1, "size": [8, 8], "classes": ["cat", "dog", "owl"]}


def written(path: Path, seeds: tuple[int, ...]) -> dict[int, feature_cnn.FeatureCNN]:
    """Untrained networks by seed, written as a job that trains writes them."""
    networks, arrays = {}, {}
    for seed in seeds:
        torch.manual_seed(seed)
        networks[seed] = feature_cnn.build(MODEL, 1, 8, 3).eval()
        state = networks[seed].state_dict().items()
        arrays |= {f"few-shot/{seed}/network.{name}": value.numpy() for name, value in state}
        arrays |= {f"few-shot/{seed}/{name}": np.zeros((1, 1, 1, 1), np.float32) for name in ("mean", "std")}
    write_arrays(path, arrays)
    return networks


def test_each_seed_has_its_own_network(tmp_path: Path) -> None:
    networks = written(tmp_path / "model.safetensors", (0, 11))
    extractors = extractors_by_seed.read(tmp_path / "model.safetensors", MODEL, META)
    assert set(extractors) == {0, 11}
    assert extractors[0].name != extractors[11].name
    images = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 1), dtype=np.uint8)
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2) / 255
    for seed, network in networks.items():
        found = extract(images, np.zeros(5, np.int64), extractors[seed])
        with torch.no_grad():
            np.testing.assert_allclose(found.logits, network(pixels).numpy(), rtol=1e-4, atol=1e-5)


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    written(path, (0,))
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    with pytest.raises(DamagedFileError):
        extractors_by_seed.read(path, MODEL, META)


def test_it_looks_at_the_images_of_its_seeds_classifier() -> None:
    labels = np.repeat([0, 1, 2], 6)
    train = Split(np.arange(18, dtype=np.uint8).reshape(18, 1, 1, 1), labels, np.arange(100, 118))
    found = extractors_by_seed.own_images(train, 2, seed=4)
    rows = draw_real(labels, 2, seed=4)
    assert len(found.labels) == 6
    for name, values in vars(train).items():
        np.testing.assert_array_equal(vars(found)[name], values[rows])
    with pytest.raises(ValueError, match="7 real images per class were asked for"):
        extractors_by_seed.own_images(train, 7, seed=4)


@pytest.mark.parametrize(
    ("group", "expected"), [("seeds0", [0]), ("seeds3-5", [3, 5]), ("seeds6-8", []), ("all", []), ("class-dog", [])]
)
def test_members_of_a_group(group: str, expected: list[int]) -> None:
    assert members(group, {5, 0, 3, 12}) == expected
