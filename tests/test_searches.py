"""Searches of hyper-parameters: what they expand to, and what they leave as it is."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from workspace import REPOSITORY

from synthmix.planning import searches
from synthmix.planning.configuration import read_studies, read_yaml, validate_config
from synthmix.planning.plan import Job, Plan
from synthmix.planning.products import Products
from synthmix.planning.specs import Specs

TINY = read_yaml(REPOSITORY / "tests/studies/tiny.yaml")
GRID = {"learning_rate": [0.003, 0.01], "weight_decay": [0, 0.0005]}
SEARCH = {"recipe": "single", "grid": GRID, "selection_seeds": [100, 101]}
TABLE = {"kind": "searched", "search": "rates", "baseline": "shot3", "training_set": "shot3-syn4"}
POINTS = ["rates-0-0", "rates-0-1", "rates-1-0", "rates-1-1"]


def study(**search: Any) -> dict[str, Any]:
    """The study tiny with a search over the recipe `single`."""
    content = copy.deepcopy(TINY)
    content["searches"] = {"rates": {**SEARCH, **search}}
    content["runs"].append({**content["runs"][0], "recipe": "rates"})
    content["tables"]["searched"] = TABLE
    return content


def plan(folder: Path, content: dict[str, Any]) -> Plan:
    (folder / "tiny.yaml").write_text(json.dumps(content))
    config = validate_config({"studies": ["tiny"]}, "config.yaml")
    return Plan(config, read_studies(folder, ["tiny"]))


def keys(one: Plan) -> set[str]:
    """What the store knows the plan's classifiers by."""
    specs = Specs(one)
    trained = [json.loads(specs.train(job))["keys"] for job in one.jobs]
    return {key for of_job in trained for seeds in of_job.values() for key in seeds.values()}


def test_a_point_is_named_by_the_positions_of_its_values() -> None:
    assert searches.points("rates", {"grid": GRID}) == {
        "rates-0-0": {"learning_rate": 0.003, "weight_decay": 0},
        "rates-0-1": {"learning_rate": 0.003, "weight_decay": 0.0005},
        "rates-1-0": {"learning_rate": 0.01, "weight_decay": 0},
        "rates-1-1": {"learning_rate": 0.01, "weight_decay": 0.0005},
    }
    reordered = dict(reversed(GRID.items()))
    assert searches.points("rates", {"grid": reordered}) == searches.points("rates", {"grid": GRID})
    assert list(searches.points("a", {"grid": {"optimizer": ["sgd", "adam", "adamw"]}})) == ["a-0", "a-1", "a-2"]


def test_a_search_becomes_recipes_and_runs_of_an_equal_budget(tmp_path: Path) -> None:
    found = plan(tmp_path, study())
    (content,) = found.studies.values()
    base = content["recipes"]["single"]
    assert content["recipes"]["rates-1-1"] == {**base, "learning_rate": 0.01, "weight_decay": 0.0005, "searched": True}
    assert "searched" not in base
    asked = {(run.job.recipe, run.training_set, run.seed) for run in found.searched["tiny"]}
    assert asked == {(point, name, seed) for point in POINTS for name in ("shot3", "shot3-syn4") for seed in (0, 1)}
    choosing = {(run.job.recipe, run.training_set, run.seed) for run in found.choosing["tiny"]}
    assert choosing == {(point, name, seed + 100) for point, name, seed in asked}
    assert {run.job.recipe for run in found.runs["tiny"]} == {"single", "block"}


def test_networks_of_selection_seeds_are_trained_and_never_tested(tmp_path: Path) -> None:
    # with 200 seeds a job, seeds that choose and seeds that judge share one
    content = study()
    content["recipes"]["single"]["seeds_per_job"] = 200
    found = plan(tmp_path, content)
    job, specs = Job("digits", "main", "cnn", "rates-0-1", "0-199"), Specs(found)
    assert set(json.loads(specs.train(job))["keys"]["shot3"]) == {"0", "1", "100", "101"}
    assert set(json.loads(specs.evaluate(job))["keys"]["shot3"]) == {"0", "1"}
    found = plan(tmp_path, study())
    targets = Products(found).targets("tiny")
    folder = "results/runs/digits/main/cnn/rates-0-1"
    assert {f"{folder}/seeds0/metrics.json", f"{folder}/seeds100/training.json"} <= set(targets)
    assert not any("seeds100/metrics.json" in path for path in targets)


