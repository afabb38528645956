"""The copy audit: neighbours are exact, planted copies are found and independent images are not, rates are right."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from synthmix import auditing, data
from synthmix.analysis.artefacts import Artefacts
from synthmix.features import neighbours
from synthmix.figures import neighbours as figure
from synthmix.files import write_arrays, write_json
from synthmix.images import planted, pools
from synthmix.images.pools import Pool
from synthmix.reports import rendering
from synthmix.tables import audit as table

SIDE = 8


def images(n: int, seed: int) -> np.ndarray:
    """Independent images of noise, uint8 (n, 8, 8, 3)."""
    return np.random.default_rng(seed).integers(0, 256, (n, SIDE, SIDE, 3), dtype=np.uint8)


def split(pixels: np.ndarray) -> data.Split:
    return data.Split(pixels, np.arange(len(pixels)) % 2, np.arange(len(pixels)))


def pool(pixels: np.ndarray) -> Pool:
    n = len(pixels)
    return Pool(pixels, np.arange(n) % 2, np.arange(n) // 2, np.full(n, -1), np.zeros(n, dtype=bool))


def features(pixels: np.ndarray) -> np.ndarray:
    """A fixed random projection."""
    projection = np.random.default_rng(99).standard_normal((SIDE * SIDE * 3, 24)).astype(np.float32)
    return pixels.reshape(len(pixels), -1).astype(np.float32) @ projection


def audited(generated: np.ndarray, **changes: np.ndarray) -> auditing.Audit:
    sets = {"train": images(400, 1), "val": images(240, 2), "test": images(120, 3)} | changes
    return auditing.audit(pool(generated), *(split(each) for each in sets.values()), features, "cpu")


def searches(space: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {(each["queries"], each["searched"]): each for each in space["searches"]}


# ---- neighbours ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("offset", [0, 1000])
def test_neighbours_are_those_of_a_full_search(monkeypatch: pytest.MonkeyPatch, offset: float) -> None:
    monkeypatch.setattr(neighbours, "QUERIES", 16)
    monkeypatch.setattr(neighbours, "REFERENCES", 10)
    rng = np.random.default_rng(0)
    queries, mirrored, reference = ((rng.standard_normal((n, 7)) + offset).astype(np.float32) for n in (50, 50, 33))
    found = neighbours.nearest(queries, mirrored, reference)
    own, other = (cdist(side, reference) / np.sqrt(7) for side in (queries, mirrored))
    np.testing.assert_allclose(found.distance, np.minimum(own.min(1), other.min(1)), rtol=1e-6)
    np.testing.assert_array_equal(found.mirrored, other.min(1) < own.min(1))
    np.testing.assert_array_equal(found.index, np.where(found.mirrored, other.argmin(1), own.argmin(1)))


def test_equal_rows_are_at_distance_zero_and_the_first_one_counts() -> None:
    reference = np.random.default_rng(1).standard_normal((40, 5)).astype(np.float32) + 1000
    reference[[30, 12, 35]] = reference[7]
    found = neighbours.nearest(reference[[7, 35]], reference[[3, 3]] + 1, reference)
    assert found.index.tolist() == [7, 7]
    assert found.distance.tolist() == [0, 0]
    assert not found.mirrored.any()


def test_sets_that_do_not_fit_are_refused() -> None:
    rows = np.zeros((3, 5), dtype=np.float32)
    with pytest.raises(ValueError, match="cannot be searched"):
        neighbours.nearest(rows, rows, rows[:0])


# ---- copies ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind", list(planted.COPIES))
def test_copies_are_what_they_are_called(kind: str, channels: int) -> None:
    originals = images(6, 4)[..., :channels]
    made = planted.copies(originals, kind, seed=0)
    assert (made.dtype, made.shape) == (np.uint8, originals.shape)
    assert np.array_equal(made, planted.copies(originals, kind, seed=0))
    if kind in ("exact", "flipped"):
        assert np.array_equal(made, originals if kind == "exact" else originals[:, :, ::-1])
    else:
        assert all((one != other).any() for one, other in zip(made, originals, strict=True))
    again = planted.copies(originals, kind, seed=1)
    assert np.array_equal(made, again) == (kind not in ("cropped", "jittered"))


def test_a_change_of_brightness_and_contrast_moves_no_standardised_image() -> None:
    originals = images(5, 5) // 2
    changed = (originals.astype(int) * 2 + 1).astype(np.uint8)
    np.testing.assert_allclose(auditing.pixels(changed), auditing.pixels(originals), atol=1e-5)
    assert np.abs(auditing.pixels(np.full((1, 4, 4, 1), 200, dtype=np.uint8))).max() == 0


# ---- rates -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "k"), [(10, 1), (99, 1), (198, 1), (199, 2), (999, 10)])
def test_the_threshold_is_an_order_statistic(n: int, k: int) -> None:
    distances = np.random.default_rng(n).permutation(n) + 1.0
    assert auditing.threshold(distances) == (k, k / (n + 1))


def test_unseen_images_fall_below_the_threshold_at_the_nominal_rate() -> None:
    """The share below the second of 199 uniform distances is beta distributed with mean 0.01, standard error 2e-4."""
    rng = np.random.default_rng(6)
    limits, nominal = zip(*(auditing.threshold(rng.random(199)) for _ in range(1000)), strict=True)
    assert set(nominal) == {0.01}
    assert np.mean(limits) == pytest.approx(0.01, abs=0.001)


def wilson(count: int, n: int) -> tuple[float, float]:
    z, p = 1.959964, count / n
    centre, half = p + z**2 / (2 * n), z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    return (centre - half) / (1 + z**2 / n), (centre + half) / (1 + z**2 / n)


def test_intervals_are_those_of_wilson_and_newcombe() -> None:
    first, second = auditing.proportion(56, 70), auditing.proportion(48, 80)
    assert first["rate"] == 0.8
    assert first["interval"] == pytest.approx(wilson(56, 70), abs=1e-6)
    assert auditing.proportion(0, 20)["interval"][0] == 0
    found = auditing.difference(first, second)
    assert found["value"] == pytest.approx(0.2)
    assert found["interval"] == pytest.approx([0.0524, 0.3339], abs=1e-4)  # Newcombe 1998, table II, example (a)


# ---- the audit -------------------------------------------------------------------------------------------------------


def test_independent_images_are_no_copies() -> None:
    facts = audited(images(200, 7)).facts
    assert facts["images"] == {
        "generated": 200,
        "train": 400,
        "test": 120,
        "calibration": 120,
        "held_out": 120,
        "planted": 400,
    }
    for space in facts["spaces"].values():
        assert space["nominal"] == 1 / 121
        for where in ("train", "test"):
            low, high = space["excess"][where]["interval"]
            assert low <= 0 <= high


def test_planted_copies_are_found() -> None:
    facts = audited(images(50, 8)).facts
    for space in facts["spaces"].values():
        rates = searches(space)
        for kind in ("exact", "flipped"):
            assert rates[kind, "train"]["near"] == rates[kind, "train"]["n"] == 400
            assert rates[kind, "train"]["original_nearest"] == 1
    pixel = searches(facts["spaces"]["pixel"])
    assert pixel["jittered", "train"]["rate"] > 0.99
    assert pixel["cropped", "train"]["rate"] < 0.9  # little of noise is left after a crop: misses are counted, too


def test_copies_in_a_pool_are_counted_and_located() -> None:
    train = images(400, 1)
    copied = np.concatenate([images(150, 9), planted.copies(train[100:130], "jpeg", 0), train[200:220, :, ::-1]])
    result = audited(copied)
    pixel = result.facts["spaces"]["pixel"]
    assert searches(pixel)["generated", "train"]["near"] in range(50, 54)
    assert pixel["excess"]["train"]["interval"][0] > 0.15
    assert pixel["excess"]["test"]["interval"][0] <= 0
    assert result.columns["pixel_train_index"][150:].tolist() == [*range(100, 130), *range(200, 220)]
    assert result.columns["pixel_train_mirrored"][150:].tolist() == [False] * 30 + [True] * 20
    assert (result.columns["feature_train_distance"][180:] < 0.01).all()
    assert (result.columns["pixel_train_distance"][:150] > 0.5).all()


def test_duplicates_among_real_images_are_counted_and_move_no_threshold() -> None:
    train, val, test = images(400, 1), images(240, 2), images(120, 3)
    plain = audited(images(60, 10)).facts
    assert plain["duplicates"]["test"]["near"] == plain["duplicates"]["val"]["near"] == 0
    test[:3], test[3:5] = train[:3], train[10:12, :, ::-1]
    val[:24] = train[50:74]
    facts = audited(images(60, 10), val=val, test=test).facts
    found = facts["duplicates"]["test"]
    assert (found["near"], found["equal"], found["mirrored"], found["n"]) == (5, 5, 2, 120)
    assert facts["duplicates"]["val"]["near"] == 24
    assert facts["images"]["calibration"] + facts["images"]["held_out"] == 216
    for space in ("pixel", "feature"):
        assert facts["spaces"][space]["threshold"] > 0.5 * plain["spaces"][space]["threshold"]
        assert searches(facts["spaces"][space])["test", "train"]["near"] in range(5, 9)


def test_where_real_images_are_alike_a_pool_that_is_like_them_has_no_excess() -> None:
    """Two fifths of all images that are not in train are near one that is, held out, of test and generated."""
    train = images(400, 1)
    val, test, generated = (
        np.concatenate([planted.copies(train[start : start + n], "jpeg", 0), images(n * 3 // 2, seed)])
        for start, n, seed in ((0, 96, 2), (100, 48, 3), (200, 80, 12))
    )
    facts = audited(generated, val=val, test=test).facts
    assert facts["duplicates"]["val"]["rate"] > 0.3
    assert facts["images"]["calibration"] + facts["images"]["held_out"] == 240
    pixel = facts["spaces"]["pixel"]
    low, high = pixel["excess"]["train"]["interval"]
    assert low <= 0 <= high
    assert searches(pixel)["test", "train"]["rate"] < 0.1


def test_an_audit_needs_images() -> None:
    with pytest.raises(ValueError, match="without images"):
        audited(images(0, 0))
    with pytest.raises(ValueError, match="at least two val images"):
        audited(images(10, 0), val=images(1, 0))


# ---- what is shown ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def artefacts(tmp_path_factory: pytest.TempPathFactory) -> Artefacts:
    """An audit of 60 images, of which the first twenty are mirrored train images."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    root = tmp_path_factory.mktemp("audit")
    train = images(400, 1)
    generated = images(60, 11)
    generated[:20] = train[40:60, :, ::-1]
    result = audited(generated)
    about = {"dataset": "noise", "pool": "ddpm", "n": 30, "extractor": {"name": "projection"}}
    write_json(root / "audit.json", {**about, **result.facts})
    pq.write_table(pa.table(result.columns), root / "audit.parquet")
    one = pool(generated)
    pools.write_shard(root / "shard.parquet", one.images, one.labels, one.index, None)
    write_arrays(root / "train.safetensors", {"images": train, "labels": np.arange(400) % 2})
    return Artefacts(
        audits=[root / "audit.json"],
        neighbours=[root / "audit.parquet"],
        data={"noise": {"train": root / "train.safetensors"}},
        pools={("noise", "ddpm"): [root / "shard.parquet"]},
    )


