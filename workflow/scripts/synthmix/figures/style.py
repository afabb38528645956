"""The look of every figure: fonts, colours that colour-blind readers tell apart, print widths, legends and footers."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path
from matplotlib.transforms import ScaledTranslation

from synthmix.analysis.statistics import Interval, t_interval
from synthmix.experiments import arms, conditional

COLUMN_MM, PAGE_MM = 84.0, 174.0  # one column and the full width of a printed page: 3.3 and 6.9 inches
FONT_PT = 8.0
# Okabe and Ito (2008), without yellow, which is too pale for lines on white.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
GREY = "#666666"
MARGIN = 0.01  # at either side of a footer, of the figure's width
Share = Literal["none", "all", "row", "col"]


@contextmanager
def context() -> Iterator[None]:
    """Settings of matplotlib that hold while a figure is drawn; also a decorator."""
    settings: dict[Any, Any] = {
        "font.family": "sans-serif",
        "font.sans-serif": ["DejaVu Sans", "Arial", "Helvetica"],
        "font.size": FONT_PT,
        "axes.titlesize": FONT_PT,
        "axes.labelsize": FONT_PT,
        "axes.linewidth": 0.6,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": False,
        "xtick.labelsize": FONT_PT - 1,
        "ytick.labelsize": FONT_PT - 1,
        "xtick.major.width": 0.6,
        "ytick.major.width": 0.6,
        "legend.fontsize": FONT_PT - 1,
        "legend.frameon": False,
        "legend.handlelength": 1.6,
        "lines.linewidth": 1.2,
        "lines.markersize": 4,
        "figure.constrained_layout.h_pad": 0.03,
        "figure.constrained_layout.w_pad": 0.03,
    }
    with matplotlib.rc_context(settings):
        yield


def width_mm(spec: Mapping[str, Any], default: float = PAGE_MM) -> float:
    """The figure's width in mm: `width_mm` of its specification, else the default of its kind."""
    return float(spec.get("width_mm") or default)


def panels(
    width: float, height: float, rows: int = 1, columns: int = 1, sharex: Share = "none", sharey: Share = "none"
) -> tuple[Figure, np.ndarray]:
    """A figure of `width` x `height` mm outside pyplot's global state, with a (rows, columns) array of axes."""
    figure = Figure(figsize=(width / 25.4, height / 25.4), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, sharex=sharex, sharey=sharey, squeeze=False)


def label(spec: Mapping[str, Any], name: str) -> str:
    """What to call `name` in a figure: its entry in the specification's `labels`, else the name itself."""
    return str(spec.get("labels", {}).get(name, name))


def text_mm(text: str, points: float = FONT_PT, weight: str = "normal") -> float:
    """The width of one line of text of a font size, in mm."""
    font = FontProperties(size=points, weight=weight)
    return float(text_to_path.get_text_width_height_descent(text, font, False)[0]) * 25.4 / 72


def lines(text: str, width_mm: float, points: float = FONT_PT, weight: str = "normal") -> list[str]:
    """A text on as many lines as it needs, each of at most `width_mm`; words stay whole, however long."""
    found: list[str] = []
    for word in text.split():
        longer = f"{found[-1]} {word}" if found else word
        if found and text_mm(longer, points, weight) <= width_mm:
            found[-1] = longer
        else:
            found.append(word)
    return found


def wrapped(text: str, width_mm: float) -> str:
    """A tick's label on as many lines as it needs, of at most `width_mm` each; words stay whole."""
    return "\n".join(lines(text, width_mm, FONT_PT - 1))


def set_title(axes: Axes, text: str) -> None:
    """A panel's title, on as many lines as the panel's share of the figure's width asks for."""
    place, figure = axes.get_subplotspec(), axes.get_figure(root=True)
    assert place is not None, "a panel of `panels`"
    assert figure is not None
    room_mm = figure.get_figwidth() * 25.4 / place.get_gridspec().ncols - 12  # less the ticks and their labels
    axes.set_title("\n".join(lines(text, room_mm)))


def recipe_label(spec: Mapping[str, Any], model: str, recipe: str) -> str:
    """A recipe's label; without its own, its name less the model's in front (cnn-steps of cnn: steps)."""
    return label(spec, recipe) if recipe in spec.get("labels", {}) else recipe.removeprefix(f"{model}-")


