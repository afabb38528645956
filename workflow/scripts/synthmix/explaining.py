"""Looking into a trained classifier, by an explainer: one file of `explainers` for each kind, chosen by name.

A kind has `COLUMNS`, the names of what it finds, and `explain(network, explainer, test, device)`, which yields rows: a
mapping of those names to JSON values each.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from torch import nn

from synthmix import evaluating
from synthmix.data import Split
from synthmix.store import Entry

Explain = Callable[[nn.Module, Mapping[str, Any], Split, str], Iterable[Mapping[str, Any]]]


def explain_once(
    explain: Explain,
    network: nn.Module,
    explainer: Mapping[str, Any],
    test: Split,
    unit: str,
    key: str,
    dataset: str,
    device: str,
) -> list[dict[str, Any]]:
    """What an explainer finds in one network, as rows: computed once, then in the store.

    Args:
        explain: of the explainer's kind.
        network: the trained classifier, uint8 images in, logits out.
        explainer: its definition.
        test: the test split.
        unit: digest of the store's entry.
        key: of the network's run, for the ledger: the network meets the test split once more.
        dataset: name of the data set, for the ledger.
        device: "cpu" or "cuda".
    """
    entry = Entry(unit)
    with entry.locked():
        state = entry.load()
        if state is None:
            evaluating.note(f"{key}-{unit}", dataset, len(test.labels))
            state = {"done": True, "explained": [dict(row) for row in explain(network, explainer, test, device)]}
            entry.save(state)
    rows: list[dict[str, Any]] = state["explained"]
    return rows
