"""Which images a run trains on: what is nested in what, what is disjoint from what, and what never moves."""

import numpy as np
import pytest

from synthmix.corruptions import noise
from synthmix.data import Split
from synthmix.images.draws import (
    assemble,
    class_ranks,
    draw_held_back,
    draw_real,
    draw_repetitions,
    draw_synthetic,
    noisy_labels,
    of_seed,
    shares,
)
from synthmix.images.pools import Pool

CLASSES = 4
LABELS = np.random.default_rng(0).permutation(np.repeat(np.arange(CLASSES), [40, 30, 20, 10]))
SEEDS = range(5)


def images_of(values):
    """uint8 images (N, 2, 2, 1), each of which carries a number of its own."""
    values = np.asarray(values)
    return np.stack([values % 256, values // 256, values * 0, values * 0], 1).astype(np.uint8).reshape(-1, 2, 2, 1)


def number_of(images):
    pixels = images.reshape(len(images), 4).astype(int)
    return pixels[:, 0] + 256 * pixels[:, 1]


TRAIN = Split(images_of(np.arange(len(LABELS))), LABELS, np.arange(len(LABELS)))


def pool_of(per_class, seeds=(-1,)):
    """A pool whose image (class, index) of seed s carries the number 1000 + 400 s + 100 class + index."""
    rows = [(s, label, index) for s in seeds for index in range(per_class) for label in range(CLASSES)]
    seed, label, index = np.array(rows).T
    return Pool(images_of(1000 + 400 * (seed + 1) + 100 * label + index), label, index, seed, np.zeros(len(rows), bool))


# ---- real images -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
def test_few_shot_draws_are_balanced_and_nested(seed):
    draws = [draw_real(LABELS, k, seed) for k in (1, 3, 5, 10)]
    for k, draw in zip((1, 3, 5, 10), draws, strict=True):
        assert np.bincount(LABELS[draw], minlength=CLASSES).tolist() == [k] * CLASSES
        assert (np.diff(draw) > 0).all()
    for smaller, larger in zip(draws, draws[1:], strict=False):
        assert set(smaller) < set(larger)


def test_few_shot_draws_differ_between_seeds():
    draws = {tuple(draw_real(LABELS, 3, seed)) for seed in SEEDS}
    assert len(draws) == len(SEEDS)


def test_every_image_of_a_class_is_drawn_equally_often():
    drawn = np.bincount(np.concatenate([draw_real(LABELS, 5, seed) for seed in range(2000)]), minlength=len(LABELS))
    expected = 2000 * 5 / np.bincount(LABELS)[LABELS]
    # each count is binomial; 5 standard deviations are passed by one of 100 images with a chance below 1e-4
    spread = np.sqrt(expected * (1 - expected / 2000))
    assert (np.abs(drawn - expected) <= 5 * spread).all()


def test_a_class_draws_the_same_whatever_the_other_classes_are():
    """So that two data sets which share a class at the same places share its draw."""
    other = np.where(LABELS == 1, LABELS, 0)
    members = LABELS == 1
    np.testing.assert_array_equal(class_ranks(LABELS, 3)[members], class_ranks(other, 3)[members])


@pytest.mark.parametrize("seed", SEEDS)
def test_totals_are_stratified_and_nested(seed):
    totals = (7, 10, 33, 50, 99, 100)
    draws = [draw_real(LABELS, {"total": total}, seed) for total in totals]
    for total, draw in zip(totals, draws, strict=True):
        assert len(draw) == len(set(draw)) == total
        shares = np.bincount(LABELS) * total / len(LABELS)
        assert (np.abs(np.bincount(LABELS[draw], minlength=CLASSES) - shares) <= 1).all()
    for smaller, larger in zip(draws, draws[1:], strict=False):
        assert set(smaller) < set(larger)


def test_a_total_of_balanced_classes_contains_the_few_shot_draw():
    balanced = np.tile(np.arange(5), 20)
    np.testing.assert_array_equal(draw_real(balanced, {"total": 15}, 2), draw_real(balanced, 3, 2))


def test_all_and_none():
    assert draw_real(LABELS, "all", 0).tolist() == list(range(len(LABELS)))
    assert draw_real(LABELS, None, 0).tolist() == []


@pytest.mark.parametrize("seed", SEEDS)
def test_held_back_images_follow_the_draw(seed):
    draw = set(draw_real(LABELS, 3, seed))
    held_back = draw_held_back(LABELS, 3, 5, seed)
    assert np.bincount(LABELS[held_back], minlength=CLASSES).tolist() == [5] * CLASSES
    assert not draw & set(held_back)
    assert draw | set(held_back) == set(draw_real(LABELS, 8, seed))
    assert set(draw_held_back(LABELS, 3, 2, seed)) < set(held_back)


def test_held_back_images_alone_are_corrupted_and_alike_in_every_run():
    """The same images in the same order, of which those in the place of generated ones are worse."""
    clean = {"real": 3, "held_back": 4}
    worse = {**clean, "corrupt": {"kind": "noise", "severity": 5, "seed": 0}}
    kinds = {"noise": noise}
    first, second = (assemble(worse, seed, TRAIN, {}, CLASSES, "d", kinds=kinds) for seed in (0, 1))
    as_they_are = assemble(clean, 0, TRAIN, {}, CLASSES, "d")
    np.testing.assert_array_equal(first.labels, as_they_are.labels)
    real = 3 * CLASSES
    np.testing.assert_array_equal(first.images[:real], as_they_are.images[:real])
    assert (first.images[real:] != as_they_are.images[real:]).any(axis=(1, 2, 3)).all()
    assert first.real == as_they_are.real == 7 * CLASSES
    shared = same = 0
    rows = {seed: draw_held_back(LABELS, 3, 4, seed).tolist() for seed in (0, 1)}
    for row in set(rows[0]) & set(rows[1]):
        shared += 1
        one, other = (run.images[real:][rows[seed].index(row)] for seed, run in enumerate((first, second)))
        same += np.array_equal(one, other)
    assert same == shared > 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: draw_real(LABELS, 11, 0, "digits: shot11"),
            r"digits: shot11: 11 real .* class 3 has 10: lower `real`",
        ),
        (lambda: draw_held_back(LABELS, 3, 8, 0, "d"), r"d: 11 real .* class 3 has 10: lower `real` or `held_back`"),
        (lambda: draw_real(LABELS, 11, 0, "d", "abce"), r"d: 11 real .* class e has 10: lower `real` or `held_back`"),
        (
            lambda: assemble({"real": 3, "held_back": 8}, 0, TRAIN, {}, CLASSES, "d", names="abce"),
            r"d: 11 real .* class e has 10: lower `real` or `held_back`",
        ),
        (
            lambda: draw_synthetic(pool_of(4), 5, 8, CLASSES, 0, "d: pool ddpm", "abce"),
            r"d: pool ddpm: \d of 5 generated images of class a were found: delete",
        ),
        (lambda: draw_real(LABELS, {"total": 101}, 0, "d"), r"d: real: total: 101, but it has 100 images: lower total"),
        (
            lambda: draw_synthetic(pool_of(4), 5, 8, CLASSES, 0, "d: pool ddpm"),
            r"d: pool ddpm: \d of 5 generated images of class 0 were found: delete the pool's shards and run snakemake",
        ),
    ],
)
def test_errors_name_the_place_and_the_remedy(call, message):
    with pytest.raises(ValueError, match=message) as error:
        call()
    assert "\n" not in str(error.value)


