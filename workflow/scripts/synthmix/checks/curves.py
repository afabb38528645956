"""Checks of the tables and figures of sweeps over widths and of learning curves: their runs are what they compare."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from synthmix.checks.study import SWEEPS, Problem, Study
from synthmix.planning.messages import listing

SIZES = ("power_law", "overtaking")  # what shows errors over the number of real images
View = Mapping[str, Any]
Arms = dict[tuple[str, ...], dict[str, set[int]]]


def curves(study: Study, where: str, view: View) -> Iterator[Problem]:
    """A sweep has models of rising width, a learning curve training sets of rising size, and both the seeds it takes.

    Nothing is said of views of other kinds. Names are known, and each has a run.
    """
    for index, entry in enumerate(view.get("published", ())):
        if not entry["comparable"] and "reason" not in entry:
            yield f"{where}.published[{index}].reason", "missing key; say why the value is not comparable"
        if "best" in entry and entry["best"] not in view["model"]:
            yield f"{where}.published[{index}].best", f"{entry['best']} is not among model; add it there"
    if view["kind"] in SWEEPS:
        yield from _widths(study, where, view)
    if view["kind"] == "threshold":
        yield from _threshold(study, where, view)
    if view["kind"] == "best":
        yield from _selection(study, where, view, view["model"])
    if view["kind"] in SIZES:
        yield from _sizes(study, where, view)
    if view["kind"] == "overtaking":
        yield from _overtaking(study, where, view)


def _widths(study: Study, where: str, view: View) -> Iterator[Problem]:
    models = {name: study.of["models"][name] for name in view["model"]}
    yield from _several(where, view)
    first = view["model"][0]
    by_width: dict[int, str] = {}
    for name, model in models.items():
        if model["architecture"] != models[first]["architecture"]:
            yield f"{where}.model", f"{first} and {name} are of two architectures; name models of one"
        if "width" not in model:
            yield f"{where}.model", f"{name} is of architecture {model['architecture']}, which has no width; drop it"
        other = by_width.setdefault(model["width"], name)
        if other != name:
            yield f"{where}.model", f"{other} and {name} both have width {model['width']}; leave one out"


def _threshold(study: Study, where: str, view: View) -> Iterator[Problem]:
    for key in ("narrow", "wide"):
        if view[key] not in view["model"]:
            yield f"{where}.{key}", f"{view[key]} is not among model; add it there, or name one of these"
    narrow, wide = (study.of["models"][view[key]]["width"] for key in ("narrow", "wide"))
    if narrow >= wide:
        yield f"{where}.narrow", f"{view['narrow']} is not narrower than {view['wide']}; name a narrower one"
    yield from _selection(study, where, view, [view["narrow"], view["wide"]])


def _several(where: str, view: View) -> Iterator[Problem]:
    if len(view["model"]) < 2:
        yield f"{where}.model", "needs at least two models; add some"


def _selection(study: Study, where: str, view: View, compared: list[str]) -> Iterator[Problem]:
    """Every model has the selection seeds, and those that are compared have two others in common."""
    yield from _several(where, view)
    chosen = set(view["selection_seeds"])
    for setting, seeds in seeds_by(study, view, "model").items():
        for model in view["model"]:
            missing = chosen - seeds.get(model, set())
            if missing:
                problem = f"no run of {model} in {'/'.join(setting)} with seed {min(missing)}"
                yield f"{where}.selection_seeds", f"{problem}; add it to runs, or name the recipes to show"
        if len(set.intersection(*(seeds[model] for model in compared)) - chosen) < 2:
            problem = f"leave fewer than two other seeds of {listing(compared)} in {'/'.join(setting)}"
            yield f"{where}.selection_seeds", f"{problem}; add seeds to their runs"


def _sizes(study: Study, where: str, view: View) -> Iterator[Problem]:
    if len(view["training_set"]) < 3:
        yield f"{where}.training_set", "needs at least three training sets; add some"
    sizes: list[tuple[Any, str]] = []
    for name in view["training_set"]:
        real = study.of["training_sets"][name].get("real")
        if real is None:
            yield f"{where}.training_set", f"{name} has no real images; leave it out"
        other = next((known for size, known in sizes if size == real), None)
        if other:
            yield f"{where}.training_set", f"{other} and {name} have equally many real images; leave one out"
        sizes.append((real, name))
    models = {"model": [*view["model"], view["over"]]} if "over" in view else {}
    for setting, seeds in seeds_by(study, {**view, **models}, "training_set").items():
        absent = next((name for name in view["training_set"] if name not in seeds), None)
        if absent:
            problem = f"no run of {absent} in {'/'.join(setting)}; add it to runs, or name the recipes to show"
            yield f"{where}.training_set", problem
        elif not set.intersection(*seeds.values()):
            problem = f"no seed of {'/'.join(setting)} has all of them; give their runs the same seeds"
            yield f"{where}.training_set", problem


def _overtaking(study: Study, where: str, view: View) -> Iterator[Problem]:
    over = view["over"]
    if over in view["model"]:
        yield f"{where}.over", f"{over} is among model; leave it out there"
    seeds = {name: _by_dataset(study, {**view, "model": name}) for name in (*view["model"], over)}
    for name in view["model"]:
        if not any(seeds[name][dataset] & seeds[over].get(dataset, set()) for dataset in seeds[name]):
            problem = f"no run of {over} on a data set and with a seed of {name}; add some, or name another model"
            yield f"{where}.over", problem


def seeds_by(study: Study, view: View, key: str) -> Arms:
    """The view's runs: what differs beside one key -> each name under that key -> its seeds."""
    position = ("dataset", "training_set", "model", "recipe").index(key)
    found: Arms = defaultdict(dict)
    for arm, seeds in study.matching(view).items():
        found[(*arm[:position], *arm[position + 1 :])][arm[position]] = seeds
    return found


def _by_dataset(study: Study, view: View) -> dict[str, set[int]]:
    found: dict[str, set[int]] = defaultdict(set)
    for arm, seeds in study.matching(view).items():
        found[arm[0]] |= seeds
    return found
