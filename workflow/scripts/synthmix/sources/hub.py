"""Datasets of the Hugging Face hub."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import datasets
import huggingface_hub

from synthmix.data import Source
from synthmix.images.classes import DatasetError
from synthmix.sources.parquet import from_tables


def load(dataset: Mapping[str, Any], folder: Path, offline: bool) -> Source:
    """Load `name` (owner/name) with its `config`, at `revision` (default: main), into the cache `folder`.

    `splits` says what the dataset calls train, val and test. The commit that was loaded is kept in the provenance.
    """
    name, revision = dataset["name"], dataset.get("revision")
    # a cache for each revision: without network `datasets` takes the newest cached copy, whatever its revision
    cache = folder / (revision or "main").replace("/", "--")
    origins = {split: origin for split, origin in dataset["splits"].items() if origin}
    try:
        with _offline(offline):
            tables = {
                split: datasets.load_dataset(
                    name, dataset.get("config"), split=origin, revision=revision, cache_dir=str(cache)
                )
                for split, origin in origins.items()
            }
    except Exception as error:  # of many libraries: network, hub, archive, Parquet; the first line says which
        remedy = (
            f"prepare it once with network (offline: false), or copy its cache to {cache}"
            if offline
            else "check `name`, `config`, `revision`, `splits` and the network; a gated dataset needs `hf auth login`"
        )
        reason = (str(error) or type(error).__name__).splitlines()[0].rstrip(".")
        raise DatasetError(f"the hub's {name} cannot be loaded ({reason}): {remedy}") from error
    provenance = {
        "source": "hub",
        "name": name,
        "config": dataset.get("config"),
        "revision": _commit(tables["train"]) or revision,
    }
    return from_tables(tables, origins, dataset, provenance)


def _commit(table: Any) -> str | None:
    """The commit in the addresses that the table was downloaded from (hf://datasets/owner/name@commit/file)."""
    found = (re.search(r"@([0-9a-f]{40})/", address) for address in table.info.download_checksums or {})
    return next((match[1] for match in found if match), None)


@contextmanager
def _offline(offline: bool) -> Iterator[None]:
    """Within the block no request leaves, as with HF_HUB_OFFLINE=1 (which the libraries read when imported)."""
    before = datasets.config.HF_HUB_OFFLINE, huggingface_hub.constants.HF_HUB_OFFLINE
    if offline:
        datasets.config.HF_HUB_OFFLINE = huggingface_hub.constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        datasets.config.HF_HUB_OFFLINE, huggingface_hub.constants.HF_HUB_OFFLINE = before
