"""Table kind `searched`: training sets against a baseline, each under its own choice of hyper-parameters.

Specification: {kind, search, baseline, training_set, dataset?, model?, metric?, order?} and what `searches.shown` adds.

Each arm chooses a point of one grid on val. The choice never looks at test images; where seeds are set aside for it,
they do not judge it.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from synthmix.analysis import choosing, statistics
from synthmix.analysis.artefacts import Artefacts
from synthmix.analysis.choosing import Searched
from synthmix.analysis.pairwise import corrected
from synthmix.experiments import groups, select
from synthmix.reports.formatting import (
    bracket,
    count,
    drop_empty,
    hoist,
    joined,
    missing,
    p_value,
    percent_interval,
    records,
    run_metric_title,
)
from synthmix.reports.rendering import Table


def build(spec: dict[str, Any], artefacts: Artefacts) -> Table:
    """One row per arm, the baseline first; raises ValueError where a run under a point is missing."""
    rows = []
    for (dataset, model), arms in _arms(spec, artefacts):
        against = arms.pop(spec["baseline"])
        about = {"dataset": dataset, "model": model}
        rows.append({**about, "training_set": spec["baseline"], **_alone(against, spec)})
        for name, arm in arms.items():
            compared = {"baseline": spec["baseline"], **_compared(arm, against)}
            rows.append({**about, "training_set": name, **_alone(arm, spec), **compared})
    tests = iter(corrected(row["p"] for row in rows if "p" in row))
    rows = [{**row, "p_holm": next(tests)} if "p" in row else row for row in rows]
    if not rows:
        raise ValueError("searched table: no arm of the search matches its specification")
    data = pd.DataFrame(rows)
    frame = drop_empty(pd.DataFrame([_cells(row) for row in records(data)]))
    frame, notes = hoist(frame, ["Dataset", "Model", "Val images", "Trainings", "Seeds"])
    return Table(data, frame, [*notes, *_notes(spec, data)])


def _arms(spec: Mapping[str, Any], artefacts: Artefacts) -> Iterator[tuple[tuple[str, ...], dict[str, Searched]]]:
    """(dataset, model) -> its arms by training set, the baseline first, wherever the baseline is among them."""
    metric, selection = spec.get("metric", "accuracy"), spec.get("selection_seeds")
    names = [spec["baseline"], *spec["training_set"]]
    fixed = select(artefacts.read_experiments(), {**spec, "training_set": names})
    tested = artefacts.read_searched()
    trained = artefacts.read_trainings() if selection else tested
    for setting, runs in groups(fixed, ["dataset", "model"]):
        arms = {}
        for name in names:
            seeds = spec["seeds"].get("/".join([*setting, name]))
            if seeds is None:
                continue
            own = runs[runs["training_set"] == name].set_index("seed")[metric]
            judging, selecting = (_of(frame, [*setting, name]) for frame in (tested, trained))
            arms[name] = choosing.searched(judging, selecting, own, list(spec["points"]), seeds, selection, metric)
        if spec["baseline"] in arms and len(arms) > 1:
            yield setting, arms


def _of(runs: pd.DataFrame, arm: list[str]) -> pd.DataFrame:
    """The runs of a data set, model and training set."""
    return runs[(runs[["dataset", "model", "training_set"]] == arm).all(axis=1)]


def _alone(arm: Searched, spec: Mapping[str, Any]) -> dict[str, Any]:
    """What an arm chooses, by how many images, and its means."""
    points, seeds = spec["points"], len(arm.chosen)
    counts = arm.choices.value_counts()
    chosen = [(point, int(counts[point])) for point in points if point in counts]
    said = [choosing.described(points[point]) + (f" ({n} of {seeds})" if n < seeds else "") for point, n in chosen]
    edges = dict.fromkeys(key for point, _ in chosen for key in choosing.at_edge(points, point))
    return {
        "chosen": "; ".join(point for point, _ in chosen),
        "values": "; ".join(said),
        "at_edge": ", ".join(edges),
        "val_accuracy_of_points": "; ".join(f"{point} {value:.4f}" for point, value in arm.accuracy.items()),
        "val_images": ", ".join(map(str, arm.images)),
        "choosing_seeds": arm.choosers or seeds,
        "trainings": len(points) * (arm.choosers + seeds),
        "n": seeds,
        **_interval("fixed", arm.fixed),
        **_interval("searched", arm.chosen),
    }


def _interval(name: str, values: pd.Series) -> dict[str, Any]:
    interval = statistics.t_interval(values)
    return {name: interval.mean, f"{name}_low": interval.low, f"{name}_high": interval.high}


def _compared(arm: Searched, against: Searched) -> dict[str, Any]:
    """Arm minus baseline over the seeds of both: under the fixed recipe, under choices, and what that changes."""
    fixed, found = (arm.fixed - against.fixed).dropna(), (arm.chosen - against.chosen).dropna()
    if found.empty:
        raise ValueError("searched table: an arm and its baseline share no seed: give their runs the same seeds")
    shared = found.index
    return {
        "pairs": len(shared),
        **_interval("fixed_difference", fixed),
        "fixed_p": statistics.sign_flip_test(fixed),
        **_interval("searched_difference", found),
        "p": statistics.sign_flip_test(found),
        "p_min": statistics.smallest_p(len(shared)),
        "pair_correlation": statistics.pair_correlation(arm.chosen[shared], against.chosen[shared]),
        **_interval("change", found - fixed),
        "one_choice": bool((arm.choices[shared] == against.choices[shared]).all()),
    }


def _cells(row: Mapping[str, Any]) -> dict[str, str]:
    return {
        "Dataset": row["dataset"],
        "Model": row["model"],
        "Training set": row["training_set"],
        "Chosen": row["values"],
        "Val images": row["val_images"],
        "Trainings": count(row["trainings"]),
        "Seeds": count(row["n"]),
        "Fixed, %": percent_interval(row, "fixed"),
        "Searched, %": percent_interval(row, "searched"),
        "Fixed difference, points": _points(row, "fixed_difference"),
        "p, fixed": p_value(row.get("fixed_p")),
        "Searched difference, points": _points(row, "searched_difference"),
        "p, searched": p_value(row.get("p")),
        "p, searched (Holm)": p_value(row.get("p_holm")),
        "Change, points": _points(row, "change"),
    }


def _points(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    if value is None or missing(value):
        return ""
    return joined(f"{100 * value:+.1f}", bracket(row[f"{name}_low"], row[f"{name}_high"]))


def _notes(spec: Mapping[str, Any], data: pd.DataFrame) -> list[str]:
    metric, points = run_metric_title(spec.get("metric", "accuracy")), spec["points"]
    selection, compared = spec.get("selection_seeds"), data[data["baseline"].notna()]
    edges = ", ".join(f"{_name(row, data)} ({row['at_edge']})" for row in records(data) if row["at_edge"])
    differing = ", ".join(_name(row, data) for row in records(compared) if not row["one_choice"])
    total, m = int(data["trainings"].sum()), len(compared)
    notes = [
        f"Cells: {metric} on test images, mean over seeds with its 95 % t interval. Fixed: every arm under the recipe "
        f"{spec['recipe']} ({choosing.described(spec['fixed'])}), over the same seeds. Searched: each arm under the "
        "points that it chooses.",
        _choice(spec),
        f"Trainings in all: {total}, of every arm at the same {len(points)} points.",
        "Differences: minus the baseline "
        f"{spec['baseline']} in points, paired by seed, with a 95 % t interval. Change: the searched difference minus "
        "the fixed one. p: exact sign-flip test; Holm: over the "
        f"{m} searched difference{'s' if m > 1 else ''} of this table. Smallest p that can be reached: "
        f"{p_value(compared['p_min'].min())}.",
    ]
    if selection and differing:
        notes.append(
            f"Chose another point than the baseline: {differing}. Intervals and p hold for the points chosen; that val "
            "may have chosen otherwise by luck is not in them. Without selection_seeds it is."
        )
    if edges:
        notes.append(f"At the edge of the grid, beyond which a better value may lie: {edges}.")
    if spec["fixed"] not in points.values():
        notes.append("The fixed recipe is no point of the grid.")
    return notes


def _choice(spec: Mapping[str, Any]) -> str:
    selection = spec.get("selection_seeds")
    how = (
        f"Chosen: of one grid for all arms ({choosing.grid(spec['points'])}), the point with the best accuracy on val; "
        "of equal ones, the one with the lowest loss. On val means on 'Val images' of it, balanced, no more than the "
        "arm has real ones,"
    )
    if selection:
        seeds = ", ".join(map(str, selection))
        how += f" drawn anew in each of the selection seeds ({seeds}), whose networks meet no test image: their mean"
        return f"{how} decides."
    return f"{how} for each seed by itself: the luck of the choice is in the intervals."


def _name(row: Mapping[str, Any], data: pd.DataFrame) -> str:
    """A row's training set, with what is needed to tell it from others."""
    keys = [key for key in ("dataset", "model") if data[key].nunique() > 1]
    return "/".join(row[key] for key in (*keys, "training_set"))
