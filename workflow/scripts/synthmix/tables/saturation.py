"""Table kind `saturation`: where more generated images stop helping, by curves fitted to ladders.

Specification: {kind, ladder, dataset?, model?, recipe?, metric?, published?}. Where entries of `published`, those of
the study, are of four or more training sets of a ladder, they are fitted in the same way, as one seed. They can be
compared with ours only where each of them can.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from synthmix.analysis import published, saturation, statistics
from synthmix.analysis.artefacts import Artefacts
from synthmix.analysis.printed import text
from synthmix.analysis.saturation import Curve, Ladder
from synthmix.reports.formatting import (
    bracket,
    count,
    drop_empty,
    hoist,
    joined,
    number,
    percent,
    percent_interval,
    records,
    run_metric_title,
)
from synthmix.reports.rendering import Table

# What is said of a ladder that does not level off.
SEEN = {
    saturation.STILL_RISES: "by its t interval over seeds, the quadratic part of least squares in k is not below 0, or "
    "the last point lies above the asymptote; or 90 % of the gain lies beyond the largest number of images",
    saturation.NO_RISE: "what the curve gains within the range is not above 0, by its t interval over seeds",
    saturation.FALLS: "the last point lies below the highest, by a t interval over seeds with Bonferroni's correction",
}
SINGLE = (
    "Of one seed, and of published values, there are no t intervals: the values themselves are compared with 0, and a "
    "ladder falls at its end where the last point has lost more than a tenth of what the highest gained over the first."
)
FORMS = {"exponential": "a - b exp(-k / c)", "power": "a - b (1 + k / r)^-c"}


def build(spec: dict[str, Any], artefacts: Artefacts) -> Table:
    """One row per (dataset, model, recipe); raises ValueError for what saturation.ladders refuses."""
    metric = spec.get("metric", "accuracy")
    entries = [each for each in spec.get("published") or [] if each.get("metric", "accuracy") == metric]
    rows: list[dict[str, Any]] = []
    used: list[Mapping[str, Any]] = []
    for ladder in saturation.ladders(spec, artefacts):
        mine = _printed(ladder, entries)
        rows.append({**_row(ladder), **_published(ladder, mine)})
        used += mine.values()
    data = pd.DataFrame(rows)
    frame = pd.DataFrame([_cells(row, metric) for row in records(data)])
    frame, notes = hoist(drop_empty(frame), ["Dataset", "Fit range, images per class"])
    return Table(data, frame, [*notes, *_notes(metric, data), *published.notes(used)])


def _row(ladder: Ladder) -> dict[str, Any]:
    curve = saturation.fit(ladder)
    last = statistics.t_interval(ladder.values[:, -1])
    return {
        "dataset": ladder.dataset,
        "model": ladder.model,
        "recipe": ladder.recipe,
        "n": last.n,
        "training_sets": len(ladder.added),
        "smallest": ladder.added[0],
        "largest": ladder.added[-1],
        "form": curve.form,
        "bends": saturation.bends(ladder),
        "seen": curve.seen(ladder),
        **_levels(ladder, curve),
        "last": last.mean,
        "last_low": last.low,
        "last_high": last.high,
        "deviation": float(np.abs(ladder.values.mean(axis=0) - curve.mean(ladder.added)).max()),
    }


def _levels(ladder: Ladder, curve: Curve) -> dict[str, float | None]:
    """Asymptote and images at 90 % of the gain, with intervals; all None where the ladder does not level off."""
    keys = ("asymptote", "asymptote_low", "asymptote_high", "reached", "reached_low", "reached_high")
    if not curve.levels_off(ladder):
        return dict.fromkeys(keys)
    level, images = statistics.t_interval(curve.asymptote), statistics.t_interval(np.log(curve.reached))
    ends = [None if end is None else float(np.exp(end)) for end in (images.low, images.high)]
    values = (level.mean, level.low, level.high, float(np.exp(images.mean)), *ends)
    return dict(zip(keys, values, strict=True))


def _printed(ladder: Ladder, entries: list[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Training set -> the published entry of it that is of the ladder's data set and model."""
    mine = [
        each
        for each in entries
        if (each.get("dataset"), each.get("model")) == (ladder.dataset, ladder.model)
        and each.get("recipe") in (None, ladder.recipe)
        and each.get("training_set") in ladder.names
    ]
    return {each["training_set"]: each for each in reversed(mine)}


def _published(ladder: Ladder, entries: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """What the same fit makes of published values, which have no seeds and so no interval."""
    keys = ("published_seen", "published_asymptote", "published_reached", "published_training_sets", "comparable")
    if len(entries) < saturation.POINTS:
        return dict.fromkeys((*keys, "reason"))
    places = [place for place, name in enumerate(ladder.names) if name in entries]
    values = np.array([[entries[ladder.names[place]]["value"] for place in places]])
    own = ladder._replace(added=ladder.added[places], values=values, seeds=np.array([0]))
    curve = saturation.fit(own)
    found = _levels(own, curve)
    said = [entry.get("comparable") for entry in entries.values()]
    comparable = False if False in said else None if None in said else True  # as the least comparable of the values
    reasons = dict.fromkeys(entry["reason"] for entry in entries.values() if entry.get("reason"))
    cells = (curve.seen(own), found["asymptote"], found["reached"], len(places), published.COMPARABLE[comparable])
    return {**dict(zip(keys, cells, strict=True)), "reason": "; ".join(reasons) or None}


def _cells(row: Mapping[str, Any], metric: str) -> dict[str, str]:
    title = run_metric_title(metric)
    span = f"{count(row['smallest'])} to {count(row['largest'])} ({count(row['training_sets'])} training sets)"
    level = percent_interval(row, "asymptote")
    images = joined(number(row["reached"]), bracket(row["reached_low"], row["reached_high"], "number"))
    return {
        "Dataset": row["dataset"],
        "Model": row["model"],
        "Recipe": text(row["recipe"]),
        "Fit range, images per class": span,
        "Seeds": count(row["n"]),
        f"Largest: {title}, %": percent_interval(row, "last"),
        "Curve": FORMS[row["form"]],
        f"Asymptote: {title}, %": level or row["seen"],
        "90 % of the gain at, images per class": images or row["seen"],
        "Largest deviation, points": f"{100 * row['deviation']:.1f}",
        "Published, asymptote, %": percent(row["published_asymptote"]) or text(row["published_seen"]),
        "Published, 90 % of the gain at": number(row["published_reached"]) or text(row["published_seen"]),
        "Comparable": text(row["comparable"]),
        "Reason": text(row["reason"]),
    }


def _notes(metric: str, data: pd.DataFrame) -> list[str]:
    seen = {*data["seen"], *data["published_seen"]}
    single = data["seen"].isin(SEEN) & (data["n"] == 1) | data["published_seen"].isin(SEEN)
    return [
        f"Curve: least squares in {run_metric_title(metric)} over k, the images per class that are added, for each "
        "seed; r real images per class. Of an exponential and a power law, which have three parameters each, the one "
        "with the smaller mean squared residual over all seeds. Largest deviation: of the mean over seeds from the "
        "mean curve.",
        "Asymptote (a) and number of images at 90 % of the gain: means over seeds of the fits, of the number in "
        "logarithms, with 95 % t intervals. They hold for the generator and the fit range; an asymptote is an "
        "extrapolation.",
        *(
            f"{words}: the ladder does not level off in its range, so that no asymptote is given: {why}."
            for words, why in SEEN.items()
            if words in seen
        ),
        *([SINGLE] if single.any() else []),
    ]
