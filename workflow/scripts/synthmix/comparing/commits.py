"""A study at a commit: its specs, planned by the code of that commit, and what is left of its results.

results/ is no part of the repository, so results of an old commit exist only where its experiments.csv was committed,
under docs/results/, or where files or the store still hold runs with the specs of then.
"""

import io
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from synthmix import files, layout, records
from synthmix.comparing.experiment_table import read
from synthmix.comparing.lineage import Jobs, Run
from synthmix.experiments import RUN
from synthmix.planning.plan import ENVIRONMENT
from synthmix.spec import canonical
from synthmix.store import Entry
from synthmix.units import content, entry, tested

COMMITTED = "docs/results/{study}/experiments.csv"
PROBE = Path(__file__).resolve().parents[3] / "commands/planned_specs.py"
NO_FILES = (".git", ".snakemake", ".venv", layout.RESULTS)  # of the folder that are not lent to an old commit


class CommitError(ValueError):
    """A study cannot be planned as it was at a commit; one line that says why."""


def resolve(commit: str) -> str:
    """The short name of a commit. Raises CommitError for one that is not there."""
    found = _git("rev-parse", "--verify", "--quiet", "--short", "--end-of-options", f"{commit}^{{commit}}")
    if found is None:
        raise CommitError(f"{commit}: no commit of this repository; name a commit, branch or tag (git log)")
    return found.decode().strip()


def plan(study: str, commit: str) -> tuple[Jobs, str]:
    """The jobs of a study as the files and the code of a commit plan them, and the metric it is judged by.

    What is not in the repository (data, weights) is that of the working directory. Raises CommitError.
    """
    archive = _git("archive", "--format=tar", commit)
    if archive is None:
        raise CommitError(f"{commit}: git archive failed; is this the folder of the repository?")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            tar.extractall(root, filter="data")
        if not (root / f"studies/{study}.yaml").exists():
            raise CommitError(f"studies/{study}.yaml: no such file at {commit}")
        if not (root / "workflow/scripts/synthmix/planning/graph.py").exists():
            raise CommitError(f"{commit}: its code is too old to be asked for its plan; name a later commit")
        _lend(root)
        target = root / "planned.json"
        environment = {name: value for name, value in os.environ.items() if name != ENVIRONMENT}
        command = [sys.executable, str(PROBE), study, str(target)]
        done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True)
        if done.returncode or not target.exists():
            raise CommitError(f"{study} at {commit} cannot be planned: {_reason(done.stdout + done.stderr)}")
        planned = files.read_json(target)
    return Jobs(planned["specs"], planned["codes"]), planned["metric"]


def _reason(said: str) -> str:
    """What Snakemake, or Python, gives as the reason of an error, on one line."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    for at, line in enumerate(lines[:-1]):
        if re.match(r"\w*(Error|Exception) in .*:$", line):  # the reason stands below
            return " ".join(lines[at + 1 : at + 3]) if lines[at + 1].endswith(":") else lines[at + 1]
    return lines[-1] if lines else "no reason given"


def _lend(root: Path) -> None:
    """Link into an old commit's files what is in the working directory and in no repository."""
    for folder, left_out in ((Path(), NO_FILES), (Path(layout.RESULTS), ())):
        for path in folder.iterdir() if folder.exists() else ():
            there = root / path
            if path.name not in left_out and not there.exists():
                there.parent.mkdir(exist_ok=True)
                there.symlink_to(path.absolute())


def runs(jobs: Jobs, study: str) -> pd.DataFrame:
    """The runs of a planned study, a row each: the columns experiments.RUN and bundle."""
    rows = []
    for folder, sets in jobs.specs[f"experiments/{study}"]["runs"].items():
        dataset, bundle, model, recipe = Path(folder).parts[-5:-1]
        for training_set, seeds in sets.items():
            rows += [(dataset, training_set, model, recipe, seed, bundle) for seed in seeds]
    return pd.DataFrame(rows, columns=[*RUN, "bundle"]).sort_values(RUN, ignore_index=True)


def metrics(jobs: Jobs, study: str, commit: str) -> tuple[pd.DataFrame, str]:
    """What is left of the results of a planned study, a row a run, and where it was found, in words."""
    path = COMMITTED.format(study=study)
    committed = _git("show", f"{commit}:./{path}")
    if committed is not None:
        return read(io.BytesIO(committed), f"{path} at {commit}"), f"{path} of that commit"
    rows = []
    for dataset, training_set, model, recipe, seed, bundle in runs(jobs, study).itertuples(index=False):
        run: Run = (dataset, training_set, model, recipe, seed)
        if found := _result(jobs, run, bundle):
            rows.append({**found, **dict(zip(RUN, run, strict=True))})
    if not rows:
        return pd.DataFrame(columns=RUN), f"nowhere: no {path} then, none of its runs here or in the store"
    return pd.DataFrame(rows), "runs with the specs of then, in results/ and its store"


def _result(jobs: Jobs, run: Run, bundle: str) -> dict[str, Any] | None:
    """The metrics of a planned run, where its network was tested and a file or the store still says so."""
    dataset, training_set, model, recipe, seed = run
    key, test = jobs.key(run, bundle), jobs.job("evaluate", run, bundle)
    if key is None or test is None:
        return None
    names = {"dataset": dataset, "bundle": bundle, "model": model, "recipe": recipe, "seeds": "*"}
    for path in Path().glob(layout.JOB.format(**names) + "/metrics.json"):
        content = _read(path)
        made = content["spec"]
        if made["code"] == test["code"] and made["keys"].get(training_set, {}).get(str(seed)) == key:
            of_run = (each for each in content["runs"] if (each["training_set"], each["seed"]) == (training_set, seed))
            return _scalars(next(of_run))
    return _stored(tested(key, test["code"]), dataset, jobs)


def _stored(unit: str, dataset: str, jobs: Jobs) -> dict[str, Any] | None:
    """Metrics made anew of what a network said of the test split, if the store has it and the split is that of then."""
    data, meta = jobs.specs.get(f"prepare_data/{dataset}"), Path(layout.DATA.format(dataset=dataset), "meta.json")
    if data is None or not meta.exists() or (labels := _labels(dataset, canonical(data))) is None:
        return None
    name = entry(unit, content(_read(meta)))
    if not Entry.finished(name):
        return None
    from synthmix.evaluating import judge  # seconds that are spared where no run is in the store

    state = Entry(name).load()
    return None if state is None else {**_scalars(judge(state["probabilities"], labels)), "test_images": len(labels)}


@cache
def _labels(dataset: str, data: str) -> Any:
    """The labels of the test split that is here, int64 (N,), if it was made with a spec; else None."""
    folder = layout.DATA.format(dataset=dataset)
    record, path = records.read(layout.log("prepare_data", folder)), Path(folder, "test.safetensors")
    if record is None or canonical(record.spec) != data or not path.exists():
        return None
    return files.read_arrays(path)[0]["labels"]


_read = cache(files.read_json)


def _scalars(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if not isinstance(value, list | dict)}


def _git(*arguments: str) -> bytes | None:
    """What git prints, None where it fails."""
    try:
        done = subprocess.run(["git", *arguments], capture_output=True)
    except FileNotFoundError:
        raise CommitError("git is not installed, and STUDY@COMMIT needs it") from None
    return done.stdout if done.returncode == 0 else None
