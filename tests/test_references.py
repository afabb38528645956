"""Features of real images: kept whole, read only for the extractor that made them, and what scores compare with."""

import numpy as np
import pytest
import torch
from torch import nn

from synthmix import references
from synthmix.data import Split
from synthmix.features import metrics
from synthmix.features.extraction import FeatureExtractor, PosteriorExtractor, extract
from synthmix.features.pool_scores import score_pool
from synthmix.files import DamagedFileError, write_arrays
from synthmix.images.pools import Pool
from synthmix.images.stratify import split_halves

DEFINITION = {"kind": "classifier", "seed": 3}


class Projection(nn.Module):
    """A tiny network with features and logits."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = nn.Linear(3 * 64, 5), nn.Linear(5, 4)

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        values = torch.relu(self.first(images.float().flatten(1) / 64))
        return values, self.second(values)


def extractor(cls: type[FeatureExtractor] = PosteriorExtractor, weights: str = "0") -> FeatureExtractor:
    return cls("classifier", Projection(), 5, 64 * weights, {})


def split(n: int, seed: int) -> Split:
    images = np.random.default_rng(seed).integers(0, 256, (n, 8, 8, 1), dtype=np.uint8)
    return Split(images, np.arange(n) % 4, np.arange(n))


def measured(made_by: FeatureExtractor) -> references.Reference:
    return references.measure(split(80, 0), split(30, 1), made_by, "mine", DEFINITION, "cpu")


@pytest.mark.parametrize("cls", [PosteriorExtractor, FeatureExtractor])
def test_a_reference_is_read_as_it_was_written(tmp_path, cls):
    made_by = extractor(cls)
    reference = measured(made_by)
    references.write(tmp_path / "r.safetensors", reference)
    again = references.read(tmp_path / "r.safetensors", references.describe(made_by, "mine", DEFINITION))
    assert again.extractor == reference.extractor
    assert again.extractor["precision"] == "float32"
    for part in ("train", "val"):
        for key, array in vars(getattr(reference, part)).items():
            np.testing.assert_array_equal(vars(getattr(again, part))[key], array)
    assert (again.train.logits is None) == (cls is FeatureExtractor)


def test_features_by_other_weights_are_refused(tmp_path):
    references.write(tmp_path / "r.safetensors", measured(extractor()))
    described = references.describe(extractor(weights="1"), "mine", DEFINITION)
    with pytest.raises(ValueError, match=r"r\.safetensors holds features of another extractor \(in weights_sha256\)"):
        references.read(tmp_path / "r.safetensors", described)


def test_damage_is_noticed(tmp_path):
    path, described = tmp_path / "r.safetensors", references.describe(extractor(), "mine", DEFINITION)
    references.write(path, measured(extractor()))
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(DamagedFileError, match=r"r\.safetensors is damaged"):
        references.read(path, described)
    write_arrays(path, {"images": np.zeros(3)})
    with pytest.raises(DamagedFileError, match=r"it lacks 'train\.values'"):
        references.read(path, described)


def test_a_score_compares_the_pool_with_the_half_that_the_extractor_was_not_trained_on():
    made_by = extractor()
    real = measured(made_by)
    drawn = split(60, 2)
    flagged = np.zeros(60, dtype=bool)
    flagged[0] = True
    pool = Pool(drawn.images, drawn.labels, np.arange(60) // 4, np.full(60, -1), flagged)
    result = score_pool(pool, 10, real, made_by, DEFINITION, ["fid"], "cpu")
    half, other = split_halves(real.train.labels, 3)
    generated = extract(drawn.images[1:40], drawn.labels[1:40], made_by)  # ten a class, without the flagged image
    fid = result["metrics"]["fid"]
    assert result["images"]["generated"] == [39]
    assert fid["value"] == metrics.frechet_distance(generated.values, real.train.values[other])
    assert (len(half), fid["floors"]["n"]) == (40, 30)
    assert fid["floors"]["held_out"] == metrics.frechet_distance(real.val.values, real.train.values[other])
    assert result["extractor"] == real.extractor
