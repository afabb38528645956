"""Table kind `threshold`: the interpolation threshold of a sweep over widths, and whether test error peaks there.

Specification: {kind, model, training_set, tolerance, selection_seeds, narrow, wide, widths, peak_tolerance?, dataset?,
recipe?, published?}. An entry of `published` is {dataset?, training_set?, recipe?, width, source, comparable, reason?,
oddity?}.

Double descent says that test error peaks at the interpolation threshold (Belkin et al. 2019, Nakkiran et al. 2020). So
the peak is chosen from train error alone, on the selection seeds, as the threshold at `peak_tolerance`; test errors are
compared on the other seeds. A maximum chosen from test errors would be one in any noise.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from synthmix.analysis import printed, published, statistics, sweeps
from synthmix.analysis.artefacts import Artefacts
from synthmix.analysis.sweeps import Sweep
from synthmix.reports.formatting import bracket, count, drop_empty, hoist, joined, p_value, percent, records
from synthmix.reports.rendering import Table

PUBLISHED = ("width",)
NOT_REACHED = "not within the widths"
OF_SWEEP = ("Threshold, width", "Parameters there", "By seed", "Published threshold", "Comparable", "Reason")
TESTED = ("model", "against", "n", "error", "against_error", "difference", "low", "high", "p", "p_min")


def build(spec: dict[str, Any], artefacts: Artefacts) -> Table:
    """Three rows per (dataset, recipe, training set): the peak against a wide and a narrow model, and a second rise.

    Raises ValueError for what sweeps.sweeps refuses, and where the narrow or the wide model was not run.
    """
    entries = spec.get("published") or []
    rows = [row for sweep in sweeps.sweeps(spec, artefacts) for row in _rows(sweep, spec)]
    rows = [{**row, **printed.beside(entries, row, PUBLISHED)} for row in rows]
    data = pd.DataFrame([*rows, *printed.not_run(entries, rows, PUBLISHED)])
    data["p_holm"] = statistics.holm(data["p"])
    frame = pd.DataFrame([_cells(row) for row in records(data)])
    frame.loc[data.duplicated(["dataset", "recipe", "training_set"]).to_numpy(), list(OF_SWEEP)] = ""
    frame, notes = hoist(drop_empty(frame), ["Dataset", "Recipe"])
    return Table(data, frame, [*notes, *_notes(spec, data), *published.notes(entries)])


def _rows(sweep: Sweep, spec: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for name in (spec["narrow"], spec["wide"]):
        if name not in sweep.models:
            raise ValueError(f"threshold: no run of {name} in {sweep.dataset}/{sweep.training_set}/{sweep.recipe}")
    reached = sweep.threshold(spec["tolerance"])
    own = sweep.train.dropna()
    by_seed = [sweeps.threshold(errors, spec["tolerance"]) for errors in own.to_numpy()]
    peak = sweep.threshold(spec.get("peak_tolerance", spec["tolerance"]), spec["selection_seeds"])
    row = {
        "dataset": sweep.dataset,
        "recipe": sweep.recipe,
        "training_set": sweep.training_set,
        "status": "run",
        "threshold_model": None if reached is None else sweep.models[reached],
        "threshold_width": None if reached is None else sweep.widths[reached],
        "threshold_parameters": None if reached is None else sweep.parameters[reached],
        "threshold_by_seed": ", ".join("none" if each is None else f"{sweep.widths[each]:g}" for each in by_seed),
        "peak_model": None if peak is None else sweep.models[peak],
    }
    for contrast, pair in _contrasts(sweep, spec, peak):
        yield {**row, "contrast": contrast, **_tested(sweep, spec["selection_seeds"], pair)}


def _contrasts(sweep: Sweep, spec: Mapping[str, Any], peak: int | None) -> Iterator[tuple[str, tuple[str, str] | str]]:
    """Name -> (model, model that it is compared with), or why there is no such pair."""
    names = ("peak against wide", "peak against narrow", "widest against best after the peak")
    if peak is None:
        yield from ((name, "no model fits its training labels: no peak is chosen") for name in names)
        return
    model = sweep.models[peak]
    for name, other, between in (
        (names[0], spec["wide"], peak < sweep.models.index(spec["wide"])),
        (names[1], spec["narrow"], peak > sweep.models.index(spec["narrow"])),
    ):
        yield name, (model, other) if between else f"the peak is not between {spec['narrow']} and {spec['wide']}"
    after = sweep.models[peak + 1 :]
    if len(after) < 2:
        yield names[2], "fewer than two models are wider than the peak"
        return
    best = str(sweep.test[sweep.test.index.isin(spec["selection_seeds"])][after].mean().idxmin())
    yield names[2], (after[-1], best) if best != after[-1] else "none: the widest is the best"


def _tested(sweep: Sweep, selection: list[int], pair: tuple[str, str] | str) -> dict[str, Any]:
    """Test errors of two models on the seeds that both have and that nothing was chosen by."""
    if isinstance(pair, str):
        return {**dict.fromkeys(TESTED), "remark": pair}
    errors = sweep.test.loc[~sweep.test.index.isin(selection), list(pair)].dropna()
    names = dict(zip(("model", "against"), pair, strict=True))
    if len(errors) < 2:
        return {**dict.fromkeys(TESTED), **names, "remark": "fewer than two other seeds in common: not tested"}
    differences = (errors[pair[0]] - errors[pair[1]]).to_numpy()
    interval = statistics.t_interval(differences)
    return names | {
        "n": interval.n,
        "error": errors[pair[0]].mean(),
        "against_error": errors[pair[1]].mean(),
        "difference": interval.mean,
        "low": interval.low,
        "high": interval.high,
        "p": statistics.sign_flip_test(differences),
        "p_min": statistics.smallest_p(interval.n),
        "remark": None,
    }


def _cells(row: Mapping[str, Any]) -> dict[str, str]:
    run, tested = row["status"] == "run", row["n"] is not None
    width = NOT_REACHED if row["threshold_width"] is None else count(row["threshold_width"])
    return {
        "Dataset": printed.text(row["dataset"]),
        "Recipe": printed.text(row["recipe"]),
        "Training set": printed.text(row["training_set"]),
        "Threshold, width": width if run else "not run",
        "Parameters there": count(row["threshold_parameters"]),
        "By seed": printed.text(row["threshold_by_seed"]),
        "Contrast": printed.text(row["contrast"]),
        "Models": f"{row['model']} - {row['against']}" if row["model"] else "",
        "Test errors, %": f"{percent(row['error'])} and {percent(row['against_error'])}" if tested else "",
        "Difference, points": joined(
            f"{100 * row['difference']:+.1f}" if tested else "", bracket(row["low"], row["high"])
        ),
        "Seeds": count(row["n"]),
        "p (Holm)": p_value(row["p_holm"]),
        "Remark": printed.text(row["remark"]),
        "Published threshold": count(row["published_width"]),
        "Comparable": row["comparable"],
        "Reason": printed.text(row["reason"]),
    }


def _notes(spec: Mapping[str, Any], data: pd.DataFrame) -> list[str]:
    selection = ", ".join(map(str, spec["selection_seeds"]))
    fitted = percent(spec.get("peak_tolerance", spec["tolerance"]))
    notes = [
        f"Threshold: the smallest width from which on the mean train error is at most {percent(spec['tolerance'])} %, "
        "of the trained networks on the labels they trained on, over all seeds; and by seed, of those that have every "
        "width.",
        "The peak is chosen from train error alone: the smallest width from which on its mean over the selection seeds "
        f"({selection}) is at most {fitted} %. The best after the peak is chosen by test error on these seeds and the "
        "same test images. Differences are of test error, paired by seed, on all other seeds, with a 95 % t interval.",
    ]
    reached = data.dropna(subset=["p_min"])
    if not reached.empty:
        pairs = reached[["n", "p_min"]].drop_duplicates().sort_values("n").itertuples(index=False)
        smallest = ", ".join(f"{n:.0f} seeds {p_value(p)}" for n, p in pairs)
        notes.append(
            f"p: exact sign-flip test, corrected by Holm over the {len(reached)} contrasts of this table. Smallest p "
            f"that can be reached, before correction: {smallest}."
        )
    return notes
