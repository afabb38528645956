"""What jobs ask for: GPUs, threads, memory and time, from config.yaml, scaled by the studies."""

import math
from collections.abc import Callable, Mapping
from typing import Any

from synthmix.planning.plan import Definition, Plan, listed

NAMES = ("dataset", "generator", "pool", "extractor", "model", "recipe")


class Requests:
    """The requests of one plan's jobs, as functions of wildcards that Snakemake calls."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.of = plan, plan.config["resources"]

    def threads(self, stage: str) -> Callable[..., int]:
        """Number of CPU threads of a stage's jobs."""
        return lambda wildcards: max(1, self._amount(stage, "threads", wildcards))

    def resources(self, stage: str) -> dict[str, Callable[..., Any]]:
        """The resources of a stage's jobs, by name; None stands for one that a job does not ask for.

        A job that failed asks for half of its memory more in every further attempt: it may have run out of it.
        """
        kind, _, model = self.plan.config["gpu_request"].partition(":")

        def gpus(wildcards: Any) -> int:
            return self._amount(stage, "gpu", wildcards)

        def gres(wildcards: Any) -> str | None:
            parts = ["gpu", *filter(None, [model]), str(gpus(wildcards))]
            return ":".join(parts) if gpus(wildcards) else None

        requested: dict[str, Callable[..., Any]] = {
            "mem_mb": lambda wildcards, attempt: math.ceil(
                self._amount(stage, "mem_mb", wildcards) * (1 + attempt) / 2
            ),
            "runtime": lambda wildcards: self._amount(stage, "runtime", wildcards),
        }
        if kind == "gres":
            return {**requested, "gres": gres}
        requested["gpu"] = gpus
        # the GPUs of --gpus may lie on several nodes, where one job's processes cannot be
        requested["nodes"] = lambda wildcards: 1 if gpus(wildcards) > 1 else None
        if model:
            requested["gpu_model"] = lambda wildcards: model if gpus(wildcards) else None
        return requested

    def _amount(self, stage: str, key: str, wildcards: Any) -> int:
        names = {name: wildcards.get(name) for name in NAMES if wildcards.get(name)}
        if "pool" in names:
            names["generator"] = self.plan.definitions["pools"][names["pool"]]["generator"]
        if wildcards.get("filter"):
            names["extractor"] = self.plan.definitions["filters"][wildcards.get("filter")]["extractor"]
        return math.ceil(self.of[stage][key] * self._factor(stage, key, names))

    def _factor(self, stage: str, key: str, names: Mapping[str, str]) -> float:
        """The largest factor among the studies that define all that a job is about."""
        factors = [
            math.prod(entry[key] for entry in study["scale"] if key in entry and _applies(entry, stage, names))
            for study in self.plan.studies.values()
            if all(name in study[f"{kind}s"] for kind, name in names.items())
        ]
        return max(factors, default=1)


def _applies(entry: Definition, stage: str, names: Mapping[str, str]) -> bool:
    """Whether an entry of `scale` is about a job: everything that it names is among the job's names."""
    if "stage" in entry and stage not in listed(entry["stage"]):
        return False
    return all(names.get(name) in listed(entry[name]) for name in NAMES if name in entry)
