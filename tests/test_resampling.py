"""Joint resampling of seeds and test images for metrics that are no mean over images."""

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from synthmix.analysis import resampling, statistics

SEEDS, IMAGES = 3, 60
RANDOM = np.random.default_rng(0)
LABELS = (np.arange(IMAGES) % 6 == 0).astype(int)
SCORES = np.round(RANDOM.normal(LABELS, 1, (SEEDS, IMAGES)), 1)  # rounded, so that there are ties
COUNTS = RANDOM.multinomial(IMAGES, np.full(IMAGES, 1 / IMAGES), size=20).astype(float)


def test_auroc_of_a_resample_is_that_of_its_images():
    found = resampling.auroc(SCORES, LABELS, COUNTS)
    for row, counts in enumerate(COUNTS.astype(int)):
        drawn = np.repeat(np.arange(IMAGES), counts)
        for seed in range(SEEDS):
            assert found[row, seed] == pytest.approx(roc_auc_score(LABELS[drawn], SCORES[seed, drawn]))


def test_balanced_accuracy_of_a_resample_is_that_of_its_images():
    correct = RANDOM.random((SEEDS, IMAGES)) < 0.7
    found = resampling.balanced_accuracy(correct, LABELS, COUNTS)
    for row, counts in enumerate(COUNTS.astype(int)):
        drawn = np.repeat(np.arange(IMAGES), counts)
        for seed in range(SEEDS):
            predicted = np.where(correct[seed], LABELS, 1 - LABELS)
            assert found[row, seed] == pytest.approx(balanced_accuracy_score(LABELS[drawn], predicted[drawn]))


def test_resamples_without_a_class():
    counts = np.where(LABELS == 1, 0.0, 1.0)[None]
    assert np.isnan(resampling.auroc(SCORES, LABELS, counts)).all()
    correct = np.arange(IMAGES) % 4 == 1
    expected = correct[LABELS == 0].mean()
    assert resampling.balanced_accuracy(correct[None], LABELS, counts).item() == pytest.approx(expected)


def test_intervals_of_balanced_classes_are_those_of_accuracy():
    """With one class, balanced accuracy is accuracy; the two intervals differ by the draws of their resamples only."""
    labels = np.zeros(400, dtype=int)
    better, worse = RANDOM.random((2, 6, 400)) < np.array([0.9, 0.7])[:, None, None]
    found = resampling.joint_interval(resampling.balanced_accuracy, better, worse, labels)
    assert found == pytest.approx(statistics.joint_interval(better, worse), abs=0.01)


def test_the_interval_holds_the_difference_and_is_repeatable():
    better = SCORES + 1.5 * LABELS
    low, high = resampling.joint_interval(resampling.auroc, better, SCORES, LABELS)
    gain = np.mean([roc_auc_score(LABELS, a) - roc_auc_score(LABELS, b) for a, b in zip(better, SCORES, strict=True)])
    assert 0 < low < gain < high < 1
    assert (low, high) == resampling.joint_interval(resampling.auroc, better, SCORES, LABELS)
    assert resampling.joint_interval(resampling.auroc, SCORES, SCORES, LABELS) == (0, 0)
