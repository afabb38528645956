"""Metrics against closed forms and against torch-fidelity as a whole."""

import numpy as np
import pytest
import torch
import torch_fidelity
from torch import nn
from torch_fidelity.metric_fid import KEY_METRIC_FID, fid_features_to_statistics, fid_statistics_to_metric

from synthmix.features import metrics
from synthmix.features.extraction import Features, PosteriorExtractor, extract, register


def features(values, labels=None, logits=None):
    values = np.asarray(values, dtype=np.float32)
    return Features(values, np.zeros(len(values), dtype=np.int64) if labels is None else labels, logits)


def with_moments(rng, n, mean, cov):
    """n samples whose sample mean and covariance (divisor n - 1) are exactly the given ones."""
    samples = rng.standard_normal((n, len(mean)))
    samples -= samples.mean(axis=0)
    samples = samples @ np.linalg.inv(np.linalg.cholesky(np.cov(samples, rowvar=False))).T
    return samples @ np.linalg.cholesky(cov).T + mean


def test_fid_of_exact_moments_is_the_formula():
    rng = np.random.default_rng(0)
    mean, first, second = np.array([1.0, -2.0, 0.5]), np.array([1.0, 4.0, 9.0]), np.array([4.0, 1.0, 0.25])
    expected = mean @ mean + np.sum((np.sqrt(first) - np.sqrt(second)) ** 2)
    rotation = np.linalg.qr(rng.standard_normal((3, 3)))[0]  # covariances that commute without being diagonal
    generated = with_moments(rng, 50, mean, np.diag(first)) @ rotation.T
    reference = with_moments(rng, 70, np.zeros(3), np.diag(second)) @ rotation.T
    assert metrics.frechet_distance(generated, reference) == pytest.approx(expected, rel=1e-9)
    statistics = [{"mu": m, "sigma": np.diag(c)} for m, c in ((mean, first), (np.zeros(3), second))]
    assert fid_statistics_to_metric(*statistics, verbose=False)[KEY_METRIC_FID] == pytest.approx(expected, rel=1e-12)


def test_fid_is_that_of_torch_fidelity():
    """Theirs takes the eigenvalues of the product of the covariances, which is not symmetric."""
    rng = np.random.default_rng(20)
    mixing = rng.standard_normal((2, 12, 12))
    generated, reference = (rng.standard_normal((80, 12)) @ each + 1 for each in mixing)
    generated[:, 3] = reference[:, 3] = 0  # a unit that is never active
    ours, theirs = metrics.frechet_distance(generated, reference), torch_fidelity_fid(generated, reference)
    assert ours == pytest.approx(theirs, rel=1e-7)
    assert metrics.frechet_distance(reference, generated) == pytest.approx(ours, rel=1e-7)


def torch_fidelity_fid(*sets):
    statistics = (fid_features_to_statistics(torch.from_numpy(each)) for each in sets)
    return fid_statistics_to_metric(*statistics, verbose=False)[KEY_METRIC_FID]


def test_fid_of_large_gaussian_samples_is_near_the_formula():
    rng = np.random.default_rng(1)
    scale, shift = np.array([1.0, 2.0, 0.5, 1.5]), np.array([0.5, 0.0, -1.0, 0.0])
    generated = rng.standard_normal((20000, 4)).astype(np.float32) * scale + shift
    reference = rng.standard_normal((20000, 4)).astype(np.float32)
    expected = shift @ shift + np.sum((scale - 1) ** 2)
    assert metrics.frechet_distance(generated, reference) == pytest.approx(expected, abs=0.1)


def test_fid_of_a_set_with_itself_is_zero_and_never_negative():
    values = np.random.default_rng(2).standard_normal((40, 6)).astype(np.float32)
    assert 0 <= metrics.frechet_distance(values, values[::-1]) < 1e-6


@pytest.mark.parametrize(("n", "m"), [(8, 20), (20, 8)])
def test_fid_is_refused_where_n_is_not_above_the_dimension(n, m):
    rng = np.random.default_rng(3)
    generated, reference = rng.standard_normal((n, 8)), rng.standard_normal((m, 8))
    with pytest.raises(ValueError, match="8 images, 8 dimensions"):
        metrics.frechet_distance(generated, reference)
    values = metrics.evaluate(features(generated), features(reference))
    assert values["fid"] is None
    assert values["kid"] is not None
    assert "n = 8 images is not above the feature dimension 8" in metrics.refusal(
        "fid", features(generated), features(reference)
    )


