"""Scores: intervals that cover, floors at equal n, the copy flag, refusals, determinism."""

import json
from math import comb
from pathlib import Path

import numpy as np
import pytest

from synthmix.features import metrics
from synthmix.features.extraction import Features
from synthmix.images.stratify import class_matched, split_halves, stratified_order
from synthmix.planning.configuration import read_studies, validate_config
from synthmix.planning.plan import Plan
from synthmix.scoring import repeated_intervals, score, subsample_intervals

EXTRACTOR = {"name": "test", "kind": "classifier", "dimension": 6, "weights_sha256": "0" * 64}


def sample(rng, n, dimension=6, shift=0.0, scale=1.0, classes=5):
    """Features around one centre per class, with logits that point at the class."""
    labels = np.arange(n) % classes
    centres = 2 * np.random.default_rng(99).standard_normal((classes, dimension))
    values = centres[labels] + scale * rng.standard_normal((n, dimension)) + shift
    logits = 3 * np.eye(classes)[labels] + rng.standard_normal((n, classes))
    return Features(values.astype(np.float32), labels, logits.astype(np.float32))


USUAL = ("isc", "fid", "kid", "precision", "recall")


def scored(generated, rng=None, metrics=USUAL, **changes):
    rng = rng or np.random.default_rng(1)
    sets = {"reference": sample(rng, 300), "train": sample(rng, 300), "held_out": sample(rng, 150)} | changes
    about = {"extractor": EXTRACTOR, "reference_images": "half B of train", "metrics": metrics}
    return score(generated=generated, **about, **sets)


def test_a_score_names_everything_it_rests_on_and_is_json():
    result = scored([sample(np.random.default_rng(0), 200)])
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    assert result["extractor"] == EXTRACTOR
    assert result["reference"] == "half B of train"
    assert result["images"] == {
        "generated": [200],
        "reference": 300,
        "floor_reference": 300,
        "train": 300,
        "held_out": 150,
    }
    assert list(result["metrics"]) == ["isc", "fid", "kid", "precision", "recall"]
    for name, values in result["metrics"].items():
        low, high = values["interval"]
        assert low <= values["value"] <= high
        assert values["reason"] is None
        assert values["interval_method"].startswith("t interval over 5 disjoint stratified subsamples of generated")
        assert values["n_generated"] == 200
        assert values["n_reference"] == (None if name == "isc" else 300)


def test_floors_are_the_same_metric_at_one_n():
    rng = np.random.default_rng(2)
    reference, train, held_out = sample(rng, 300), sample(rng, 120), sample(rng, 90)
    generated = sample(rng, 200)
    values = scored([generated], reference=reference, train=train, held_out=held_out)["metrics"]["fid"]
    assert values["floors"]["n"] == 90
    assert values["floors"]["n_reference"] == 300
    assert values["floors"]["held_out"] == metrics.frechet_distance(held_out.values, reference.values)
    for kind, features in (("generated", generated), ("train", train)):
        first = features.take(stratified_order(features.labels, 0)[:90])
        assert np.bincount(first.labels).tolist() == [18] * 5
        assert values["floors"][kind] == metrics.frechet_distance(first.values, reference.values)
    assert values["value"] < values["floors"]["generated"]  # FID falls with n: hence equal n


def test_the_held_out_floor_has_the_class_shares_of_the_reference():
    """Val keeps natural shares where train was balanced: by itself it would stand as far away as its classes do."""
    rng = np.random.default_rng(12)
    rows = np.concatenate([np.arange(label, 1500, 5)[:n] for label, n in enumerate([300, 60, 30, 30, 30])])
    held_out = sample(rng, 1500).take(rows)
    result = scored([sample(rng, 200)], held_out=held_out)
    assert result["images"]["held_out"] in range(150, 156)  # of the rarest classes one more would have fitted
    floors = result["metrics"]["kid"]["floors"]
    unmatched = metrics.kernel_distance(held_out.values, sample(rng, 300).values)
    assert floors["held_out"] == pytest.approx(floors["train"], abs=0.2 * unmatched)


def test_class_matched_images_are_as_many_as_there_can_be():
    like = np.repeat([0, 1, 2], [50, 30, 20])
    assert class_matched(like[::2], like, 0).tolist() == list(range(50))
    labels = np.repeat([0, 1, 2, 3], [100, 6, 40, 9])
    chosen = labels[class_matched(labels, like, 0)]
    assert np.bincount(chosen, minlength=4).tolist() == [12, 6, 5, 0]
    assert class_matched(labels, like, 1).tolist() != class_matched(labels, like, 0).tolist()


def test_floors_may_have_a_reference_of_their_own():
    rng = np.random.default_rng(3)
    whole, half = sample(rng, 400), sample(rng, 200)
    values = scored([sample(rng, 200)], reference=whole, floor_reference=half)["metrics"]["kid"]
    assert (values["n_reference"], values["floors"]["n_reference"]) == (400, 200)


