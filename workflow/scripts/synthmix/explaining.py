"""Looking into a trained classifier, by an explainer: one file of `explainers` for each kind, chosen by name.

A kind has `COLUMNS`, the names of what it finds, and `explain(network, explainer, images, device)`, which yields rows:
a mapping of those names to JSON values each.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from torch import nn

from synthmix import evaluating
from synthmix.data import Split
from synthmix.store import Entry


@dataclass(frozen=True)
class Images:
    """The real images that an explainer may show to a network.

    test: the test split. meta: of the data set. read_train: reads the train split, which few kinds need.
    """

    test: Split
    meta: Mapping[str, Any]
    read_train: Callable[[], Split]

    @cached_property
    def train(self) -> Split:
        """The train split, read when it is first asked for."""
        return self.read_train()


Explain = Callable[[nn.Module, Mapping[str, Any], Images, str], Iterable[Mapping[str, Any]]]


def explain_once(
    explain: Explain,
    network: nn.Module,
    explainer: Mapping[str, Any],
    images: Images,
    name: str,
    key: str,
    device: str,
) -> list[dict[str, Any]]:
    """What an explainer finds in one network, as rows: computed once, then in the store.

    Args:
        explain: of the explainer's kind.
        network: the trained classifier, uint8 images in, logits out.
        explainer: its definition.
        images: of the data set.
        name: of the store's entry.
        key: of the network's run, for the ledger: the network meets the test split once more.
        device: "cpu" or "cuda".
    """
    entry = Entry(name)
    with entry.locked():
        state = entry.load()
        if state is None:
            evaluating.note(f"{key}-{name}", images.meta["name"], len(images.test.labels))
            state = {"done": True, "explained": [dict(row) for row in explain(network, explainer, images, device)]}
            entry.save(state)
    rows: list[dict[str, Any]] = state["explained"]
    return rows