def test_kid_is_the_u_statistic_of_the_polynomial_kernel():
    rng = np.random.default_rng(4)
    x, y = rng.standard_normal((5, 3)), rng.standard_normal((5, 3)) + 0.5

    def kernel(a, b):
        return (float(a @ b) / 3 + 1) ** 3

    within = [sum(kernel(s[i], s[j]) for i in range(5) for j in range(5) if i != j) / 20 for s in (x, y)]
    between = sum(kernel(a, b) for a in x for b in y) / 25
    assert metrics.kernel_distance(x, y) == pytest.approx(sum(within) - 2 * between, rel=1e-9)


def test_kid_of_equal_distributions_is_zero_on_average_and_negative_at_times():
    rng = np.random.default_rng(5)
    values = np.array([metrics.kernel_distance(*rng.standard_normal((2, 40, 4))) for _ in range(300)])
    assert abs(values.mean()) < 3 * values.std(ddof=1) / np.sqrt(len(values))
    assert (values < 0).any()


def test_kid_takes_as_many_images_of_the_larger_set():
    rng = np.random.default_rng(6)
    x, y = rng.standard_normal((30, 2)), rng.standard_normal((200, 2))
    for distance in (metrics.kernel_distance, lambda one, other: metrics.kernel_distance(other, one)):
        value = distance(x, y)
        moved = (y + np.eye(200)[:, [row]] for row in range(200))
        drawn = [row for row, other in enumerate(moved) if distance(x, other) != value]
        assert len(drawn) == 30
        assert drawn != list(range(30)), "they are drawn from all"
        assert value == pytest.approx(distance(x, y[drawn]), rel=1e-9)


def test_the_distance_at_infinity_is_nearer_to_the_truth_than_that_of_finitely_many_images():
    rng = np.random.default_rng(21)
    shift, dimension = 0.1, 100
    truth = dimension * shift**2
    reference = rng.standard_normal((40000, dimension))  # so many that its own size hardly counts
    errors = []
    for _ in range(2):
        generated = rng.standard_normal((5000, dimension)) + shift
        ours = metrics.frechet_distance_at_infinity(generated, reference)
        assert metrics.frechet_distance_at_infinity(generated, reference) == ours
        errors.append((abs(ours - truth), metrics.frechet_distance(generated, reference) - truth))
    infinite, finite = np.mean(errors, axis=0)
    assert finite > 0.4  # the bias of 5,000 images
    assert infinite < finite / 4


def test_the_line_to_infinity_has_subsets_of_twice_the_dimension_at_least():
    assert metrics.smallest_sample("fd_infinity", 384) == 5000
    assert metrics.smallest_sample("fd_infinity", 2048) == 8192
    values = np.zeros((4999, 2))
    with pytest.raises(ValueError, match="needs 5000 images of each set: 4999 generated, 9998 real"):
        metrics.frechet_distance_at_infinity(values, np.zeros((9998, 2)))


def test_density_and_coverage_of_points_on_a_line():
    """The 5th neighbours of 0, ..., 5 are 5, 4, 3, 3, 4 and 5 away: 0 is within the balls of 0, 1 and 2, 10 in none."""
    reference = np.arange(6.0)[:, np.newaxis]
    generated = np.array([[0.0], [10.0]])
    assert metrics.density_coverage(generated, reference) == (pytest.approx(3 / (5 * 2)), 3 / 6)
    assert metrics.density_coverage(generated + 100, reference) == (0, 0)


def test_density_and_coverage_equal_loops_and_are_one_for_real_images():
    rng = np.random.default_rng(22)
    generated, reference = 1.3 * rng.standard_normal((40, 3)), rng.standard_normal((30, 3))
    radii = [sorted(np.linalg.norm(reference - each, axis=1))[5] for each in reference]
    inside = [[np.linalg.norm(g - r) < radius for r, radius in zip(reference, radii, strict=True)] for g in generated]
    density, coverage = metrics.density_coverage(generated, reference)
    assert density == pytest.approx(np.sum(inside) / (5 * 40))
    assert coverage == pytest.approx(np.any(inside, axis=0).mean())
    assert 0 < coverage < 1
    spread = rng.uniform(-1, 1, (300, 4))
    assert metrics.density_coverage(spread, spread) == (1, 1)


