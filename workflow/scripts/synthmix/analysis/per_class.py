"""Two arms compared class by class, or group by group: differences, what chance makes of them, and shrunken ones.

Arms are tested on the same images. Correct predictions are bool (S, N): a row per seed, a column per test image; labels
are int64 (N,), the class or group of each image.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri

from synthmix.analysis.statistics import LEVEL, holm


class PerClass(NamedTuple):
    """Two arms by class: arrays (C,), accuracies and differences as fractions, the first arm minus the second.

    images: int64, test images of a class; first, second: accuracies; difference, low, high: with its interval over
    seeds and test images; shrunken: the difference, drawn towards the mean of all classes; p: of the exact test;
    p_holm: corrected for all classes.
    """

    images: np.ndarray
    first: np.ndarray
    second: np.ndarray
    difference: np.ndarray
    low: np.ndarray
    high: np.ndarray
    shrunken: np.ndarray
    p: np.ndarray
    p_holm: np.ndarray


def compare(first: np.ndarray, second: np.ndarray, labels: np.ndarray, classes: int) -> PerClass:
    """Both arms by class; the labels run from 0 to `classes` - 1, others (-1) are left out.

    Raises ValueError where the arms differ in shape or a class has no image.
    """
    if first.shape != second.shape or first.shape[1:] != labels.shape:
        raise ValueError(f"per_class: {first.shape}, {second.shape} and {labels.shape} are not of the same images")
    scores = first.astype(np.int64) - second
    members = [np.flatnonzero(labels == label) for label in range(classes)]
    images = np.array([len(each) for each in members])
    if not images.all():
        raise ValueError(f"per_class: class {int(np.argmin(images))} has no test image")
    one, other = (np.array([arm[:, each].mean() for each in members]) for arm in (first, second))
    parts = [scores[:, each] for each in members]
    variance = sampling_variance(parts)
    half = ndtri((1 + LEVEL) / 2) * np.sqrt(variance)
    p = np.array([sign_flip_p(part.sum(axis=0)) for part in parts])
    difference = one - other
    shrunken = shrink(difference, variance)
    return PerClass(images, one, other, difference, difference - half, difference + half, shrunken, p, holm(p))


def sampling_variance(parts: list[np.ndarray]) -> np.ndarray:
    """Variance (C,) of each class's mean over seeds and test images, from its values (S, N of the class).

    A value is the sum of the class's mean, a seed's part, an image's part and a rest, all random: two crossed random
    factors, whose variances the mean squares of a two-way analysis give (Searle, Casella and McCulloch 1992, Variance
    components, chapter 4; Brennan 2001, Generalizability theory, chapter 3). They are pooled over classes, since a
    single class has too few images and seeds: where both arms are always right, its own values would promise no error
    at all. So intervals hold for 95 % of the classes, not for each. With one seed there is no part of the seeds.
    """
    seeds = len(parts[0])
    images = np.array([part.shape[1] for part in parts])
    free = int((images - 1).sum())
    if not free:
        raise ValueError("per_class: every class has a single test image: nothing is known of their variation")
    of_seeds = of_images = of_rest = 0.0
    for part in parts:
        by_seed, by_image = part.mean(axis=1) - part.mean(), part.mean(axis=0) - part.mean()
        of_seeds += part.shape[1] * (by_seed**2).sum()
        of_images += seeds * (by_image**2).sum()
        of_rest += ((part - part.mean() - by_seed[:, None] - by_image) ** 2).sum()
    if seeds == 1:
        return of_images / free / images
    rest = of_rest / (free * (seeds - 1))
    # expected mean squares: rest + images of a class x part of a seed; rest + seeds x part of an image
    seed_part = max(0.0, (of_seeds / (len(parts) * (seeds - 1)) - rest) / images.mean())
    image_part = max(0.0, (of_images / free - rest) / seeds)
    return seed_part / seeds + image_part / images + rest / (seeds * images)


def sign_flip_p(scores: ArrayLike) -> float:
    """Two-sided p of the paired sign-flip test over images, exact: whole scores (N,), each a sum over seeds.

    The images are what was sampled: the seeds add no image, so that an image flips its sign as a whole. It is McNemar's
    exact test where there is one seed. The distribution of the sum over all 2^N patterns of signs is a product of
    polynomials (Pagano and Tritchler 1983, Journal of the American Statistical Association 78). The test is of the
    networks at hand and says nothing of other trainings, as the interval does.
    """
    scores = np.asarray(scores, dtype=np.int64)
    total = int(np.abs(scores).sum())
    chances = np.zeros(2 * total + 1)  # of the sums -total, ..., total
    chances[total] = 1
    for score in np.abs(scores[scores != 0]):
        chances = (np.roll(chances, score) + np.roll(chances, -score)) / 2  # nothing reaches the ends before the last
    sums = np.arange(-total, total + 1)
    return min(1.0, float(chances[np.abs(sums) >= abs(int(scores.sum()))].sum()))


def shrink(difference: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Empirical Bayes estimates (C,) from differences with known sampling variances, both (C,).

    True differences are taken as normal around their mean; each estimate is the posterior mean,
    mean + B (difference - mean) with B = t2 / (t2 + variance) (Morris 1983, Journal of the American Statistical
    Association 78), and t2, the variance between classes, is that of Paule and Mandel (1982, doi:10.6028/jres.087.022).
    Where t2 is 0, nothing tells the classes apart, and all have their weighted mean.
    """
    from statsmodels.stats.meta_analysis import combine_effects

    if len(difference) < 2 or not variance.all():
        return difference.copy()
    between = max(0.0, float(combine_effects(difference, variance, method_re="pm").tau2))
    weights = 1 / (between + variance)
    mean = (weights * difference).sum() / weights.sum()
    return mean + between / (between + variance) * (difference - mean)
