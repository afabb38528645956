"""Metrics against closed forms and against torch-fidelity as a whole."""

import numpy as np
import pytest
import torch
import torch_fidelity
from torch import nn
from torch_fidelity.metric_fid import KEY_METRIC_FID, fid_statistics_to_metric

from synthmix import metrics
from synthmix.features import Features, ImageDataset, PosteriorExtractor, extract, register


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
    assert metrics.kernel_distance(x, y) == metrics.kernel_distance(x, y)
    assert metrics.kernel_distance(x, y) == pytest.approx(metrics.kernel_distance(y, x), abs=0.3)


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


def test_values_equal_those_of_calculate_metrics():
    rng = np.random.default_rng(9)
    extractor = PosteriorExtractor("projection", Projection(), 12, "0" * 64, {})
    sets = [rng.integers(0, high, (60, 8, 8, 1), dtype=np.uint8) for high in (256, 200)]
    ours = metrics.evaluate(*(extract(images, np.zeros(60, dtype=np.int64), extractor) for images in sets))
    theirs = torch_fidelity.calculate_metrics(
        input1=ImageDataset(sets[0]),
        input2=ImageDataset(sets[1]),
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
