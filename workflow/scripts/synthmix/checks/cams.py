"""Checks of what shows explanations of kind `cam`, and of figures of what single networks say of test images."""

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

from synthmix.checks import known
from synthmix.checks.explainers import of_classes
from synthmix.checks.study import ARM, OF_IMAGES, Problem, Study, listed
from synthmix.planning.messages import listing


def cams(study: Study) -> Iterator[Problem]:
    """Tables and figures show networks that were looked into, by methods that they were looked into with."""
    for section in ("tables", "figures"):
        for name, view in study.content[section].items():
            where = f"{section}.{name}"
            if view["kind"] in OF_IMAGES:
                view = {**view, "dataset": study.dataset_of(view)}
                yield from of_classes(study, f"{where}.classes", view, "classes", view)
                yield from _of_images(study, where, view)
            elif view["kind"] == "faithfulness":
                yield from _explained(study, where, view)


def _of_images(study: Study, where: str, view: Mapping[str, Any]) -> Iterator[Problem]:
    if view["kind"] == "gallery":
        yield from _gallery(study, where, view)
    arms = study.matching(view)
    if "explainer" in view:
        yield from _explained(study, where, view)
        arms = _looked_into(study, view)
    if view["kind"] == "disagreements" and len(arms) != 2:
        found = listing(["/".join(arm[1:]) for arm in arms])
        yield where, f"must select two arms, not {found}; name training_set, model and recipe so that two are left"
        return
    shared = set.intersection(*arms.values())
    if not shared or view.get("seed", min(shared)) not in shared:
        common = f"they share {listing(sorted(shared))}" if shared else "they share none; name fewer"
        yield f"{where}.seed", f"the networks shown must have one seed in common ({common})"


def _gallery(study: Study, where: str, view: Mapping[str, Any]) -> Iterator[Problem]:
    if view["unsure"] >= view["sure"]:
        yield f"{where}.unsure", f"must be below sure, {view['sure']}, not {view['unsure']}"
    for dataset in listed(view["dataset"]):
        classes = len(known.class_names(dataset, study.of["datasets"][dataset]) or ())
        if classes and view["unsure"] <= 1 / classes:
            least = f"of {classes} classes one has a probability of {1 / classes:.2g} or more"
            yield f"{where}.unsure", f"{view['unsure']} selects nothing: {least}; raise it"
    for key, other in (("explainer", "method"), ("method", "explainer")):
        if key in view and other not in view:
            yield f"{where}.{other}", f"missing key; add it, or delete {key}"


def _explained(study: Study, where: str, view: Mapping[str, Any]) -> Iterator[Problem]:
    explainer = study.of["explainers"][view["explainer"]]
    if explainer["kind"] != "cam":
        yield f"{where}.explainer", f"{view['explainer']} is of kind {explainer['kind']}; name one of kind cam"
        return
    if not _looked_into(study, view):
        problem = f"{view['explainer']} looks into no network that is selected; add such an entry to explanations"
        yield f"{where}.explainer", problem
    for key in ("methods", "method"):
        for method in listed(view.get(key, [])):
            if method not in explainer["methods"]:
                problem = f"{view['explainer']} has no {method}; add it to its methods, or leave it out here"
                yield f"{where}.{key}", problem
    if view.get("instances", 1) > explainer["instances"]:
        yield f"{where}.instances", f"{view['explainer']} draws {explainer['instances']} of each class; lower it"


def _looked_into(study: Study, view: Mapping[str, Any]) -> dict[tuple[str, ...], set[int]]:
    """The selected arms that the view's explainer looks into, with the seeds of these networks."""
    found: dict[tuple[str, ...], set[int]] = {}
    for entry in study.content["explanations"]:
        if view["explainer"] in entry["explainer"]:
            for arm in itertools.product(*(entry[key] for key in ARM)):
                if arm in study.matching(view):
                    found.setdefault(arm, set()).update(entry["seeds"])
    return found
