"""Problems of a configuration, each said in one line: file, key, what is wrong, what to do."""

import difflib
import json
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

KNOWN_SHOWN = 20  # names listed in one message
VALUE_SHOWN = 60  # characters of a value shown in one message


class ConfigurationError(ValueError):
    """A configuration cannot be used; the text is one line: file, key, problem, remedy."""

    def __init__(self, file: str | Path, key: str, problem: str) -> None:
        super().__init__(": ".join(part for part in (file_name(file), key, problem) if part))


def file_name(file: str | Path) -> str:
    """A file's name as its user would type it: relative where it lies below the working directory."""
    text = os.fspath(file)
    if os.path.isabs(text) and not (relative := os.path.relpath(text)).startswith(".."):
        return relative
    return text


def key_path(parts: Iterable[str | int]) -> str:
    """A dotted key, such as `runs[0].recipe`; list entries count from 0."""
    text = ""
    for part in parts:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += ("." if text else "") + (part if re.fullmatch(r"[\w.+-]+", part) else shown(part))
    return text


def shown(value: object) -> str:
    """A value on one line, shortened where it is long."""
    text = json.dumps(value, default=str, ensure_ascii=False)
    text = "".join(character if character.isprintable() else " " for character in text)
    return text if len(text) <= VALUE_SHOWN else text[: VALUE_SHOWN - 3] + "..."


def listing(values: Sequence[object]) -> str:
    """Values separated by commas, with the count of those left out where there are many."""
    text = ", ".join(str(value) for value in values[:KNOWN_SHOWN])
    return text + (f", and {len(values) - KNOWN_SHOWN} more" if len(values) > KNOWN_SHOWN else "")


def suggestion(word: str, valid: Iterable[object]) -> str:
    """What to write in place of an unknown word: "; did you mean sgd? (known: sgd, adam)", or " (known: sgd, adam)"."""
    names = [str(name) for name in valid]
    close = difflib.get_close_matches(word, names, n=2) or difflib.get_close_matches(word.lower(), names, n=2)
    hint = f"; did you mean {' or '.join(close)}?" if close else ""
    return f"{hint} (known: {listing(names)})" if names else "; none is defined"
