"""What planned jobs will cost, from what earlier jobs of the same shape took."""

import csv
import heapq
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from synthmix import layout, records
from synthmix.planning.graph import Planned
from synthmix.spec import canonical
from synthmix.store import Entry
from synthmix.units import entry, units

# Parts of a spec that change what is computed, but hardly how long it takes. What is not named here counts.
FREE = {"learning_rate", "momentum", "weight_decay", "width_scaled", "schedule", "warmup_steps", "label_noise", "seed"}
FREE |= {"step", "plateau", "layer_decay", "head_rate", "clip", "label_smoothing"}
FREE |= {"seeds", "ema_decay", "gradient_clip", "label_dropout", "prediction", "noise_schedule", "shard", "pool"}
FREE |= {
    "shuffle_synthetic_labels",
    "keys",
    "upstream",
    "code",
    "about",
    "names",
    "extractor_name",
    "draw_from",
    "filter",
}
FREE |= {"listing", "class", "classes", "class_names", "prompts", "template", "scenarios", "negative_prompt", "caption"}


@dataclass(frozen=True)
class Range:
    """An amount with its limits: what the earlier jobs of the same shape took on average, at least and at most."""

    mean: float = 0.0
    low: float = 0.0
    high: float = 0.0

    def __add__(self, other: "Range") -> "Range":
        return Range(self.mean + other.mean, self.low + other.low, self.high + other.high)

    def __mul__(self, factor: float) -> "Range":
        return Range(self.mean * factor, self.low * factor, self.high * factor)

    @classmethod
    def of(cls, values: Sequence[float]) -> "Range":
        return cls(sum(values) / len(values), min(values), max(values))


@dataclass(frozen=True)
class Estimate:
    """One job's cost. pieces: what it makes; stored: how many of them the store has already.

    seconds, size (bytes): None where no earlier job had this shape. jobs: how many had. devices: what they ran on.
    """

    pieces: int
    stored: int
    seconds: Range | None
    size: Range | None
    jobs: int
    devices: tuple[str, ...]


def shape(stage: str, wildcards: Mapping[str, str], spec: Mapping[str, Any]) -> str:
    """What decides how long a piece of a stage's work takes, as a text; equal texts are one shape.

    Training for a number of steps takes as long whatever it trains on; for a number of epochs, the training sets count.
    """
    kept = _without_free(spec)
    if "guidance" in kept.get("sampling", {}):
        kept["sampling"]["guidance"] = kept["sampling"]["guidance"] != 1  # guided or not: two passes or one
    if (spec.get("recipe") or {}).get("steps"):
        kept.pop("training_sets", None)
    elif "training_sets" in kept:
        kept["training_sets"] = sorted(map(canonical, kept["training_sets"].values()))
    return canonical({"stage": stage, "dataset": wildcards.get("dataset"), **kept})


def _without_free(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_free(each) for key, each in value.items() if key not in FREE}
    return value


class History:
    """Earlier jobs: their benchmark files and records."""

    @cached_property
    def _of_shape(self) -> dict[str, list[tuple[float, float, str]]]:
        """Per shape: (seconds, bytes, device) of a piece of work in each earlier job."""
        found = defaultdict(list)
        folder = Path(layout.BENCHMARKS)
        for path in sorted(folder.rglob("*.tsv")):
            stage, name = path.relative_to(folder).with_suffix("").as_posix().split("/", 1)
            record = records.read(f"logs/{stage}/{name}.log")
            seconds = _seconds(path)
            if record is None or seconds is None or not record.made or record.resumed:
                continue
            pieces = units(record.spec)
            key = shape(stage, {"dataset": name.split("/")[0]}, record.spec)
            size = record.size / (len(pieces) if pieces else 1)
            found[key].append((seconds / record.made, size, record.device or ""))
        return found

    def estimate(self, job: Planned) -> Estimate | None:
        """What a job will cost; None for tables, figures and reports, which take seconds."""
        if job.spec is None or job.benchmark is None:
            return None
        wanted = units(job.spec)
        pieces = 1 if wanted is None else len(wanted)
        stored = sum(Entry.finished(entry(unit, job.data)) for unit in wanted or () if job.data)
        seen = self._of_shape.get(shape(job.stage, job.wildcards, job.spec), [])
        if not seen and stored < pieces:
            return Estimate(pieces, stored, None, None, 0, ())
        seconds = Range.of([each[0] for each in seen]) if seen else Range()
        size = Range.of([each[1] for each in seen]) if seen else Range()
        devices = tuple(sorted({device for _, _, device in seen if device}))
        return Estimate(pieces, stored, seconds * (pieces - stored), size * pieces, len(seen), devices)


