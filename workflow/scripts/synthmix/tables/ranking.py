"""Table kind `ranking`: does a metric of a pool foretell what its images are worth to a classifier?

Specification: {kind, baseline, training_set, model, recipe, extractor, dataset?, metric?, metrics?}. `training_set`
names one training set for each pool; `metric` is what the gain is measured in.
"""

from typing import Any

import pandas as pd

from synthmix.analysis import statistics, usefulness
from synthmix.analysis.artefacts import Artefacts
from synthmix.experiments import wanted
from synthmix.reports.formatting import count, drop_empty, metric_title, number, p_value, records, run_metric_title
from synthmix.reports.rendering import Table


def build(spec: dict[str, Any], artefacts: Artefacts) -> Table:
    """One row per metric of the pools' scores: its rank correlation with the gain over pools and p, or a reason.

    Raises ValueError for what usefulness.points and usefulness.scores refuse.
    """
    points = usefulness.points(spec, artefacts)
    scores = usefulness.scores(spec, artefacts, points)
    every = dict.fromkeys(metric for score in scores.values() for metric in score["metrics"])
    rows = []
    for metric in wanted(spec, "metrics") or list(every):
        measured = usefulness.measured(metric, points, scores)
        result = usefulness.correlation(metric, measured)
        lower = metric in usefulness.LOWER_IS_BETTER
        sizes = {row.images for row in measured}
        rows.append(
            {
                "metric": metric,
                "better": "lower" if lower else "higher",
                "rho": result.rho,
                "p": result.p,
                "pools": result.n,
                "images": sizes.pop() if len(sizes) == 1 else None,
                "reason": result.reason,
            }
        )
    data = pd.DataFrame(rows)
    data["p_holm"] = statistics.holm(data["p"])
    kind = next(iter(scores.values()))["extractor"]["kind"]
    return Table(data, drop_empty(_formatted(data, kind)), _notes(spec, points, int(data["p"].notna().sum())))


def _formatted(data: pd.DataFrame, kind: str) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "Metric": metric_title(row["metric"], kind),
                "Better": row["better"],
                "Rank correlation": "refused" if row["rho"] is None else number(row["rho"], 2),
                "p": p_value(row["p"]),
                "p (Holm)": p_value(row["p_holm"]),
                "Pools": count(row["pools"]),
                "Images per pool": count(row["images"]),
                "Remark": row["reason"] or "",
            }
            for row in records(data)
        ]
    )


def _notes(spec: dict[str, Any], points: list[usefulness.Point], tests: int) -> list[str]:
    arm, seeds = points[0].arm, sorted({point.gain.n for point in points})
    span = f"{seeds[0]}" if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"
    gain = run_metric_title(spec.get("metric", "accuracy"))
    notes = [
        f"Dataset: {arm.dataset}. Model: {arm.model}. Recipe: {arm.recipe}. Extractor: {spec['extractor']}.",
        f"Spearman's rank correlation over pools between a metric and the gain in {gain} over {spec['baseline']}, "
        f"paired by seed, mean over {span} seeds. Its sign is turned round where lower is better: positive says, the "
        "better the score, the greater the gain.",
    ]
    if tests:
        notes.append(
            f"p: two-sided permutation test over pools; p (Holm): corrected over the {tests} metrics of this table. It "
            "takes pools for independent; those that one generator draws with other settings are alike."
        )
    return notes
