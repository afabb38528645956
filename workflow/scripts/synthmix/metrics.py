"""Metrics of generated against real features, each by torch-fidelity's own function."""

from collections.abc import Collection

import numpy as np
import torch
from torch_fidelity.metric_fid import KEY_METRIC_FID, fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.metric_isc import KEY_METRIC_ISC_MEAN, isc_features_to_metric
from torch_fidelity.metric_kid import KEY_METRIC_KID_MEAN, kid_features_to_metric
from torch_fidelity.metric_prc import KEY_METRIC_PRECISION, KEY_METRIC_RECALL, prc_features_to_metric

from synthmix.features import Features

NAMES = ("isc", "fid", "kid", "precision", "recall")
RANGES: dict[str, tuple[float, float]] = {
    "isc": (1, np.inf),
    "fid": (0, np.inf),
    "kid": (-np.inf, np.inf),
    "precision": (0, 1),
    "recall": (0, 1),
}
NEIGHBOURS = 3  # k of improved precision and recall, as in the paper


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
    # float64, since a mean over many float32 values loses digits that the difference of near sets needs
    first, second = (fid_features_to_statistics(torch.from_numpy(x.astype(np.float64))) for x in (generated, reference))
    return max(0.0, fid_statistics_to_metric(first, second, verbose=False)[KEY_METRIC_FID])


def kernel_distance(generated: np.ndarray, reference: np.ndarray) -> float:
    """Kernel distance, the squared MMD with kernel (x.y / D + 1)^3 (Binkowski et al. 2018), from (N, D) and (M, D).

    The full U-statistic at n = min(N, M) images of each set: all images where N equals M, else a fixed random subset of
    the larger. Unbiased, hence negative at times. Memory: a few n x n matrices of float64.
    """
    n = min(len(generated), len(reference))
    first, second = (torch.from_numpy(x.astype(np.float64)) for x in (generated, reference))
    result = kid_features_to_metric(first, second, kid_subsets=1, kid_subset_size=n, verbose=False)
    return result[KEY_METRIC_KID_MEAN]


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


def smallest_sample(name: str, dimension: int) -> int:
    """The fewest images of either set from which a metric is computed."""
    return {"isc": 2, "fid": dimension + 1, "kid": 2, "precision": NEIGHBOURS + 1, "recall": NEIGHBOURS + 1}[name]


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
    if "precision" in wanted or "recall" in wanted:
        precision, recall = precision_recall(generated.values, reference.values)
        values |= {name: value for name, value in (("precision", precision), ("recall", recall)) if name in wanted}
    return values
