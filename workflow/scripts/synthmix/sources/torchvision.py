"""Any classification dataset of torchvision.datasets, by the name of its class, with its own download."""

import inspect
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torchvision
from PIL import Image

from synthmix.data import Source
from synthmix.images.classes import DatasetError, Rows, nearest

# What the classes with a `split` argument call their splits.
_NAMES = {"train": ("train", "trainval", "train-standard"), "val": ("val", "valid"), "test": ("test",)}


# Where the files of a class go whose download torchvision no longer has.
_BY_HAND = {
    "StanfordCars": (
        "cars_meta.mat, cars_train_annos.mat and cars_test_annos_withlabels.mat of the data set, and its folders "
        "cars_train and cars_test, have no download any more: put the first two into {root}/stanford_cars/devkit, the "
        "others into {root}/stanford_cars"
    )
}


class _Images:
    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, position: int) -> Any:
        return self.dataset[position][0]


def load(dataset: Mapping[str, Any], folder: Path, offline: bool) -> Source:
    """Load `torchvision.datasets.{name}` from `root` (or `folder`), downloading it where it is not there.

    `config` goes to the argument that chooses a variant: `split` of EMNIST (balanced, letters, ...), `size` of
    Imagenette (default: the smallest that `resolution` needs). Where a class has train and val only (ImageNet,
    Imagenette), its val is the published test set and becomes the test split.
    """
    name, root = dataset["name"], Path(dataset.get("root") or folder)
    kind = _find(name)
    parameters = _parameters(kind)
    arguments: dict[str, Any] = {}
    if "root" in parameters:
        arguments["root"] = str(root)
    if "loader" in parameters:
        arguments["loader"] = Image.open  # opens lazily, so that reading the labels decodes nothing
    if "size" in parameters and "split" in parameters:
        arguments["size"] = dataset.get("config") or _size(dataset.get("resolution"))

    found: dict[str, tuple[Any, str]] = {}
    if "train" in parameters:
        if "split" in parameters:
            if not dataset.get("config"):
                raise DatasetError(f"torchvision's {name} has variants: name one with `config`")
            arguments["split"] = dataset["config"]
        for split in ("train", "test"):
            found[split] = (_construct(kind, {**arguments, "train": split == "train"}, parameters, offline), split)
    elif "split" in parameters:
        for split, names in _NAMES.items():
            for each in names:
                loaded = _construct(kind, {**arguments, "split": each}, parameters, offline)
                if loaded is not None:
                    found[split] = (loaded, each)
                    break
    else:
        found["train"] = (_construct(kind, arguments, parameters, offline), "all")
    if "train" not in found:
        raise DatasetError(f"torchvision's {name} has no train split")
    if "val" in found and "test" not in found:
        found["test"] = found.pop("val")

    splits = {split: Rows(_Images(each), _labels(each, name), origin) for split, (each, origin) in found.items()}
    classes = _classes(found["train"][0], splits)
    return Source(splits, classes, {"source": "torchvision", "name": name, "version": torchvision.__version__})


def _find(name: str) -> type:
    kinds = {
        each: kind
        for each, kind in vars(torchvision.datasets).items()
        if inspect.isclass(kind) and issubclass(kind, torchvision.datasets.VisionDataset)
    }
    if name not in kinds:
        raise DatasetError(f"`name`: torchvision.datasets has no {name!r}{nearest(name, kinds)}")
    return kinds[name]


def _parameters(kind: type) -> set[str]:
    """Names of the constructor's arguments, also those that it passes on to its base class as **kwargs."""
    names: set[str] = set()
    for each in inspect.getmro(kind):
        if "__init__" not in vars(each):
            continue
        parameters = inspect.signature(vars(each)["__init__"]).parameters.values()
        names |= {parameter.name for parameter in parameters}
        if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
            break
    return names


def _size(resolution: int | None) -> str:
    return next((f"{side}px" for side in (160, 320) if resolution and resolution <= side), "full")


def _construct(kind: type, arguments: dict[str, Any], parameters: set[str], offline: bool) -> Any:
    """The dataset, from the disk or else downloaded; None where the class does not know this `split`."""
    can_download = "download" in parameters and kind.__name__ not in _BY_HAND
    attempts = [{"download": False}] if can_download else [{}]
    if can_download and not offline:
        attempts.append({"download": True})
    for attempt in attempts:
        try:
            return kind(**arguments, **attempt)
        except ValueError as error:
            if "argument split" in str(error):
                if "train" in arguments:
                    raise DatasetError(f"`config`: {str(error).splitlines()[0]}") from error
                return None
            raise DatasetError(f"torchvision's {kind.__name__}: {str(error).splitlines()[0]}") from error
        except (RuntimeError, OSError, EOFError, tarfile.TarError, zipfile.BadZipFile) as error:
            failure: Exception = error
    root = arguments.get("root")
    call = ", ".join(f"{key}={value!r}" for key, value in arguments.items() if key != "loader")
    remedy = (
        f"run `import torchvision; torchvision.datasets.{kind.__name__}({call}, download=True)` in a Python with "
        f"network and copy its files to {root}"
        if can_download
        else f"put its files into {root} as the documentation of torchvision.datasets.{kind.__name__} says"
    )
    if kind.__name__ in _BY_HAND:
        remedy = _BY_HAND[kind.__name__].format(root=root)
    reason = " ".join(str(failure).split()).rstrip(".")
    raise DatasetError(f"torchvision's {kind.__name__} cannot be loaded from {root} ({reason}): {remedy}") from failure


def _labels(dataset: Any, name: str) -> np.ndarray:
    # through the items: the attribute that holds the labels has another name in every class
    try:
        labels = [dataset[position][1] for position in range(len(dataset))]
    except OSError as error:
        raise DatasetError(f"torchvision's {name} has an image that cannot be opened ({error}): replace it") from error
    if not all(isinstance(label, (int, np.integer)) for label in labels):
        raise DatasetError(f"torchvision's {name} is not a classification dataset: its targets are not class numbers")
    return np.array(labels, dtype=np.int64)


def _classes(dataset: Any, splits: dict[str, Rows]) -> list[str]:
    """The class names; of several synonyms the first, where it is not another class's too."""
    names = getattr(dataset, "classes", None)
    if names is None:
        return [str(label) for label in range(max(int(rows.labels.max(initial=-1)) for rows in splits.values()) + 1)]
    synonyms = [(name,) if isinstance(name, str) else tuple(name) for name in names]
    firsts = [each[0] for each in synonyms]
    return [each[0] if firsts.count(each[0]) == 1 else ", ".join(each) for each in synonyms]
