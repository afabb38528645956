"""Checks of tests on corrupted images, and of the tables and figures that show them."""

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

from synthmix.checks.results import of_runs
from synthmix.checks.study import ARM, Problem, Study, listed

COMPARED = {"baseline": "training_set", "baseline_model": "model"}  # the axis along which a table compares
Arms = dict[tuple[str, ...], set[int]]


def robustness(study: Study) -> Iterator[Problem]:
    """Tests on corrupted images are of runs that the study has; tables and figures show such tests."""
    for index, entry in enumerate(study.content["robustness"]):
        yield from of_runs(study, f"robustness[{index}]", entry, "corruption")
    for section in ("tables", "figures"):
        for name, view in study.content[section].items():
            if view["kind"] == "robustness":
                yield from _view(study, f"{section}.{name}", view)


def _tested(study: Study, corruption: str) -> Arms:
    """The arms, with their seeds, that are tested under a corruption."""
    arms: Arms = {}
    for entry in study.content["robustness"]:
        if corruption in entry["corruption"]:
            for arm in itertools.product(*(entry[key] for key in ARM)):
                arms.setdefault(arm, set()).update(entry["seeds"])
    return arms


def _view(study: Study, where: str, view: Mapping[str, Any]) -> Iterator[Problem]:
    arms = _tested(study, view["corruption"])
    if not arms:
        yield f"{where}.corruption", f"nothing in robustness has {view['corruption']}; add it there, or name another"
        return
    for position, key in enumerate(ARM):
        for name in listed(view.get(key, [])):
            if not any(arm[position] == name for arm in arms):
                problem = f"nothing in robustness has {name} with corruption {view['corruption']}; add it there"
                yield f"{where}.{key}", f"{problem}, or leave it out here"
    shown = {arm: seeds for arm, seeds in arms.items() if _named(arm, view)}
    if not shown:
        yield where, "no entry of robustness has all that it names; add one, or name less here"
    if "baseline" in view and "baseline_model" in view:
        yield f"{where}.baseline_model", "given beside baseline; delete one of the two"
    for key, axis in COMPARED.items():
        if key in view:
            yield from _paired(f"{where}.{key}", view, arms, shown, ARM.index(axis), view[key])


def _named(arm: tuple[str, ...], view: Mapping[str, Any], *free: str) -> bool:
    return all(arm[at] in listed(view[key]) for at, key in enumerate(ARM) if key in view and key not in free)


def _paired(
    where: str, view: Mapping[str, Any], arms: Arms, shown: Arms, axis: int, baseline: str
) -> Iterator[Problem]:
    """Some arm that is shown shares seeds with one of the baseline that differs in nothing else, or in the recipe."""
    same = [at for at, key in enumerate(ARM) if at != axis and (key != "recipe" or ARM[axis] != "model")]
    against = [arm for arm in arms if arm[axis] == baseline and _named(arm, view, ARM[axis])]
    others = [arm for arm in shown if arm[axis] != baseline]
    if not against:
        yield where, f"nothing in robustness has {baseline} among what the table shows; add it there"
    elif not any(
        all(arm[at] == other[at] for at in same) and arms[arm] & arms[other] for arm in others for other in against
    ):
        yield where, f"{baseline} shares no seeds with what is compared with it; add tests of both to robustness"
