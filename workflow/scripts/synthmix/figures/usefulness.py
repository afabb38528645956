"""Figure kind `usefulness`: paired gain over a baseline against each metric of the pool that the images came from.

Specification: {kind, baseline, training_set, metrics, dataset?, model, recipe, extractor?, labels?, width_mm?}. One
panel per metric, one point per pool. It answers whether a metric foretells usefulness; with fewer than 8 pools of equal
size no rank correlation is given.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from synthmix.analysis import usefulness
from synthmix.analysis.artefacts import Artefacts
from synthmix.analysis.usefulness import Measured, Point
from synthmix.experiments import wanted
from synthmix.figures import style
from synthmix.reports.formatting import metric_title, p_value


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
    for axes, metric in zip(grid.flat, metrics, strict=False):
        _panel(axes, metric, points, scores, colors, markers)
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
    style.footer(figure, f"Features of {extractor}; {bars}; horizontal bars: interval of the metric, where it has one")
    return figure


def _panel(
    axes: Axes,
    metric: str,
    points: Sequence[Point],
    scores: Mapping[str, Mapping[str, Any]],
    colors: Mapping[str, str],
    markers: Mapping[str, str],
) -> None:
    measured = usefulness.measured(metric, points, scores)
    for point, value, _, interval in measured:
        name = point.arm.training_set
        if interval:
            axes.plot(interval, [point.gain.mean] * 2, color=colors[name], linewidth=0.9, zorder=2)
        style.seeds_and_mean(axes, value, point.gains, point.gain, colors[name], markers[name])
    axes.axhline(0, color=style.GREY, linewidth=0.6, linestyle=(0, (4, 3)), zorder=1)
    better = "lower is better" if metric in usefulness.LOWER_IS_BETTER else "higher is better"
    title = metric_title(metric, next(iter(scores.values()))["extractor"]["kind"])
    axes.set_xlabel(f"{title}\n({better})")
    axes.margins(x=0.12)
    axes.set_title(_verdict(measured), fontsize=style.FONT_PT - 2, color=style.GREY)


def _verdict(measured: Sequence[Measured]) -> str:
    """Rank correlation over the pools of one panel, or why there is none."""
    result = usefulness.correlation(measured)
    if result.reason is not None:
        return result.reason.replace(", ", ",\n").replace(": ", ":\n")
    p = p_value(result.p)
    return f"Spearman rho = {result.rho:.2f}, p {p.replace('<', '< ') if p.startswith('<') else f'= {p}'}"
