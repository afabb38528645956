"""The pretrained weights that a model starts from: which file is meant, and what identifies it.

Nothing heavy is imported, for the Snakefile is parsed often.
"""

import importlib.util
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

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
    return [path for path in sorted(folder.rglob("*")) if path.suffix in SUFFIXES]


def _only(files: list[Path], holder: str) -> Path:
    if len(files) != 1:
        raise ValueError(f"{holder} holds {len(files)} files of weights, not one; name a file")
    return files[0]


def checksummed(studies: Mapping[str, Definition]) -> dict[str, Definition]:
    """The studies, with the SHA-256 of each file of weights that their runs start from: another file, another spec."""
    return {name: {**study, "models": _models(study)} for name, study in studies.items()}


def _models(study: Definition) -> dict[str, Definition]:
    used = {name for entry in study["runs"] for name in entry["model"]}
    models = {}
    for name, model in study["models"].items():
        path = given(model) if name in used else None
        models[name] = {**model, "weights_sha256": _sha256(path)} if path else model
    return models


def _sha256(path: Path) -> str:
    from synthmix import files  # it imports numpy, which other studies are read without

    return files.sha256(path)


def identity(model: Definition) -> Definition:
    """What of a model identifies a trained network: weights by their checksum, wherever they lie."""
    place = ("weights", "package") if "weights_sha256" in model else ()
    return {key: value for key, value in model.items() if key not in place}


def require_planned(model: Mapping[str, Any], path: Path) -> None:
    """Raise ValueError where a file is not the one whose checksum was planned."""
    if model.get("weights_sha256") not in (None, _sha256(path)):
        raise ValueError(f"{path} was changed after this run of snakemake was planned: start snakemake again")
