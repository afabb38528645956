"""Costs of planned jobs: shapes, schedules with a known length, budgets."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
from snakemake import cli

from synthmix import records, so_far
from synthmix.planning import graph
from synthmix.planning.estimates import Cost, Estimate, History, Range, cost, makespan, shape
from synthmix.planning.graph import Planned
from synthmix.records import Record


def job(number: int, *before: int, threads: int = 1, gpus: int = 0) -> Planned:
    return Planned(
        number=number,
        stage="train",
        rule="train",
        name=str(number),
        log=f"logs/train/{number}.log",
        wildcards={},
        spec={"entries": ["prepare_data.py"], "code": ""},
        data=None,
        outputs=("a", "b"),
        benchmark="x",
        threads=threads,
        gpus=gpus,
        local=True,
        runs=True,
        because="",
        before=before,
        depth=1 + len(before),
    )


@pytest.mark.parametrize(
    ("jobs", "slots", "cores", "hours"),
    [
        ([job(0), job(1, 0), job(2, 1)], None, 8, 3),  # a chain
        ([job(0), job(1), job(2), job(3)], None, 2, 2),  # side by side
        ([job(0), job(1), job(2)], 1, 8, 3),  # one place on the cluster
        ([job(0, threads=2), job(1, threads=2)], None, 2, 2),
        ([job(0, threads=8)], None, 2, 1),  # Snakemake cuts threads to the cores
        ([job(0), job(1), job(2, 0, 1)], None, 2, 2),
        ([job(5, 99)], None, 2, 1),  # what it waits for is done
        ([], None, 2, 0),
    ],
)
def test_the_length_of_a_schedule(jobs: list[Planned], slots: int | None, cores: int, hours: float) -> None:
    assert makespan(jobs, {each.number: 1.0 for each in jobs}, slots, cores) == hours


def test_a_long_chain_of_many_jobs_is_scheduled_soon() -> None:
    jobs = [job(number, *([number - 1] if number else [])) for number in range(20_000)]
    assert makespan(jobs, {each.number: 0.5 for each in jobs}, None, 2) == 10_000


def test_unknown_jobs_are_counted_and_cost_nothing() -> None:
    known = Estimate(4, 0, Range(3600, 1800, 7200), Range(1e9, 1e9, 1e9), 3, ("cpu",))
    unknown = Estimate(4, 0, None, None, 0, ())
    jobs = [job(0, gpus=2), job(1, gpus=1), replace(job(2, gpus=1), runs=False)]
    whole = cost(jobs, {0: known, 1: unknown}, 10, 2)
    assert whole.gpu_hours == Range(2, 1, 4)
    assert whole.wall_hours == Range(1, 0.5, 2)
    assert whole.gigabytes == Range(1, 1, 1)
    assert (whole.unknown, whole.devices) == (1, ("cpu",))


def test_a_budget_is_exceeded_by_so_much() -> None:
    whole = Cost(Range(3, 2, 4), Range(1, 1, 1), Range(0.5, 0.5, 0.5), 10, 0, ())
    assert whole.over({"gpu_hours": 3, "wall_hours": 2, "gigabytes": 1}) == []
    (line,) = whole.over({"gpu_hours": 2, "wall_hours": 2})
    assert line == "budget.gpu_hours: the plan takes 3 GPU-hours, 1 above the budget of 2"
    (line,) = replace(whole, unknown=2).over({"gpu_hours": 2})
    assert "3 GPU-hours or more" in line


TRAIN = {
    "entries": ["train.py", "synthmix/models/cnn_block.py"],
    "code": "c",
    "model": {"architecture": "cnn_block", "width": 10},
    "recipe": {"optimizer": "sgd", "learning_rate": 0.1, "batch_size": 32, "steps": 100},
    "training_sets": {"a": {"real": 3}},
    "keys": {"a": {"0": "k"}},
}


def changed(**parts: object) -> dict[str, object]:
    return {**TRAIN, **parts}


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (changed(code="d", keys={}), True),
        (changed(recipe={**TRAIN["recipe"], "learning_rate": 0.2}), True),
        (changed(training_sets={"b": {"real": 100}}), True),  # as many steps, whatever it trains on
        (changed(recipe={**TRAIN["recipe"], "batch_size": 64}), False),
        (changed(model={"architecture": "cnn_block", "width": 20}), False),
        (changed(recipe={**TRAIN["recipe"], "an_option_of_tomorrow": 1}), False),
    ],
)
def test_what_makes_a_shape(other: dict[str, object], same: bool) -> None:
    here = {"dataset": "digits"}
    assert (shape("train", here, TRAIN) == shape("train", here, other)) is same
    assert shape("train", here, TRAIN) != shape("train", {"dataset": "cifar10"}, TRAIN)
    assert shape("train", here, TRAIN) != shape("evaluate", here, TRAIN)


def test_with_epochs_the_training_set_counts() -> None:
    epochs = changed(recipe={"optimizer": "sgd", "batch_size": 32, "epochs": 10})
    larger = {**epochs, "training_sets": {"a": {"real": 100}}}
    renamed = {**epochs, "training_sets": {"b": {"real": 3}}}
    assert shape("train", {}, epochs) != shape("train", {}, larger)
    assert shape("train", {}, epochs) == shape("train", {}, renamed)


def test_guidance_costs_a_second_pass_whatever_its_scale() -> None:
    shapes = {
        scale: shape("generate", {}, {"entries": ["generate.py"], "sampling": {"steps": 20, "guidance": scale}})
        for scale in (1, 2, 3.5)
    }
    assert shapes[1] != shapes[2] == shapes[3.5]


def test_what_was_made_with_the_planned_spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    one = replace(job(0), outputs=("one",), benchmark="one.tsv", spec={"entries": ["report.py"], "code": "x", "n": 4})
    other, third = replace(one, log="logs/train/1.log", outputs=("other",)), replace(one, log="logs/train/2.log")
    for each, spec in ((one, one.spec), (other, {**one.spec, "n": 5})):
        records.write(each.log, Record(spec, 1, None, 1))
    assert so_far.as_planned([one, other, third]) == {"one", "one.tsv"}


@pytest.mark.parametrize("resumed", [False, True])
def test_the_last_part_of_an_interrupted_training_is_no_history(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, resumed: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    spec = {"entries": ["report.py"], "code": "x", "n": 4}
    records.write("logs/train/digits/1.log", Record(spec, 1, None, 1, resumed))
    (tmp_path / "results/benchmarks/train/digits").mkdir(parents=True)
    (tmp_path / "results/benchmarks/train/digits/1.tsv").write_text("s\n60\n")
    found = History().estimate(replace(job(0), wildcards={"dataset": "digits"}, spec=spec))
    assert found is not None
    assert found.seconds == (None if resumed else Range(60, 60, 60))


@pytest.mark.parametrize(
    ("arguments", "cores"), [([], os.cpu_count()), (["--cores", "3"], 3), (["--jobs", "5"], 5), (["-c", "1"], 1)]
)
def test_a_plan_is_for_the_cores_that_snakemake_may_use(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], cores: int
) -> None:
    monkeypatch.setattr(cli, "args_to_api", lambda *_: True)
    assert graph.dry_run(arguments).cores == cores
