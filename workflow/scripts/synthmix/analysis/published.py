"""Published values beside our own: which entries of `published` a table shows, and what it says of them."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

Entry = Mapping[str, Any]

COMPARABLE = {True: "yes", False: "no", None: ""}  # what a cell says of whether values can be compared
# Whose features the name of a score stands for in publications.
STANDARD = {"isc": "inception", "fid": "inception", "fd_infinity": "inception", "kid": "inception", "cmmd": "clip"}


def beside(entry: Entry | None) -> dict[str, Any]:
    """The cells of a row that a published value stands in: published, comparable and reason; empty without an entry."""
    if entry is None:
        return {"published": None, "comparable": "", "reason": None}
    return {
        "published": entry["value"],
        "comparable": COMPARABLE[entry.get("comparable")],
        "reason": entry.get("reason"),
    }


def notes(entries: Iterable[Entry]) -> list[str]:
    """Where the values were published, and the oddities of the publications; each once."""
    entries = list(entries)
    found = [f"Published: {entry['source']}." for entry in entries if entry.get("source")]
    found += [f"Oddity of the publication: {entry['oddity']}" for entry in entries if entry.get("oddity")]
    return list(dict.fromkeys(found))


def is_of(entry: Entry, score: Entry, metric: str) -> bool:
    """Whether an entry is the published value of a metric of a score: of one pool, in the same features.

    The features are those of the entry's `extractor`; without one, those that the metric's name stands for.
    """
    if any(entry.get(key) != score[key] for key in ("dataset", "pool")) or entry.get("metric") != metric:
        return False
    extractor = score["extractor"]
    if "extractor" in entry:
        return bool(entry["extractor"] == extractor["name"])
    return metric in STANDARD and STANDARD[metric] == extractor.get("kind")


def without_score(entries: Iterable[Entry], scores: Collection[Entry]) -> list[tuple[Entry, str | None]]:
    """The entries about pools of which no score has the metric in the same features, and the features that ours is in.

    The second of a pair is None where the metric was not computed of that pool at all.
    """
    found = []
    for entry in entries:
        having = [score for score in scores if entry["metric"] in score["metrics"]]
        if not any(is_of(entry, score, entry["metric"]) for score in having):
            same = [each for each in having if all(entry[key] == each[key] for key in ("dataset", "pool"))]
            ours = ", ".join(dict.fromkeys(each["extractor"]["name"] for each in same))
            found.append((entry, ours or None))
    return found
