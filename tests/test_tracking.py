"""Trackers: finished runs are mirrored once, and no result depends on it."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from workspace import RUNS, STUDY, Workspace

from synthmix import tracking
from synthmix.planning.configuration import ConfigurationError, validate_config
from synthmix.planning.plan import Job
from synthmix.trackers import mlflow, wandb
from synthmix.tracking import Finished

JOB = Job("digits", "main", "cnn", "single", "0-1")
ROWS = "training_set,seed,step,epoch,images,seconds,train_loss,train_accuracy,val_loss,val_accuracy\n"
EVENTS = "results/trackers/tensorboard"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with the files of one finished job of two seeds."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / RUNS / "main/cnn/single/seeds0-1"
    folder.mkdir(parents=True)
    recipe = {"steps": 4, "plateau": {"factor": 0.1}}
    spec = {"model": {"width": 2}, "recipe": recipe, "training_sets": {"org": {"real": 3}}}
    (folder / "training.json").write_text(json.dumps({"spec": spec, "runs": []}))
    runs = [_metrics(seed) for seed in range(2)]
    (folder / "metrics.json").write_text(json.dumps({"runs": runs}))
    rows = [f"org,{seed},{step},1,8,0.5,{2 - step / 4},0.{seed},,\n" for seed in range(2) for step in (2, 4)]
    (folder / "history.csv").write_text(ROWS + "".join(rows))
    return folder


def _metrics(seed: int) -> dict[str, Any]:
    measured = {"accuracy": 0.5 + seed / 10, "confusion": [[1]], "pool": None, "repeated": False}
    return {"training_set": "org", "seed": seed, **measured, "test_images_per_second": 10.0}


def edit(folder: Path, change: Callable[[list[dict[str, Any]]], None]) -> None:
    runs = json.loads((folder / "metrics.json").read_text())["runs"]
    change(runs)
    (folder / "metrics.json").write_text(json.dumps({"runs": runs}))


@pytest.fixture
def mirrored(monkeypatch: pytest.MonkeyPatch) -> list[Finished]:
    """What a tracker that keeps everything in memory was given."""
    seen: list[Finished] = []
    tracker = ModuleType("synthmix.trackers.memory")
    tracker.PACKAGES = ()  # type: ignore[attr-defined]
    tracker.mirror = lambda run, folder, offline: seen.append(run)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "synthmix.trackers.memory", tracker)
    return seen


def plan(*trackers: str) -> Any:
    return SimpleNamespace(jobs={JOB: {}}, config={"trackers": list(trackers), "offline": False})


def test_a_run_has_its_parameters_curves_and_results(folder: Path, mirrored: list[Finished]) -> None:
    (report,) = tracking.mirror(plan("memory"))
    assert report == ("trackers: memory: 2 runs mirrored, 2 in all", False)
    first, second = mirrored
    assert (first.name, first.group) == ("digits/org/cnn/single/seed0", "digits/org/cnn/single")
    assert first.parameters["recipe.plateau.factor"] == 0.1
    assert (first.parameters["training_set.real"], second.parameters["seed"]) == (3, 1)
    assert first.history[4] == {"epoch": 1, "images": 8, "seconds": 0.5, "train_loss": 1, "train_accuracy": 0}
    assert second.results == {"accuracy": 0.6, "test_images_per_second": 10}
    assert first.content != second.content


def test_what_is_shown_is_not_shown_again(folder: Path, mirrored: list[Finished]) -> None:
    list(tracking.mirror(plan("memory")))
    mirrored.clear()
    (report,) = tracking.mirror(plan("memory"))
    assert report.line == "trackers: memory: 0 runs mirrored, 2 in all"
    edit(folder, lambda runs: runs[0].update(test_images_per_second=11.0))
    list(tracking.mirror(plan("memory")))
    assert not mirrored, "the speed of a test is measured anew whenever a job is tested"
    edit(folder, lambda runs: runs[1].update(accuracy=0.7))
    list(tracking.mirror(plan("memory")))
    assert [run.name for run in mirrored] == ["digits/org/cnn/single/seed1"]


def test_unfinished_runs_wait(folder: Path, mirrored: list[Finished]) -> None:
    metrics = (folder / "metrics.json").read_text()
    (folder / "metrics.json").unlink()
    list(tracking.mirror(plan("memory")))
    assert not mirrored
    (folder / "metrics.json").write_text(metrics)
    list(tracking.mirror(plan("memory")))
    assert len(mirrored) == 2


def test_a_loss_that_is_not_a_number_is_mirrored(folder: Path, mirrored: list[Finished]) -> None:
    path = folder / "history.csv"
    path.write_text(path.read_text().replace(",1.0,", ",nan,"))
    list(tracking.mirror(plan("memory")))
    assert [str(run.history[4]["train_loss"]) for run in mirrored] == ["nan", "nan"]


def test_a_tracker_that_fails_is_told_and_goes_on_where_it_stopped(
    folder: Path, mirrored: list[Finished], monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(run: Finished, folder: Path, offline: bool) -> None:
        if mirrored:
            raise OSError("the server is gone\nsecond line")
        mirrored.append(run)

    monkeypatch.setattr(sys.modules["synthmix.trackers.memory"], "mirror", failing)
    (report,) = tracking.mirror(plan("memory"))
    assert report.failed
    assert report.line.startswith("trackers: memory: OSError: the server is gone (no result is touched; try again")
    monkeypatch.setattr(
        sys.modules["synthmix.trackers.memory"], "mirror", lambda run, folder, offline: mirrored.append(run)
    )
    (report,) = tracking.mirror(plan("memory"))
    assert report.line.endswith("1 runs mirrored, 2 in all")
    assert [run.name[-5:] for run in mirrored] == ["seed0", "seed1"]


def test_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    tracking.require([])
    monkeypatch.setattr(mlflow, "PACKAGES", ("not-there",))
    with pytest.raises(ConfigurationError) as caught:
        tracking.require(["mlflow"])
    assert str(caught.value) == (
        "config.yaml: trackers: mlflow needs the package not-there: pip install not-there, or leave mlflow out"
    )


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (["tensorbord"], 'trackers[0]: must be one of tensorboard, mlflow, wandb, not "tensorbord"; did you mean'),
        (["wandb", "wandb"], "trackers: must be a list of tensorboard, mlflow and wandb, without repeats, not"),
        ("wandb", "trackers: must be a list of tensorboard, mlflow and wandb, without repeats, not"),
    ],
)
def test_bad_trackers_are_refused(value: Any, error: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        validate_config({"trackers": value}, "config.yaml")
    assert str(caught.value).startswith(f"config.yaml: {error}")


# ---- the trackers ----------------------------------------------------------------------------------------------------


def scalars(path: Path) -> dict[str, list[tuple[int, float]]]:
    """The curves in the event files of a folder."""
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    events = accumulator.EventAccumulator(str(path))
    events.Reload()
    return {tag: [(each.step, each.value) for each in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def test_tensorboard(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    list(tracking.mirror(plan("tensorboard")))
    log = tmp_path / EVENTS / "digits/org/cnn/single/seed1"
    found = scalars(log)
    assert found["train_loss"] == [(2, 1.5), (4, 1.0)]
    assert found["results/accuracy"] == [(4, pytest.approx(0.6))]
    assert "val_loss" not in found
    edit(folder, lambda runs: runs[1].update(accuracy=0.75))
    list(tracking.mirror(plan("tensorboard")))
    assert scalars(log)["results/accuracy"] == [(4, 0.75)], "in the place of the old one"


def test_mlflow(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Against MLflow itself, in a local file."""
    package = pytest.importorskip("mlflow")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    list(tracking.mirror(plan("mlflow")))
    client = package.MlflowClient(f"sqlite:///{tmp_path}/results/trackers/mlflow/mlflow.db")
    experiment = client.get_experiment_by_name("synthmix/digits").experiment_id

    def runs() -> list[Any]:
        return sorted(client.search_runs([experiment]), key=lambda run: run.data.metrics["results/accuracy"])

    assert [run.data.metrics["results/accuracy"] for run in runs()] == [0.5, 0.6]
    assert runs()[0].data.params["recipe.plateau.factor"] == "0.1"
    assert [(each.step, each.value) for each in client.get_metric_history(runs()[0].info.run_id, "train_loss")] == [
        (2, 1.5),
        (4, 1.0),
    ]
    (tmp_path / "results/trackers/mlflow.json").unlink()  # the tracker itself knows what it shows
    list(tracking.mirror(plan("mlflow")))
    assert len(runs()) == 2
    edit(folder, lambda changed: changed[1].update(accuracy=0.75))
    list(tracking.mirror(plan("mlflow")))
    assert [run.data.tags.get("synthmix.replaced") for run in runs()] == [None, "yes", None]


