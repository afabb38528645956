"""One row per run: gathered from the metrics files of the jobs, selected and paired for tables and figures."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from synthmix.files import DamagedFileError, read_json

ARM = ["dataset", "model", "recipe", "training_set"]
RUN = ["dataset", "training_set", "model", "recipe", "seed"]


class Job(NamedTuple):
    """What a job's path says: .../{dataset}/{bundle}/{model}/{recipe}/seeds{a-b}/{file}."""

    dataset: str
    bundle: str
    model: str
    recipe: str


class Arm(NamedTuple):
    """The runs that differ in nothing but the seed."""

    dataset: str
    model: str
    recipe: str
    training_set: str


def job_of(path: str | Path) -> Job:
    """The job that wrote a file under runs/ or cross_tests/; raises ValueError for a path of another layout."""
    parts = Path(path).parts
    if len(parts) < 6 or not parts[-2].startswith("seeds"):
        raise ValueError(f"{path}: expected .../dataset/bundle/model/recipe/seeds.../file")
    return Job(*parts[-6:-2])


def collect(
    metrics_files: Iterable[str | Path], asked: Mapping[str, Mapping[str, Sequence[int]]] | None = None
) -> pd.DataFrame:
    """One row per run with every scalar field of its metrics, sorted by dataset, training set, model, recipe and seed.

    `asked` maps the folder of each metrics file to the seeds wanted of each training set, since a job may hold runs of
    other studies, too; without it every run counts. Raises DamagedFileError for a file that lacks a run, and ValueError
    where two files hold the same one: it would count twice as a seed.
    """
    rows: list[dict[str, Any]] = []
    origin: dict[tuple[Any, ...], str] = {}
    for path in metrics_files:
        job = job_of(path)
        content = read_json(path)
        if not isinstance(content, dict) or not content.get("runs"):
            raise DamagedFileError(path, "it lists no runs")
        for run in _asked_of(path, content["runs"], asked):
            scalars = {key: value for key, value in run.items() if not isinstance(value, list | dict)}
            row = {**job._asdict(), **scalars}
            key = tuple(row[name] for name in RUN)
            if key in origin:
                raise ValueError(
                    f"{path}: run {'/'.join(map(str, key))} is also in {origin[key]}: ask for it in one bundle"
                )
            origin[key] = str(path)
            rows.append(row)
    frame = pd.DataFrame(rows)
    if frame.empty:
        raise ValueError("no metrics files: the study asks for no run")
    first = [*RUN, "bundle"]
    frame = frame[[*first, *(column for column in frame.columns if column not in first)]]
    return frame.sort_values(RUN, ignore_index=True)


def _asked_of(
    path: str | Path, runs: list[dict[str, Any]], asked: Mapping[str, Mapping[str, Sequence[int]]] | None
) -> list[dict[str, Any]]:
    """The runs of one metrics file that are asked for."""
    if asked is None:
        return runs
    seeds_by_set = asked[str(Path(path).parent)]
    missing = {(name, seed) for name, seeds in seeds_by_set.items() for seed in seeds}
    missing -= {(run["training_set"], run["seed"]) for run in runs}
    if missing:
        name, seed = min(missing)
        raise DamagedFileError(path, f"it lacks training set {name}, seed {seed}")
    return [run for run in runs if run["seed"] in seeds_by_set.get(run["training_set"], ())]


def wanted(spec: Mapping[str, Any], key: str) -> list[str] | None:
    """The names that a table or figure asks for under `key` (one name or a list), or None where it asks for all."""
    value = spec.get(key)
    if value is None:
        return None
    return [value] if isinstance(value, str) else list(value)


def select(frame: pd.DataFrame, spec: Mapping[str, Any], complete: bool = True) -> pd.DataFrame:
    """The runs named by the spec's dataset, model, recipe and training_set, in the order in which the spec names them.

    A key that the spec leaves out keeps every value, in the order of `spec["order"][key]` where that exists, else of
    first appearance. With `complete`, a name without any run raises ValueError.
    """
    order = spec.get("order", {})
    for key in ARM:
        names = wanted(spec, key)
        present = list(frame[key].unique())
        if names is not None:
            missing = [name for name in names if name not in present]
            if missing and complete:
                raise ValueError(
                    f"{spec.get('kind', 'selection')}: no run has {key} {missing[0]} (there are {present})"
                )
            frame = frame[frame[key].isin(names)]
        ranked = names or order.get(key) or present
        rank = {name: position for position, name in enumerate(dict.fromkeys([*ranked, *present]))}
        frame = frame.assign(**{f"{key}_rank": frame[key].map(rank)})
    if frame.empty and complete:
        asked = {key: spec[key] for key in ARM if spec.get(key)}
        raise ValueError(f"{spec.get('kind', 'selection')}: no run matches {asked}")
    ranks = [f"{key}_rank" for key in ARM]
    return frame.sort_values([*ranks, "seed"], ignore_index=True).drop(columns=ranks)


def groups(frame: pd.DataFrame, columns: list[str]) -> Iterator[tuple[tuple[str, ...], pd.DataFrame]]:
    """The rows of each combination of the columns' values, in the order of the frame."""
    for key, rows in frame.groupby(columns, sort=False):
        yield tuple(map(str, key)), rows


def arms(frame: pd.DataFrame) -> Iterator[tuple[Arm, pd.DataFrame]]:
    """Each arm with its runs, in the order of the frame."""
    for key, runs in groups(frame, ARM):
        yield Arm(*key), runs


def runs_of(frame: pd.DataFrame, arm: Arm) -> pd.DataFrame:
    """The runs of one arm, indexed by seed; empty where there are none."""
    keep = pd.Series(True, index=frame.index)
    for key, value in arm._asdict().items():
        keep &= frame[key] == value
    return frame[keep].set_index("seed").sort_index()


def paired(frame: pd.DataFrame, arm: Arm, baseline: str, metric: str = "accuracy") -> pd.DataFrame:
    """Columns `value` and `baseline` of the seeds that the arm shares with the training set `baseline`, by seed."""
    first, second = runs_of(frame, arm), runs_of(frame, arm._replace(training_set=baseline))
    return pd.DataFrame({"value": first[metric], "baseline": second[metric]}).dropna().sort_index()


def constant(runs: pd.DataFrame, column: str) -> float | None:
    """The value that all runs of an arm share in `column`, their mean where they differ, None where it is empty."""
    values = pd.to_numeric(runs[column]).dropna() if column in runs else pd.Series(dtype=float)
    return None if values.empty else float(values.mean())


def text(runs: pd.DataFrame, column: str) -> str | None:
    """The text that the runs of an arm share in `column`, None where it is empty."""
    values: Sequence[object] = runs[column].dropna().unique().tolist() if column in runs else []
    return ", ".join(map(str, values)) or None


def conditional(runs: pd.DataFrame) -> str:
    """What intervals over the seeds of runs say of generators, to follow "interval"; empty without generated images."""
    with_images = runs[runs["pool"].notna()] if "pool" in runs else runs[:0]
    if with_images.empty:
        return ""
    own = (with_images["generator_scope"] == "same") if "generator_scope" in runs else pd.Series([False])
    if own.all():
        return ", with generators that see the classifier's images only: one per seed"
    exception = " (generators that see the classifier's images only: one per seed)" if own.any() else ""
    return f", conditional on one trained generator{exception}"
