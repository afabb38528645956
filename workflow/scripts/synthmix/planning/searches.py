"""Searches of hyper-parameters: the recipes and runs that they stand for, known before anything is trained.

A search makes a recipe of every point of its grid. An entry of `runs` that names a search under `recipe` asks for runs
under all of them: every training set has the same points and the same seeds, an equal budget.
"""

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

Definition = dict[str, Any]


def points(name: str, search: Mapping[str, Any]) -> dict[str, Definition]:
    """Recipe of each point of a grid -> the point's values.

    `rates-0-2` has the first value of the grid's first key and the third of its second, keys in alphabetical order: a
    value that is added behind the others moves no name.
    """
    keys = sorted(search["grid"])
    numbered = (enumerate(search["grid"][key]) for key in keys)
    return {
        "-".join([name, *(str(position) for position, _ in point)]): dict(
            zip(keys, (value for _, value in point), strict=True)
        )
        for point in itertools.product(*numbered)
    }


def expanded(content: Definition) -> Definition:
    """A study with the recipes of its searches; its names are known, and no recipe has that of a point.

    Entries of `runs` hold the searches that they name under `search`, entries of `scale` their recipes under `recipe`.
    The recipes are marked as `searched`: their networks are measured on the val images that a choice may look at.
    """
    searches = content["searches"]
    if not searches:
        return content
    recipes = dict(content["recipes"])
    for name, search in searches.items():
        base = content["recipes"][search["recipe"]]
        recipes |= {point: {**base, **values, "searched": True} for point, values in points(name, search).items()}
    return {
        **content,
        "recipes": recipes,
        "runs": [_sorted_out(entry, searches) for entry in content["runs"]],
        "scale": [_spelt_out(entry, searches) for entry in content["scale"]],
    }


def _sorted_out(entry: Definition, searches: Mapping[str, Definition]) -> Definition:
    named = [name for name in entry["recipe"] if name in searches]
    fixed = [name for name in entry["recipe"] if name not in searches]
    return {**entry, "recipe": fixed, "search": named} if named else entry


def _spelt_out(entry: Definition, searches: Mapping[str, Definition]) -> Definition:
    if "recipe" not in entry:
        return entry
    names = [list(points(name, searches[name])) if name in searches else [name] for name in entry["recipe"]]
    return {**entry, "recipe": list(itertools.chain(*names))}


def runs(study: Mapping[str, Any], selecting: bool = False) -> Iterator[Definition]:
    """What the searches of an expanded study add to its runs, as entries of `runs`.

    selecting: those of the selection seeds, which are trained and never tested, in the place of those that are tested.
    """
    for entry in study["runs"]:
        for name in entry.get("search", ()):
            search = study["searches"][name]
            seeds = search.get("selection_seeds", ()) if selecting else entry["seeds"]
            yield {**entry, "recipe": list(points(name, search)), "seeds": list(seeds)}


def shown(study: Mapping[str, Any], table: Mapping[str, Any]) -> Definition:
    """What a table of a search takes beside its own keys.

    recipe: the fixed one. points: see above. fixed: the values that the fixed recipe has in their place.
    selection_seeds: absent where each seed chooses for itself. seeds: "dataset/model/training set" -> those that judge.
    """
    name = table["search"]
    search = study["searches"][name]
    base = study["recipes"][search["recipe"]]
    seeds: dict[str, set[int]] = {}
    for entry in study["runs"]:
        if name in entry.get("search", ()):
            for arm in itertools.product(entry["dataset"], entry["model"], entry["training_set"]):
                seeds.setdefault("/".join(arm), set()).update(entry["seeds"])
    found = {
        "recipe": search["recipe"],
        "points": points(name, search),
        "fixed": {key: base.get(key) for key in sorted(search["grid"])},
        "seeds": {arm: sorted(each) for arm, each in seeds.items()},
    }
    return found | {key: search[key] for key in ("selection_seeds",) if key in search}