@pytest.mark.parametrize(
    ("environment", "offline", "mode"),
    [
        ({}, False, "offline"),
        ({"WANDB_API_KEY": "key"}, False, "online"),
        ({"WANDB_API_KEY": "key"}, True, "offline"),
        ({"WANDB_API_KEY": "key", "WANDB_MODE": "offline"}, False, "offline"),
    ],
)
def test_wandb(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], offline: bool, mode: str
) -> None:
    """Against a module that records calls: wandb itself wants an account, or leaves files that it alone reads."""
    calls: list[Any] = []

    class Shown:
        summary: dict[str, float] = {}

        def log(self, values: dict[str, float], step: int) -> None:
            calls.append((step, values["train_loss"]))

        def finish(self) -> None:
            calls.append("finished")

    def init(**given: Any) -> Shown:
        calls.append(given)
        return Shown()

    module = ModuleType("wandb")
    module.init, module.Settings = init, dict  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "wandb", module)
    monkeypatch.setenv("HOME", str(tmp_path))  # without a .netrc
    for name in ("WANDB_API_KEY", "WANDB_MODE", "WANDB_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    runs = tracking.finished(JOB, *(folder / name for name in tracking.JOB_FILES))
    wandb.mirror(next(runs), tmp_path / "shown", offline)
    given, *logged = calls
    assert given["mode"] == mode
    assert (given["project"], given["name"]) == ("synthmix", "digits/org/cnn/single/seed0")
    assert logged == [(2, 1.5), (4, 1.0), "finished"]
    assert Shown.summary["results/accuracy"] == 0.5


# ---- in a workspace --------------------------------------------------------------------------------------------------


@pytest.mark.workflow
def test_trackers_rerun_nothing_and_mirror_when_a_call_ends(workspace: Workspace) -> None:
    pytest.importorskip("tensorboard")
    assert "names none" in workspace.command("track", "tiny", status=1)
    workspace.append("config.yaml", "trackers: [tensorboard]\n")
    assert workspace.planned() == {}
    before = {name: at for name, at in workspace.results().items() if "/trackers/" not in name}
    assert workspace.command("track", "tiny") == "tiny: trackers: tensorboard: 10 runs mirrored, 10 in all\n"
    assert workspace.command("track") == "tiny: trackers: tensorboard: 0 runs mirrored, 10 in all\n"
    log = workspace / EVENTS / "digits/shot3/cnn/single/seed0"
    (old,) = log.glob("events*")
    assert scalars(log)["results/accuracy"]
    assert {name: at for name, at in workspace.results().items() if "/trackers/" not in name} == before
    assert "trackers" not in workspace.command("clean_unused"), "what trackers show is no result to clean away"
    assert workspace.planned() == {}

    workspace.replace(STUDY, "learning_rate: 0.003, weight_decay", "learning_rate: 0.004, weight_decay")
    output = workspace.snakemake("--until", "evaluate")
    assert "trackers: tensorboard: 4 runs mirrored, 10 in all" in output
    assert not old.exists(), "the run was trained anew"
    # a call that fails mirrors what it has finished
    workspace.replace(STUDY, "learning_rate: 0.004, weight_decay", "learning_rate: 0.005, weight_decay")
    workspace.append("workflow/scripts/experiments.py", "raise ValueError\n")
    workspace.failing()
    assert "trackers: tensorboard: 4 runs mirrored, 10 in all" in workspace.read("snakemake.log")


@pytest.mark.workflow
def test_a_missing_package_stops_a_call_before_it_begins(sources: Workspace) -> None:
    module = "workflow/scripts/synthmix/trackers/mlflow.py"
    sources.replace(module, 'PACKAGES = ("mlflow",)', 'PACKAGES = ("no-such-package",)')
    sources.append("config.yaml", "trackers: [mlflow]\n")
    assert sources.start("--cores", "2").wait() == 1
    said = sources.read("snakemake.log")
    assert "config.yaml: trackers: mlflow needs the package no-such-package: pip install no-such-package" in said
    assert not (sources / "results/data").exists()
    assert "pip install no-such-package" in sources.command("track", "tiny", status=1)
