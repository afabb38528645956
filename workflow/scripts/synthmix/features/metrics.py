"""Metrics of generated against real features: torch-fidelity's own functions, and formulas that it lacks.

The Frechet distance is our own: torch-fidelity (0.4) has no matrix square root either, but takes the eigenvalues of a
product that is not symmetric, which costs some ten times as much as those of a symmetric matrix. Tests compare the two.
"""

from collections.abc import Collection

import numpy as np
import torch
from torch_fidelity.metric_isc import KEY_METRIC_ISC_MEAN, isc_features_to_metric
from torch_fidelity.metric_kid import KEY_METRIC_KID_MEAN, kid_features_to_metric
from torch_fidelity.metric_prc import KEY_METRIC_PRECISION, KEY_METRIC_RECALL, prc_features_to_metric

from synthmix.features.extraction import Features
from synthmix.streams import stream

RANGES: dict[str, tuple[float, float]] = {
    "isc": (1, np.inf),
    "fid": (0, np.inf),
    "kid": (-np.inf, np.inf),
    "precision": (0, 1),
    "recall": (0, 1),
    "density": (0, np.inf),
    "coverage": (0, 1),
    "cmmd": (-np.inf, np.inf),
    "fd_infinity": (-np.inf, np.inf),
}
NAMES = tuple(RANGES)  # in the order of tables
NEIGHBOURS = 3  # k of improved precision and recall, as in the paper
DENSITY_NEIGHBOURS = 5  # k of density and coverage, as in the paper
SIGMA, SCALE = 10.0, 1000.0  # of the Gaussian kernel distance, as in the paper
EXTRAPOLATED_FROM = 5000  # images, for the distance at infinity
SUBSETS = 15  # that a line is fitted to, as in the paper


def inception_score(logits: np.ndarray) -> float:
    """exp of the mean KL divergence of class posteriors from their mean (Salimans et al. 2016), in [1, K].

    logits: (N, K). All N images form one split: splits of a tenth, usual at 50,000 images, would add bias at small N.
    """
    return isc_features_to_metric(torch.from_numpy(logits), splits=1, shuffle=False)[KEY_METRIC_ISC_MEAN]


def frechet_distance(generated: np.ndarray, reference: np.ndarray) -> float:
    """Squared Frechet distance of Gaussians fitted to two sets of features, (N, D) and (M, D) (Heusel et al. 2017).

    Raises ValueError where N or M is not above D: the covariance of D images or fewer has no full rank, and the value
    would tell the sample size more than the images.
    """
    n, dimension = min(len(generated), len(reference)), generated.shape[1]
    if n <= dimension:
        raise ValueError(f"FID needs more images than feature dimensions: {n} images, {dimension} dimensions")
    return _Gaussian(reference).distance(generated)


class _Gaussian:
    """A Gaussian fitted to features (M, D), from which distances to several other sets are taken."""

    def __init__(self, features: np.ndarray) -> None:
        self.mean, self.covariance = _moments(features)
        values, vectors = np.linalg.eigh(self.covariance)
        self.root = (vectors * np.sqrt(values.clip(min=0))) @ vectors.T

    def distance(self, features: np.ndarray) -> float:
        """|m - m'|^2 + tr(C + C' - 2 (C C')^(1/2)) for a set (N, D).

        C C' is similar to the symmetric R C' R with R = C^(1/2): they have the same eigenvalues.
        """
        mean, covariance = _moments(features)
        eigenvalues = np.linalg.eigvalsh(self.root @ covariance @ self.root)
        shared = np.sqrt(eigenvalues.clip(min=0)).sum()
        difference = mean - self.mean
        distance = difference @ difference + np.trace(covariance) + np.trace(self.covariance) - 2 * shared
        return max(0.0, float(distance))


