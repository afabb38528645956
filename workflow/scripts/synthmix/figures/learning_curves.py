"""Figure kind `learning_curves`: loss and accuracy while training, on train, real and generated validation images.

Specification: {kind, training_set, dataset?, model, recipe, labels?, order?, width_mm?}. One column per training set
(and dataset, model, recipe where there are several); lines are means over seeds, bands their t intervals, at the
steps that every seed reached.
"""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from synthmix.analysis.artefacts import Artefacts
from synthmix.experiments import Arm, arms, select
from synthmix.figures import style

CURVES = {"train": "Training images", "val": "Validation, real", "generated": "Validation, generated"}
LINES: dict[str, Any] = {"train": (0, (4, 1.5)), "val": "-", "generated": "-"}

TRAINING = (
    "; training images: mean since the validation before, with their augmentation and while weights change, so that "
    "validation may be ahead at first"
)


@style.context()
def draw(spec: dict[str, Any], artefacts: Artefacts) -> Figure:
    """Curves of the selected arms; raises ValueError where no history is selected."""
    columns = list(arms(select(artefacts.read_histories(), spec)))
    colors = dict(zip(CURVES, (style.GREY, *style.PALETTE[:2]), strict=True))
    width = style.width_mm(spec, style.COLUMN_MM if len(columns) == 1 else style.PAGE_MM)
    figure, grid = style.panels(width, 96, 2, len(columns), sharex="col", sharey="row")
    drawn: set[str] = set()
    counts = []
    for column, (arm, history) in enumerate(columns):
        for row, quantity in enumerate(("loss", "accuracy")):
            for name in CURVES:
                if _curve(grid[row, column], history, f"{name}_{quantity}", colors[name], LINES[name]):
                    drawn.add(name)
        style.set_title(grid[0, column], _title(spec, arm, [each for each, _ in columns]))
        grid[1, column].set_xlabel("Training step")
        counts.append(history["seed"].nunique())
    # A t interval over few seeds may reach beyond what a loss or an accuracy can be.
    grid[0, 0].set_ylim(bottom=0)
    grid[1, 0].set_ylim(top=min(102, grid[1, 0].get_ylim()[1]))
    grid[0, 0].set_ylabel("Cross-entropy loss (nats)")
    grid[1, 0].set_ylabel("Accuracy (%)")
    handles = [
        Line2D([], [], color=colors[name], linestyle=LINES[name], label=label)
        for name, label in CURVES.items()
        if name in drawn
    ]
    style.legend(figure, handles)
    note = f"Mean and 95 % t interval over n = {style.span(counts)} seeds, at the steps that every seed reached"
    style.footer(figure, note + (TRAINING if "train" in drawn else ""))
    return figure


def _curve(axes: Axes, history: pd.DataFrame, column: str, color: str, line: Any) -> bool:
    """Draws one curve; False where the history has no values for it."""
    if column not in history or history[column].isna().all():
        return False
    by_step = history.pivot(index="step", columns="seed", values=column).dropna()
    values = by_step.to_numpy() * (100 if column.endswith("accuracy") else 1)
    style.mean_and_band(axes, by_step.index.to_numpy(), values, color, line, column)
    return True


def _title(spec: dict[str, Any], arm: Arm, columns: list[Arm]) -> str:
    """The training set, with whatever else distinguishes the columns."""
    others = [value for key, value in arm._asdict().items() if len({one._asdict()[key] for one in columns}) > 1]
    names = [arm.training_set, *(name for name in others if name != arm.training_set)]
    return ", ".join(style.label(spec, name) for name in names)
