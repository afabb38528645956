"""Comparisons of training sets, paired by seed, with the family-wise correction of a study."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from synthmix.analysis import resampling, statistics
from synthmix.experiments import Arm, Job, constant, groups, job_of, paired, runs_of, wanted
from synthmix.files import DamagedFileError

COLUMNS = [
    "dataset",
    "model",
    "recipe",
    "metric",
    "training_set",
    "baseline",
    "primary",
    "n",
    "mean",
    "baseline_mean",
    "difference",
    "t_low",
    "t_high",
    "joint_low",
    "joint_high",
    "p",
    "p_holm",
    "p_min",
    "pair_correlation",
    "real_images",
    "baseline_real_images",
    "generator_real_images",
    "baseline_generator_real_images",
]
# What a metric's joint interval is made from: a column of the predictions. Other metrics have no such interval.
RESAMPLED = {"accuracy": "correct", "balanced_accuracy": "correct", "auroc": "probability"}


def compare(
    experiments: pd.DataFrame,
    predictions: Iterable[str | Path],
    comparisons: Sequence[Mapping[str, Any]],
    primary: Mapping[str, str] | None,
    metric: str = "accuracy",
) -> pd.DataFrame:
    """One row per comparison and (dataset, model, recipe) in which both of its arms were run.

    `experiments` is what experiments.collect returns; `predictions` are the jobs' predictions.parquet, of which only
    those needed are read; `comparisons` lists {baseline, training_set, dataset?, model?, recipe?}, and `primary` names
    dataset, model, recipe, training_set and baseline of the one comparison that stays outside the correction (added if
    not in the list).
    Differences are training set minus baseline over the seeds that both arms have. Columns: see COLUMNS. `p` is that of
    the exact sign-flip test, `p_holm` Holm's over all rows but the primary one, which keeps its p, and `p_min` the
    smallest p that n seeds can reach. The joint interval resamples seeds and test images; it exists for accuracy,
    balanced accuracy and, with two classes, AUROC.
    Raises ValueError where the primary comparison was not run.
    """
    tested = Predictions(predictions)
    chosen = _named(primary) if primary else None
    rows = []
    for arm, baseline in pairs(experiments, comparisons, primary):
        values = paired(experiments, arm, baseline, metric)
        if values.empty:
            if (arm, baseline) == chosen:
                raise ValueError(
                    f"primary: {arm.training_set} and {baseline} share no seed in {'/'.join(arm[:3])}: add their runs"
                )
            continue
        runs, against = (runs_of(experiments, one).loc[values.index] for one in _both(arm, baseline))
        joint = tested.joint_interval(metric, arm, baseline, runs, against)
        rows.append(
            {
                **arm._asdict(),
                "baseline": baseline,
                "metric": metric,
                "primary": (arm, baseline) == chosen,
                "joint_low": joint[0],
                "joint_high": joint[1],
                **_statistics(values),
                **_counts(runs, against),
            }
        )
    frame = pd.DataFrame(rows, columns=COLUMNS)
    others = ~frame["primary"].astype(bool)
    frame["p_holm"] = frame["p"]
    frame.loc[others, "p_holm"] = statistics.holm(frame.loc[others, "p"])
    return frame


def pairs(
    runs: pd.DataFrame, comparisons: Sequence[Mapping[str, Any]], primary: Mapping[str, str] | None
) -> list[tuple[Arm, str]]:
    """(arm, its baseline) of all that a study compares, each once, in its order; they may share no seed.

    `runs` has a row per run, with dataset, model, recipe and training_set; the others as for `compare`.
    """
    found = {(arm, entry["baseline"]): None for entry in comparisons for arm in _candidates(runs, entry)}
    if primary:
        found.setdefault(_named(primary), None)
    return list(found)


def _named(primary: Mapping[str, str]) -> tuple[Arm, str]:
    return Arm(*(primary[key] for key in Arm._fields)), primary["baseline"]


def _both(arm: Arm, baseline: str) -> tuple[Arm, Arm]:
    return arm, arm._replace(training_set=baseline)


def _candidates(experiments: pd.DataFrame, entry: Mapping[str, Any]) -> list[Arm]:
    """Every (dataset, model, recipe) that the entry admits beside each of its training sets, in its order."""
    keys = ["dataset", "model", "recipe"]
    chosen = [wanted(entry, key) for key in keys]
    settings = [
        setting
        for setting, _ in groups(experiments, keys)
        if all(among is None or name in among for name, among in zip(setting, chosen, strict=True))
    ]
    names = wanted(entry, "training_set") or []
    return [Arm(dataset, model, recipe, name) for dataset, model, recipe in settings for name in names]


def _statistics(values: pd.DataFrame) -> dict[str, Any]:
    differences = (values["value"] - values["baseline"]).to_numpy()
    interval = statistics.t_interval(differences)
    return {
        "n": interval.n,
        "mean": values["value"].mean(),
        "baseline_mean": values["baseline"].mean(),
        "difference": interval.mean,
        "t_low": interval.low,
        "t_high": interval.high,
        "p": statistics.sign_flip_test(differences),
        "p_min": statistics.smallest_p(interval.n),
        "pair_correlation": statistics.pair_correlation(values["value"].to_numpy(), values["baseline"].to_numpy()),
    }


def _counts(runs: pd.DataFrame, against: pd.DataFrame) -> dict[str, float | None]:
    names = ["real_images", "generator_real_images"]
    return {name: constant(runs, name) for name in names} | {
        f"baseline_{name}": constant(against, name) for name in names
    }


class Predictions:
    """What each run said of each test image, read once per arm from the files that hold it."""

    def __init__(self, paths: Iterable[str | Path]) -> None:
        self._files: dict[Job, list[Path]] = {}
        for path in paths:
            self._files.setdefault(job_of(path), []).append(Path(path))
        self._tables: dict[tuple[Arm, str], pd.DataFrame] = {}

    def joint_interval(
        self, metric: str, arm: Arm, baseline: str, runs: pd.DataFrame, against: pd.DataFrame
    ) -> tuple[float, float] | tuple[None, None]:
        """Joint interval of the arm against its baseline, over the seeds of `runs` and `against`.

        (None, None) for a metric that has none, and where predictions do not hold what it takes.
        """
        found = self.per_image(metric, arm, baseline, runs, against)
        if found is None:
            return None, None
        values, against_values, labels = found
        if labels is None:
            return statistics.joint_interval(values, against_values)
        statistic = {"balanced_accuracy": resampling.balanced_accuracy, "auroc": resampling.auroc}[metric]
        return resampling.joint_interval(statistic, values, against_values, labels)

    def per_image(
        self, metric: str, arm: Arm, baseline: str, runs: pd.DataFrame, against: pd.DataFrame
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray | None] | None:
        """What a metric is made of, of the arm and of its baseline, over the seeds of `runs` and `against`.

        Two (seeds, images) arrays: whether each image is right (bool for accuracy), or for AUROC the probability of
        class 1; and int labels (images,), None for accuracy. None for a metric that is not made of these, and where
        predictions do not hold what it takes.
        """
        column = RESAMPLED.get(metric)
        sides = [(arm, runs), (arm._replace(training_set=baseline), against)]
        if column is None or not all(self._holds(*side, column) for side in sides):
            return None
        one, other = (self._table(*side, column) for side in sides)
        if not one.columns.equals(other.columns):
            raise ValueError(
                f"{'/'.join(arm)} and {baseline} were tested on different images: "
                "delete the older predictions and run snakemake again"
            )
        if metric == "accuracy":
            return one.to_numpy(dtype=bool), other.to_numpy(dtype=bool), None
        labels = self._table(arm, runs, "label").to_numpy(dtype=np.int64)[0]
        return one.to_numpy(dtype=np.float64), other.to_numpy(dtype=np.float64), labels

    def _paths(self, arm: Arm, runs: pd.DataFrame) -> list[Path]:
        paths = []
        for bundle in runs["bundle"].unique():
            job = Job(arm.dataset, bundle, arm.model, arm.recipe)
            if job not in self._files:
                raise ValueError(f"no predictions file of {'/'.join(job)}: list it beside its metrics")
            paths += self._files[job]
        return paths

    def _holds(self, arm: Arm, runs: pd.DataFrame, column: str) -> bool:
        """Whether predictions have a column; that of probabilities is there for two classes only."""
        return column == "correct" or all(column in _columns(path) for path in self._paths(arm, runs))

    def _table(self, arm: Arm, runs: pd.DataFrame, column: str) -> pd.DataFrame:
        """Rows: the seeds of `runs`; columns: rows of the test split; values: the column of the predictions."""
        if (arm, column) not in self._tables:
            rows = pd.concat([_read(path, arm.training_set, column) for path in self._paths(arm, runs)])
            table = rows.pivot(index="seed", columns="index", values=column).sort_index(axis=1)
            self._tables[arm, column] = table
        table = self._tables[arm, column].reindex(runs.index)
        if table.empty or table.isna().to_numpy().any():
            raise ValueError(
                f"{'/'.join(arm)}: predictions miss a seed or a test image: delete them and run snakemake again"
            )
        return table


def _columns(path: Path) -> list[str]:
    try:
        names: list[str] = pq.read_schema(path).names
    except (OSError, ValueError) as error:
        raise DamagedFileError(path, error) from error
    return names


def _read(path: Path, training_set: str, column: str) -> pd.DataFrame:
    try:
        table = pq.read_table(path, columns=["seed", "index", column], filters=[("training_set", "==", training_set)])
    except (OSError, ValueError) as error:
        raise DamagedFileError(path, error) from error
    return table.to_pandas()