def _moments(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    # float64, since a mean over many float32 values loses digits that the difference of near sets needs
    values = features.astype(np.float64)
    return values.mean(axis=0), np.atleast_2d(np.cov(values, rowvar=False))


def frechet_distance_at_infinity(generated: np.ndarray, reference: np.ndarray, seed: int = 0) -> float:
    """The Frechet distance that infinitely many generated images would have (Chong and Forsyth 2020, arXiv:1911.07023).

    generated (N, D), reference (M, D); the reference is held fixed, and with it the bias that its own size gives. The
    intercept of a line over 1 / n, fitted to the distances of 15 random subsets with sizes from max(2 D, N / 10) to N,
    evenly spaced in 1 / n: smaller ones bend away from the line. Negative at times, where sets are nearly equal.

    Raises ValueError where N or M is below `smallest_sample`: 5,000 images, or 4 D where that is more, so that the
    largest subset has at least twice as many images as the smallest.
    """
    n, dimension = len(generated), generated.shape[1]
    least = smallest_sample("fd_infinity", dimension)
    if min(n, len(reference)) < least:
        raise ValueError(f"extrapolation needs {least} images of each set: {n} generated, {len(reference)} real")
    inverse = np.linspace(1 / n, 1 / max(2 * dimension, n // 10), SUBSETS)
    sizes = np.rint(1 / inverse).astype(int)
    gaussian, random = _Gaussian(reference), stream("subsets", seed)
    distances = [gaussian.distance(generated[random.permutation(n)[:size]]) for size in sizes]
    return float(np.polyfit(1 / sizes, distances, 1)[1])


def kernel_distance(generated: np.ndarray, reference: np.ndarray) -> float:
    """Kernel distance, the squared MMD with kernel (x.y / D + 1)^3 (Binkowski et al. 2018), from (N, D) and (M, D).

    The full U-statistic at n = min(N, M) images of each set: all images where N equals M, else a fixed random subset of
    the larger. Unbiased, hence negative at times. Memory: a few n x n matrices of float64.
    """
    n = min(len(generated), len(reference))
    first, second = (torch.from_numpy(x.astype(np.float64)) for x in (generated, reference))
    result = kid_features_to_metric(first, second, kid_subsets=1, kid_subset_size=n, verbose=False)
    return result[KEY_METRIC_KID_MEAN]


def gaussian_kernel_distance(generated: np.ndarray, reference: np.ndarray) -> float:
    """1,000 times the squared MMD of unit-norm features with kernel exp(-|x - y|^2 / (2 * 10^2)), (N, D) and (M, D).

    On CLIP embeddings this is CMMD (Jayasumana et al. 2024, arXiv:2401.09603). Unbiased as the paper writes it, hence
    negative at times; the authors' program keeps the diagonals, which adds up to 10 / n. Images as in kernel_distance.
    """
    n = min(len(generated), len(reference))
    first, second = (
        torch.nn.functional.normalize(torch.from_numpy(x.astype(np.float64))) for x in (generated, reference)
    )
    result = kid_features_to_metric(
        first,
        second,
        kid_subsets=1,
        kid_subset_size=n,
        kid_kernel="rbf",
        kid_kernel_rbf_sigma=SIGMA,
        verbose=False,
    )
    return SCALE * result[KEY_METRIC_KID_MEAN]


def precision_recall(generated: np.ndarray, reference: np.ndarray) -> tuple[float, float]:
    """Improved precision and recall with k = 3 (Kynkaanniemi et al. 2019), both in [0, 1], from (N, D) and (M, D).

    Precision: the share of generated images within the k-nearest-neighbour radius of a real one; recall: the reverse.
    """
    result = prc_features_to_metric(
        torch.from_numpy(generated),
        torch.from_numpy(reference),
        prc_neighborhood=NEIGHBOURS,
        prc_batch_size=1000,
        save_cpu_ram=True,
        verbose=False,
    )
    return result[KEY_METRIC_PRECISION], result[KEY_METRIC_RECALL]


def density_coverage(generated: np.ndarray, reference: np.ndarray) -> tuple[float, float]:
    """Density, 0 or above, and coverage, in [0, 1], with k = 5 (Naeem et al. 2020, arXiv:2002.09797).

    generated (N, D), reference (M, D). Around each real image lies a ball with the distance to its k-th nearest real
    neighbour as radius. Density: the balls that a generated image lies in, on average, divided by k. Coverage: the
    share of balls with a generated image in them. An image on a surface is outside, as in the authors' program: real
    images have a density of exactly 1 among themselves.
    """
    first, second = (torch.from_numpy(x.astype(np.float64)) for x in (generated, reference))
    inside = covered = 0
    for part in second.split(1000):
        radii = torch.cdist(part, second).kthvalue(DENSITY_NEIGHBOURS + 1, keepdim=True).values
        within = torch.cdist(part, first) < radii
        inside += int(within.sum())
        covered += int(within.any(dim=1).sum())
    return inside / (DENSITY_NEIGHBOURS * len(first)), covered / len(second)


def smallest_sample(name: str, dimension: int) -> int:
    """The fewest images of either set from which a metric is computed."""
    if name == "fid":
        return dimension + 1
    if name == "fd_infinity":
        return max(EXTRAPOLATED_FROM, 4 * dimension)
    if name in ("precision", "recall"):
        return NEIGHBOURS + 1
    return DENSITY_NEIGHBOURS + 1 if name in ("density", "coverage") else 2


def refusal(name: str, generated: Features, reference: Features) -> str | None:
    """Why a metric is not computed from these sets; None where it is."""
    if name == "isc":
        if generated.logits is None:
            return "the extractor has no class posterior"
        n = len(generated)
    else:
        n = min(len(generated), len(reference))
    least = smallest_sample(name, generated.dimension)
    if n >= least:
        return None
    if name == "fid":
        return f"n = {n} images is not above the feature dimension {generated.dimension}"
    return f"n = {n} images; at least {least} are needed"


def evaluate(generated: Features, reference: Features, names: Collection[str] = NAMES) -> dict[str, float | None]:
    """The metrics in `names` by name; None where `refusal` says why. The Inception score ignores `reference`."""
    values: dict[str, float | None] = dict.fromkeys(names)
    wanted = [name for name in names if refusal(name, generated, reference) is None]
    if "isc" in wanted and generated.logits is not None:
        values["isc"] = inception_score(generated.logits)
    if "fid" in wanted:
        values["fid"] = frechet_distance(generated.values, reference.values)
    if "kid" in wanted:
        values["kid"] = kernel_distance(generated.values, reference.values)
    if "cmmd" in wanted:
        values["cmmd"] = gaussian_kernel_distance(generated.values, reference.values)
    if "fd_infinity" in wanted:
        values["fd_infinity"] = frechet_distance_at_infinity(generated.values, reference.values)
    for pair, compute in ((("precision", "recall"), precision_recall), (("density", "coverage"), density_coverage)):
        if set(pair) & set(wanted):
            both = dict(zip(pair, compute(generated.values, reference.values), strict=True))
            values |= {name: value for name, value in both.items() if name in wanted}
    return values
