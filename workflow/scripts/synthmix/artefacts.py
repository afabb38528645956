"""What tables and figures are made from: the paths of a study's artefacts, with readers for what several kinds need."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from synthmix.experiments import job_of
from synthmix.files import DamagedFileError, read_json


@dataclass(frozen=True)
class Artefacts:
    """Paths of one study's artefacts; nothing is read before a reader asks for it.

    `data` maps a dataset to its files {"train", "test", "meta"}; `pools` maps (dataset, pool) to the pool's shards.
    """

    experiments: Path
    comparisons: Path
    predictions: list[Path] = field(default_factory=list)
    histories: list[Path] = field(default_factory=list)
    scores: list[Path] = field(default_factory=list)
    cross_tests: list[Path] = field(default_factory=list)
    benchmarks: list[Path] = field(default_factory=list)
    data: dict[str, dict[str, Path]] = field(default_factory=dict)
    pools: dict[tuple[str, str], list[Path]] = field(default_factory=dict)

    def read_experiments(self) -> pd.DataFrame:
        """One row per run (see experiments.collect)."""
        return _read_csv(self.experiments)

    def read_comparisons(self) -> pd.DataFrame:
        """One row per comparison (see comparisons.COLUMNS)."""
        return _read_csv(self.comparisons)

    def read_predictions(self, columns: list[str]) -> pd.DataFrame:
        """The given columns of all predictions, with the dataset, bundle, model and recipe of their job."""
        return _with_jobs(self.predictions, lambda path: pq.read_table(path, columns=columns).to_pandas())

    def read_histories(self) -> pd.DataFrame:
        """The rows of all training histories, with the dataset, bundle, model and recipe of their job."""
        return _with_jobs(self.histories, _read_csv)

    def read_cross_tests(self) -> pd.DataFrame:
        """One row per (run, pool) tested on generated images, with the dataset, bundle, model and recipe of its job."""
        return _with_jobs(self.cross_tests, lambda path: pd.DataFrame(read_json(path)["runs"]))

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

    def meta(self, dataset: str) -> dict[str, Any]:
        """Class names, counts and source of a dataset; raises ValueError for a dataset that is not among the inputs."""
        if dataset not in self.data:
            raise ValueError(f"no data files of dataset {dataset}: add its meta.json to the inputs")
        return read_json(self.data[dataset]["meta"])


def _read_csv(path: Path) -> pd.DataFrame:
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
