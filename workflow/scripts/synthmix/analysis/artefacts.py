"""What tables and figures are made from: the paths of a study's artefacts, with readers for what several kinds need."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from synthmix.experiments import RUN, job_of
from synthmix.files import DamagedFileError, read_json


@dataclass(frozen=True)
class Artefacts:
    """Paths of one study's artefacts; nothing is read before a reader asks for it.

    `data` maps a dataset to its files {"train", "test", "meta"}; `pools` maps (dataset, pool) to the pool's shards. A
    kind of table or figure needs some of them only; a reader raises ValueError for what is not there.
    """

    experiments: Path | None = None
    comparisons: Path | None = None
    predictions: list[Path] = field(default_factory=list)
    searched: list[Path] = field(default_factory=list)
    trainings: list[Path] = field(default_factory=list)
    histories: list[Path] = field(default_factory=list)
    scores: list[Path] = field(default_factory=list)
    audits: list[Path] = field(default_factory=list)
    neighbours: list[Path] = field(default_factory=list)
    detections: list[Path] = field(default_factory=list)
    cross_tests: list[Path] = field(default_factory=list)
    explanations: list[Path] = field(default_factory=list)
    corruptions: list[Path] = field(default_factory=list)
    corrupted_images: list[Path] = field(default_factory=list)
    benchmarks: list[Path] = field(default_factory=list)
    data: dict[str, dict[str, Path]] = field(default_factory=dict)
    pools: dict[tuple[str, str], list[Path]] = field(default_factory=dict)

    @classmethod
    def of(cls, inputs: Any) -> "Artefacts":
        """The artefacts among a job's named inputs (a mapping of names to a path or paths, such as snakemake.input).

        `meta`, `train` and `test` are files data/{dataset}/...; `shards` are pools/{dataset}/{pool}/{group}/...; every
        other name is that of a field.
        """
        named = {name: _paths(inputs[name]) for name in inputs.keys()}  # noqa: SIM118 (iterating gives paths)
        data: dict[str, dict[str, Path]] = {}
        for kind in ("train", "test", "meta"):
            for path in named.pop(kind, []):
                data.setdefault(path.parent.name, {})[kind] = path
        pools: dict[tuple[str, str], list[Path]] = {}
        for path in named.pop("shards", []):
            pools.setdefault((path.parts[-4], path.parts[-3]), []).append(path)
        tables = {name: named.pop(name)[0] for name in ("experiments", "comparisons") if name in named}
        return cls(**tables, **named, data=data, pools=pools)  # type: ignore[arg-type]

    def read_experiments(self) -> pd.DataFrame:
        """One row per run (see experiments.collect)."""
        return _read_csv(self.experiments, "experiments.csv")

    def read_comparisons(self) -> pd.DataFrame:
        """One row per comparison (see comparisons.COLUMNS)."""
        return _read_csv(self.comparisons, "comparisons.csv")

    def read_predictions(self, columns: list[str]) -> pd.DataFrame:
        """The given columns of the predictions of the study's runs, with dataset, bundle, model and recipe."""
        return self._of_runs(
            _with_jobs(self.predictions, lambda path: pq.read_table(path, columns=columns).to_pandas())
        )

    def read_histories(self) -> pd.DataFrame:
        """The training histories of the study's runs, with dataset, bundle, model and recipe."""
        return self._of_runs(_with_jobs(self.histories, lambda path: _read_csv(path, "")))

    def read_searched(self) -> pd.DataFrame:
        """One row per tested run of the jobs of searches: its metrics and the facts of its training.

        Jobs may hold runs of other studies, too.
        """
        return _with_jobs(self.searched, lambda path: pd.DataFrame(read_json(path)["runs"]))

    def read_trainings(self) -> pd.DataFrame:
        """One row per run of the jobs that searches choose by: the facts of its training; see above."""
        return _with_jobs(self.trainings, lambda path: pd.DataFrame(read_json(path)["runs"]))

    def read_cross_tests(self) -> pd.DataFrame:
        """One row per run of the study and pool it was tested on, with dataset, bundle, model and recipe."""
        return self._of_runs(_with_jobs(self.cross_tests, lambda path: pd.DataFrame(read_json(path)["runs"])))

    def read_explanations(self) -> pd.DataFrame:
        """What explainers found in the study's runs, with dataset, bundle, model, recipe and explainer."""
        frames = _with_jobs(
            self.explanations, lambda path: _read_csv(path, "").assign(explainer=path.stem.partition(".")[2])
        )
        return self._of_runs(frames)

    def read_corruptions(self) -> pd.DataFrame:
        """What the study's runs are worth on corrupted images, with dataset, bundle, model, recipe and corruption."""
        frames = _with_jobs(
            self.corruptions, lambda path: _read_csv(path, "").assign(corruption=path.stem.partition(".")[2])
        )
        return self._of_runs(frames)

    def _of_runs(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Leaves out the runs that a job made for other studies; needs the columns training_set and seed."""
        keys = [*RUN, "bundle"]
        return frame.merge(self.read_experiments()[keys], on=keys)

    def read_scores(self) -> list[dict[str, Any]]:
        """The scores of all pools, as written, with what the path {dataset}/{pool}/{extractor}-n{n}.json says."""
        scores = []
        for path in self.scores:
            named = {
                "dataset": path.parent.parent.name,
                "pool": path.parent.name,
                "n": int(path.stem.rpartition("-n")[2]),
            }
            scores.append(named | read_json(path))
        return scores

    def read_audits(self) -> list[dict[str, Any]]:
        """The audits of all pools, as written (see auditing.audit)."""
        return [read_json(path) for path in self.audits]

    def read_detections(self) -> list[dict[str, Any]]:
        """The detections of all pools, as written (see detecting.detect)."""
        return [read_json(path) for path in self.detections]

    def meta(self, dataset: str) -> dict[str, Any]:
        """Class names, counts and source of a dataset; raises ValueError for a dataset that is not among the inputs."""
        if dataset not in self.data:
            raise ValueError(f"no data files of dataset {dataset}: add its meta.json to the inputs")
        return read_json(self.data[dataset]["meta"])


def _paths(value: Any) -> list[Path]:
    return [Path(value)] if isinstance(value, str | Path) else [Path(one) for one in value]


def _read_csv(path: Path | None, name: str) -> pd.DataFrame:
    if path is None:
        raise ValueError(f"{name} is not among the inputs")
    # Names such as "nan" or "null" are names here: only an empty cell is missing.
    try:
        return pd.read_csv(path, keep_default_na=False, na_values=[""])
    except (pd.errors.EmptyDataError, pd.errors.ParserError, UnicodeDecodeError) as error:
        raise DamagedFileError(path, error) from error


def _with_jobs(paths: Iterable[Path], read: Any) -> pd.DataFrame:
    frames = []
    for path in paths:
        job = job_of(path)
        try:
            frame = read(path)
        except (OSError, ValueError, KeyError) as error:
            raise DamagedFileError(path, error) from error
        frames.append(frame.assign(**job._asdict()))
    if not frames:
        raise ValueError("there is no file of this kind among the inputs: the study asks for none")
    return pd.concat(frames, ignore_index=True)
