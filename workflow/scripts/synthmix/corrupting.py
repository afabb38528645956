"""Trained classifiers on corrupted test images: one file of `corruptions` for each kind, chosen by name.

A kind has `SEVERITIES`, the parameter of the severities 1 to 5 by the side of the images in pixels; `LABEL`, a format
for that parameter; and `corrupt(images, parameter, draws)` for images (N, C, H, W), float32 in [0, 1], on the CPU.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from synthmix import evaluating
from synthmix.data import Split
from synthmix.store import Entry
from synthmix.streams import stream

Draws = Iterator[np.random.Generator]  # the random stream of each image, made when it is asked for
Row = dict[str, Any]
METRICS = ("accuracy", "balanced_accuracy", "macro_f1", "auroc", "ece", "nll")
COLUMNS = ("kind", "severity", *METRICS)
CLEAN = ("none", 0)  # kind and severity of the images as they are
BATCH = 256  # images that are corrupted at a time; no result depends on it


def parameter(kind: Any, severity: int, side: int) -> float:
    """The parameter of a kind at a severity, linear in the images' shorter side between the sides that it knows."""
    known = sorted(kind.SEVERITIES)
    return float(np.interp(side, known, [kind.SEVERITIES[each][severity - 1] for each in known]))


def rounded(images: Tensor) -> Tensor:
    """Images with values in [0, 1], or a little outside, as uint8."""
    return (images * 255).round().clamp(0, 255).to(torch.uint8)


def corrupted(
    kinds: Mapping[str, Any], kind: str, severity: int, images: np.ndarray, index: np.ndarray, seed: int
) -> np.ndarray:
    """Images at a severity of a kind; what is random in an image depends on kind, image and seed alone.

    Args:
        kinds: modules of `corruptions` by name.
        kind: one of them; any name at severity 0.
        severity: 1 to 5; 0 for images as they are. One draw serves all severities of a kind.
        images: uint8 (N, H, W, C).
        index: int64 (N,), which image of the source it is.
        seed: of the corruption.

    Returns:
        uint8 (N, H, W, C).
    """
    if severity == 0:
        return images
    own, parts = parameter(kinds[kind], severity, min(images.shape[1:3])), []
    for start in range(0, len(images), BATCH):
        pixels = torch.tensor(images[start : start + BATCH]).permute(0, 3, 1, 2).float() / 255
        draws = (stream(f"corrupt/{kind}", seed, each) for each in index[start : start + BATCH])
        parts.append(rounded(kinds[kind].corrupt(pixels, own, draws)).permute(0, 2, 3, 1).numpy())
    return np.concatenate(parts)


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
        networks: by the digest of their entry in the store; uint8 images in, logits out.
        keys: of the networks' runs, by the same digests, for the ledger.
        corruption: its definition.
        kinds: modules of `corruptions` by name.
        test: the test split.
        dataset: its name, for the ledger.
        device: "cpu" or "cuda"; images are corrupted on the CPU, so that they are the same on both.

    Returns:
        Rows of COLUMNS by the digests of the networks.
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
