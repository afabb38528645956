"""Figure kind `usefulness`: paired gain over a baseline against each metric of the pool that the images came from.

Specification: {kind, baseline, training_set, metrics, dataset?, model, recipe, extractor?, labels?, width_mm?}. One
panel per metric, one point per pool. It answers whether a metric foretells usefulness; with fewer than 8 pools of equal
size no rank correlation is given.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from synthmix.analysis import statistics, usefulness
from synthmix.analysis.artefacts import Artefacts
from synthmix.analysis.statistics import RankCorrelation
from synthmix.analysis.usefulness import Point
from synthmix.experiments import wanted
from synthmix.figures import style
from synthmix.reports.formatting import metric_title, p_value

RHO = (
    "; rho: positive says, the better the score, the greater the gain; p: permutation test over pools, corrected over "
    "the panels"
)


@style.context()
def draw(spec: dict[str, Any], artefacts: Artefacts) -> Figure:
    """Points with their intervals; raises ValueError where a training set has no pool, or its pool no score."""
    points = usefulness.points(spec, artefacts)
    scores = usefulness.scores(spec, artefacts, points)
    colors = style.numbered([point.arm.training_set for point in points], style.PALETTE)
    markers = style.numbered(list(colors), style.MARKERS)
    metrics = wanted(spec, "metrics") or []
    columns = min(4, len(metrics))
    rows = -(-len(metrics) // columns)
    width = style.width_mm(spec)
    figure, grid = style.panels(width, 22 + 45 * rows, rows, columns, sharey="all")
    found = [usefulness.correlation(metric, usefulness.measured(metric, points, scores)) for metric in metrics]
    corrected = statistics.holm([np.nan if each.p is None else each.p for each in found])
    for axes, metric, result, p in zip(grid.flat, metrics, found, corrected, strict=False):
        _panel(axes, metric, points, scores, colors, markers)
        axes.set_title(_verdict(result, p), fontsize=style.FONT_PT - 2, color=style.GREY)
    for axes in list(grid.flat)[len(metrics) :]:
        axes.remove()
    for axes in grid[:, 0]:
        axes.set_ylabel(f"Gain over {style.label(spec, spec['baseline'])}\n(percentage points)")
    names = {point.arm.training_set: point.pool for point in points}
    handles = [
        Line2D([], [], color=colors[name], marker=markers[name], ls="", label=f"{style.label(spec, pool)}")
        for name, pool in names.items()
    ]
    style.legend(figure, handles)
    extractor = next(iter(scores.values()))["extractor"]["name"]
    counts = [point.gain.n for point in points]
    bars = f"vertical bars: 95 % t interval of the paired gain over n = {style.span(counts)} seeds (dots)"
    note = f"Features of {extractor}; {bars}; horizontal bars: interval of the metric, where it has one"
    style.footer(figure, note + (RHO if any(each.rho is not None for each in found) else ""))
    return figure


def _panel(
    axes: Axes,
    metric: str,
    points: Sequence[Point],
    scores: Mapping[str, Mapping[str, Any]],
    colors: Mapping[str, str],
    markers: Mapping[str, str],
) -> None:
    for point, value, _, interval in usefulness.measured(metric, points, scores):
        name = point.arm.training_set
        if interval:
            axes.plot(interval, [point.gain.mean] * 2, color=colors[name], linewidth=0.9, zorder=2)
        style.seeds_and_mean(axes, value, point.gains, point.gain, colors[name], markers[name])
    axes.axhline(0, color=style.GREY, linewidth=0.6, linestyle=(0, (4, 3)), zorder=1)
    better = "lower is better" if metric in usefulness.LOWER_IS_BETTER else "higher is better"
    title = metric_title(metric, next(iter(scores.values()))["extractor"]["kind"])
    axes.set_xlabel(f"{title}\n({better})")
    axes.margins(x=0.12)


def _verdict(result: RankCorrelation, p: float) -> str:
    """Rank correlation over the pools of one panel, with its corrected p, or why there is none."""
    if result.reason is not None:
        return result.reason.replace(", ", ",\n").replace(": ", ":\n")
    corrected = p_value(p)
    said = corrected.replace("<", "< ") if corrected.startswith("<") else f"= {corrected}"
    return f"Spearman rho = {result.rho:.2f}, p (Holm) {said}"