def test_inception_score_stands_beside_that_of_real_images():
    rng = np.random.default_rng(4)
    reference = sample(rng, 300)
    values = scored([sample(rng, 400)], reference=reference)["metrics"]["isc"]
    assert values["real"] == metrics.inception_score(reference.logits)
    assert values["floors"]["n"] == 300
    assert values["floors"]["generated"] == pytest.approx(values["real"], rel=0.1)


def test_a_score_holds_the_metrics_that_any_active_study_asks_for(tmp_path):
    tiny = (Path(__file__).parent / "studies/tiny.yaml").read_text()
    asked = tiny.replace("pool: [ddpm, own], extractor: features}", "pool: ddpm, extractor: features, metrics: [cmmd]}")
    (tmp_path / "usual.yaml").write_text(tiny)
    (tmp_path / "other.yaml").write_text(asked)
    config = validate_config({}, "config.yaml")
    plans = {
        names: Plan(config, read_studies(tmp_path, names))
        for names in (("usual",), ("other",), ("usual", "other"), ("other", "usual"))
    }
    found = {names: plan.metrics("digits", "ddpm", "features", 4) for names, plan in plans.items()}
    assert found["usual",] == sorted(USUAL)
    assert found["other",] == ["cmmd"]
    assert found["usual", "other"] == found["other", "usual"] == sorted([*USUAL, "cmmd"])
    assert plans["usual", "other"].metrics("digits", "own", "features", 2) == sorted(USUAL)
    # tables show what their own study asks for
    assert plans["usual", "other"].studies["other"]["tables"]["scores"]["metrics"] == ["cmmd"]


def test_only_metrics_that_are_asked_for_are_computed():
    rng = np.random.default_rng(12)
    assert list(scored([sample(rng, 60)], metrics=["density", "fid"])["metrics"]) == ["fid", "density"]


def test_density_coverage_and_the_gaussian_kernel_distance_have_floors_and_intervals():
    rng = np.random.default_rng(13)
    reference, train, held_out = sample(rng, 300), sample(rng, 150), sample(rng, 150)
    names = ("density", "coverage", "cmmd")
    near = scored([sample(rng, 150)], metrics=names, reference=reference, train=train, held_out=held_out)["metrics"]
    far = scored([sample(rng, 150, shift=3)], metrics=names, reference=reference, train=train, held_out=held_out)
    for name, values in near.items():
        low, high = values["interval"]
        assert low < values["value"] < high
        assert "over 5 disjoint" in values["interval_method"]
        assert values["floors"]["n"] == 150
        for kind, features in (("train", train), ("held_out", held_out)):
            assert values["floors"][kind] == metrics.evaluate(features, reference, [name])[name]
        low, high = far["metrics"][name]["interval"]
        assert not low <= values["floors"]["held_out"] <= high  # poor images are told from real ones
    assert "copy_flag" in near["cmmd"]
    assert "copy_flag" not in near["density"]


def test_the_distance_at_infinity_has_floors_and_an_interval_from_twice_five_thousand_images_on():
    rng = np.random.default_rng(14)
    sets = {"train": sample(rng, 5000), "held_out": sample(rng, 5000), "reference": sample(rng, 10000)}
    values = scored([sample(rng, 10000, shift=0.5)], metrics=["fd_infinity"], **sets)["metrics"]["fd_infinity"]
    assert "over 2 disjoint" in values["interval_method"]
    assert values["interval"][0] < values["value"] < values["interval"][1]
    assert max(values["floors"]["train"], values["floors"]["held_out"]) < 0.1 < values["floors"]["generated"]
    assert values["copy_flag"] is False


def test_the_distance_at_infinity_is_refused_below_five_thousand_images():
    rng = np.random.default_rng(15)
    values = scored([sample(rng, 4999)], metrics=["fd_infinity"], reference=sample(rng, 5000))["metrics"]["fd_infinity"]
    assert (values["value"], values["interval"], values["copy_flag"]) == (None, None, None)
    assert values["reason"] == "n = 4999 images; at least 5000 are needed"


def test_copies_of_training_images_raise_the_flag_and_poor_images_do_not():
    rng = np.random.default_rng(5)
    whole = sample(rng, 600)
    a, b = split_halves(whole.labels, seed=0)
    halves = {"reference": whole.take(b), "train": whole.take(a), "held_out": sample(rng, 200)}
    copies = whole.take(stratified_order(whole.labels, 7)[:300])
    for name in ("fid", "kid", "cmmd"):
        halves["metrics"] = [name]
        assert scored([copies], **halves)["metrics"][name]["copy_flag"] is True
        assert scored([sample(rng, 300, shift=0.5)], **halves)["metrics"][name]["copy_flag"] is False
        assert scored([sample(rng, 300, scale=0.5)], **halves)["metrics"][name]["copy_flag"] is False
    halves["metrics"] = ["precision"]
    assert "copy_flag" not in scored([copies], **halves)["metrics"]["precision"]


