"""Table kind `accuracy`: who saw how many real images, the accuracy reached, and what was gained over the baseline.

Specification: {kind, dataset?, model?, recipe?, training_set?, metric?, order?, published?}. `metric` is what the study
is judged by: it comes first, and comparisons and published values are of it. An entry of `published` is
{dataset, model, training_set, recipe?, value, comparable?, reason?, source?, oddity?} with `value` a fraction; without
`recipe` it stands beside every recipe. An entry without a run gets a row that says "not run".
"""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from synthmix.analysis import power, published, statistics
from synthmix.analysis.artefacts import Artefacts
from synthmix.experiments import ARM, Arm, arms, conditional, constant, select, text, wanted
from synthmix.reports.formatting import (
    bracket,
    capitalised,
    count,
    drop_empty,
    hoist,
    joined,
    missing,
    number,
    p_value,
    percent,
    percent_interval,
    records,
    run_metric_title,
)
from synthmix.reports.rendering import Table

COMPARED = ["baseline", "pairs", "difference", "t_low", "t_high", "joint_low", "joint_high", "p", "p_holm", "p_min"]
COMPARED += ["p_min_holm", "pair_correlation", "primary"]
SAME = "generator trained on the same images"
FEW_SHOT, FEW = "full-data generator, few-shot classifier", 0.1  # at most such a share of what the generator saw
FEWER = "full-data generator, classifier with fewer real images"
FINE_TUNED = "full-data generator, images that it saw before unknown"
FULL_DATA = "(full-data filter)"
FILTERED = (
    "Filters chose among the generated images. A full-data filter saw more real images than the classifier: its row is "
    "no few-shot result, however few images the classifier trained on."
)
IMBALANCED = 2  # above this ratio of the largest class to the smallest, accuracy says little


def build(spec: dict[str, Any], artefacts: Artefacts) -> Table:
    """One row per arm in the order of the specification; an arm with several baselines has a row for each.

    Raises ValueError where nothing is selected or a published value is not a fraction.
    """
    experiments = select(artefacts.read_experiments(), spec, complete=False)
    comparisons = artefacts.read_comparisons()
    metric = spec.get("metric", "accuracy")
    comparisons = comparisons[comparisons["metric"] == metric].rename(columns={"n": "pairs"})
    family = comparisons.index[~comparisons["primary"].astype(bool)]
    # corrected, if all of the family reach the smallest p that their seeds can
    comparisons.loc[family, "p_min_holm"] = statistics.holm(comparisons.loc[family, "p_min"])
    entries = [_checked(entry) for entry in spec.get("published", []) if _asked(spec, entry)]
    rows = []
    for arm, runs in arms(experiments):
        matching = next((entry for entry in entries if _matches(arm, entry)), None)
        row = {**arm._asdict(), **_results(runs, metric), **published.beside(matching)}
        matches = comparisons[(comparisons[ARM] == pd.Series(arm._asdict())).all(axis=1)]
        rows += [{**row, **against} for against in matches[COMPARED].to_dict("records")] or [row]
    rows += _not_run(experiments, entries)
    if not rows:
        raise ValueError(f"accuracy table: no run and no published value matches { ({k: spec.get(k) for k in ARM}) }")
    data = pd.DataFrame(rows, columns=[*dict.fromkeys([*ARM, *(key for row in rows for key in row)])])
    data = data.reindex(columns=[*data.columns, *(name for name in COMPARED if name not in data)])
    frame, notes = hoist(drop_empty(_formatted(data, metric)), ["Dataset"])
    notes += _notes(data, len(family), metric, conditional(experiments))
    return Table(data, frame, [*notes, *published.notes(entries)])


def scope(runs: pd.DataFrame) -> str:
    """What the generator of an arm saw beside what its classifier saw, in words; empty without generated images."""
    if text(runs, "pool") is None:
        return ""
    kind, real, seen = (
        text(runs, "generator_scope"),
        constant(runs, "real_images"),
        constant(runs, "generator_real_images"),
    )
    if kind == "same":
        return SAME
    if kind == "fine-tuned":
        return FINE_TUNED
    if seen is None:
        return "images that the generator saw unknown"
    if not real:
        return "full-data generator, classifier without real images"
    if kind == "full" and real < seen:
        return FEW_SHOT if real <= FEW * seen else FEWER
    return "full-data generator"


