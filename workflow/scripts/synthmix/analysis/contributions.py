"""What single test images contribute to a metric: their mean is the metric, their scatter that of the test images."""

import numpy as np


def contributions(metric: str, values: np.ndarray, labels: np.ndarray | None) -> np.ndarray:
    """Each test image's contribution to a metric, float64 (S, N), whose mean over images is the metric of each seed.

    To first order, the metric on other test images varies as the mean of so many contributions does: for AUROC, they
    give the variance of DeLong et al. (1988, doi:10.2307/2531595); used in place of 0 and 1 they let one analysis of
    seeds and images serve all metrics (Dorfman, Berbaum and Metz 1992, doi:10.1097/00004424-199209000-00015).

    Args:
        metric: accuracy, balanced_accuracy, or auroc of two classes.
        values: (S, N), whether each seed has each image right; for AUROC, the score of class 1.
        labels: int (N,), the true classes; not needed for accuracy.

    Raises:
        ValueError: another metric.
    """
    if metric == "accuracy":
        return values.astype(np.float64)
    if metric not in ("balanced_accuracy", "auroc") or labels is None:
        raise ValueError(f"contributions: {metric} is no mean over test images")
    parts = _placements(values, labels) if metric == "auroc" else values.astype(np.float64)
    classes = np.unique(labels)
    found = np.zeros(parts.shape)
    means = {label: parts[:, labels == label].mean(axis=1, keepdims=True) for label in classes}
    whole = sum(means.values()) / len(classes)
    # balanced accuracy is the mean over classes, and AUROC the mean in either class
    share = 1 if metric == "auroc" else 1 / len(classes)
    for label in classes:
        here = labels == label
        found[:, here] = share * (parts[:, here] - means[label]) * len(labels) / here.sum()
    return found + whole


def _placements(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The share of images of the other class that each image is on the right side of, ties counting half, (S, N)."""
    from scipy.stats import rankdata

    found = np.empty(scores.shape)
    for label, sign in ((1, 1), (0, -1)):
        here = labels == label
        own = rankdata(sign * scores[:, here], axis=1)
        found[:, here] = (rankdata(sign * scores, axis=1)[:, here] - own) / (~here).sum()
    return found
