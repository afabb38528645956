"""Finished runs mirrored to trackers: what history.csv and metrics.json say, shown by TensorBoard, MLflow or wandb.

Nothing is read back and no job takes part: results are the same with and without trackers. A tracker is one file in
`trackers/` with

    PACKAGES    the packages that it needs, as pip and import name them
    def mirror(run: Finished, folder: Path, offline: bool) -> None

which shows one run, whatever it showed of it before. `folder` is the tracker's own, and may not exist yet.
"""

import csv
import importlib
import importlib.util
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from synthmix import files, layout
from synthmix.planning import changes
from synthmix.planning.messages import ConfigurationError
from synthmix.planning.plan import Job, Plan
from synthmix.spec import digest

FOLDER = Path(layout.RESULTS, "trackers")
JOB_FILES = ("history.csv", "training.json", "metrics.json")
NAMES = ("training_set", "seed")
CLOCK = ("test_images_per_second", "tested_on")  # measured anew in each test of a job: no other content


@dataclass(frozen=True)
class Finished:
    """One run that was trained and tested.

    name: dataset/training_set/model/recipe/seed0. parameters: its definitions, names as in the study with dots between.
    history: step -> the columns of history.csv there. results: the numbers of metrics.json. content: digest of all that
    but what the clock says of the test.
    """

    name: str
    parameters: dict[str, str | int | float | bool]
    history: dict[int, dict[str, float]]
    results: dict[str, float]
    content: str

    @property
    def group(self) -> str:
        """The name of the arm: the runs that differ in the seed."""
        return self.name.rpartition("/")[0]


def require(trackers: Iterable[str]) -> None:
    """Raise ConfigurationError where a package of a tracker is not installed."""
    for name in trackers:
        for package in importlib.import_module(f"synthmix.trackers.{name}").PACKAGES:
            if importlib.util.find_spec(package) is None:
                problem = f"{name} needs the package {package}: pip install {package}, or leave {name} out"
                raise ConfigurationError("config.yaml", "trackers", problem)


class Report(NamedTuple):
    """What became of the runs for one tracker, in one line, and whether it failed."""

    line: str
    failed: bool


def mirror(plan: Plan, study: str | None = None) -> Iterator[Report]:
    """Show the finished runs of a study, or of all active ones, in the trackers of the configuration.

    A run that a tracker shows already is left alone. A tracker that fails is told of, and raises nothing: results do
    not depend on it.
    """
    jobs = plan.study_jobs(study) if study else list(plan.jobs)
    for name in plan.config["trackers"]:
        try:
            report = Report(_mirror(name, jobs, plan.config["offline"]), False)
        except Exception as error:  # whatever a library of others raises
            said = (str(error).splitlines() or ["no reason given"])[0]
            report = Report(f"{type(error).__name__}: {said} (no result is touched; try again with make track)", True)
        yield report._replace(line=f"trackers: {name}: {report.line}")


def _mirror(name: str, jobs: Iterable[Job], offline: bool) -> str:
    """Show the runs of jobs in one tracker; says how many."""
    shown, count = _Shown(name), 0
    tracker = importlib.import_module(f"synthmix.trackers.{name}")
    try:
        for run in _news(jobs, shown):
            tracker.mirror(run, FOLDER / name, offline)
            shown.runs[run.name] = run.content
            count += 1
    finally:
        shown.write()
    return f"{count} runs mirrored, {len(shown.runs)} in all"


class _Shown:
    """What a tracker shows already: files of jobs and contents of runs, by their digests."""

    def __init__(self, tracker: str) -> None:
        self.path = FOLDER / f"{tracker}.json"
        state = files.read_json(self.path) if self.path.exists() else {}
        self.jobs: dict[str, str] = state.get("jobs", {})
        self.runs: dict[str, str] = state.get("runs", {})

    def write(self) -> None:
        files.write_json(self.path, {"jobs": self.jobs, "runs": self.runs})


def _news(jobs: Iterable[Job], shown: _Shown) -> Iterator[Finished]:
    """The finished runs of jobs that a tracker does not show yet, or not as they are."""
    for job in jobs:
        folder = layout.job_folder(job)
        paths = [Path(folder, name) for name in JOB_FILES]
        if not all(path.exists() for path in paths):
            continue
        now = digest([files.sha256(path) for path in paths])
        if shown.jobs.get(folder) != now:
            yield from (run for run in finished(job, *paths) if shown.runs.get(run.name) != run.content)
            shown.jobs[folder] = now


def finished(job: Job, history: Path, training: Path, metrics: Path) -> Iterator[Finished]:
    """The runs of one job that are trained and tested, from its files."""
    spec, tested = files.read_json(training)["spec"], files.read_json(metrics)["runs"]
    rows = _histories(history)
    for run in tested:
        training_set, seed = str(run["training_set"]), int(run["seed"])
        names = {"dataset": job.dataset, "training_set": training_set, "model": job.model, "recipe": job.recipe}
        used = spec["training_sets"][training_set]
        definitions = {"model": spec["model"], "recipe": spec["recipe"], "training_set": used, "names": names}
        parameters = {path: _plain(value) for path, value in changes.flat({**definitions, "seed": seed})}
        curves = rows[training_set, seed]
        results = {name: float(value) for name, value in run.items() if name not in NAMES and _is_number(value)}
        lasting = {name: value for name, value in results.items() if name not in CLOCK}
        content = digest(json.dumps([parameters, curves, lasting], sort_keys=True))  # not canonical: a loss may be NaN
        yield Finished("/".join((*names.values(), f"seed{seed}")), parameters, curves, results, content)


def _histories(path: Path) -> Mapping[tuple[str, int], dict[int, dict[str, float]]]:
    """(training set, seed) -> step -> the other columns of a history that are not empty."""
    found: dict[tuple[str, int], dict[int, dict[str, float]]] = defaultdict(dict)
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            values = {name: float(value) for name, value in row.items() if value and name not in (*NAMES, "step")}
            found[row["training_set"], int(row["seed"])][int(row["step"])] = values
    return found


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _plain(value: Any) -> str | int | float | bool:
    return value if isinstance(value, str | int | float | bool) else json.dumps(value)
