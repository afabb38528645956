"""Real against generated: halves are balanced and disjoint, a trace is found, chance is 0.5."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from synthmix import data, detecting
from synthmix.analysis.artefacts import Artefacts
from synthmix.files import write_json
from synthmix.images.pools import Pool
from synthmix.interruption import Interruption
from synthmix.store import Entry
from synthmix.tables import detection as table


def images(n: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, 8, 8, 1), dtype=np.uint8)


def val(n: int = 80, classes: int = 4) -> data.Split:
    return data.Split(images(n, 1), np.arange(n) % classes, np.arange(n))


def pool(pixels: np.ndarray, classes: int = 4) -> Pool:
    n = len(pixels)
    return Pool(pixels, np.arange(n) % classes, np.arange(n) // classes, np.full(n, -1), np.zeros(n, dtype=bool))


def rows(part: np.ndarray) -> set[bytes]:
    return {image.tobytes() for image in part}


def test_halves_hold_equal_numbers_of_both_kinds_and_share_no_image() -> None:
    generated, real = pool(images(60, 2)), val(80)
    drawn = detecting.drawn(generated, real, seed=0)
    seen, unseen = rows(drawn.train.images), rows(drawn.val_images)
    assert len(seen) + len(unseen) == 120  # 15 per class and kind: the pool is the smaller one
    assert not seen & unseen
    label_of = {image.tobytes(): int(label) for image, label in zip(real.images, real.labels, strict=True)}
    label_of |= {image.tobytes(): int(label) for image, label in zip(generated.images, generated.labels, strict=True)}
    for part, kinds in ((drawn.train.images, drawn.train.labels), (drawn.val_images, drawn.val_labels)):
        assert np.bincount(kinds).tolist() == [len(kinds) // 2] * 2
        for kind, source in ((detecting.REAL, real.images), (detecting.GENERATED, generated.images)):
            chosen = part[kinds == kind]
            assert rows(chosen) <= rows(source)
            counts = np.bincount([label_of[image.tobytes()] for image in chosen], minlength=4)
            assert set(counts) <= {7, 8}
    assert drawn.train.real == len(drawn.train.labels) / 2
    again, other = detecting.drawn(generated, real, seed=0), detecting.drawn(generated, real, seed=1)
    assert np.array_equal(again.train.images, drawn.train.images)
    assert rows(other.train.images) != seen


def test_a_class_needs_two_images_of_each_kind() -> None:
    with pytest.raises(ValueError, match="class 3 has 20 held-out and 1 generated images"):
        detecting.drawn(pool(images(7, 2)), val(), seed=0)
    with pytest.raises(ValueError, match="class 4 has 0 held-out and 12 generated images"):
        detecting.drawn(pool(images(60, 2), classes=5), val(), seed=0)


def detected(generated: np.ndarray, folder: Path) -> list[float]:
    entries = [Entry(f"{seed:02d}", folder) for seed in range(3)]
    never = Interruption(1e9)
    drawn = [detecting.drawn(pool(generated), val(), seed) for seed in range(3)]
    runs = [
        detecting.detect(each, seed, entry, never, "cpu")
        for seed, (each, entry) in enumerate(zip(drawn, entries, strict=True))
    ]
    assert all(run["images"] == run["train_images"] == 80 for run in runs)
    return [run["accuracy"] for run in runs]


def test_a_trace_of_another_encoding_is_found(tmp_path: Path) -> None:
    """Images with half of the grey levels, the other half of which is empty."""
    assert min(detected(images(80, 3) // 2, tmp_path)) > 0.95


def test_images_of_one_kind_cannot_be_told_apart(tmp_path: Path) -> None:
    """Guesses on 240 images, whatever was learnt: 0.5 with a standard error of 0.032."""
    assert np.mean(detected(images(80, 4), tmp_path)) == pytest.approx(0.5, abs=4 * 0.032)


def runs_of(accuracies: list[float], images: int = 100, train_images: int = 100) -> list[dict[str, float]]:
    return [
        {"seed": seed, "accuracy": each, "train_accuracy": 1.0, "images": images, "train_images": train_images}
        for seed, each in enumerate(accuracies)
    ]


def test_the_interval_allows_for_shared_images() -> None:
    values = [0.6, 0.64, 0.7, 0.66, 0.65]
    found = detecting.summary(runs_of(values, images=50, train_images=100))
    half = stats.t.ppf(0.975, 4) * np.sqrt((1 / 5 + 50 / 100) * np.var(values, ddof=1))
    assert found["accuracy"] == pytest.approx(0.65)
    assert found["interval"] == pytest.approx([0.65 - half, 0.65 + half])
    assert detecting.summary(runs_of([0.99, 1.0, 0.9]))["interval"][1] == 1
    assert json.loads(json.dumps(found)) == found


def test_the_table_has_a_row_per_pool(tmp_path: Path) -> None:
    paths = []
    for name, accuracies in (("ddpm", [0.7, 0.8]), ("rough", [1.0, 1.0])):
        runs = runs_of(accuracies)
        paths.append(tmp_path / f"{name}.json")
        write_json(paths[-1], {"dataset": "noise", "pool": name, "n": 40, **detecting.summary(runs), "runs": runs})
    built = table.build({"kind": "detection"}, Artefacts(detections=paths))
    assert built.data["pool"].tolist() == ["ddpm", "rough"]
    assert built.data["accuracy"].tolist() == pytest.approx([0.75, 1])
    assert built.frame["Accuracy, %"].tolist() == ["75.0 [0.0, 100.0]", "100.0 [100.0, 100.0]"]
    assert built.notes[0] == "Dataset: noise."
    assert all(note.isascii() for note in built.notes)
    one = table.build({"kind": "detection", "pool": "rough"}, Artefacts(detections=paths))
    assert one.data["pool"].tolist() == ["rough"]
    with pytest.raises(ValueError, match="no detection"):
        table.build({"kind": "detection", "dataset": "other"}, Artefacts(detections=paths))