def _results(runs: pd.DataFrame, metric: str) -> dict[str, Any]:
    """What the runs of an arm saw and reached; a metric that a run lacks is left out."""
    kinds = ["generator_real_images", "filter_real_images", "real_images", "synthetic_images", "class_ratio"]
    kinds += ["test_images", "rarest_class_test_images"]
    row: dict[str, Any] = {"generator": scope(runs), "filter": text(runs, "filter"), "n": len(runs)}
    row |= {name: constant(runs, name) for name in kinds}
    for name in dict.fromkeys(("accuracy", "balanced_accuracy", "auroc", metric)):
        if name in runs and runs[name].notna().all():
            interval = statistics.t_interval(runs[name])
            row |= {name: interval.mean, f"{name}_low": interval.low, f"{name}_high": interval.high}
    return {**row, "status": "run"}


def _checked(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    if not 0 <= entry["value"] <= 1:
        raise ValueError(
            f"published: value {entry['value']} of {entry['training_set']} is not a fraction between 0 and 1"
        )
    return entry


def _asked(spec: Mapping[str, Any], entry: Mapping[str, Any]) -> bool:
    """Whether a published entry is of the table's metric and within what the table selects."""
    if entry.get("metric", "accuracy") != spec.get("metric", "accuracy"):
        return False
    names = {key: wanted(spec, key) for key in ARM if entry.get(key) is not None}
    return all(chosen is None or entry[key] in chosen for key, chosen in names.items())


def _matches(arm: Arm, entry: Mapping[str, Any]) -> bool:
    return all(entry.get(key) in (None, value) for key, value in arm._asdict().items())


def _not_run(experiments: pd.DataFrame, entries: list[Mapping[str, Any]]) -> list[dict[str, Any]]:
    ran = [arm for arm, _ in arms(experiments)]
    rows = []
    for entry in entries:
        if not any(_matches(arm, entry) for arm in ran):
            arm = Arm(*(entry.get(key) for key in ARM))  # type: ignore[arg-type]
            rows.append({**arm._asdict(), "status": "not run", **published.beside(entry)})
    return rows


def _formatted(data: pd.DataFrame, metric: str) -> pd.DataFrame:
    rows = []
    measured = _measured(data, metric)
    for row in records(data):
        run = row["status"] == "run"
        difference = "" if missing(row["difference"]) else f"{100 * row['difference']:+.1f}"
        flag = "(primary)" if row["primary"] is True else ""
        unseen = {
            part: "unknown" if row.get(part) and missing(row[f"{part}_real_images"]) else ""
            for part in ("generator", "filter")
        }
        rows.append(
            {
                "Dataset": row["dataset"],
                "Model": row["model"],
                "Recipe": row["recipe"] or "",
                "Training set": row["training_set"],
                "Generator": row.get("generator") if run else "",
                "Filter": _filter(row),
                "Real images (generator)": unseen["generator"] or count(row.get("generator_real_images")),
                "Real images (filter)": unseen["filter"] or count(row.get("filter_real_images")),
                "Real images (classifier)": count(row.get("real_images")),
                "Synthetic images": count(row.get("synthetic_images")),
                "Seeds": count(row.get("n")),
                **{f"{capitalised(run_metric_title(name))}, %": _cell(row, name, metric) for name in measured},
                "Baseline": "" if missing(row["baseline"]) else row["baseline"],
                "Difference, points": joined(difference, bracket(row["t_low"], row["t_high"])),
                "Joint interval": bracket(row["joint_low"], row["joint_high"]),
                "p (Holm)": joined(p_value(row["p_holm"]), flag),
                "Pair correlation": number(row["pair_correlation"], 2),
                "Published, %": percent(row["published"]),
                "Comparable": row["comparable"],
                "Reason": "" if missing(row["reason"]) else row["reason"],
            }
        )
    return pd.DataFrame(rows)


def _filter(row: Mapping[str, Any]) -> str:
    """The filter, and whether it saw more real images than the classifier."""
    seen, real = row.get("filter_real_images"), row.get("real_images")
    if missing(row.get("filter")):
        return ""
    return joined(row["filter"], FULL_DATA if (seen or 0) > (real or 0) else "")


def _measured(data: pd.DataFrame, metric: str) -> list[str]:
    """The metrics shown, first what the study is judged by; with imbalanced classes only, AUROC and balanced accuracy
    come before accuracy."""
    names = ["accuracy", "balanced_accuracy", "auroc"]
    ratios = data["class_ratio"].dropna() if "class_ratio" in data else pd.Series(dtype=float)
    if len(ratios) and (ratios > IMBALANCED).all():
        names.reverse()
    return names if metric == "accuracy" else list(dict.fromkeys([metric, *names]))


def _cell(row: Mapping[str, Any], name: str, metric: str) -> str:
    if row["status"] != "run":
        return "not run" if name == metric else ""
    imbalanced = not missing(row.get("class_ratio")) and row["class_ratio"] > IMBALANCED
    if name == "auroc" and name != metric and not imbalanced:
        return ""
    return percent_interval(row, name)


def _notes(data: pd.DataFrame, family: int, metric: str, luck: str) -> list[str]:
    notes = [f"Accuracies: mean over seeds with its 95 % t interval{luck}."]
    if "filter" in data and data["filter"].notna().any():
        notes.append(FILTERED)
    if "class_ratio" in data and (data["class_ratio"] > IMBALANCED).any():
        ratios = ", ".join(f"{ratio:.1f}" for ratio in data["class_ratio"].dropna().unique())
        notes.append(
            f"Largest class of train to the smallest: {ratios}. Above {IMBALANCED}, accuracy says little. "
            "AUROC: of the second class, or the mean over more than two, each against the rest."
        )
    reached = data.dropna(subset=["p_min"])
    if not reached.empty:
        notes.append(_detectable(reached))
        best = reached.groupby(["pairs", "p_min"])["p_min_holm"].max().reset_index()  # NaN: of the primary one alone
        smallest = ", ".join(
            f"{_seeds(pairs)} {p_value(least)}" + ("" if missing(corrected) else f", corrected {p_value(corrected)}")
            for pairs, least, corrected in best.itertuples(index=False)
        )
        others = (
            f"corrected by Holm over the {family} comparisons of the study that are not primary; " if family else ""
        )
        of = "" if metric == "accuracy" else f" in {run_metric_title(metric)}"
        joint = "The joint interval resamples seeds and test images and is too narrow with few seeds."
        if reached["joint_low"].isna().all():
            joint = f"There is no interval that resamples test images for {run_metric_title(metric)} here."
        notes += [
            f"Differences{of}: training set minus baseline in points, paired by seed, with a 95 % t interval. {joint}",
            f"p: exact sign-flip test, {others}the primary comparison keeps its own p. Smallest p that can be reached: "
            f"{smallest}.",
        ]
    return notes


def _seeds(n: float) -> str:
    return f"{n:.0f} seed{'' if n == 1 else 's'}"


def _detectable(compared: pd.DataFrame) -> str:
    """What the sign-flip test of these seeds could have shown, by data set."""
    sentences = []
    for dataset, rows in compared.groupby("dataset", sort=False):
        points, none = [], "none with so few seeds"
        for pairs, low, high in rows[["pairs", "t_low", "t_high"]].dropna().itertuples(index=False):
            standardised = power.detectable(int(pairs))
            deviation = statistics.deviation(low, high, int(pairs))
            if standardised is not None and deviation <= statistics.ROUNDING:
                none = "unknown, for no difference varies between seeds"
            elif standardised is not None:
                points.append(100 * standardised * deviation)
        images = f"{count(rows['test_images'].iloc[0])} test images"
        images += f", {count(rows['rarest_class_test_images'].iloc[0])} of them of the rarest class"
        ends = dict.fromkeys(f"{value:.1f}" for value in (min(points), max(points))) if points else {}
        seen = f"{' to '.join(ends)} points" if points else none
        sentences.append(f"{dataset} ({images}): {seen}")
    return (
        "Smallest true difference on these test images that the sign-flip test shows at 5 % with a power of 80 %, "
        f"where seeds differ as much as here, without correction: {'; '.join(sentences)}."
    )