def _seconds(path: Path) -> float | None:
    """Wall seconds in a benchmark file; None where it holds none."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    try:
        return sum(float(row["s"]) for row in rows) / len(rows)
    except (KeyError, ValueError, ZeroDivisionError):
        return None


@dataclass(frozen=True)
class Cost:
    """What a plan costs. Jobs without history count as nothing: `unknown` says how many there are."""

    gpu_hours: Range
    wall_hours: Range
    gigabytes: Range
    files: int
    unknown: int
    devices: tuple[str, ...]

    def over(self, budget: Mapping[str, float]) -> list[str]:
        """What the plan exceeds of a budget, in words."""
        amounts = {"gpu_hours": self.gpu_hours, "wall_hours": self.wall_hours, "gigabytes": self.gigabytes}
        words = {"gpu_hours": "GPU-hours", "wall_hours": "hours", "gigabytes": "GB"}
        return [
            f"budget.{key}: the plan takes {amounts[key].mean:.3g} {words[key]}"
            f"{' or more' if self.unknown else ''}, {amounts[key].mean - limit:.3g} above the budget of {limit:g}"
            for key, limit in budget.items()
            if amounts[key].mean > limit
        ]


def cost(jobs: Sequence[Planned], estimates: Mapping[int, Estimate | None], slots: int | None, cores: int) -> Cost:
    """The cost of the jobs that are to run.

    Args:
        jobs: all jobs of the graph.
        estimates: by number of the job.
        slots: how many jobs the cluster runs at a time; None where everything runs on this machine.
        cores: that Snakemake may use on this machine.
    """
    running = [job for job in jobs if job.runs]
    known = {job.number: found for job in running if (found := estimates.get(job.number)) and found.seconds}
    hours = {number: (found.seconds or Range()) * (1 / 3600) for number, found in known.items()}
    gpu_hours, size = Range(), Range()
    for job in running:
        gpu_hours += hours.get(job.number, Range()) * job.gpus
        if job.number in known:
            size += (known[job.number].size or Range()) * 1e-9
    edges = [{number: getattr(each, edge) for number, each in hours.items()} for edge in ("mean", "low", "high")]
    return Cost(
        gpu_hours=gpu_hours,
        wall_hours=Range(*(makespan(running, edge, slots, cores) for edge in edges)),
        gigabytes=size,
        files=sum(len(job.outputs) + len(units(job.spec) or ()) * 2 + 3 for job in running if job.spec),
        unknown=sum(1 for job in running if estimates.get(job.number) and job.number not in known),
        devices=tuple(sorted({device for found in known.values() for device in found.devices})),
    )


def makespan(jobs: Iterable[Planned], hours: Mapping[int, float], slots: int | None, cores: int) -> float:
    """Hours from the first start to the last end, where each job starts as soon as it can (list scheduling).

    On this machine a job takes its threads of the `cores`; on a cluster at most `slots` jobs run at a time.
    """
    by_number = {job.number: job for job in jobs}
    blocked = {number: sum(each in by_number for each in job.before) for number, job in by_number.items()}
    after = defaultdict(list)
    for number, job in by_number.items():
        for each in job.before:
            after[each].append(number)
    ready = [(-hours.get(number, 0), number) for number, count in blocked.items() if not count]
    heapq.heapify(ready)
    capacity = free = slots or cores
    now, running = 0.0, list[tuple[float, int, int]]()
    while ready or running:
        while ready and free:  # the longest first; one that does not fit makes those behind it wait
            number = ready[0][1]
            taken = 1 if slots else min(by_number[number].threads, capacity)
            if taken > free:
                break
            heapq.heappop(ready)
            free -= taken
            heapq.heappush(running, (now + hours.get(number, 0), number, taken))
        now, number, taken = heapq.heappop(running)
        free += taken
        for each in after[number]:
            blocked[each] -= 1
            if not blocked[each]:
                heapq.heappush(ready, (-hours.get(each, 0), each))
    return now


def check_budget(jobs: Sequence[Planned], budget: Mapping[str, float], slots: int | None, cores: int) -> None:
    """Raise OverBudgetError where the jobs that are to run cost more than a budget."""
    if budget:
        history = History()
        estimates = {job.number: history.estimate(job) for job in jobs if job.runs}
        if over := cost(jobs, estimates, slots, cores).over(budget):
            raise OverBudgetError(f"config.yaml: {'; '.join(over)}: plan less (make plan shows the jobs), or raise it")


class OverBudgetError(RuntimeError):
    """A plan costs more than config.yaml allows."""
