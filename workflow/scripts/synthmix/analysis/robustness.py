"""What classifiers are worth on corrupted images, by arm, kind and severity, for tables and figures."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import pandas as pd

from synthmix.analysis.artefacts import Artefacts
from synthmix.experiments import Arm, arms, select

MEAN = "mean"  # over kinds
TITLES = {"blur": "Gaussian blur", "noise": "Gaussian noise", "jpeg": "JPEG", MEAN: "Mean of all"}


class Tested(NamedTuple):
    """An arm on corrupted images. clean: the metric by seed; under: by kind, rows are seeds and columns severities.

    Where there are several kinds, their mean is the last.
    """

    arm: Arm
    clean: pd.Series
    under: dict[str, pd.DataFrame]


def title(kind: str) -> str:
    """What to call a kind of corruption."""
    return TITLES.get(kind, kind.replace("_", " ").capitalize())


def tested(spec: Mapping[str, Any], artefacts: Artefacts) -> list[Tested]:
    """Every arm that the specification selects, under its `corruption`; raises ValueError where there is none."""
    found = artefacts.read_corruptions()
    found = select(found[found["corruption"] == spec["corruption"]], spec)
    return [_tested(arm, rows, spec.get("metric", "accuracy")) for arm, rows in arms(found)]


def _tested(arm: Arm, rows: pd.DataFrame, metric: str) -> Tested:
    clean = rows[rows["severity"] == 0].set_index("seed")[metric]
    kinds = rows.loc[rows["severity"] > 0, "kind"].unique()
    under = {
        kind: rows[rows["kind"] == kind].pivot(index="seed", columns="severity", values=metric).loc[clean.index]
        for kind in kinds
    }
    if len(under) > 1:
        under[MEAN] = sum(under.values()) / len(under)
    return Tested(arm, clean, under)
