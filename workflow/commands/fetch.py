"""Downloads what the studies of config.yaml need and have not got, so that jobs can run on nodes without a network.

    python workflow/commands/fetch.py [study ...]     (make fetch [STUDY=...])

Data sets go into the folder `data` of config.yaml, pretrained weights into `weights`. What is there is not downloaded
again; a download that broke off is continued where its server allows it. The exit status is 1 where something is
missing in the end.
"""

import argparse
import importlib
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "workflow/scripts"))

from synthmix.images.classes import DatasetError  # noqa: E402
from synthmix.networks.weights import MissingWeightsError  # noqa: E402
from synthmix.planning import initial_weights  # noqa: E402 (not installed)
from synthmix.planning.configuration import ConfigurationError, read_config, read_studies  # noqa: E402 (not installed)


class Need(NamedTuple):
    """Something that a study reads from outside. get: with True only from the disk; returns its files, or raises."""

    name: str
    get: Callable[[bool], list[Path]]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", nargs="*", help="studies; default: those of config.yaml")
    arguments = parser.parse_args()
    try:
        config = read_config(ROOT / "config.yaml")
        names, named_by = config["studies"], "studies of config.yaml"
        if arguments.study:
            names, named_by = arguments.study, "the command"
        studies = read_studies(ROOT / "studies", names, named_by)
    except ConfigurationError as error:
        print(error)
        return 1
    missing, total = 0, 0
    for need in {need.name: need for study in studies.values() for need in _needs(study, config)}.values():
        try:
            total += _report(need)
        except (DatasetError, MissingWeightsError, ValueError) as error:
            missing += 1
            print(f"MISSING  {need.name}: {error}", flush=True)
    print(f"{total / 1e6:.1f} MB are there, {missing or 'nothing'} {'are' if missing > 1 else 'is'} missing.")
    return 1 if missing else 0


def _report(need: Need) -> int:
    """Fetch one thing where it is not there, and say so; returns its bytes."""
    try:
        files, how = need.get(True), "there   "
    except (DatasetError, MissingWeightsError):
        print(f"fetching {need.name} ...", flush=True)
        files, how = need.get(False), "fetched "
    size = sum(path.stat().st_size for path in files)
    print(f"{how} {need.name}: {size / 1e6:.1f} MB" if files else f"{how} {need.name}", flush=True)
    return size


def _needs(study: dict[str, Any], config: dict[str, Any]) -> Iterator[Need]:
    for name, dataset in study["datasets"].items():
        load = importlib.import_module(f"synthmix.sources.{dataset['source']}").load
        yield Need(f"data set {name} ({dataset['source']})", _loader(load, dataset, Path(config["data"])))
    for name, generator in study["generators"].items():
        if generator.get("pipeline"):
            yield Need(f"generator {name} ({generator['kind']})", _pipeline(generator, Path(config["weights"])))
    for name, extractor in study["extractors"].items():
        module = importlib.import_module(f"synthmix.extractors.{extractor['kind']}")
        if hasattr(module, "locate"):
            weights = Path(extractor["weights"]) if extractor.get("weights") else None
            yield Need(
                f"extractor {name} ({extractor['kind']})",
                _locator(module.locate, extractor, weights, Path(config["weights"])),
            )
    for name, model in study["models"].items():
        if initial_weights.wanted(model):
            locate = importlib.import_module(f"synthmix.models.{model['architecture']}").locate
            yield Need(f"model {name} ({model['name']})", partial(locate, model, Path(config["weights"])))
    for name, chosen in study["filters"].items():
        module = importlib.import_module(f"synthmix.filters.{chosen['kind']}")
        if hasattr(module, "locate"):
            extractor = study["extractors"][chosen["extractor"]]
            weights = Path(extractor["weights"]) if extractor.get("weights") else None
            yield Need(
                f"filter {name} ({chosen['kind']})",
                _locator(module.locate, extractor, weights, Path(config["weights"])),
            )


def _loader(load: Any, dataset: dict[str, Any], folder: Path) -> Callable[[bool], list[Path]]:
    def get(offline: bool) -> list[Path]:
        before = set(folder.rglob("*"))
        load(dataset, folder, offline)
        return [path for path in set(folder.rglob("*")) - before if path.is_file()]

    return get


def _pipeline(generator: dict[str, Any], folder: Path) -> Callable[[bool], list[Path]]:
    from synthmix.generation import pipelines  # seconds that are spared where no study has one

    def get(offline: bool) -> list[Path]:
        found = pipelines.locate(generator["pipeline"], generator.get("revision"), folder, offline)
        return [path for path in found.rglob("*") if path.is_file()]

    return get


def _locator(locate: Any, spec: dict[str, Any], weights: Path | None, folder: Path) -> Callable[[bool], list[Path]]:
    return lambda offline: locate(spec, weights, folder, offline)


if __name__ == "__main__":
    sys.exit(main())
