"""Groups of classes, as a mapping or as a CSV that people edit.

The CSV has the columns `class` and `group`, and one row for each class.
"""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

COLUMNS = ["class", "group"]


class GroupError(ValueError):
    """A file of groups cannot be used; the message is one line with the remedy."""


def read(path: str | Path) -> dict[str, list[str]]:
    """Group -> its classes, both in alphabetical order, so that the order of the rows says nothing.

    Raises:
        GroupError: no such file, other columns, a row without class or group, a class in two rows.
    """
    try:
        with Path(path).open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, restkey="", strict=True)
            rows, columns = list(reader), list(reader.fieldnames or [])
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise GroupError(f"{path} cannot be read ({error}); correct it") from error
    if sorted(columns) != COLUMNS:
        raise GroupError(
            f"{path} must have the columns class and group, not {', '.join(columns) or 'none'}; correct it"
        )
    group_of: dict[str, str] = {}
    for number, row in enumerate(rows, 2):
        name, group = ((row[column] or "").strip() for column in COLUMNS)
        if not name or not group or row.get(""):
            raise GroupError(f"{path}, line {number} is not one class and one group; correct it (commas need quotes)")
        if name in group_of:
            raise GroupError(f"{path}, line {number} has class {name!r} again; delete one of the two")
        group_of[name] = group
    if not group_of:
        raise GroupError(f"{path} has no rows; add one for each class")
    return {
        group: sorted(name for name in group_of if group_of[name] == group) for group in sorted(set(group_of.values()))
    }


def mapping(given: Mapping[str, Sequence[str]] | str) -> dict[str, list[str]]:
    """Group -> its classes, of what a study gives: a mapping, or the path of a CSV (see `read`)."""
    return read(given) if isinstance(given, str) else {group: list(names) for group, names in given.items()}


def resolved(definition: Mapping[str, Any], key: str) -> dict[str, Any]:
    """The definition with the content of a file in the place of its path under `key`; a spec thus holds the content."""
    return {**definition, key: mapping(definition[key])} if key in definition else dict(definition)
