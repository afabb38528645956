"""Corrupted images: severities rise, nothing random depends on who looks; networks are tested on them once."""

import importlib
import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter
from sklearn.datasets import load_digits, load_sample_image

from synthmix import corrupting, job
from synthmix.data import Split
from synthmix.files import write_json
from synthmix.images import corrupted as library
from synthmix.networks import engine
from synthmix.planning.schema import read_schema
from synthmix.store import Entry
from synthmix.units import entries

DEFINITION = read_schema("study")["properties"]["corruptions"]["additionalProperties"]
KINDS = {
    name: importlib.import_module(f"synthmix.corruptions.{name}")
    for name in DEFINITION["properties"]["kinds"]["items"]["enum"]
}
RANDOM = ("noise", "occlusion")


def corrupted(images: np.ndarray, kind: str, severity: int, index: Any = None, seed: int = 0) -> np.ndarray:
    rows = np.arange(len(images)) if index is None else np.asarray(index)
    return library.corrupted(KINDS, kind, severity, images, rows, seed)


@pytest.fixture(scope="module")
def digits() -> np.ndarray:
    """uint8 (300, 8, 8, 1): more than are corrupted at a time."""
    return np.round(load_digits().images[:300, ..., None] * 255 / 16).astype(np.uint8)


@pytest.fixture(scope="module")
def photographs() -> np.ndarray:
    """uint8 (2, 224, 224, 3)."""
    return np.stack([load_sample_image(name)[:224, 200:424] for name in ("china.jpg", "flower.jpg")])


def smaller(photographs: np.ndarray, side: int) -> np.ndarray:
    return np.stack([np.asarray(Image.fromarray(each).resize((side, side))) for each in photographs])


@pytest.mark.parametrize("side", [8, 32, 48, 224])
@pytest.mark.parametrize("kind", KINDS)
def test_the_distance_from_the_clean_image_grows_with_the_severity(
    digits: np.ndarray, photographs: np.ndarray, kind: str, side: int
) -> None:
    images = digits if side == 8 else smaller(photographs, side)
    results = [corrupted(images, kind, severity) for severity in range(6)]
    assert all(each.dtype == np.uint8 and each.shape == images.shape for each in results)
    errors = [float(((each.astype(float) - images) ** 2).mean()) for each in results]
    assert errors[0] == 0
    assert (np.diff(errors) > 0).all(), errors


@pytest.mark.parametrize("kind", KINDS)
def test_an_image_is_corrupted_in_the_same_way_whatever_stands_beside_it(digits: np.ndarray, kind: str) -> None:
    whole = corrupted(digits, kind, 3)
    chosen = [299, 7, 256]
    np.testing.assert_array_equal(corrupted(digits[chosen], kind, 3, index=chosen), whole[chosen])
    other = corrupted(digits, kind, 3, seed=1)
    assert np.array_equal(other, whole) == (kind not in RANDOM)


@pytest.mark.parametrize("kind", RANDOM)
def test_equal_images_are_corrupted_differently(digits: np.ndarray, kind: str) -> None:
    found = corrupted(digits[[3] * 20], kind, 3)
    assert len({each.tobytes() for each in found}) > 5


@pytest.mark.parametrize(("side", "sigmas"), [(32, (0.4, 1.0)), (64, (0.5, 1.5)), (224, (1, 6)), (448, (2, 12))])
def test_severities_are_those_of_the_publication_and_scale_with_the_image(side: int, sigmas: tuple[float, ...]) -> None:
    found = [library.parameter(KINDS["blur"], severity, side) for severity in (1, 5)]
    assert found == pytest.approx(sigmas)


def test_blur_equals_another_implementation(photographs: np.ndarray) -> None:
    expected = gaussian_filter(photographs.astype(float), (0, 3, 3, 0), mode="nearest", truncate=4)
    assert np.abs(corrupted(photographs, "blur", 3) - expected).max() <= 0.51


def test_noise_has_its_standard_deviation() -> None:
    grey = np.full((4, 224, 224, 3), 128, dtype=np.uint8)
    noise = corrupted(grey, "noise", 2).astype(float) - 128
    assert noise.std() / 255 == pytest.approx(0.12, rel=0.01)
    assert abs(noise.mean()) < 0.5


def test_low_light_is_a_power(photographs: np.ndarray) -> None:
    expected = np.round(255 * (photographs / 255) ** 3.5)
    assert np.abs(corrupted(photographs, "low_light", 3) - expected).max() <= 1


