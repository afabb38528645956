"""MLflow: a run for each run, in an experiment for each data set; at MLFLOW_TRACKING_URI, else in a local SQLite file.

A run whose content has changed is shown beside the old one, which gets the tag `synthmix.replaced`.
"""

import os
import time
from pathlib import Path
from typing import Any

from synthmix.tracking import Finished

PACKAGES = ("mlflow",)
AT_ONCE = 100  # MLflow takes no more parameters, and ten times as many metrics, in one call


def mirror(run: Finished, folder: Path, offline: bool) -> None:
    """Show a run; one with this content that is there already is left alone."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Param

    remote = None if offline else os.environ.get("MLFLOW_TRACKING_URI")
    folder.mkdir(parents=True, exist_ok=True)
    client = MlflowClient(remote or f"sqlite:///{folder.absolute()}/mlflow.db")
    experiment = _experiment(client, f"synthmix/{run.name.partition('/')[0]}", None if remote else folder)
    same = client.search_runs([experiment], f"tags.`synthmix.run` = '{run.name}'")
    if any(each.data.tags.get("synthmix.content") == run.content for each in same):
        return
    tags = {"synthmix.run": run.name, "synthmix.arm": run.group, "synthmix.content": run.content}
    shown = client.create_run(experiment, run_name=run.name, tags=tags).info.run_id
    now = int(time.time() * 1000)
    parameters = [Param(name, str(value)) for name, value in run.parameters.items()]
    metrics = [Metric(name, value, now, step) for step, values in run.history.items() for name, value in values.items()]
    last = max(run.history, default=0)
    metrics += [Metric(f"results/{name}", value, now, last) for name, value in run.results.items()]
    for start in range(0, len(parameters), AT_ONCE):
        client.log_batch(shown, params=parameters[start : start + AT_ONCE])
    for start in range(0, len(metrics), 10 * AT_ONCE):
        client.log_batch(shown, metrics=metrics[start : start + 10 * AT_ONCE])
    client.set_terminated(shown)
    for each in same:
        client.set_tag(each.info.run_id, "synthmix.replaced", "yes")


def _experiment(client: Any, name: str, folder: Path | None) -> str:
    """Id of the experiment of a name, made where there is none; its artifacts lie below a folder, if one is given."""
    found = client.get_experiment_by_name(name)
    if found is not None:
        return str(found.experiment_id)
    return str(client.create_experiment(name, f"file://{folder.absolute()}/artifacts" if folder else None))
