"""Sweeps over the width of a network: train and test error by width, and the interpolation threshold.

Errors are fractions: test error is 1 - accuracy, train error that of the trained network on the labels it trained on,
wrong ones included.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from synthmix.analysis.artefacts import Artefacts
from synthmix.experiments import groups, select


class Sweep(NamedTuple):
    """The runs of one training set under one recipe, over models of rising width.

    models: names; widths, parameters: float64 (M,); train, test: errors, a row per seed and a column per model, NaN for
    what was not run.
    """

    dataset: str
    recipe: str
    training_set: str
    models: list[str]
    widths: np.ndarray
    parameters: np.ndarray
    train: pd.DataFrame
    test: pd.DataFrame

    def threshold(self, tolerance: float, seeds: Iterable[int] | None = None) -> int | None:
        """Position of the model at the interpolation threshold, by the mean train error of the seeds (absent, all)."""
        errors = self.train if seeds is None else self.train[self.train.index.isin(list(seeds))]
        return threshold(errors.mean().to_numpy(), tolerance)


def threshold(errors: np.ndarray, tolerance: float) -> int | None:
    """Position of the first of a sweep's models from which on every train error is at most `tolerance`.

    errors: float (M,), by rising width. None where the widest model is above. This is the interpolation threshold of
    Belkin et al. 2019 (doi:10.1073/pnas.1903070116) in the widths of a sweep, with a tolerance as in the effective
    model complexity of Nakkiran et al. 2020 (arXiv:1912.02292), who take 0.1.
    """
    above = np.flatnonzero(~(np.asarray(errors) <= tolerance))  # a missing error is none within the tolerance
    first = int(above[-1]) + 1 if above.size else 0
    return first if first < len(errors) else None


def sweeps(spec: Mapping[str, Any], artefacts: Artefacts) -> list[Sweep]:
    """The sweeps that a specification {model, training_set, widths, dataset?, recipe?} selects, in its order.

    `widths` maps models to their widths. Raises ValueError where a name has no run and where experiments.csv has no
    train errors.
    """
    runs = select(artefacts.read_experiments(), spec)
    if "train_error" not in runs or runs["train_error"].isna().any():
        raise ValueError(f"{spec['kind']}: experiments.csv lacks train errors: train the classifiers again")
    found = []
    for (dataset, recipe, training_set), part in groups(runs, ["dataset", "recipe", "training_set"]):
        models = sorted(part["model"].unique(), key=lambda name: spec["widths"][name])
        parameters = part.groupby("model")["parameters"].mean()[models].to_numpy(dtype=np.float64)
        widths = np.array([spec["widths"][name] for name in models], dtype=np.float64)
        train = part.pivot(index="seed", columns="model", values="train_error")[models]
        test = 1 - part.pivot(index="seed", columns="model", values="accuracy")[models]
        found.append(Sweep(dataset, recipe, training_set, models, widths, parameters, train, test))
    return found
