"""Learning curves: test error against the number of real training images, power laws fitted to it, and crossings.

A learning curve is a (dataset, model, recipe) over several training sets. Test error is 1 - accuracy, a fraction.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtrit

from synthmix.analysis.artefacts import Artefacts
from synthmix.analysis.statistics import LEVEL
from synthmix.experiments import groups, select

CURVE = ["dataset", "model", "recipe"]
GRID = 2001  # points, evenly spaced in log images, at which an interval of a crossing is looked for


class Curve(NamedTuple):
    """The learning curve of one model under one recipe, over the seeds that have every training set.

    images: float64 (K,), real training images, ascending; seeds: int64 (S,); errors: float64 (S, K), fractions.
    """

    dataset: str
    model: str
    recipe: str
    images: np.ndarray
    seeds: np.ndarray
    errors: np.ndarray

    @property
    def refusal(self) -> str | None:
        """Why no power law can be fitted; None where one can."""
        return None if (self.errors > 0).all() else "an error of 0 has no logarithm"


class PowerLaw(NamedTuple):
    """error = exp(intercept) * images ** alpha, for each seed: both float64 (S,)."""

    alpha: np.ndarray
    intercept: np.ndarray

    def mean(self, images: ArrayLike) -> np.ndarray:
        """The law of the mean alpha and intercept, a fraction for each number of images."""
        return np.exp(self.intercept.mean()) * np.asarray(images, dtype=np.float64) ** self.alpha.mean()


class Overtaking(NamedTuple):
    """Number of images from which on one curve lies below another, in the range that their training sets span.

    images: of the mean curves; 0 where one is below from the smallest training set on, inf where it is not below at the
    largest. low, high: its interval, 0 and inf where it leaves the range; None with one seed. by_seed: float64 (S,), as
    `images`, for each seed. range: the smallest and the largest training set that both curves have.
    """

    images: float
    low: float | None
    high: float | None
    by_seed: np.ndarray
    range: tuple[float, float]


def curves(spec: Mapping[str, Any], artefacts: Artefacts) -> list[Curve]:
    """The curves that a specification {training_set, dataset?, model?, recipe?} selects, in its order.

    Raises ValueError where a name has no run, where two training sets have equally many real images or there is one
    only, and where no seed of a curve has all of its training sets.
    """
    found = []
    for (dataset, model, recipe), runs in groups(select(artefacts.read_experiments(), spec), CURVE):
        images = runs.groupby("training_set")["real_images"].mean().sort_values()
        if images.duplicated().any():
            equal = images[images.duplicated(keep=False)].index
            raise ValueError(f"{spec['kind']}: {equal[0]} and {equal[1]} have equally many real images: name one")
        if len(images) < 2:
            raise ValueError(f"{spec['kind']}: {dataset}/{model}/{recipe} has one training set only: name more")
        errors = 1 - runs.pivot(index="seed", columns="training_set", values="accuracy")[images.index].dropna()
        if errors.empty:
            raise ValueError(f"{spec['kind']}: no seed of {dataset}/{model}/{recipe} has every training set: add runs")
        seeds = errors.index.to_numpy()
        found.append(Curve(dataset, model, recipe, images.to_numpy(dtype=np.float64), seeds, errors.to_numpy()))
    return found


def fit(curve: Curve) -> PowerLaw:
    """Least squares in log error over log images, for each seed by itself.

    The form is that of Hestness et al. 2017 (arXiv:1712.00409) without a floor, as the study `blocks` fitted it. Raises
    ValueError where an error is 0.
    """
    if curve.refusal:
        raise ValueError(f"{curve.model}: {curve.refusal}")
    alpha, intercept = np.polyfit(np.log(curve.images), np.log(curve.errors).T, 1)
    return PowerLaw(alpha, intercept)


def overtaking(curve: Curve, over: Curve) -> Overtaking:
    """From how many images on `curve` lies below `over`: the last crossing within the training sets that both have.

    Between training sets, log error is interpolated linearly in log images; the mean curves are means of log error.
    Curves are paired by seed. The interval holds the numbers of images around the crossing at which a paired t test of
    the log errors finds no difference at 5 % (Fieller 1954, Journal of the Royal Statistical Society B 16, for curves
    that are straight); it covers 95 % where the curves cross once. Raises ValueError where the curves share no seed or
    fewer than two training sets, or where an error is 0.
    """
    seeds, rows, other_rows = np.intersect1d(curve.seeds, over.seeds, return_indices=True)
    images, columns, other_columns = np.intersect1d(curve.images, over.images, return_indices=True)
    names = f"{curve.model} and {over.model}"
    if not len(seeds) or len(images) < 2:
        raise ValueError(f"{names} share {len(seeds)} seeds and {len(images)} training sets: add runs")
    if refusal := curve.refusal or over.refusal:
        raise ValueError(f"{names}: {refusal}")
    own, others = np.log(curve.errors[np.ix_(rows, columns)]), np.log(over.errors[np.ix_(other_rows, other_columns)])
    x, differences = np.log(images), own - others
    crossing = _last_fall(x, differences.mean(axis=0))
    low, high = _around(crossing, images, differences) if len(seeds) > 1 else (None, None)
    by_seed = np.exp([_last_fall(x, row) for row in differences])
    return Overtaking(float(np.exp(crossing)), low, high, by_seed, (float(images[0]), float(images[-1])))


def _last_fall(x: np.ndarray, y: np.ndarray) -> float:
    """Where y, linear between the points, falls below 0 for good: -inf where it is always below, inf where never."""
    above = np.flatnonzero(y >= 0)
    if not above.size:
        return -np.inf
    last = above[-1]
    if last == len(y) - 1:
        return np.inf
    return float(x[last] + (x[last + 1] - x[last]) * y[last] / (y[last] - y[last + 1]))


def _around(crossing: float, images: np.ndarray, differences: np.ndarray) -> tuple[float, float]:
    """Ends, in images, of the stretch around a crossing (in log images) on which the mean difference may be 0."""
    places = np.geomspace(images[0], images[-1], GRID)  # its ends are exact
    grid = np.log(places)
    values = np.array([np.interp(grid, np.log(images), row) for row in differences])
    n = len(values)
    half = stdtrit(n - 1, (1 + LEVEL) / 2) * values.std(axis=0, ddof=1) / np.sqrt(n)
    behind = places[(values.mean(axis=0) - half > 0) & (grid <= crossing)]
    ahead = places[(values.mean(axis=0) + half < 0) & (grid >= crossing)]
    return float(behind[-1]) if behind.size else 0.0, float(ahead[0]) if ahead.size else np.inf