def test_the_table_says_who_was_searched_where(artefacts: Artefacts) -> None:
    built = table.build({"kind": "audit"}, artefacts)
    rows = built.data.set_index(["space", "queries", "searched"])
    assert len(rows) == 2 * (2 + 2 + 1 + len(planted.COPIES)) + 2
    generated = rows.loc[("pixel", "generated", "train")]
    assert generated["near"] >= 20
    assert generated["excess_low"] > 0
    assert rows["excess"].notna().sum() == 4
    assert rows.loc[("duplicates", "test", "train")]["images"] == 120
    first = built.frame.iloc[0]
    assert first["Searched for"] == "generated"
    assert first["Near, %"].startswith(f"{100 * generated['rate']:.1f} [")
    assert set(rows["n"]) == {30}
    assert "Pool: ddpm (30 per class)." in built.notes
    assert "Dataset: noise." in built.notes
    assert all(note.isascii() for note in built.notes)
    with pytest.raises(ValueError, match="no audit"):
        table.build({"kind": "audit", "pool": ["other"]}, artefacts)


def test_the_figure_shows_the_nearest_pairs(artefacts: Artefacts, tmp_path: Path) -> None:
    spec = {"kind": "neighbours", "dataset": "noise", "pool": "ddpm", "extractor": "projection", "columns": 5}
    drawn = figure.draw(spec, artefacts)
    assert [axes.get_title() for axes in drawn.axes] == ["ddpm, by pixels", "ddpm, by features of projection"]
    for axes in drawn.axes:
        canvas = np.asarray(axes.get_images()[0].get_array())
        tile = canvas.shape[0] // 2
        # a copy stands above the train image that it shows, mirrored as it was found
        assert np.array_equal(canvas[:SIDE], canvas[tile : tile + SIDE])
        assert all(float(label.get_text()) < 0.01 for label in axes.get_xticklabels())
    rates = [searches(space)["test", "train"]["rate"] for space in artefacts.read_audits()[0]["spaces"].values()]
    pixel, feature = (f"{100 * rate:.1f} %" for rate in rates)
    assert f"as are {pixel} (by pixels) and {feature} (by features) of" in " ".join(drawn.get_supxlabel().split())
    rendering.save_figure(drawn, [tmp_path / "figure.png"])
    assert (tmp_path / "figure.png").stat().st_size > 1000


def test_each_train_image_is_shown_once() -> None:
    index, distance = np.array([4, 4, 2, 9, 2]), np.array([0.3, 0.1, 0.5, 0.2, 0.4])
    assert figure.nearest(index, distance, 3).tolist() == [1, 3, 4]
    assert figure.nearest(index, distance, 2).tolist() == [1, 3]