# ---- generated images ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
def test_synthetic_draws_are_nested_and_from_the_declared_prefix(seed):
    pool = pool_of(30)
    draws = [draw_synthetic(pool, k, 20, CLASSES, seed, "d") for k in (1, 5, 10, 20)]
    for k, rows in zip((1, 5, 10, 20), draws, strict=True):
        assert np.bincount(pool.labels[rows]).tolist() == [k] * CLASSES
        assert pool.index[rows].max() < 20
    for smaller, larger in zip(draws, draws[1:], strict=False):
        assert set(smaller) < set(larger)


def test_synthetic_draws_differ_between_seeds_and_classes():
    pool = pool_of(50)
    chosen = {
        (seed, label): tuple(pool.index[rows][pool.labels[rows] == label])
        for seed in SEEDS
        for rows in [draw_synthetic(pool, 10, 50, CLASSES, seed, "d")]
        for label in range(CLASSES)
    }
    assert len(set(chosen.values())) == len(chosen)


@pytest.mark.parametrize("seed", SEEDS)
def test_growing_the_pool_changes_no_draw(seed):
    spec = {
        "real": 3,
        "synthetic": 5,
        "pool": "p",
        "draw_from": 20,
        "monitor": {"pool": "p", "first": 20, "per_class": 2},
    }
    small = assemble(spec, seed, TRAIN, {"p": pool_of(25)}, CLASSES, "d")
    grown = assemble(spec, seed, TRAIN, {"p": pool_of(80)}, CLASSES, "d")
    np.testing.assert_array_equal(small.images, grown.images)
    np.testing.assert_array_equal(small.labels, grown.labels)
    for before, after in zip(small.monitor, grown.monitor, strict=True):
        np.testing.assert_array_equal(before, after)


