"""Trained classifiers on corrupted test images."""

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from synthmix import evaluating
from synthmix.data import Split
from synthmix.images.corrupted import corrupted
from synthmix.store import Entry

Row = dict[str, Any]
METRICS = ("accuracy", "balanced_accuracy", "macro_f1", "auroc", "ece", "nll")
COLUMNS = ("kind", "severity", *METRICS)
CLEAN = ("none", 0)  # kind and severity of the images as they are


def levels(corruption: Mapping[str, Any]) -> list[tuple[str, int]]:
    """(kind, severity) of all that a corruption asks for, clean images first."""
    return [CLEAN, *((kind, severity) for kind in corruption["kinds"] for severity in sorted(corruption["severities"]))]


def test_once(
    networks: Mapping[str, nn.Module],
    keys: Mapping[str, str],
    corruption: Mapping[str, Any],
    kinds: Mapping[str, Any],
    test: Split,
    dataset: str,
    device: str,
) -> dict[str, list[Row]]:
    """What classifiers are worth on corrupted images, a row for each level: computed once, then in the store.

    Args:
        networks: by the name of their entry in the store; uint8 images in, logits out.
        keys: of the networks' runs, by the same names, for the ledger.
        corruption: its definition.
        kinds: modules of `corruptions` by name.
        test: the test split.
        dataset: its name, for the ledger.
        device: "cpu" or "cuda"; images are corrupted on the CPU, so that they are the same on both.

    Returns:
        Rows of COLUMNS by the names of the entries.
    """
    entries = {unit: Entry(unit) for unit in networks}
    with contextlib.ExitStack() as locks:
        for unit in sorted(entries):  # in one order, lest two jobs wait for each other
            locks.enter_context(entries[unit].locked())
        states: dict[str, Any] = {unit: entry.load() for unit, entry in entries.items()}
        new = [unit for unit, state in states.items() if state is None]
        for unit in new:
            evaluating.note(f"{keys[unit]}-{unit}", dataset, len(test.labels) * len(levels(corruption)))
        found = _test([networks[unit] for unit in new], corruption, kinds, test, device) if new else []
        for unit, rows in zip(new, found, strict=True):
            states[unit] = {"done": True, "corrupted": rows}
            entries[unit].save(states[unit])
    results: dict[str, list[Row]] = {unit: state["corrupted"] for unit, state in states.items()}
    return results


def _test(
    networks: Sequence[nn.Module], corruption: Mapping[str, Any], kinds: Mapping[str, Any], test: Split, device: str
) -> list[list[Row]]:
    """The rows of each network; images of a level are made once for all networks."""
    rows: list[list[Row]] = [[] for _ in networks]
    for kind, severity in levels(corruption):
        images = corrupted(kinds, kind, severity, test.images, test.index, corruption["seed"])
        for network, own in zip(networks, rows, strict=True):
            metrics = evaluating.judge(evaluating.probabilities(network, images, device), test.labels)
            own.append({"kind": kind, "severity": severity, **{name: metrics[name] for name in METRICS}})
    return rows