def test_what_is_not_searched_keeps_its_specs(tmp_path: Path) -> None:
    before, after = plan(tmp_path, TINY), plan(tmp_path, study())
    one, other = Specs(before), Specs(after)
    for job in before.jobs:
        assert (one.train(job), one.evaluate(job)) == (other.train(job), other.evaluate(job))
    assert one.experiments("tiny") == other.experiments("tiny")
    assert one.comparisons("tiny") == other.comparisons("tiny")
    for stage, names in (("table", TINY["tables"]), ("figure", TINY["figures"])):
        for name in names:
            assert getattr(one, stage)("tiny", name) == getattr(other, stage)("tiny", name)


def test_one_more_value_trains_its_runs_alone(tmp_path: Path) -> None:
    before = plan(tmp_path, study())
    after = plan(tmp_path, study(grid={**GRID, "weight_decay": [0, 0.0005, 0.01]}))
    assert {*before.jobs} < {*after.jobs}
    assert keys(before) < keys(after)
    points, training_sets, seeds = 2, 2, 4
    assert len(keys(after) - keys(before)) == points * training_sets * seeds
    # a grid whose keys and values stand in another order trains nothing
    moved = study(grid={"weight_decay": [0.0005, 0], "learning_rate": [0.01, 0.003]})
    assert keys(plan(tmp_path, moved)) == keys(before)


def test_the_table_has_what_it_is_made_of(tmp_path: Path) -> None:
    found = plan(tmp_path, study())
    view = found.studies["tiny"]["tables"]["searched"]
    assert list(view["points"]) == POINTS
    assert (view["recipe"], view["fixed"]) == ("single", {"learning_rate": 0.003, "weight_decay": 0.01})
    assert view["seeds"] == {"digits/cnn/shot3": [0, 1], "digits/cnn/shot3-syn4": [0, 1]}
    files = Products(found).view_files("tables", "tiny", "searched")
    assert sorted(files) == ["experiments", "searched", "trainings"]
    folder = "results/runs/digits/main/cnn/rates-{}-{}/seeds{}"
    for kind, name, seeds in (("searched", "metrics.json", (0, 1)), ("trainings", "training.json", (100, 101))):
        wanted = {f"{folder.format(a, b, seed)}/{name}" for a in (0, 1) for b in (0, 1) for seed in seeds}
        assert set(files[kind]) == wanted
    without = {**SEARCH}
    del without["selection_seeds"]
    content = study()
    content["searches"]["rates"] = without
    found = plan(tmp_path, content)
    assert found.choosing["tiny"] == []
    assert "selection_seeds" not in found.studies["tiny"]["tables"]["searched"]


def test_requests_are_scaled_for_all_points_of_a_search(tmp_path: Path) -> None:
    content = study()
    content["scale"] = [{"recipe": ["rates", "block"], "runtime": 3}]
    (entry,) = plan(tmp_path, content).studies["tiny"]["scale"]
    assert entry["recipe"] == [*POINTS, "block"]


def test_a_search_is_imported_with_other_definitions(tmp_path: Path) -> None:
    plan(tmp_path, study())
    other = {
        "title": "Another study",
        "question": "Does it find the search?",
        "use": "tiny",
        "runs": study()["runs"],
        "tables": {"one": TABLE},
    }
    (tmp_path / "other.yaml").write_text(json.dumps(other))
    found = read_studies(tmp_path, ["other"])["other"]
    assert list(found["tables"]["one"]["points"]) == POINTS


@pytest.mark.parametrize("selection", [True, False])
def test_costs_count_what_a_search_takes(tmp_path: Path, selection: bool) -> None:
    content = study()
    content["tables"]["cost"] = {"kind": "cost"}
    if not selection:
        del content["searches"]["rates"]["selection_seeds"]
    files = Products(plan(tmp_path, content)).view_files("tables", "tiny", "cost")["benchmarks"]
    of_search = {path.split("/")[2] for path in files if "/rates-0-0/seeds100" in path}
    assert of_search == ({"train"} if selection else set())
    assert {path.split("/")[2] for path in files if "/rates-0-0/seeds0" in path} == {"train", "evaluate"}
