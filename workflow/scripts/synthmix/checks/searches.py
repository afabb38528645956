"""Checks of searches of hyper-parameters: points that can be trained, and a fixed recipe beside every choice."""

import itertools
import re
from collections.abc import Iterator, Mapping
from typing import Any

from synthmix.checks import recipes, trainings
from synthmix.checks.study import Definition, Problem, Study, runs
from synthmix.planning import searches
from synthmix.planning.messages import shown
from synthmix.planning.schema import expected, read_schema

Arm = tuple[str, str, str]  # data set, model, training set


def names(content: Definition) -> Iterator[Problem]:
    """The recipes of a search have names that can stand in paths and that no other recipe has."""
    form = read_schema("study")["properties"]["recipes"]["propertyNames"]
    taken = {**content["recipes"]}
    for name, search in content["searches"].items():
        if name in content["recipes"]:
            yield f"searches.{name}", "a recipe has this name, too; rename one of the two"
        for point in searches.points(name, search):
            if point in taken:
                yield f"searches.{name}", f"its recipe {point} has the name of another one; rename one of the two"
            if not re.search(form["pattern"], point):
                yield f"searches.{name}", f"its recipe {point} must be {expected(form)}; shorten the name"
            taken[point] = search


def grids(study: Study) -> Iterator[Problem]:
    """Every point is a recipe that agrees with itself."""
    for name, search in study.of["searches"].items():
        for point in searches.points(name, search):
            for key, text in recipes.recipe(study.of["recipes"][point]):
                yield _in_file(study, point, key), text


def points(study: Study) -> Iterator[Problem]:
    """The networks that ask for a search can be trained under every point."""
    entries = [_searching(study, entry) for entry in study.content["runs"]]
    under_points = Study({**study.content, "runs": entries})
    for check in (runs, trainings.parts, trainings.last_batches, trainings.durations):
        for key, text in check(under_points):
            _, _, rest = key.partition("recipes.")
            point, _, own = rest.partition(".")
            yield (_in_file(study, point, own) if rest else key), text


def _searching(study: Study, entry: Definition) -> Definition:
    """An entry of runs, under the recipes and with all seeds of its searches alone."""
    named = [study.of["searches"][name] for name in entry.get("search", ())]
    under = itertools.chain(*(searches.points(*each) for each in zip(entry.get("search", ()), named, strict=True)))
    selection = itertools.chain(*(search.get("selection_seeds", ()) for search in named))
    return {**entry, "recipe": list(under), "seeds": list(dict.fromkeys([*entry["seeds"], *selection]))}


def _in_file(study: Study, point: str, key: str) -> str:
    """Where a key of a point's recipe stands: in the grid, or in the recipe that is searched."""
    for name, search in study.of["searches"].items():
        if point in searches.points(name, search):
            return f"searches.{name}.grid.{key}" if key in search["grid"] else f"recipes.{search['recipe']}.{key}"
    return f"recipes.{point}.{key}"


def budgets(study: Study) -> Iterator[Problem]:
    """What is searched has real images to choose by, seeds that do not choose, and runs under the fixed recipe."""
    for index, entry in enumerate(study.content["runs"]):
        for name in entry.get("search", ()):
            search = study.of["searches"][name]
            both = set(entry["seeds"]) & set(search.get("selection_seeds", ()))
            if both:
                problem = f"seed {min(both)} chooses in search {name} (selection_seeds); give the runs other seeds"
                yield f"runs[{index}].seeds", problem
            for training_set in entry["training_set"]:
                own = study.of["training_sets"][training_set]
                if not (own.get("real") or own.get("held_back")):
                    problem = f"{training_set} has no real images, and search {name} chooses by as many val images"
                    yield f"runs[{index}].training_set", f"{problem} as there are real ones; leave it out"
            for arm in itertools.product(*(entry[key] for key in ("dataset", "training_set", "model"))):
                absent = set(entry["seeds"]) - study.arms.get((*arm, search["recipe"]), set())
                if absent:
                    problem = f"no run of {'/'.join(arm)} under {search['recipe']}, the fixed recipe of search {name}"
                    yield f"runs[{index}].recipe", f"{problem}, with seed {min(absent)}; add it"


def tables(study: Study) -> Iterator[Problem]:
    """A table of a search shows training sets that are searched beside its baseline."""
    for name, table in study.content["tables"].items():
        if table["kind"] != "searched":
            continue
        where, search, baseline = f"tables.{name}", table["search"], table["baseline"]
        arms = _searched(study, table)
        for key, wanted in (("baseline", [baseline]), ("training_set", table["training_set"])):
            for training_set in wanted:
                if not any(arm[2] == training_set for arm in arms):
                    yield f"{where}.{key}", f"no run of {training_set} has recipe {shown(search)}; add it to runs"
        for training_set in table["training_set"]:
            if training_set == baseline:
                yield f"{where}.training_set", f"{training_set} is the baseline itself; leave it out"
            pairs = [(arm, (*arm[:2], baseline)) for arm in arms if arm[2] == training_set]
            if not any(arms[one] & arms.get(other, set()) for one, other in pairs):
                problem = f"{training_set} and {baseline} share no data set, model and seed in search {search}"
                yield f"{where}.training_set", f"{problem}; give their runs the same"


def _searched(study: Study, table: Mapping[str, Any]) -> dict[Arm, set[int]]:
    """The arms that a table of a search may show, with the seeds that judge them."""
    found = searches.shown(study.content, table)["seeds"]
    arms = {tuple(arm.split("/")): set(seeds) for arm, seeds in found.items()}
    return {
        (dataset, model, training_set): seeds
        for (dataset, model, training_set), seeds in arms.items()
        if dataset in table.get("dataset", [dataset]) and model in table.get("model", [model])
    }