def test_the_gaussian_kernel_distance_is_the_u_statistic_of_unit_vectors():
    rng = np.random.default_rng(23)
    x, y = rng.standard_normal((6, 3)), rng.standard_normal((6, 3)) + 1

    def kernel(a, b):
        return np.exp(-np.sum((a / np.linalg.norm(a) - b / np.linalg.norm(b)) ** 2) / (2 * 10**2))

    within = [sum(kernel(s[i], s[j]) for i in range(6) for j in range(6) if i != j) / 30 for s in (x, y)]
    between = sum(kernel(a, b) for a in x for b in y) / 36
    expected = 1000 * (sum(within) - 2 * between)
    assert metrics.gaussian_kernel_distance(x, y) == pytest.approx(expected, rel=1e-6)
    assert metrics.gaussian_kernel_distance(7 * x, y) == pytest.approx(expected, rel=1e-6)


def test_the_gaussian_kernel_distance_of_equal_distributions_is_zero_on_average():
    rng = np.random.default_rng(24)
    values = np.array([metrics.gaussian_kernel_distance(*rng.standard_normal((2, 40, 4))) for _ in range(300)])
    assert abs(values.mean()) < 3 * values.std(ddof=1) / np.sqrt(len(values))
    assert (values < 0).any()
    assert metrics.gaussian_kernel_distance(*rng.standard_normal((2, 40, 4)) + np.array([[[2]], [[0]]])) > values.max()


def test_inception_score_runs_from_one_to_the_number_of_classes():
    assert metrics.inception_score(np.zeros((20, 5), dtype=np.float32)) == pytest.approx(1)
    certain = 100 * np.eye(5, dtype=np.float32)[np.arange(20) % 5]
    assert metrics.inception_score(certain) == pytest.approx(5)
    assert metrics.inception_score(certain[::5]) == pytest.approx(1)


def test_precision_and_recall_of_equal_disjoint_and_nested_sets():
    rng = np.random.default_rng(7)
    wide = rng.uniform(-1, 1, (400, 2)).astype(np.float32)
    assert metrics.precision_recall(wide, wide) == (1, 1)
    assert metrics.precision_recall(wide + 100, wide) == (0, 0)
    precision, recall = metrics.precision_recall(wide / 4, wide)  # generated images cover a sixteenth of the real ones
    assert precision > 0.9
    assert recall < 0.2


def test_no_inception_score_without_a_posterior():
    sets = [features(np.random.default_rng(8).standard_normal((30, 2))) for _ in range(2)]
    assert metrics.evaluate(*sets)["isc"] is None
    assert metrics.refusal("isc", *sets) == "the extractor has no class posterior"


class Projection(nn.Module):
    """A tiny network with features and logits."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = nn.Linear(3 * 64, 12), nn.Linear(12, 4)

    def forward(self, images):
        values = torch.relu(self.first(images.float().flatten(1) / 64))
        return values, self.second(values)


class Coloured(torch.utils.data.Dataset):
    """Grey images, uint8 (N, H, W, 1), as the items that torch-fidelity takes: uint8 (3, H, W)."""

    def __init__(self, images):
        self.images = torch.from_numpy(images).permute(0, 3, 1, 2).expand(-1, 3, -1, -1)

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        return self.images[index].contiguous()


def test_values_equal_those_of_calculate_metrics():
    rng = np.random.default_rng(9)
    extractor = PosteriorExtractor("projection", Projection(), 12, "0" * 64, {})
    sets = [rng.integers(0, high, (60, 8, 8, 1), dtype=np.uint8) for high in (256, 200)]
    ours = metrics.evaluate(*(extract(images, np.zeros(60, dtype=np.int64), extractor) for images in sets))
    theirs = torch_fidelity.calculate_metrics(
        input1=Coloured(sets[0]),
        input2=Coloured(sets[1]),
        feature_extractor=register(extractor),
        isc=True,
        fid=True,
        kid=True,
        prc=True,
        isc_splits=1,
        kid_subsets=1,
        kid_subset_size=60,
        cuda=False,
        cache=False,
        save_cpu_ram=True,
        verbose=False,
    )
    assert ours["isc"] == pytest.approx(theirs["inception_score_mean"], rel=1e-6)
    assert ours["fid"] == pytest.approx(theirs["frechet_inception_distance"], rel=1e-5)
    assert ours["kid"] == pytest.approx(theirs["kernel_inception_distance_mean"], rel=1e-4)
    assert (ours["precision"], ours["recall"]) == (theirs["precision"], theirs["recall"])
    assert 0 < ours["precision"] < 1
