"""Writes docs/configuration.md out of the schemas; with --check, says whether it is up to date."""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow" / "scripts"))

from synthmix.files import write_text  # noqa: E402 (the library is not installed)
from synthmix.planning.messages import shown  # noqa: E402
from synthmix.planning.schema import KINDS, Schema, expected, read_schema  # noqa: E402

TARGET = ROOT / "docs" / "configuration.md"
OPENING = """# Configuration

<!-- Written by docs/reference.py out of workflow/schemas: edit the schemas, then run `python docs/reference.py`. -->

`config.yaml` says what is built and on what; `studies/<name>.yaml` says what is computed. Both are read strictly: an
unknown key, a value out of range, a name that is not defined or a key given twice is an error that names file, key and
remedy. A key that is null counts as absent. Keys are written with dots where one mapping holds another.
"""


def reference() -> str:
    """The text of docs/configuration.md."""
    lines = [OPENING]
    for heading, name in (("config.yaml", "config"), ("studies/&lt;name&gt;.yaml", "study")):
        schema = read_schema(name)
        lines += [f"## {heading}\n", f"{schema['description']}\n", *_table(schema)]
        for key, each in schema["properties"].items():
            entry = each.get("additionalProperties") or each.get("items")
            if isinstance(entry, dict) and (entry.get("properties") or entry.get("allOf")):
                lines += _section(key, each, entry)
    return "\n".join(lines)


def _section(key: str, section: Schema, entry: Schema) -> Iterator[str]:
    yield f"### {key}\n"
    yield f"{section['description']}\n"
    kinds = [rule["then"] for rule in entry.get("allOf", ())]
    for kind in kinds:
        (chooser,) = (each for each in KINDS if "const" in kind["properties"].get(each, {}))
        about = kind["properties"][chooser]
        yield f"#### {chooser}: {about['const']}\n"
        yield f"{about['description']}\n"
        yield from _table({**kind, "properties": {k: v for k, v in kind["properties"].items() if k != chooser}})
    if not kinds:
        yield from _table(entry)


def _table(schema: Schema) -> Iterator[str]:
    yield "| key | value | default | meaning |\n|---|---|---|---|"
    yield from _rows(schema, "")
    yield ""


def _rows(schema: Schema, prefix: str) -> Iterator[str]:
    """Required keys first, then the others, in the order of the schema."""
    required = schema.get("required", [])
    names = [*required, *(key for key in schema["properties"] if key not in required)]
    for key in (name for name in names if name in schema["properties"]):
        each = schema["properties"][key]
        inner = each.get("properties")
        value = each.get("default", {})
        default = "" if value == {} else f"`{value if isinstance(value, str) else shown(value)}`"
        cells = [f"`{prefix}{key}`", expected(each), "required" if key in required else default, each["description"]]
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
        if inner:
            yield from _rows(each, f"{prefix}{key}.")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail where the file is not up to date")
    parser.add_argument("--output", type=Path, default=TARGET, help="the file (default: docs/configuration.md)")
    arguments = parser.parse_args()
    if not arguments.check:
        write_text(arguments.output, reference())
    elif not arguments.output.exists() or arguments.output.read_text(encoding="utf-8") != reference():
        print(f"{arguments.output} is not up to date with workflow/schemas: run python docs/reference.py")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
