"""The weights that models, extractors and pipelines start from: which file is meant, and what identifies it.

Nothing heavy is imported, for the Snakefile is parsed often.
"""

import contextlib
import importlib.util
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from synthmix.planning import checksums, listings

Definition = dict[str, Any]

SUFFIXES = (".pth", ".pt", ".safetensors")


def wanted(model: Mapping[str, Any]) -> bool:
    """Whether a model starts from pretrained weights."""
    return bool(model.get("weights") or model.get("package"))


def published(model: Mapping[str, Any]) -> bool:
    """Whether its weights are the library's: its default, or those of a name such as IMAGENET1K_V1 in torchvision."""
    name = model.get("weights") or ""
    return name == "default" or (model["architecture"] == "torchvision" and bool(re.fullmatch("[A-Z0-9_]+", name)))


def given(model: Mapping[str, Any]) -> Path | None:
    """The file that `weights` or `package` of a model means; None where its weights are published or random.

    Raises ValueError where there is no such file; the text is for the key that is given.
    """
    if model.get("package"):
        return package_file(model["package"])
    if not model.get("weights") or published(model):
        return None
    path = Path(model["weights"])
    if path.is_dir():
        return _only(_weights_below(path), str(path))
    if not path.is_file():
        raise ValueError(f"there is no file or folder {path}; correct it")
    return path


def package_file(package: str) -> Path:
    """The one file of weights that an installed Python package carries. Raises ValueError where there is none."""
    try:
        found = importlib.util.find_spec(package)
    except ModuleNotFoundError:  # of the package around it
        found = None
    places = [Path(each) for each in (found.submodule_search_locations or [])] if found else []
    if not places:
        raise ValueError(f"the Python package {package} is not installed; install it, or correct the name")
    return _only([path for place in places for path in _weights_below(place)], f"the Python package {package}")


def _weights_below(folder: Path) -> list[Path]:
    return [path for path in map(Path, listings.files(str(folder))) if path.suffix in SUFFIXES]


def _only(files: list[Path], holder: str) -> Path:
    if len(files) != 1:
        raise ValueError(f"{holder} holds {len(files)} files of weights, not one; name a file")
    return files[0]


def checksummed(studies: Mapping[str, Definition]) -> dict[str, Definition]:
    """The studies, with the SHA-256 of what they start from on this machine: another content, another spec.

    That is the weights of the models that any of them runs, and those of extractors and pipelines.
    """
    # Studies share definitions, so a model is the same in one that only imports it.
    used = {name for study in studies.values() for entry in study["runs"] for name in entry["model"]}
    return {
        name: {
            **study,
            "models": {
                key: _with(each, "weights_sha256", given(each) if key in used else None)
                for key, each in study["models"].items()
            },
            "extractors": {
                key: _with(each, "weights_sha256", _extractor(each)) for key, each in _of(study, "extractors")
            },
            "generators": {
                key: _with(each, "pipeline_sha256", _pipeline(each)) for key, each in _of(study, "generators")
            },
        }
        for name, study in studies.items()
    }


def _of(study: Definition, section: str) -> Iterable[tuple[str, Definition]]:
    return study.get(section, {}).items()


def _with(definition: Definition, key: str, path: Path | None) -> Definition:
    return {**definition, key: checksums.of(path)} if path else definition


def _extractor(extractor: Definition) -> Path | None:
    """The file or folder of an extractor's weights, where it names one that is there; where not, its job says it."""
    if extractor.get("package"):
        with contextlib.suppress(ValueError):
            return package_file(extractor["package"])
        return None
    path = Path(extractor.get("weights") or "")
    return path if extractor.get("weights") and path.exists() else None


def _pipeline(generator: Definition) -> Path | None:
    """The folder of a generator's pipeline, where it names one and not a repository of the hub."""
    path = Path(generator.get("pipeline") or "")
    return path if generator.get("pipeline") and path.is_dir() else None


def places(studies: Mapping[str, Definition]) -> dict[str, str]:
    """Where the weights of extractors and the pipelines lie, by their checksums: specs do not say it."""
    found: dict[str, str] = {}
    for study in studies.values():
        for section, key, place in (
            ("extractors", "weights_sha256", _extractor),
            ("generators", "pipeline_sha256", _pipeline),
        ):
            found |= {each[key]: str(place(each)) for each in study[section].values() if key in each}
    return found


def identity(definition: Definition) -> Definition:
    """What of a model, an extractor or a generator identifies its results: weights by checksum, wherever they lie."""
    place = {"weights_sha256": ("weights", "package"), "pipeline_sha256": ("pipeline",)}
    left_out = [name for key, names in place.items() if key in definition for name in names]
    return {key: value for key, value in definition.items() if key not in left_out}


def require_planned(definition: Mapping[str, Any], path: Path) -> None:
    """Raise ValueError where a file or folder is not the one whose checksum was planned."""
    planned = definition.get("weights_sha256") or definition.get("pipeline_sha256")
    if planned not in (None, checksums.of(path)):
        raise ValueError(f"{path} was changed after this run of snakemake was planned: start snakemake again")