def test_pools_of_seeds_give_each_seed_its_own_images():
    pool = pool_of(6, seeds=(0, 1, 2))
    for seed in (0, 1, 2):
        chosen = assemble({"synthetic": 4, "pool": "p", "draw_from": 6}, seed, TRAIN, {"p": pool}, CLASSES, "d")
        assert set((number_of(chosen.images) - 1000) // 400 - 1) == {seed}
        assert np.bincount(chosen.labels).tolist() == [4] * CLASSES


def test_an_ordinary_pool_serves_every_seed():
    pool = pool_of(6)
    assert of_seed(pool, 3) is pool


def test_a_pool_without_images_of_a_seed_is_an_error():
    with pytest.raises(ValueError, match="0 of 4 generated images of class 0"):
        assemble({"synthetic": 4, "pool": "p"}, 7, TRAIN, {"p": pool_of(6, seeds=(0, 1))}, CLASSES, "d")


@pytest.mark.parametrize(
    ("counts", "total", "expected"),
    [
        ([540, 100], 64, [54, 10]),
        ([540, 100], 65, [55, 10]),  # 54.84 and 10.16
        ([541, 541, 541], 4, [2, 1, 1]),  # equal remainders: the first class
        ([5, 0, 3], 8, [5, 0, 3]),
        ([600, 600, 200], 10, [4, 4, 2]),  # 4.29, 4.29 and 1.43: the largest remainder is the smallest class's
    ],
)
def test_shares_go_by_largest_remainders(counts, total, expected):
    assert shares(np.array(counts), total).tolist() == expected


def test_shares_are_within_one_of_proportion_and_grow_with_the_total_for_two_classes():
    counts = np.array([4157, 633])
    found = np.array([shares(counts, total) for total in range(1, 2000)])
    assert (found.sum(1) == np.arange(1, 2000)).all()
    assert (np.abs(found - np.arange(1, 2000)[:, None] * counts / counts.sum()) < 1).all()
    assert (np.diff(found, axis=0) >= 0).all()


def test_a_total_of_generated_images_has_the_classes_of_train():
    """Train has 40, 30, 20 and 10 images of its classes."""
    draws = []
    for total in (10, 50):
        spec = {"synthetic": {"total": total}, "pool": "p", "draw_from": 25}
        chosen = assemble(spec, 1, TRAIN, {"p": pool_of(30)}, CLASSES, "d")
        assert np.bincount(chosen.labels).tolist() == [0.4 * total, 0.3 * total, 0.2 * total, 0.1 * total]
        assert ((number_of(chosen.images) - 1000) % 100 < 25).all()
        draws.append(set(number_of(chosen.images)))
    assert draws[0] < draws[1]


def test_a_share_that_the_pool_is_too_small_for_is_an_error():
    spec = {"synthetic": {"total": 60}, "pool": "p", "draw_from": 20}
    with pytest.raises(ValueError, match="share of class 0 is 24 .* draw_from is 20: raise draw_from, or lower"):
        assemble(spec, 1, TRAIN, {"p": pool_of(30)}, CLASSES, "d")


def test_a_total_leaves_out_a_class_whose_share_is_nothing():
    spec = {"synthetic": {"total": 1}, "pool": "p", "draw_from": 20}
    assert assemble(spec, 1, TRAIN, {"p": pool_of(30)}, CLASSES, "d").labels.tolist() == [0]


# ---- rebalanced ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
def test_repetitions_make_classes_equal_and_repeat_images_equally_often(seed):
    repeated = draw_repetitions(LABELS, seed)
    assert (np.bincount(LABELS) + np.bincount(LABELS[repeated], minlength=CLASSES)).tolist() == [40] * CLASSES
    times = np.bincount(repeated, minlength=len(LABELS)) + 1
    # 40, 30, 20 and 10 images
    assert [sorted(set(times[label == LABELS])) for label in range(CLASSES)] == [[1], [1, 2], [2], [4]]


def test_repetitions_differ_between_seeds():
    assert len({tuple(draw_repetitions(LABELS, seed)) for seed in SEEDS}) == len(SEEDS)


def test_a_rebalanced_set_adds_no_image_and_counts_its_repetitions():
    spec = {"real": "all", "synthetic": 2, "pool": "p", "label_noise": 0.2}
    plain = assemble(spec, 1, TRAIN, {"p": pool_of(4)}, CLASSES, "d")
    chosen = assemble({**spec, "rebalance": True}, 1, TRAIN, {"p": pool_of(4)}, CLASSES, "d")
    seen = chosen.real + chosen.repeated
    assert (plain.real, plain.repeated, chosen.real) == (100, 0, 100)
    assert len(chosen.labels) - seen == len(plain.labels) - 100 == 2 * CLASSES
    np.testing.assert_array_equal(chosen.images[:100], plain.images[:100])
    np.testing.assert_array_equal(chosen.images[seen:], plain.images[100:])
    assert len(set(np.bincount(chosen.labels[:seen]))) == 1  # equal by the labels that the classifier sees
    labels_of = dict(zip(number_of(plain.images), plain.labels, strict=True))
    assert [labels_of[number] for number in number_of(chosen.images)] == chosen.labels.tolist()


# ---- labels ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("probability", [0.0, 0.1, 0.5, 1.0])
def test_label_noise_has_its_rate_and_is_never_the_true_label(probability):
    labels = np.arange(40_000) % 10
    noisy = noisy_labels(labels, probability, 10, seed=1)
    wrong = noisy != labels
    spread = np.sqrt(probability * (1 - probability) / len(labels))
    assert wrong.mean() == pytest.approx(probability, abs=4 * spread)
    assert set(noisy) <= set(range(10))
    if probability:
        shifts = np.bincount((noisy - labels)[wrong] % 10, minlength=10)
        assert shifts[0] == 0
        # chi-squared with 8 degrees of freedom; 26.1 is passed by chance once in a thousand
        expected = wrong.sum() / 9
        assert ((shifts[1:] - expected) ** 2 / expected).sum() < 26.1


def test_label_noise_is_nested_in_its_probability():
    labels = np.arange(5000) % 10
    levels = [noisy_labels(labels, p, 10, seed=2) for p in (0.1, 0.2, 0.8)]
    for less, more in zip(levels, levels[1:], strict=False):
        wrong = less != labels
        np.testing.assert_array_equal(more[wrong], less[wrong])
        assert (more != labels).sum() > wrong.sum()


def test_label_noise_belongs_to_the_image_not_to_the_draw():
    noisy = assemble({"real": "all", "label_noise": 0.3}, 0, TRAIN, {}, CLASSES, "d")
    few = assemble({"real": 5, "label_noise": 0.3}, 0, TRAIN, {}, CLASSES, "d")
    np.testing.assert_array_equal(few.labels, noisy.labels[number_of(few.images)])
    assert (noisy.labels != LABELS).any()


def test_label_noise_does_not_move_the_draw():
    plain = assemble({"real": 5}, 0, TRAIN, {}, CLASSES, "d")
    noisy = assemble({"real": 5, "label_noise": 0.9}, 0, TRAIN, {}, CLASSES, "d")
    np.testing.assert_array_equal(plain.images, noisy.images)


def test_shuffled_labels_keep_images_and_counts():
    spec = {"real": 3, "synthetic": 10, "pool": "p", "draw_from": 20}
    plain = assemble(spec, 0, TRAIN, {"p": pool_of(20)}, CLASSES, "d")
    shuffled = assemble({**spec, "shuffle_synthetic_labels": True}, 0, TRAIN, {"p": pool_of(20)}, CLASSES, "d")
    np.testing.assert_array_equal(plain.images, shuffled.images)
    np.testing.assert_array_equal(plain.labels[: plain.real], shuffled.labels[: plain.real])
    np.testing.assert_array_equal(np.bincount(plain.labels), np.bincount(shuffled.labels))
    agree = (plain.labels == shuffled.labels)[plain.real :].mean()
    assert agree < 0.6  # a quarter by chance


# ---- whole training sets ---------------------------------------------------------------------------------------------


def test_real_images_come_first_and_keep_their_labels():
    spec = {"real": 3, "held_back": 2, "synthetic": 4, "pool": "p"}
    chosen = assemble(spec, 1, TRAIN, {"p": pool_of(10)}, CLASSES, "d")
    numbers = number_of(chosen.images)
    assert chosen.real == 5 * CLASSES
    assert (numbers[: chosen.real] < 1000).all()
    assert (numbers[chosen.real :] >= 1000).all()
    np.testing.assert_array_equal(chosen.labels[: chosen.real], LABELS[numbers[: chosen.real]])
    np.testing.assert_array_equal(chosen.labels[chosen.real :], (numbers[chosen.real :] - 1000) // 100)


def test_adding_generated_images_leaves_the_real_draw_alone():
    """Two training sets of one seed are a pair: they share the draw."""
    plain = assemble({"real": 3}, 4, TRAIN, {}, CLASSES, "d")
    mixed = assemble({"real": 3, "synthetic": 4, "pool": "p"}, 4, TRAIN, {"p": pool_of(4)}, CLASSES, "d")
    np.testing.assert_array_equal(plain.images, mixed.images[: plain.real])
    assert plain.real == mixed.real == len(plain.labels)


def test_generated_images_only():
    chosen = assemble({"synthetic": 4, "pool": "p"}, 0, TRAIN, {"p": pool_of(4)}, CLASSES, "d")
    assert (chosen.real, len(chosen.labels)) == (0, 16)
    assert chosen.monitor is None


def test_monitored_images_are_not_trained_on():
    spec = {"synthetic": 20, "pool": "p", "monitor": {"pool": "p", "first": 20, "per_class": 5}}
    chosen = assemble(spec, 0, TRAIN, {"p": pool_of(40)}, CLASSES, "d")
    images, labels = chosen.monitor
    assert np.bincount(labels).tolist() == [5] * CLASSES
    assert not set(number_of(images)) & set(number_of(chosen.images))
    assert set((number_of(images) - 1000) % 100) == set(range(20, 25))
