"""What a trained classifier is worth: metrics of its predictions on images that it has not seen."""

from typing import Any

import numpy as np
from sklearn.metrics import accuracy_score, balanced_accuracy_score, confusion_matrix, f1_score, log_loss


def calibration_error(confidence: np.ndarray, correct: np.ndarray, bins: int = 15) -> float:
    """Expected calibration error (Guo et al. 2017, equation 3) with equal-width bins.

    Args:
        confidence: float (N,), the probability given to the predicted class, in [0, 1].
        correct: bool (N,), whether the prediction is right.
        bins: number of bins.

    Returns:
        The mean over bins, weighted by their share of the N images, of |accuracy - mean confidence|; in [0, 1].
    """
    bin_of = np.minimum((confidence * bins).astype(int), bins - 1)
    counts = np.bincount(bin_of, minlength=bins)
    gaps = np.bincount(bin_of, correct - confidence.astype(np.float64), minlength=bins)
    return float(np.abs(gaps).sum() / counts.sum())


def judge(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """Metrics of predicted probabilities, JSON-ready.

    Args:
        probabilities: float (N, K), rows summing to 1.
        labels: int64 (N,), the true classes.

    Returns:
        accuracy, balanced_accuracy and macro_f1 (means over the classes that have images), ece, nll (natural
        logarithm, mean per image), per_class_accuracy (K values; null for a class without images), confusion (K x K
        counts, rows true, columns predicted).
    """
    classes = np.arange(probabilities.shape[1])
    predicted = probabilities.argmax(1)
    confusion = confusion_matrix(labels, predicted, labels=classes)
    counts = confusion.sum(1)
    return {
        "accuracy": float(accuracy_score(labels, predicted)),
        "balanced_accuracy": float(balanced_accuracy_score(labels, predicted)),
        "macro_f1": float(f1_score(labels, predicted, labels=np.flatnonzero(counts), average="macro", zero_division=0)),
        "ece": calibration_error(probabilities.max(1), predicted == labels),
        "nll": float(log_loss(labels, probabilities, labels=classes)),
        "per_class_accuracy": [float(confusion[k, k] / counts[k]) if counts[k] else None for k in classes],
        "confusion": confusion.tolist(),
    }
