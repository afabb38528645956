"""Published values that a table lists itself, since they are of no single run: slopes, thresholds, crossings."""

from collections.abc import Collection, Iterable
from typing import Any

from synthmix.analysis.published import COMPARABLE, Entry
from synthmix.reports.formatting import missing

NAMES = ("dataset", "training_set", "model", "recipe")  # what an entry may say of the row that it belongs to


def beside(entries: Iterable[Entry], row: Entry, quantities: Collection[str]) -> dict[str, Any]:
    """The cells of a row that its published values stand in: published_{quantity}, comparable and reason.

    The first entry counts whose names are all those of the row; a name that it leaves out admits any.
    """
    entry = next((entry for entry in entries if _is_of(entry, row)), {})
    values = {f"published_{quantity}": entry.get(quantity) for quantity in quantities}
    return {**values, "comparable": COMPARABLE[entry.get("comparable")], "reason": entry.get("reason")}


def not_run(entries: Iterable[Entry], rows: Collection[Entry], quantities: Collection[str]) -> list[dict[str, Any]]:
    """A row for every entry that belongs to none of the rows."""
    return [
        {**{key: entry.get(key) for key in NAMES if key in entry}, "status": "not run"}
        | beside([entry], entry, quantities)
        for entry in entries
        if not any(_is_of(entry, row) for row in rows)
    ]


def text(value: Any) -> str:
    """A cell that holds a text; empty where it is missing."""
    return "" if missing(value) else str(value)


def _is_of(entry: Entry, row: Entry) -> bool:
    return all(entry[key] == row.get(key) for key in NAMES if key in entry)
