"""Strict YAML: the core types of YAML 1.2, every key once, errors on one line.

PyYAML follows YAML 1.1, where `1e-4` is a text, `no` is false, `1:30` is 90, and of a key given twice the last counts.
"""

import math
import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from synthmix.planning.messages import ConfigurationError, shown

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _StrictLoader(_Loader):
    """Loader of the YAML 1.2 core schema; any other tag is an error."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}
    yaml_constructors: dict[str | None, Any] = {}

    def mapping(self, node: yaml.MappingNode) -> dict[Hashable, Any]:
        first: dict[Hashable, int] = {}
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                raise yaml.constructor.ConstructorError(None, None, "a list or mapping as a key", key_node.start_mark)
            line = key_node.start_mark.line + 1
            if key in first:
                problem = f"key {shown(key)} given twice (first in line {first[key]}); delete one of the two"
                raise yaml.constructor.ConstructorError(None, None, problem, key_node.start_mark)
            first[key] = line
        pairs: dict[Hashable, Any] = self.construct_mapping(node, deep=True)
        return pairs

    def sequence(self, node: yaml.SequenceNode) -> list[Any]:
        items: list[Any] = self.construct_sequence(node, deep=True)
        return items

    def scalar(self, node: yaml.ScalarNode) -> Any:
        kind, text = node.tag.rpartition(":")[2], node.value
        try:
            value = _SCALARS[kind](text)
        except (KeyError, ValueError) as error:
            raise yaml.constructor.ConstructorError(
                None, None, f"{shown(text)} is not {_ARTICLES[kind]}", node.start_mark
            ) from error
        if isinstance(value, float) and not math.isfinite(value):
            raise yaml.constructor.ConstructorError(
                None, None, f"{text} is not a finite number; write one that is", node.start_mark
            )
        return value


def _integer(text: str) -> int:
    return int(text, 0) if text[:2] in ("0o", "0x") else int(text)


def _real(text: str) -> float:
    return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))


_SCALARS: dict[str, Any] = {
    "null": lambda text: None,
    "bool": lambda text: {"true": True, "false": False}[text.lower()],
    "int": _integer,
    "float": _real,
    "str": str,
    "merge": str,
}
_ARTICLES = {"bool": "true or false", "int": "an integer", "float": "a number"}
# YAML 1.2.2, section 10.3.2; `<<` (merge) is of YAML 1.1 and kept because anchors are of little use without it.
_RESOLVERS = (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        list("-+.0123456789"),
    ),
    ("merge", r"<<", ["<"]),
)
for _kind, _pattern, _first in _RESOLVERS:
    _StrictLoader.add_implicit_resolver(f"tag:yaml.org,2002:{_kind}", re.compile(rf"(?:{_pattern})\Z"), _first)
for _kind in _SCALARS:
    _StrictLoader.add_constructor(f"tag:yaml.org,2002:{_kind}", _StrictLoader.scalar)
_StrictLoader.add_constructor("tag:yaml.org,2002:map", _StrictLoader.mapping)
_StrictLoader.add_constructor("tag:yaml.org,2002:seq", _StrictLoader.sequence)
_StrictLoader.add_constructor(None, _Loader.construct_undefined)


def read_yaml(path: str | Path) -> Any:
    """Read one YAML document as None, bool, int, float, str, list and dict.

    Raises:
        ConfigurationError: unreadable file, not UTF-8, a syntax error, a key given twice, a tag, a number that is not
            finite; with the file, the line and, where there is one, the key.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
        return yaml.load(text, _StrictLoader)  # noqa: S506 (a safe loader)
    except OSError as error:
        raise ConfigurationError(path, "", f"cannot be read ({error.strerror or error}); check its name") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(path, "", f"is not UTF-8 at byte {error.start}; save it as UTF-8") from error
    except RecursionError as error:
        raise ConfigurationError(path, "", "is nested too deeply; write fewer levels") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}" if mark else ""
        raise ConfigurationError(path, where, _problem(error, text)) from error
    except yaml.YAMLError as error:
        raise ConfigurationError(path, "", " ".join(str(error).split())) from error


def _problem(error: yaml.MarkedYAMLError, text: str) -> str:
    """What is wrong, in the words of PyYAML, and what to do about it."""
    mark, start = error.problem_mark, error.context_mark
    problem = " ".join(" ".join(str(part) for part in (error.context, error.problem) if part).split())
    line = text.split("\n")[mark.line] if mark and mark.line <= text.count("\n") else ""
    if ("tab character" in problem or "start any token" in problem) and "\t" in re.match(r"\s*", line)[0]:  # type: ignore[index]
        return "a tab; indent with spaces"
    if "start any token" in problem:
        return f"{problem}; put the text in quotes"
    if "mapping values are not allowed" in problem:
        return f"{problem}; put a text that has a colon in quotes, or correct the indentation"
    if start and ("flow" in problem or "quoted" in problem):
        return f"{problem}; what was opened in line {start.line + 1} is not closed"
    return problem
