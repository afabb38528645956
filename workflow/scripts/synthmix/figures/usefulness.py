"""Figure kind `usefulness`: paired gain over a baseline against each metric of the pool that the images came from.

Specification: {kind, baseline, training_set, metrics, dataset?, model, recipe, extractor?, labels?, width_mm?}. One
panel per metric, one point per pool. It answers whether a metric foretells usefulness; with fewer than 8 pools of equal
size no rank correlation is given.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from synthmix import statistics
from synthmix.artefacts import Artefacts
from synthmix.experiments import Arm, arms, paired, select, text, wanted
from synthmix.figures import style
from synthmix.formatting import metric_title, p_value

LOWER_IS_BETTER = {"fid", "kid", "cmmd", "fd_infinity"}


@style.context()
def draw(spec: dict[str, Any], artefacts: Artefacts) -> Figure:
    """Points with their intervals; raises ValueError where a training set has no pool, or its pool no score."""
    experiments = artefacts.read_experiments()
    chosen = {**spec, "training_set": wanted(spec, "training_set")}
    points = [_point(spec, experiments, arm, runs) for arm, runs in arms(select(experiments, chosen))]
    if len({point["arm"][:3] for point in points}) > 1:
        raise ValueError("usefulness: name one dataset, model and recipe: gains of different ones do not share an axis")
    scores = _scores(spec, artefacts, points)
    colors = style.numbered([point["arm"].training_set for point in points], style.PALETTE)
    markers = style.numbered(list(colors), style.MARKERS)
    metrics = wanted(spec, "metrics") or []
    columns = min(4, len(metrics))
    rows = -(-len(metrics) // columns)
    width = style.width_mm(spec)
    figure, grid = style.panels(width, 22 + 45 * rows, rows, columns, sharey="all")
    for axes, metric in zip(grid.flat, metrics, strict=False):
        _panel(axes, metric, points, scores, colors, markers)
    for axes in list(grid.flat)[len(metrics) :]:
        axes.remove()
    for axes in grid[:, 0]:
        axes.set_ylabel(f"Gain over {style.label(spec, spec['baseline'])}\n(percentage points)")
    names = {point["arm"].training_set: point["pool"] for point in points}
    handles = [
        Line2D([], [], color=colors[name], marker=markers[name], ls="", label=f"{style.label(spec, pool)}")
        for name, pool in names.items()
    ]
    style.legend(figure, handles)
    extractor = next(iter(scores.values()))["extractor"]["name"]
    counts = [point["gain"].n for point in points]
    bars = f"vertical bars: 95 % t interval of the paired gain over n = {style.span(counts)} seeds (dots)"
    style.footer(figure, f"Features of {extractor}; {bars}; horizontal bars: interval of the metric, where it has one")
    return figure


def _point(spec: Mapping[str, Any], experiments: pd.DataFrame, arm: Arm, runs: pd.DataFrame) -> dict[str, Any]:
    pool = text(runs, "pool")
    if pool is None:
        raise ValueError(f"usefulness: {arm.training_set} has no generated images, so no metric stands beside it")
    values = paired(experiments, arm, spec["baseline"], spec.get("metric", "accuracy"))
    if values.empty:
        raise ValueError(f"usefulness: {arm.training_set} and {spec['baseline']} share no seed in {'/'.join(arm[:3])}")
    gains = 100 * (values["value"] - values["baseline"]).to_numpy()
    return {"arm": arm, "pool": pool, "gains": gains, "gain": statistics.t_interval(gains)}


def _scores(spec: Mapping[str, Any], artefacts: Artefacts, points: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The score of each pool by one extractor; of several n, the largest."""
    extractors = wanted(spec, "extractor")
    scores: dict[str, dict[str, Any]] = {}
    for score in sorted(artefacts.read_scores(), key=lambda score: score["n"]):
        if score["dataset"] == points[0]["arm"].dataset and score["extractor"]["name"] in (
            extractors or [score["extractor"]["name"]]
        ):
            scores[score["pool"]] = score
    for point in points:
        if point["pool"] not in scores:
            raise ValueError(f"usefulness: pool {point['pool']} has no score: add it to the study's scores")
    used = {point["pool"]: scores[point["pool"]] for point in points}
    names = {score["extractor"]["name"] for score in used.values()}
    if len(names) > 1:
        raise ValueError(f"usefulness: scores of the extractors {sorted(names)} do not share an axis: set `extractor`")
    return used


def _panel(
    axes: Axes,
    metric: str,
    points: list[dict[str, Any]],
    scores: Mapping[str, Mapping[str, Any]],
    colors: Mapping[str, str],
    markers: Mapping[str, str],
) -> None:
    measured = []
    for point in points:
        values = scores[point["pool"]]["metrics"].get(metric) or {}
        if values.get("value") is None:
            continue
        x, gain, name = values["value"], point["gain"], point["arm"].training_set
        if values.get("interval"):
            axes.plot(values["interval"], [gain.mean] * 2, color=colors[name], linewidth=0.9, zorder=2)
        style.seeds_and_mean(axes, x, point["gains"], gain, colors[name], markers[name])
        measured.append((x, gain.mean, values.get("n_generated")))
    axes.axhline(0, color=style.GREY, linewidth=0.6, linestyle=(0, (4, 3)), zorder=1)
    better = "lower is better" if metric in LOWER_IS_BETTER else "higher is better"
    title = metric_title(metric, next(iter(scores.values()))["extractor"]["kind"])
    axes.set_xlabel(f"{title}\n({better})")
    axes.margins(x=0.12)
    axes.set_title(_verdict(measured), fontsize=style.FONT_PT - 2, color=style.GREY)


def _verdict(measured: list[tuple[float, float, int | None]]) -> str:
    """Rank correlation over the pools of one panel, or why there is none."""
    if not measured:
        return "refused for every pool"
    if len({n for _, _, n in measured}) > 1:
        return "pools of unequal size:\nno rank correlation"
    x, y, _ = np.array(measured, dtype=float).T
    result = statistics.rank_correlation(x.tolist(), y.tolist())
    if result.reason is not None:
        return result.reason.replace(", ", ",\n")
    p = p_value(result.p)
    return f"Spearman rho = {result.rho:.2f}, p {p.replace('<', '< ') if p.startswith('<') else f'= {p}'}"
