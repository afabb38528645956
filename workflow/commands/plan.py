"""What `snakemake` would run, why, and what it will cost; it runs nothing and changes no result.

    python workflow/commands/plan.py [--profile slurm] [study or file ...]     (make plan PROFILE=slurm STUDY=digits)

Arguments are those of snakemake.
"""

import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from tabulate import tabulate

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

from synthmix import records  # noqa: E402 (the library is not installed)
from synthmix.analysis import planned_power  # noqa: E402 (the library is not installed)
from synthmix.planning import changes, graph  # noqa: E402 (the library is not installed)
from synthmix.planning.estimates import Cost, Estimate, History, Range, cost  # noqa: E402
from synthmix.planning.graph import Planned  # noqa: E402

SHOWN_REASONS = 6  # per stage


def main() -> int:
    arguments = graph.dry_run(sys.argv[1:])
    if arguments is None:
        return 1
    jobs = graph.planned()
    running = [job for job in jobs if job.runs]
    history = History()
    estimates = {job.number: history.estimate(job) for job in running}
    why = {job.number: changes.reasons(job, records.read(job.log)) for job in jobs}
    if not running:
        print("Nothing to be done: every result is there.")
    else:
        slots = None if arguments.executor in (None, "local") else arguments.jobs
        whole = cost(jobs, estimates, slots, arguments.cores)
        print(_table(running, estimates), end="\n\n")
        print("\n".join(_costs(running, whole, slots)), end="\n\n")
        print("\n".join(_reasons(running, why)))
        for line in whole.over(graph.plan().config["budget"]):
            print(f"\nconfig.yaml: {line}: snakemake will not start. Plan less, or raise the budget.")
        for line in _power(arguments.targets):
            print(f"\n{line}")
    overlooked = [job for job in jobs if not job.runs and why[job.number]]
    if overlooked:
        print("\n".join(_overlooked(overlooked, why)))
    return 0


def _table(jobs: Iterable[Planned], estimates: Mapping[int, Estimate | None]) -> str:
    """A row per stage, in the order of the workflow."""
    stages: dict[str, list[Planned]] = defaultdict(list)
    for job in sorted(jobs, key=lambda job: job.depth):
        stages[job.stage].append(job)
    rows = []
    for stage, of_stage in stages.items():
        found = [each for job in of_stage if (each := estimates[job.number])]
        pieces, stored = (sum(getattr(each, name) for each in found) for name in ("pieces", "stored"))
        known = [each.seconds for each in found if each.seconds]
        rows.append(
            {
                "stage": stage,
                "jobs": len(of_stage),
                "to make": pieces - stored if found else "",
                "in the store": stored if stored else "",
                "time": _span(sum(known, Range()), _duration) if known else "unknown" if found else "seconds each",
                "earlier jobs": max(each.jobs for each in found) if known else "",
                "unknown": len(found) - len(known) or "",
            }
        )
    return tabulate(rows, headers="keys", tablefmt="github", colalign=("left", *["right"] * 6))


def _span(amount: Range, form: Callable[[float], str]) -> str:
    mean, low, high = (form(each) for each in (amount.mean, amount.low, amount.high))
    return mean if low == high else f"{mean} ({low} to {high})"


def _two_digits(value: float) -> str:
    return f"{value:.2g}"


def _duration(seconds: float) -> str:
    for unit, length in (("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.2g} {unit}"
    return f"{seconds:.0f} s"


def _costs(jobs: list[Planned], whole: Cost, slots: int | None) -> Iterable[str]:
    here = sum(job.local for job in jobs)
    least = "at least " if whole.unknown else ""
    yield f"{len(jobs)} jobs: {len(jobs) - here} on the cluster, {here} here." if slots else f"{len(jobs)} jobs, here."
    yield f"GPU-hours asked for: {least}{_span(whole.gpu_hours, _two_digits)}"
    waiting = ", without waiting in the queue" if slots else ""
    yield f"From start to end: {least}{_span(whole.wall_hours * 3600, _duration)}{waiting}"
    yield f"Storage: {least}{_span(whole.gigabytes, _two_digits)} GB in about {whole.files} files"
    if whole.unknown:
        yield f"{whole.unknown} jobs are unknown: no earlier job had their shape. They count as nothing above."
    if whole.devices:
        yield f"Earlier jobs of the same shape ran on {', '.join(whole.devices)}; in brackets, the fastest and slowest."


def _reasons(jobs: Iterable[Planned], why: Mapping[int, list[str]]) -> Iterable[str]:
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for job in jobs:
        counts[job.stage].update(why[job.number])
    yield "Why (jobs):"
    for stage, reasons in counts.items():
        for reason, count in reasons.most_common(SHOWN_REASONS):
            yield f"  {stage}: {reason} ({count})"
        if len(reasons) > SHOWN_REASONS:
            yield f"  {stage}: and {len(reasons) - SHOWN_REASONS} other reasons"


def _power(targets: Iterable[str]) -> Iterable[str]:
    """A line for each study to be built whose primary comparison its seeds can hardly answer."""
    plan = graph.plan()
    for study in [name for name in plan.studies if name in targets] or plan.config["studies"]:
        try:
            yield from planned_power.warnings(plan, study)
        except ValueError as error:  # a pilot without results, or with damaged ones
            yield f"studies/{study}.yaml: power: {error}"


def _overlooked(jobs: list[Planned], why: Mapping[int, list[str]]) -> Iterable[Any]:
    """Results that Snakemake takes for up to date although other specs made them: its own notes were lost."""
    yield f"\n{len(jobs)} jobs' results are not the planned ones, and Snakemake does not know it (is .snakemake lost?):"
    yield from (f"  {job.stage} {job.name}: {'; '.join(why[job.number])}" for job in jobs[:20])
    if len(jobs) > 20:
        yield f"  and {len(jobs) - 20} others"
    rules = sorted({job.rule for job in jobs})
    yield f"Make them again with: snakemake --cores all --forcerun {' '.join(rules)}"
    yield "What the store has of them is not trained or drawn again."


if __name__ == "__main__":
    sys.exit(main())