def numbered(names: Sequence[str], values: Sequence[str]) -> dict[str, str]:
    """Each name with one of the values, in order, starting again after the last."""
    return {name: values[position % len(values)] for position, name in enumerate(dict.fromkeys(names))}


def seeds_and_mean(
    axes: Axes,
    x: float,
    values: np.ndarray,
    interval: Interval,
    color: str,
    marker: str = "o",
    hollow: bool = False,
    aside: float = 0.0,
) -> None:
    """The mean with its interval `aside` points to the right of `x`, every seed as a small dot 3.5 points before it."""
    places = [
        axes.transData + ScaledTranslation(points / 72, 0, axes.figure.dpi_scale_trans)
        for points in (aside - 3.5, aside)
    ]
    dots = axes.plot([x] * len(values), values, ".", color=color, zorder=2, transform=places[0])[0]
    dots.set(markersize=3.2, markeredgewidth=0, alpha=0.55)
    bars, ends = None, []
    if interval.low is not None and interval.high is not None:
        bars, ends = [[interval.mean - interval.low], [interval.high - interval.mean]], [interval.low, interval.high]
    axes.update_datalim([(x, value) for value in [*values, *ends]])  # which shifted artists do not do
    own: dict[str, Any] = {"ecolor": color, "capsize": 2, "elinewidth": 0.9, "zorder": 3, "transform": places[1]}
    axes.errorbar([x], [interval.mean], yerr=bars, fmt="none", **own)
    face = "white" if hollow else color
    axes.plot([x], [interval.mean], marker, color=color, markerfacecolor=face, zorder=4, transform=places[1])


def mean_and_band(axes: Axes, x: np.ndarray, values: np.ndarray, color: str, line: Any = "-", label: str = "") -> None:
    """A line through the means over seeds, with their t intervals as a band where there are several seeds.

    x: (N,); values: float (N, S), a column per seed.
    """
    intervals = [t_interval(row) for row in values]
    axes.plot(x, [one.mean for one in intervals], color=color, linestyle=line, label=label)
    if values.shape[1] > 1:
        bounds = np.array([[one.low, one.high] for one in intervals], dtype=float).T
        axes.fill_between(x, *bounds, color=color, alpha=0.18, linewidth=0)


def tick_mm(names: Iterable[str]) -> float:
    """Room that the longest name takes in the type of tick labels and legends, in mm."""
    return max(text_mm(name, FONT_PT - 1) for name in names)


def legend(figure: Figure, handles: Sequence[Artist]) -> None:
    """One legend above all panels, where it covers no data, in as many columns as fit."""
    entry_mm = 8 + tick_mm(str(handle.get_label()) for handle in handles)  # with marker and gap
    columns = max(1, min(len(handles), int(figure.get_figwidth() * 25.4 / entry_mm)))
    figure.legend(handles=list(handles), loc="outside upper center", ncols=columns, columnspacing=1.4)


def footer(figure: Figure, text: str) -> None:
    """Small grey text below the panels, wrapped to the figure's width."""
    written = "\n".join(_footer_lines(text, figure.get_figwidth() * 25.4))
    figure.supxlabel(written, fontsize=FONT_PT - 2, color=GREY, x=MARGIN, ha="left")


def footer_mm(text: str, width_mm: float) -> float:
    """Height that the footer of a figure of some width takes, with a gap above it."""
    return 3 + 2.6 * len(_footer_lines(text, width_mm))


def _footer_lines(text: str, width_mm: float) -> list[str]:
    return lines(text, width_mm * (1 - 2 * MARGIN), FONT_PT - 2)


def seeds_note(runs: pd.DataFrame) -> str:
    """What dots, points and bars mean, with the number of seeds behind the arms of `runs`."""
    n = span(len(group) for _, group in arms(runs))
    return f"n = {n} seeds (dots); mean and 95 % t interval over seeds{conditional(runs)}"


def span(counts: Iterable[int]) -> str:
    """One number where all counts agree, else the smallest and the largest."""
    low, *rest = sorted(set(counts))
    return f"{low} to {rest[-1]}" if rest else f"{low}"
