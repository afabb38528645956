"""What the two sides of a comparison stand for: a study, a study at a commit, a table of runs, or a run's folder."""

from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from synthmix import experiments, files, layout, records
from synthmix.comparing import commits
from synthmix.comparing.experiment_table import read
from synthmix.comparing.lineage import Jobs
from synthmix.experiments import RUN
from synthmix.planning.messages import suggestion
from synthmix.planning.yaml_reader import read_yaml

FORMS = "name a study, STUDY@COMMIT, an experiments.csv or a folder below results/runs"
WITNESSES = ("accuracy", "nll")  # by which a row of experiments.csv is known to be that of the files beside it


class SideError(ValueError):
    """What is to be compared is not there; one line with the remedy."""


@dataclass
class Side:
    """One side of a comparison.

    name: as it was asked for. source: where its metrics come from, in words. runs: a row each, sorted, with the columns
    experiments.RUN, those of experiments.csv where the run's metrics are known, and `bundle` where its jobs are.
    jobs: what made them. metric: what the study is judged by, None where that is unknown. notes: what is missing.
    """

    name: str
    source: str
    runs: pd.DataFrame
    jobs: Jobs = field(default_factory=Jobs)
    metric: str | None = None
    notes: list[str] = field(default_factory=list)


def resolve(text: str, named: str = "A and B") -> Side:
    """The side that a text means: STUDY, STUDY@COMMIT, a path, each with `/key=value,...` to choose among its runs.

    named: what the text is called where it is asked for.

    Raises SideError, TableError or CommitError, each with one line.
    """
    if not text:
        raise SideError(f"{named}: {FORMS}")
    base, choice = text.rstrip("/"), ""
    if "=" in base.rpartition("/")[2]:
        base, _, choice = base.rpartition("/")
    side = _of(base)
    side.name = text
    chosen = pd.Series(True, index=side.runs.index)
    for key, names in _choices(text, choice).items():
        there = side.runs[key].astype(str)
        for name in names:
            if name not in set(there):
                raise SideError(f"{text}: no run has {key} {name}{suggestion(name, dict.fromkeys(there))}")
        chosen &= there.isin(names)
    side.runs = side.runs[chosen].reset_index(drop=True)
    if side.runs.empty:
        raise SideError(f"{text}: no run is like that; leave out a part of {choice}" if choice else f"{text}: no runs")
    return side


def _choices(text: str, choice: str) -> dict[str, list[str]]:
    """Key -> values of `key=value,key=value`; a key that is given twice allows both values."""
    found: dict[str, list[str]] = {}
    for part in filter(None, choice.split(",")):
        key, _, value = part.partition("=")
        if key not in RUN:
            raise SideError(f"{text}: unknown key {key}{suggestion(key, RUN)}")
        found.setdefault(key, []).append(value)
    return found


def _of(base: str) -> Side:
    path = Path(base)
    if path.is_file():
        table = layout.STUDY.format(study=path.parent.name) + "/experiments.csv"
        return _study(path.parent.name) if path.resolve() == Path(table).resolve() else _table(path)
    if (path / "metrics.json").is_file():
        return _folder(path)
    if (path / "experiments.csv").is_file():
        return _of(str(path / "experiments.csv"))
    if base.endswith(".csv") or "/" in base and "@" not in base:
        raise SideError(f"{base}: nothing is there that was tested; {FORMS}")
    study, at, commit = base.partition("@")
    return _at_commit(study, commit) if at else _study(study)


def _table(path: Path) -> Side:
    note = "a table of runs says nothing of their specs"
    return Side(str(path), str(path), read(path, path), notes=[note])


def _folder(path: Path) -> Side:
    """The runs of one job."""
    runs = experiments.collect([path / "metrics.json"])
    return Side(str(path), f"{path}/metrics.json", runs, _made([path], path.resolve().is_relative_to(Path().resolve())))


def _study(study: str) -> Side:
    """A study as it was built last."""
    table = Path(layout.STUDY.format(study=study), "experiments.csv")
    definition = Path(f"studies/{study}.yaml")
    if not table.exists():
        if definition.exists():
            raise SideError(f"{table}: no such file; build the study first: snakemake {study} --cores all")
        names = [path.stem for path in Path("studies").glob("*.yaml")]
        raise SideError(f"{study}: no such study{suggestion(study, sorted(names))}")
    runs = read(table, table)
    folders = _folders(study, runs)
    side = Side(study, str(table), runs, _made(folders))
    if definition.exists():
        side.metric = (read_yaml(definition) or {}).get("metric", "accuracy")
    older = _older(runs, folders)
    if older.any():
        # without its bundle, the specs of a run are not found
        side.runs = runs.assign(bundle=runs["bundle"].where(~older, ""))
        side.notes.append(
            f"{older.sum()} runs are not those of the files below results/runs, and their specs are unknown; "
            f"snakemake {study} --cores all makes {table} anew"
        )
    return side


def _at_commit(study: str, commit: str) -> Side:
    short = commits.resolve(commit)
    jobs, metric = commits.plan(study, short)
    runs = commits.runs(jobs, study)
    known, source = commits.metrics(jobs, study, short)
    side = Side(f"{study}@{commit}", source, runs, jobs, metric)
    if not known.empty:
        side.runs = runs.merge(known.drop(columns="bundle", errors="ignore"), on=RUN, how="left", indicator=True)
        lacking = int((side.runs.pop("_merge") == "left_only").sum())
        if lacking:
            side.notes.append(f"metrics of {lacking} of {len(runs)} runs are not there")
        if other := len(known) - (len(runs) - lacking):
            side.notes.append(f"{other} other runs of that table are left out: the study of then does not ask for them")
    if commit != short:
        side.notes.append(f"{commit} is {short}")
    return side


def _folders(study: str, runs: pd.DataFrame) -> list[Path]:
    """The folders of the jobs that a study's table was gathered from, or may have been where nobody recorded it."""
    record = records.read(f"logs/experiments/{study}.log")
    if record is not None:
        return [Path(folder) for folder in record.spec["runs"]]
    keys = ["dataset", "bundle", "model", "recipe"]
    jobs = [dict(zip(keys, names, strict=True)) for names in runs[keys].drop_duplicates().to_numpy()]
    return [path for names in jobs for path in sorted(Path().glob(layout.JOB.format(**names, seeds="*")))]


def _made(folders: list[Path], here: bool = True) -> Jobs:
    """The specs that the files of jobs say they were made with, and the recorded ones of what these jobs read."""
    jobs = Jobs.recorded() if here else Jobs()
    for folder in folders:
        for stage, name in (("train", "training.json"), ("evaluate", "metrics.json")):
            if (folder / name).exists():
                jobs.specs[f"{stage}/{'/'.join(folder.parts[-5:])}"] = files.read_json(folder / name)["spec"]
    return jobs


def _older(runs: pd.DataFrame, folders: list[Path]) -> pd.Series:
    """Which rows of experiments.csv the metrics files do not hold: these were written again, or deleted."""
    paths = [folder / "metrics.json" for folder in folders if (folder / "metrics.json").exists()]
    if not paths:
        return pd.Series(False, index=runs.index)  # their specs are not there either
    columns = [*RUN, *(name for name in WITNESSES if name in runs)]
    now = pd.concat([experiments.collect([path])[columns] for path in paths]).drop_duplicates()
    return runs[columns].merge(now, on=columns, how="left", indicator=True)["_merge"].eq("left_only")
