"""Checks of models that are networks of torchvision or timm: names, weights and channels, before any job starts.

Whether weights fit a network, and a network the images, needs PyTorch: see `networks`.
"""

import difflib
import importlib.util
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from synthmix.checks import known
from synthmix.checks.study import Definition, Problem, Study
from synthmix.planning import initial_weights
from synthmix.planning.messages import shown

LIBRARIES = ("torchvision", "timm")
# How both libraries mark the functions that make a network; other decorators may stand between.
REGISTERED = re.compile(r"\n@register_model\b(?:.*\n)+?def (\w+)\(")


def models(study: Study) -> Iterator[Problem]:
    """Networks of libraries that runs use exist, have their weights at one place, and get RGB images."""
    for name in dict.fromkeys(arm[2] for arm in study.arms):
        if study.of["models"][name]["architecture"] in LIBRARIES:
            for key, text in _model(study.of["models"][name]):
                yield f"models.{name}.{key}", text
    for dataset, model in dict.fromkeys((arm[0], arm[2]) for arm in study.arms):
        own = study.of["models"][model]
        if own["architecture"] in LIBRARIES and _channels(dataset, study.of["datasets"][dataset]) == 1:
            yield f"datasets.{dataset}.channels", f"1, but {own['name']} of model {model} takes RGB images; set it to 3"


def _model(model: Definition) -> Iterator[Problem]:
    library, name = model["architecture"], model["name"].split(".")[0]
    if (known_names := names(library)) and name not in known_names:
        close = difflib.get_close_matches(name, known_names)
        hint = f"did you mean {', '.join(close)}?" if close else "correct it"
        yield "name", f"{shown(model['name'])} is no classification network of {library}; {hint}"
    if model.get("weights") and model.get("package"):
        yield "package", "given beside weights; delete one of the two"
    if "random_layers" in model and not initial_weights.wanted(model):
        yield "random_layers", "needs pretrained weights; add weights or package, or delete this key"
    if "licence" in model and not initial_weights.wanted(model):
        yield "licence", "is for pretrained weights; add weights or package, or delete this key"
    try:
        initial_weights.given(model)
    except ValueError as error:
        yield "package" if model.get("package") else "weights", str(error)


def _channels(name: str, dataset: Definition) -> int | None:
    if "channels" in dataset or dataset["source"] == "embedded":
        return int(dataset.get("channels", 1))
    meta = known.prepared(name, dataset)
    return int(meta["channels"]) if meta else None


@cache
def names(library: str) -> frozenset[str]:
    """The classification networks of a library, read from its source: to import it would take seconds.

    Empty where it is not installed here, as where jobs have an environment of their own.
    """
    found = importlib.util.find_spec(library)
    folders = [Path(each, "models") for each in (found.submodule_search_locations or [])] if found else []
    texts = (path.read_text(encoding="utf-8") for folder in folders for path in folder.glob("*.py"))
    return frozenset(name for text in texts for name in REGISTERED.findall(text))
