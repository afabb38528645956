"""Checks of tables and figures that fit curves to ladders: their training sets are a ladder, and have shared seeds."""

from collections.abc import Iterator, Mapping
from typing import Any

from synthmix.checks.curves import seeds_by
from synthmix.checks.study import Problem, Study

POINTS = 4  # training sets of a ladder, at least: a curve has three parameters


def curves(study: Study) -> Iterator[Problem]:
    """Every ladder that a curve is fitted to adds other numbers of images, and has runs of each with one seed."""
    for section in ("tables", "figures"):
        for name, view in study.content[section].items():
            if view["kind"] == "saturation" or view.get("fit"):
                yield from _ladder(study, f"{section}.{name}", view)


def _ladder(study: Study, where: str, view: Mapping[str, Any]) -> Iterator[Problem]:
    if view.get("axis") == "share":
        yield f"{where}.fit", "curves are over the images that are added; delete it, or axis"
    if len(view["ladder"]) < POINTS:
        yield f"{where}.ladder", f"a curve needs at least {POINTS} training sets; add some"
    known: dict[str, str] = {}
    for name in view["ladder"]:
        definition = study.of["training_sets"][name]
        size = str([definition.get(key) for key in ("real", "synthetic", "held_back", "corrupt")])
        other = known.setdefault(size, name)
        if other != name:
            yield f"{where}.ladder", f"{other} and {name} have equally many images; leave one out"
    for setting, seeds in seeds_by(study, {**view, "training_set": view["ladder"]}, "training_set").items():
        absent = next((name for name in view["ladder"] if name not in seeds), None)
        if absent:
            problem = f"no run of {absent} in {'/'.join(setting)}; add it to runs, or name the recipes to show"
            yield f"{where}.ladder", problem
        elif not set.intersection(*seeds.values()):
            yield f"{where}.ladder", f"no seed of {'/'.join(setting)} has all of them; give their runs the same seeds"
