"""Ladders over generated images: accuracy against their number, and curves that level off fitted to it.

A ladder is a (dataset, model, recipe) over training sets that add more and more images to the first one.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from synthmix.analysis.artefacts import Artefacts
from synthmix.analysis.statistics import LEVEL, t_interval
from synthmix.experiments import groups, select

SHARE = 0.9  # of the whole gain
FARTHEST = 10.0  # largest scale of an exponential, in largest numbers of images; then it is nearly straight
SLOWEST = 0.05  # smallest exponent of a power law, which then is nearly a logarithm and has no asymptote in reach
GRID = 60  # values of c, evenly spaced in log c, among which the best is looked for
POINTS = 4  # of a ladder, at least: a curve has three parameters
LEVELS_OFF, FALLS, NO_RISE, STILL_RISES = "levels off", "falls at its end", "no rise shown", "still rises"


class Ladder(NamedTuple):
    """One ladder over the seeds that have every training set.

    names: the training sets, K; added: float64 (K,), images per class beyond those of the first, ascending; real: real
    images per class of the first; seeds: int64 (S,); values: float64 (S, K), the metric as a fraction.
    """

    dataset: str
    model: str
    recipe: str
    names: list[str]
    added: np.ndarray
    real: float
    seeds: np.ndarray
    values: np.ndarray


class Curve(NamedTuple):
    """A curve a - b g(k), fitted for each seed, with g falling from 1 at k = 0 to 0.

    form: `exponential` or `power`; asymptote, gain (a and b; b is negative where accuracy falls), scale: float64 (S,),
    with `scale` that of `SHAPES`; squares: mean squared residual; real: as in the ladder.
    """

    form: str
    asymptote: np.ndarray
    gain: np.ndarray
    scale: np.ndarray
    squares: float
    real: float

    def mean(self, added: np.ndarray) -> np.ndarray:
        """The mean over seeds of the fitted curves, (K,), at so many added images per class."""
        shape = SHAPES[self.form].falls
        curves = [
            a - b * shape(added, c, self.real) for a, b, c in zip(self.asymptote, self.gain, self.scale, strict=True)
        ]
        return np.asarray(np.mean(curves, axis=0))

    @property
    def reached(self) -> np.ndarray:
        """Added images per class at which a seed's curve has 90 % of its whole gain, (S,)."""
        return SHAPES[self.form].reaches(self.scale, self.real)

    def seen(self, ladder: Ladder) -> str:
        """What the ladder does, one of four; only of one that levels off may the asymptote be reported.

        FALLS: see `falls`. NO_RISE: what the curve gains within the ladder is not above 0, by its t interval or, with
        one seed, its value. LEVELS_OFF: it bends, holds the (geometric) mean of `reached`, and does not end above the
        asymptote, by the t interval of the difference. STILL_RISES: all else.
        """
        gain = t_interval(self.gain * (1 - SHAPES[self.form].falls(ladder.added[-1], self.scale, self.real)))
        above = t_interval(ladder.values[:, -1] - self.asymptote).low
        if falls(ladder):
            return FALLS
        if (gain.mean if gain.low is None else gain.low) <= 0:
            return NO_RISE
        within = np.log(self.reached).mean() <= np.log(ladder.added[-1])
        ends_above = above is not None and above > 0
        return LEVELS_OFF if bends(ladder) and within and not ends_above else STILL_RISES

    def levels_off(self, ladder: Ladder) -> bool:
        """Whether an asymptote may be reported."""
        return self.seen(ladder) == LEVELS_OFF


class Shape(NamedTuple):
    """How a curve falls over k added images, and at which k only 1 - SHARE of the fall is left."""

    falls: Callable[[Any, Any, float], np.ndarray]
    reaches: Callable[[np.ndarray, float], np.ndarray]
    bounds: Callable[[np.ndarray, float], tuple[float, float]]


def _exponential_bounds(added: np.ndarray, real: float) -> tuple[float, float]:
    return float(added[added > 0].min()) / 10, FARTHEST * float(added.max())


def _power_bounds(added: np.ndarray, real: float) -> tuple[float, float]:
    """From an exponent that is nearly a logarithm to one with 90 % of the gain within a tenth of the first step."""
    return SLOWEST, float(-np.log(1 - SHARE) / np.log1p(added[added > 0].min() / 10 / real))


# The exponential has its scale in images; the power law, with the images of all kinds as its argument, its exponent
# (Hestness et al. 2017, arXiv:1712.00409, with a floor).
SHAPES = {
    "exponential": Shape(
        lambda k, scale, real: np.exp(-k / scale), lambda scale, real: -np.log(1 - SHARE) * scale, _exponential_bounds
    ),
    "power": Shape(
        lambda k, scale, real: (1 + k / real) ** -scale,
        lambda scale, real: real * np.expm1(-np.log(1 - SHARE) / scale),
        _power_bounds,
    ),
}


