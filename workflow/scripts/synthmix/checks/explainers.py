"""Checks of explainers of kind `attention`, and of the figures that show their maps."""

from collections.abc import Iterator, Mapping
from typing import Any

from synthmix.checks import known
from synthmix.checks.study import ARM, Problem, Study, listed
from synthmix.images import drawn
from synthmix.planning.messages import key_path, listing, shown, suggestion


def attention(study: Study) -> Iterator[Problem]:
    """Drawn images exist and are of classes that the data set has; figures show networks that were looked into."""
    for name, own in study.of["explainers"].items():
        for label, place in own.get("drawn", {}).items():
            if not drawn.paths(place):
                problem = f"there is no image {shown(place)}, nor a folder with some; correct it"
                yield key_path(("explainers", name, "drawn", label)), problem
    for entry in study.content["explanations"]:
        for name in entry["explainer"]:
            own = study.of["explainers"][name]
            yield from of_classes(study, f"explainers.{name}.drawn", own, "drawn", entry)
            if own["kind"] == "attention":
                yield from of_classes(study, f"explainers.{name}.classes", own, "classes", entry)
                yield from _layers(study, name, own, entry)
    for name, figure in study.content["figures"].items():
        if figure["kind"] == "attention":
            figure = {**figure, "dataset": study.dataset_of(figure)}
            yield from _figure(study, f"figures.{name}", figure)
            yield from of_classes(study, f"figures.{name}.classes", figure, "classes", figure)


def of_classes(
    study: Study, where: str, own: Mapping[str, Any], key: str, entry: Mapping[str, Any]
) -> Iterator[Problem]:
    """The classes under a key are those of the data sets of an entry, as far as these are known before any job."""
    for dataset in listed(entry["dataset"]) if key in own else ():
        names = known.class_names(dataset, study.of["datasets"][dataset])
        for label in own[key]:
            if names is not None and label not in names:
                yield where, f"{shown(label)} is no class of data set {dataset}{suggestion(label, names)}"


def _layers(study: Study, name: str, own: Mapping[str, Any], entry: Mapping[str, Any]) -> Iterator[Problem]:
    """A `vit_block` has the layers; of networks of libraries, `networks` knows them."""
    for model in entry["model"]:
        depth = study.of["models"][model].get("layers")
        if depth and (beyond := [layer for layer in own.get("layers", ()) if abs(layer) > depth]):
            yield f"explainers.{name}.layers", f"{model} has no layer {beyond[0]}, its last is {depth}; correct it"


def _figure(study: Study, where: str, figure: Mapping[str, Any]) -> Iterator[Problem]:
    seeds = {
        seed
        for entry in study.content["explanations"]
        if all(figure[key] in entry[key] for key in (*ARM, "explainer"))
        for seed in entry["seeds"]
    }
    if figure.get("seed", min(seeds)) not in seeds:
        problem = f"no network of seed {figure['seed']} is explained (there are {listing(sorted(seeds))}); name another"
        yield f"{where}.seed", problem
    for label in figure.get("classes", ()):
        if label not in study.of["explainers"][figure["explainer"]].get("classes", (label,)):
            problem = f"explainer {figure['explainer']} does not look at {shown(label)}; add it to its classes"
            yield f"{where}.classes", problem
    subjects, own = figure.get("subjects", ()), study.of["explainers"][figure["explainer"]]
    if "drawn" in subjects and "drawn" not in own:
        yield f"{where}.subjects", f"explainer {figure['explainer']} has no drawn images; leave drawn out, or add some"