def test_repeated_generations_give_a_mean_and_a_t_interval():
    rng = np.random.default_rng(6)
    reference = sample(rng, 300)
    groups = [sample(rng, n) for n in (100, 100, 110)]
    result = scored(groups, reference=reference)
    each = [metrics.kernel_distance(g.values, reference.values) for g in groups[:2]]
    cut = groups[2].take(stratified_order(groups[2].labels, 0)[:100])
    each.append(metrics.kernel_distance(cut.values, reference.values))
    kid = result["metrics"]["kid"]
    assert result["images"]["generated"] == [100, 100, 110]
    assert kid["n_generated"] == 100
    assert kid["value"] == pytest.approx(np.mean(each))
    half = 4.302653 * np.std(each, ddof=1) / np.sqrt(3)  # t of 2 degrees of freedom at 0.975
    assert kid["interval"] == pytest.approx([np.mean(each) - half, np.mean(each) + half])
    assert kid["interval_method"] == "t interval over 3 repeated generations, reference held fixed"


@pytest.mark.parametrize("groups", [1, 3])
def test_small_pools_are_refused_by_metric_with_a_reason(groups):
    rng = np.random.default_rng(7)
    result = scored([sample(rng, 6) for _ in range(groups)])["metrics"]
    fid = result["fid"]
    assert (fid["value"], fid["interval"], fid["copy_flag"]) == (None, None, None)
    assert fid["reason"] == "n = 6 images is not above the feature dimension 6"
    assert fid["floors"]["train"] is None
    assert fid["floors"]["reason"] == fid["reason"]
    assert result["kid"]["value"] is not None
    if groups == 1:
        assert result["kid"]["interval"] is None
        assert result["kid"]["reason"] == "no interval: two disjoint subsamples need 20 images each"


def test_fid_takes_fewer_subsamples_where_the_dimension_asks_for_them():
    rng = np.random.default_rng(8)
    pair = sample(rng, 130, dimension=40), sample(rng, 200, dimension=40)
    intervals = subsample_intervals(*pair, metrics.evaluate(*pair))
    assert "over 3 disjoint" in intervals["fid"].method
    assert "over 5 disjoint" in intervals["kid"].method


def test_scores_do_not_depend_on_anything_but_their_input():
    generated = sample(np.random.default_rng(9), 120)
    first = scored([generated])
    np.random.seed(1)
    assert scored([generated]) == first


def test_an_empty_pool_is_an_error():
    empty = Features(np.zeros((0, 6), dtype=np.float32), np.zeros(0, dtype=np.int64))
    with pytest.raises(ValueError, match="without images"):
        scored([empty])


def test_the_subsample_interval_covers_the_population_kid():
    """For D = 1 the kernel (xy + 1)^3 gives MMD^2 = sum over i of C(3, i) (E x^i - E y^i)^2.

    95 % nominal; the cube's heavy tails leave 0.92 (1,000 trials), which 200 trials estimate to 0.02. An interval is
    also no wider than it needs to be: an ideal one is 1.96 standard deviations of the value to each side.
    """
    rng = np.random.default_rng(10)
    shift = 0.5
    moments = [shift, 1 + shift**2, 3 * shift + shift**3]
    truth = sum(
        comb(3, i + 1) * (moment - real) ** 2 for i, (moment, real) in enumerate(zip(moments, (0, 1, 0), strict=True))
    )
    labels = np.zeros(150, dtype=np.int64)
    covered, centres, halves = [], [], []
    for _ in range(200):
        x, y = rng.standard_normal((2, 150, 1)).astype(np.float32)
        generated, reference = Features(x + np.float32(shift), labels), Features(y, labels)
        values = metrics.evaluate(generated, reference, ["kid"])
        low, high = subsample_intervals(generated, reference, values)["kid"].limits
        covered.append(low <= truth <= high)
        centres.append(values["kid"])
        halves.append((high - low) / 2)
    assert np.mean(covered) >= 0.87
    assert np.median(halves) < 1.5 * 1.96 * np.std(centres)


def test_repeated_intervals_are_null_where_one_generation_is_refused():
    known = dict.fromkeys(metrics.NAMES, 1.0)
    assert repeated_intervals([known, known | {"fid": None}])["fid"].limits is None


def test_halves_are_disjoint_stratified_complete_and_seeded():
    labels = np.random.default_rng(11).permutation(np.repeat([0, 1, 2], [31, 20, 7]))
    a, b = split_halves(labels, seed=3)
    assert sorted([*a, *b]) == list(range(58))
    assert abs(len(a) - len(b)) <= 1
    assert np.abs(np.bincount(labels[a]) - np.bincount(labels[b])).max() <= 1
    assert np.array_equal(split_halves(labels, seed=3)[0], a)
    assert not np.array_equal(split_halves(labels, seed=4)[0], a)


def test_every_run_of_a_stratified_order_keeps_the_proportions():
    labels = np.repeat([0, 1, 2], [60, 30, 10])
    order = stratified_order(labels, seed=0)
    assert sorted(order) == list(range(100))
    for start in range(0, 100, 20):
        assert np.abs(np.bincount(labels[order[start : start + 20]], minlength=3) - [12, 6, 2]).max() <= 1
    assert not np.array_equal(order, stratified_order(labels, seed=1))
