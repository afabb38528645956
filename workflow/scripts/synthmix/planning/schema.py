"""JSON schemas: defaults filled in, and the most telling violation said in one line.

Schemas are written in YAML. A definition whose keys depend on its kind lists, under `allOf`, an `if` (the kind) and a
`then` (a flat schema of that kind's keys) for each, so that errors are about the keys of the right kind.
"""

import copy
import difflib
import math
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
from jsonschema.exceptions import ValidationError

from synthmix.planning.messages import ConfigurationError, key_path, listing, shown, suggestion
from synthmix.planning.yaml_reader import read_yaml

Schema = dict[str, Any]
FOLDER = Path(__file__).resolve().parents[3] / "schemas"
KINDS = ("kind", "source", "architecture")  # keys that choose among kinds of one definition


@cache
def read_schema(name: str) -> Schema:
    """The schema `name` ("study", "config") with every $ref replaced by what it refers to; keys beside it win."""
    schema = read_yaml(FOLDER / f"{name}.schema.yaml")
    definitions = schema.pop("$defs")
    done: dict[str, Any] = {}

    def expanded(part: Any) -> Any:
        if isinstance(part, list):
            return [expanded(each) for each in part]
        if not isinstance(part, dict):
            return part
        own = {key: expanded(each) for key, each in part.items() if key != "$ref"}
        if not isinstance(part.get("$ref"), str):
            return own
        target = part["$ref"].removeprefix("#/$defs/")
        if target not in done:
            done[target] = expanded(definitions[target])
        return {**done[target], **own}

    whole: Schema = expanded(schema)
    return whole


@cache
def _validator(name: str) -> Any:
    return jsonschema.Draft202012Validator(read_schema(name))


def validated(value: Any, name: str, file: str | Path) -> Any:
    """A copy of `value` with defaults filled in, valid under the schema `name`.

    Nulls count as absent. Where the schema allows a text or a list, a text becomes a list of one; an integral float
    becomes an integer where the schema asks for one.

    Raises:
        ConfigurationError: the violation that comes first, unknown keys before bad values before missing keys.
    """
    _require_plain(value, (), file)
    schema, written = read_schema(name), value
    value = _resolved(value if value is not None else {}, schema)
    errors = [_Problem(error) for error in _validator(name).iter_errors(value)]
    if errors:
        first = min(errors, key=lambda error: error.rank)  # min keeps the first of equals
        raise ConfigurationError(file, key_path(_as_written(first.path, written)), first.text)
    return value


def _as_written(path: Sequence[str | int], value: Any) -> Iterator[str | int]:
    """A path without the positions in lists of one that were written as a text."""
    for part in path:
        if isinstance(part, int) and not isinstance(value, list):
            continue
        yield part
        try:
            value = value[part]
        except (LookupError, TypeError):  # a default, or a key that is missing
            value = None


def _require_plain(value: Any, path: tuple[str | int, ...], file: str | Path) -> None:
    """Keys are texts and numbers finite, also in what was not read by `read_yaml`."""
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise ConfigurationError(file, key_path(path), f"key {shown(key)} is not a text; write it in quotes")
            _require_plain(item, (*path, key), file)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _require_plain(item, (*path, index), file)
    elif isinstance(value, float) and not math.isfinite(value):
        raise ConfigurationError(file, key_path(path), f"{value} is not a finite number; write one that is")


# ---- defaults --------------------------------------------------------------------------------------------------------


def _resolved(value: Any, schema: Schema) -> Any:
    if isinstance(value, dict):
        properties = dict(properties_of(schema, value))
        others = schema.get("additionalProperties") or {}
        known = {key: item for key, item in value.items() if item is not None or key not in properties}
        defaults = {key: each["default"] for key, each in properties.items() if "default" in each and key not in known}
        return {
            key: _resolved(item, properties.get(key, others)) for key, item in {**known, **_copied(defaults)}.items()
        }
    if isinstance(value, list):
        items: Schema = next((each["items"] for each in _choices(schema) if "items" in each), {})
        return [_resolved(item, items) for item in value]
    types = [each.get("type") for each in schema.get("anyOf", ())]
    if isinstance(value, str) and "array" in types and ("string" in types or None in types):
        return [value]
    if isinstance(value, float) and value.is_integer() and any(s.get("type") == "integer" for s in _choices(schema)):
        return int(value)
    return value


def _copied(defaults: dict[str, Any]) -> dict[str, Any]:
    return copy.deepcopy(defaults) if defaults else defaults


def _choices(schema: Schema) -> list[Schema]:
    return [schema, *schema.get("anyOf", ())]


def _branches(schema: Schema, value: Mapping[str, Any]) -> Iterator[Schema]:
    """The schema itself, and the `then` of every `if` that the value's kind satisfies."""
    yield schema
    for rule in schema.get("allOf", ()):
        chosen = rule["if"]["properties"]
        if all(value.get(key) == each["const"] for key, each in chosen.items()):
            yield rule["then"]


def properties_of(schema: Schema, value: Mapping[str, Any]) -> dict[str, Schema]:
    """The schemas of the keys that a mapping may have, given its kind."""
    return {key: each for branch in _branches(schema, value) for key, each in branch.get("properties", {}).items()}