def with_added(runs: pd.DataFrame, first: str, artefacts: Artefacts) -> pd.DataFrame:
    """Adds `x`: images per class (synthetic or real) beyond those of the ladder's first training set."""
    classes = {dataset: len(artefacts.meta(dataset)["classes"]) for dataset in runs["dataset"].unique()}
    images = runs["real_images"] + runs["synthetic_images"].fillna(0)
    start = images[runs["training_set"] == first].groupby(runs["dataset"]).mean()
    added = (images - runs["dataset"].map(start)) / runs["dataset"].map(classes)
    return runs.assign(x=added.groupby([runs["dataset"], runs["training_set"]]).transform("mean").round(1))


def ladders(spec: Mapping[str, Any], artefacts: Artefacts) -> list[Ladder]:
    """The ladders that a specification {ladder, dataset?, model?, recipe?, metric?} selects, in its order.

    Raises ValueError where a name has no run, where a ladder has fewer than four numbers of images or one twice, and
    where no seed has all of its training sets.
    """
    names = list(spec["ladder"])
    runs = with_added(select(artefacts.read_experiments(), {**spec, "training_set": names}), names[0], artefacts)
    found = []
    for (dataset, model, recipe), part in groups(runs, ["dataset", "model", "recipe"]):
        where = f"{spec['kind']}: {dataset}/{model}/{recipe}"
        added = part.groupby("training_set")["x"].mean().sort_values()
        if added.duplicated().any() or len(added) < POINTS:
            raise ValueError(f"{where} needs {POINTS} training sets or more, each with another number of images")
        values = part.pivot(index="seed", columns="training_set", values=spec.get("metric", "accuracy"))
        values = values[added.index].dropna()
        if values.empty:
            raise ValueError(f"{where}: no seed has every training set of the ladder: add runs")
        classes = len(artefacts.meta(dataset)["classes"])
        real = float(part[part["training_set"] == names[0]]["real_images"].mean()) / classes
        seeds, matrix = values.index.to_numpy(), values.to_numpy(float)
        own = (list(added.index), added.to_numpy(float), real, seeds, matrix)
        found.append(Ladder(dataset, model, recipe, *own))
    return found


def fit(ladder: Ladder) -> Curve:
    """The better of an exponential and a power law, a - b exp(-k / c) and a - b (1 + k / r)^-c.

    k are added and r real images per class. Both have three parameters, fitted by least squares for each seed; the form
    with the smaller mean squared residual over all seeds is taken. Without real images there is the exponential alone.
    """
    forms = ["exponential", *(["power"] if ladder.real else [])]
    return min((_fitted(ladder, form) for form in forms), key=lambda curve: curve.squares)


def bends(ladder: Ladder) -> bool:
    """Whether accuracy rises ever more slowly within the ladder: the quadratic part of least squares in k is below 0.

    With several seeds the upper end of its t interval is, so that a straight ladder is said to bend in 2.5 % of cases;
    with one seed, the value itself.
    """
    interval = t_interval(np.polyfit(ladder.added, ladder.values.T, 2)[0])
    return bool((interval.mean if interval.high is None else interval.high) < 0)


def falls(ladder: Ladder) -> bool:
    """Whether the last point lies below the one with the highest mean.

    With several seeds by a t interval of the difference, with Bonferroni's correction for the choice of the highest
    among K - 1; with one seed, where it has lost more than a tenth of what the highest gained over the first.
    """
    highest = ladder.values[:, np.argmax(ladder.values.mean(axis=0))]
    level = 1 - (1 - LEVEL) / (len(ladder.added) - 1)
    lost = t_interval(highest - ladder.values[:, -1], level)
    gained = float((highest - ladder.values[:, 0]).mean())
    return lost.mean > (1 - SHARE) * gained if lost.low is None else lost.low > 0


def _fitted(ladder: Ladder, form: str) -> Curve:
    """Least squares for each seed; a and b are linear, so that c alone is searched (Golub and Pereyra 1973,
    doi:10.1137/0710036): on a grid, then between the best point's neighbours."""
    from scipy.optimize import minimize_scalar

    shape, k, real = SHAPES[form], ladder.added, ladder.real
    grid = np.log(np.geomspace(*shape.bounds(k, real), GRID))

    def solved(log_scale: Any, values: np.ndarray) -> tuple[np.ndarray, ...]:
        """a, b and the mean squared residual, in the shape of log c."""
        falls = shape.falls(k, np.exp(log_scale)[..., None], real)
        middle = falls.mean(axis=-1)
        centred = falls - middle[..., None]
        gain = -(centred @ values) / (centred**2).sum(axis=-1)
        asymptote = values.mean() + gain * middle
        residual = values - asymptote[..., None] + gain[..., None] * falls
        return asymptote, gain, (residual**2).mean(axis=-1)

    found = []
    for values in ladder.values:
        best = int(np.argmin(solved(grid, values)[2]))
        around = grid[max(best - 1, 0)], grid[min(best + 1, GRID - 1)]
        log_scale = minimize_scalar(lambda each: solved(each, values)[2], bounds=around, method="bounded").x  # noqa: B023
        found.append((*solved(log_scale, values), np.exp(log_scale)))
    asymptote, gain, squares, scale = np.array(found).T
    return Curve(form, asymptote, gain, scale, float(squares.mean()), real)