@pytest.mark.parametrize("grey", [True, False])
def test_jpeg_is_what_a_file_of_this_quality_holds(photographs: np.ndarray, grey: bool) -> None:
    images = photographs[..., :1] if grey else photographs
    found = corrupted(images, "jpeg", 4)
    for image, own in zip(images, found, strict=True):
        file = io.BytesIO()
        Image.fromarray(image[..., 0] if grey else image).save(file, "JPEG", quality=10)
        np.testing.assert_array_equal(own, np.asarray(Image.open(file)).reshape(image.shape))


def test_an_occlusion_is_a_square_of_the_mean_grey_within_that_of_the_next_severity(photographs: np.ndarray) -> None:
    images = photographs[[0] * 8]
    covered = np.zeros(images.shape[:3], dtype=bool)
    for severity, side in zip(range(1, 6), (28, 56, 84, 112, 140), strict=True):
        found = corrupted(images, "occlusion", severity)
        is_grey = (found == round(float(images[0].mean()))).all(axis=3)
        changed = (found != images).any(axis=3)
        assert not (changed & ~is_grey).any()
        for one in changed:
            rows, columns = np.flatnonzero(one.any(1)), np.flatnonzero(one.any(0))
            # a few pixels of the image are of this grey themselves
            assert side - 2 <= np.ptp(rows) + 1 <= side
            assert side - 2 <= np.ptp(columns) + 1 <= side
        assert not (covered & ~is_grey).any(), "a square leaves the one after it"
        covered = changed
    assert len({each.tobytes() for each in covered}) == len(images)


# ---- in the store ----------------------------------------------------------------------------------------------------

WEATHER = {"kinds": ["noise", "jpeg"], "severities": [4, 1], "seed": 3}


@pytest.fixture
def test_split(digits: np.ndarray) -> Split:
    return Split(digits, load_digits().target[:300].astype(np.int64), np.arange(300))


def network(seed: int) -> engine.Classifier:
    torch.manual_seed(seed)
    return engine.Classifier(torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10)), 1)


def look(test_split: Split, *units: str) -> dict[str, list[dict[str, Any]]]:
    networks = {unit: network(int(unit, 16)) for unit in units}
    keys = {unit: f"run-{unit}" for unit in units}
    return corrupting.test_once(networks, keys, WEATHER, KINDS, test_split, "digits", "cpu")


def test_a_network_meets_corrupted_images_once(
    test_split: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    first = look(test_split, "aa01", "aa02")
    levels = [("none", 0), ("noise", 1), ("noise", 4), ("jpeg", 1), ("jpeg", 4)]
    assert [(row["kind"], row["severity"]) for row in first["aa01"]] == levels
    ledger = tmp_path / "results/test_ledger.csv"
    lines = ledger.read_text().splitlines()
    assert [line.split(",")[1:] for line in lines] == [
        ["digits", f"run-{unit}-{unit}", str(300 * len(levels))] for unit in ("aa01", "aa02")
    ]
    again = look(test_split, "aa01", "aa02", "aa03")
    assert {unit: again[unit] for unit in first} == first
    assert len(ledger.read_text().splitlines()) == 3
    monkeypatch.chdir((tmp_path / "other").mkdir() or tmp_path / "other")
    assert look(test_split, "aa03")["aa03"] == again["aa03"], "others beside it change nothing"


def test_clean_images_are_those_of_the_evaluation(
    test_split: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    clean = look(test_split, "aa01")["aa01"][0]
    predicted = engine.logits(network(0xAA01), engine.to_device(test_split.images, "cpu")).argmax(1).numpy()
    assert clean["accuracy"] == pytest.approx((predicted == test_split.labels).mean())


@pytest.mark.parametrize("kept", [True, False])
def test_entries_stay_where_the_store_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: bool) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(job, "settings", lambda: {"keep": {"resume": kept}})
    spec = {"entries": ["corrupt.py"], "keys": {"org": {"0": "aa01"}}, "corruption": {}, "code": "c"}
    meta = {"source": {"sha256": "0" * 64}, "classes": ["a"], "counts": {}}
    write_json("meta.json", meta)
    (name,) = entries(spec, meta)
    Entry(name).save({"done": True})
    params, inputs = SimpleNamespace(spec=json.dumps(spec)), SimpleNamespace(meta="meta.json")
    job.finish(SimpleNamespace(params=params, input=inputs, output=[], log=["logs/corrupt/digits.log"]))
    assert Entry.finished(name) == kept