# ---- problems --------------------------------------------------------------------------------------------------------


class _Problem:
    """A violation as its rank (0 is told first), the path of the key and a text."""

    def __init__(self, error: ValidationError) -> None:
        error = _deepest(error)
        self.path: list[str | int] = list(error.absolute_path)
        self.rank = 1
        if "propertyNames" in error.absolute_schema_path:
            self.rank, self.path = 0, [*self.path, error.instance]
            self.text = f"must be {expected(error.schema)}; rename it"
        elif error.validator == "additionalProperties":
            known = error.schema["properties"]
            extra = next(key for key in error.instance if key not in known)
            self.rank, self.path = 0, [*self.path, extra]
            self.text = f"unknown key{_of_kind(error.schema)}{suggestion(extra, known)}"
        elif error.validator == "required":
            missing = next(key for key in error.validator_value if key not in error.instance)
            self.rank, self.path = 2, [*self.path, missing]
            self.text = f"missing key; {_misspelt(error, missing) or 'add it'}{_meaning(error.schema, missing)}"
        else:
            what = expected(error.schema)
            hint = _nearest(error) or _repeated(error) or ("" if "at least" in what else _limit(error))
            self.text = f"must be {what}, not {shown(error.instance)}{hint}"


def _of_kind(schema: Schema) -> str:
    kinds = (f"{key} {each['const']}" for key, each in schema["properties"].items() if key in KINDS and "const" in each)
    return "".join(f" for {kind}" for kind in kinds)


def _misspelt(error: ValidationError, missing: str) -> str:
    others = [key for key in error.instance if key not in error.schema.get("properties", {})]
    close = difflib.get_close_matches(missing, others, n=1)
    return f"rename {close[0]}" if close else ""


def _meaning(schema: Schema, key: str) -> str:
    each = schema.get("properties", {}).get(key)
    return f", {expected(each)}" if each else ""


def _nearest(error: ValidationError) -> str:
    valid = [word for each in _choices(error.schema) for word in each.get("enum", [each.get("const")])]
    words = [word for word in valid if isinstance(word, str)]
    if not isinstance(error.instance, str) or not words:
        return ""
    return suggestion(error.instance, words).partition(" (known")[0]


def _own(error: ValidationError) -> list[ValidationError]:
    """The violations of a value as a whole by those of several schemas that are for values of its type."""
    inside = [each for each in error.context or () if not each.relative_path] or [error]
    other = {each.relative_schema_path[0] for each in inside if each.validator == "type"}
    return [each for each in inside if each.relative_schema_path[0] not in other]


def _repeated(error: ValidationError) -> str:
    """Which value of a list is there twice."""
    if not any(each.validator == "uniqueItems" for each in _own(error)):
        return ""
    values = error.instance
    twice = next(value for index, value in enumerate(values) if value in values[:index])
    return f"; {shown(twice)} is given twice"


def _limit(error: ValidationError) -> str:
    """The bound that a number or a list does not keep, where a title says what it must be."""
    own = _own(error)
    if any(each.validator == "minItems" for each in own):
        return "; a list must have at least one entry"
    numbers = [_bounds(each.schema) for each in own if each.validator in _BOUNDS]
    return f"; a number must be{', or'.join(numbers)}" if numbers else ""


def _deepest(error: ValidationError) -> ValidationError:
    """Of a value that satisfies none of several schemas: the error inside the schema of the value's own type."""
    while error.validator == "anyOf":
        inside = [each for each in error.context or () if len(each.relative_path) or each.validator in _STRUCTURE]
        if not inside:
            return error
        error = inside[0]
    return error


_STRUCTURE = ("additionalProperties", "required")


def expected(schema: Schema) -> str:
    """What a schema accepts, in words: its `title`, or its type with its bounds."""
    if "title" in schema:
        return str(schema["title"])
    if "enum" in schema:
        return ("one of " if len(schema["enum"]) > 1 else "") + listing(schema["enum"])
    if "const" in schema:
        return shown(schema["const"]).strip('"')
    if "anyOf" in schema:
        return " or ".join(expected(each) for each in schema["anyOf"])
    kind = schema.get("type")
    if kind == "array":
        return _list_of(schema)
    name = {"integer": "an integer", "number": "a number", "string": "a text", "boolean": "true or false"}.get(
        kind or ""
    )
    return name + _bounds(schema) if name else "a mapping of keys to values"


def _list_of(schema: Schema) -> str:
    least = f" of at least {schema['minItems']}" if schema.get("minItems", 0) > 1 else ""
    items = schema.get("items", {})
    kind = " of mappings" if items.get("type") == "object" else f", each {expected(items)}" if items else ""
    return f"a list{least}{kind}{', without repeats' if schema.get('uniqueItems') else ''}"


_BOUNDS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "above {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "below {}",
}


def _bounds(schema: Schema) -> str:
    found = [text.format(shown(schema[key])) for key, text in _BOUNDS.items() if key in schema]
    return " " + " and ".join(found) if found else ""
