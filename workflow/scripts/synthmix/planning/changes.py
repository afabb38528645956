"""Why a job runs again: what differs between the spec that made its results and the one that is planned now."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from synthmix import code, records
from synthmix.planning.graph import Planned
from synthmix.planning.messages import shown
from synthmix.records import Record

# What follows from changes elsewhere, or is told otherwise.
_CONSEQUENCES = ("keys", "upstream", "code", "entries", "seeds", "runs")
_ABSENT = object()
READS = "what it reads changes"

Spec = Mapping[str, Any]
Definitions = dict[str, str]  # see code.definitions


def reasons(job: Planned, record: Record | None) -> list[str]:
    """Why a job is to run, in words; for a job that Snakemake takes for done, what that overlooks.

    Empty where the record agrees with the plan and nothing is to run.
    """
    missing = not all(map(_exists, job.outputs))
    if record is None or job.spec is None:
        if not job.runs:
            return [] if job.spec is None or missing else ["nobody recorded what made it"]
        return ["new" if missing else _other(job)]
    found = list(differences(record.spec, job.spec))
    if found or not job.runs:
        return found
    return ["its output is gone" if missing else _other(job)]


def differences(old: Spec, new: Spec, definitions: Callable[[Spec], Definitions | None] | None = None) -> Iterator[str]:
    """What differs between two specs of one job: parameters, seeds, definitions of the code, or what it reads.

    definitions: gives those behind a spec's code, None where nobody recorded them. Without it, the old spec's are the
    recorded ones, the new spec's those on the disk.
    """
    before, after = (dict(flat({k: v for k, v in spec.items() if k not in _CONSEQUENCES})) for spec in (old, new))
    told = False
    for key in sorted(before | after):
        one, other = before.get(key, _ABSENT), after.get(key, _ABSENT)
        if one != other:
            told = True
            yield f"{key}: {_value(one)} -> {_value(other)}"
    for line in _runs(old, new):
        told = True
        yield line
    if old.get("runs") != new.get("runs"):
        told = True
        yield "other runs"
    for name in _code(old, new, definitions):
        told = True
        yield f"code: {name}"
    if not told and (old.get("upstream"), old.get("keys")) != (new.get("upstream"), new.get("keys")):
        yield READS


def _runs(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    """Runs or seeds that are wanted now and were not then, or the reverse."""
    then, now = (set(_key_names(spec.get("keys") or {})) for spec in (old, new))
    for word, names in (("more", now - then), ("fewer", then - now)):
        if names:
            listed = ", ".join(sorted(names)[:3]) + (", ..." if len(names) > 3 else "")
            yield f"{word} runs: {listed}"


def _key_names(keys: Mapping[str, Any]) -> Iterator[str]:
    for name, value in keys.items():
        if isinstance(value, Mapping):
            yield from (f"{name} seed {seed}" for seed in value)
        else:
            yield f"seed {name}"


def _code(old: Spec, new: Spec, definitions: Callable[[Spec], Definitions | None] | None) -> Iterator[str]:
    """The definitions that make two specs' code differ."""
    if old["code"] == new["code"]:
        return
    if definitions:
        then, now = definitions(old), definitions(new)
    else:
        then, now = records.definitions(old["code"]), code.definitions(new["entries"])
    if then is None or now is None:
        yield "changed (which definition, nobody recorded)"
        return
    for name in sorted(then | now):
        if then.get(name) != now.get(name):
            file, _, definition = name.partition(":")
            how = "new" if name not in then else "gone" if name not in now else "changed"
            yield f"{file.removeprefix('synthmix/')}: {definition or 'module level'} {how}"


def flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """The values of nested mappings with their keys, joined by dots."""
    if isinstance(value, Mapping) and value:
        for key, each in value.items():
            yield from flat(each, f"{path}.{key}" if path else str(key))
    else:
        yield path, value


def _value(value: Any) -> str:
    return "absent" if value is _ABSENT else shown(value)


def _other(job: Planned) -> str:
    """Snakemake's reason where the spec has not changed."""
    return "what it reads is made again" if "nput" in job.because else job.because or "asked for"


def _exists(path: str) -> bool:
    return Path(path).exists()
