"""What text-to-image pipelines are asked for: prompts from a CSV that people edit, or from a template.

The CSV has the columns `class`, `prompt` and, if wanted, `negative_prompt`, and one or more rows per class.
"""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

COLUMNS = ("class", "prompt", "negative_prompt")
STABLE_DIFFUSION = "stable-diffusion-v1-5/stable-diffusion-v1-5"


class PromptError(ValueError):
    """A file of prompts cannot be used; the message is one line with the remedy."""


class Prompt(NamedTuple):
    """What one image is drawn from."""

    text: str
    negative: str


def read(path: str | Path) -> dict[str, list[dict[str, str]]]:
    """Class -> its rows, {"prompt", perhaps "negative_prompt"}, in the order of the file.

    Raises:
        PromptError: no such file, columns missing or unknown, a row without class or prompt, a prompt given twice.
    """
    try:
        with Path(path).open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, restkey="", strict=True)
            rows, columns = list(reader), reader.fieldnames or []
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise PromptError(f"{path} cannot be read ({error}); correct it") from error
    for column in COLUMNS[:2]:
        if column not in columns:
            raise PromptError(f"{path} has no column {column}, but {', '.join(columns) or 'none'}; add it")
    for column in columns:
        if column not in COLUMNS:
            raise PromptError(f"{path} has a column {column!r}; only {', '.join(COLUMNS)} are known: delete it")
    found: dict[str, list[dict[str, str]]] = {}
    for number, row in enumerate(rows, 2):
        values = {column: (row.get(column) or "").strip() for column in COLUMNS}
        for column in COLUMNS[:2]:
            if not values[column]:
                raise PromptError(f"{path}, line {number} has no {column}; add it (commas need quotes around the text)")
        if row.get(""):
            raise PromptError(f"{path}, line {number} has too many commas; put the text with commas in quotes")
        mine = found.setdefault(values.pop("class"), [])
        if values["prompt"] in [each["prompt"] for each in mine]:
            raise PromptError(f"{path}, line {number} repeats a prompt of its class; delete it")
        mine.append({name: text for name, text in values.items() if text})
    if not found:
        raise PromptError(f"{path} has no rows; add at least one per class")
    return found


def completed(generator: dict[str, Any]) -> dict[str, Any]:
    """A generator with the pipeline that it means and the content of its file of prompts, by class."""
    if generator["kind"] != "text2image":
        return generator
    pipeline = None if generator.get("train_from_scratch") else STABLE_DIFFUSION
    rows = {"prompts": read(generator["prompts"])} if "prompts" in generator else {}
    return {**({"pipeline": pipeline} if pipeline else {}), **generator, **rows}


def choose(drawing: Mapping[str, Any], name: str, index: int) -> Prompt:
    """The prompt of the image with a number in its class: rows, or scenarios, take turns.

    Args:
        drawing: `prompts` (rows of the class), or `template` with perhaps `scenarios` and `negative_prompt`.
        name: what to write for {class}.
        index: of the image in its class.
    """
    if rows := drawing.get("prompts"):
        row = rows[index % len(rows)]
        return Prompt(fill(row["prompt"], name), fill(row.get("negative_prompt", ""), name))
    scenarios: Sequence[str] = drawing.get("scenarios") or [""]
    text = fill(drawing["template"], name).replace("{scenario}", scenarios[index % len(scenarios)])
    return Prompt(text, fill(drawing.get("negative_prompt", ""), name))


def token(label: int) -> str:
    """The word that textual inversion learns for a class, in the place of its name."""
    return f"<class-{label}>"


def fill(text: str, name: str) -> str:
    """A text with a class's name in the place of {class}."""
    return text.replace("{class}", name)
