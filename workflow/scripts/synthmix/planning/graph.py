"""The jobs that Snakemake has planned, as plain data: what `make plan`, the budget and `make clean-unused` look at."""

import json
import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from synthmix import files, gpus, layout
from synthmix.planning.plan import Plan
from synthmix.units import content

_current: list[tuple[Any, Plan]] = []


def remember(workflow: Any, plan: Plan) -> None:
    """Keep the workflow of this process, whose graph of jobs exists once its Snakefile has been read, and its plan."""
    _current.append((workflow, plan))


def dry_run(arguments: Sequence[str]) -> Any:
    """Let Snakemake plan, quietly, what it would do for the arguments of a command line; `planned` then has the jobs.

    Without `--cores`, all cores of this machine count.

    Returns the parsed arguments, or None where Snakemake has printed an error.
    """
    from snakemake import cli

    parser, parsed = cli.parse_args([*arguments, "--dry-run", "--nolock", "--quiet", "rules", "progress"])
    if parsed.cores is None:  # of which a dry run would take one
        here = parsed.executor in (None, "local")
        parsed.cores = (parsed.jobs if here else None) or os.cpu_count() or 1
    logging.disable(logging.INFO)
    try:
        return parsed if cli.args_to_api(parsed, parser) else None
    finally:
        logging.disable(logging.NOTSET)


def plan() -> Plan:
    """The plan of this process."""
    return _current[-1][1]


@dataclass(frozen=True)
class Planned:
    """One job of the graph.

    stage, rule: its stage and rule (both rules that train generators are of one stage). name: of its log, below the
    stage. spec: None where a rule has none. data: digest of what its data set holds (units.content); None where that is
    not known before prepare_data has run. local: whether it runs where Snakemake runs: jobs of seconds,
    without a benchmark. runs: whether it is to run, or done. because: Snakemake's own reason. before: numbers of the
    jobs that it needs. depth: length of the longest chain of jobs before it.
    """

    number: int
    stage: str
    rule: str
    name: str
    log: str
    wildcards: dict[str, str]
    spec: dict[str, Any] | None
    data: str | None
    outputs: tuple[str, ...]
    benchmark: str | None
    threads: int
    gpus: int
    local: bool
    runs: bool
    because: str
    before: tuple[int, ...]
    depth: int


def planned() -> list[Planned]:
    """The jobs that the last workflow's graph holds, those that are done included, except pure targets."""
    workflow, _ = _current[-1]
    return list(_jobs(workflow.dag))


def _jobs(dag: Any) -> Iterator[Planned]:
    numbers = {job: number for number, job in enumerate(dag.jobs)}

    @cache
    def depth(job: Any) -> int:
        return 1 + max(map(depth, dag.dependencies[job]), default=0)

    unprepared = {job.wildcards.dataset for job in numbers if job.rule.name == "prepare_data" and dag.needrun(job)}

    @cache
    def data(dataset: str | None) -> str | None:
        meta = Path(layout.DATA.format(dataset=dataset), "meta.json")
        if dataset in unprepared or not meta.exists():
            return None
        with suppress(files.DamagedFileError):  # the first job that reads it says so
            return content(files.read_json(meta))
        return None

    for job, number in numbers.items():
        if not job.log:  # a study, or all: nothing is made
            continue
        _, stage, name = str(job.log[0]).removesuffix(".log").split("/", 2)
        runs = bool(dag.needrun(job))
        yield Planned(
            number=number,
            stage=stage,
            rule=str(job.rule.name),
            name=name,
            log=str(job.log[0]),
            wildcards=dict(job.wildcards_dict),
            spec=json.loads(job.params.spec) if "spec" in job.params.keys() else None,  # noqa: SIM118 (not a mapping)
            data=data(job.wildcards_dict.get("dataset")),
            outputs=tuple(map(str, job.output)),
            benchmark=str(job.benchmark) if job.benchmark else None,
            threads=int(job.threads) if runs else 1,
            gpus=gpus.requested(dict(job.resources.items())) if runs else 0,
            local=not job.benchmark,
            runs=runs,
            because=str(dag.reason(job)) if runs else "",
            before=tuple(numbers[each] for each in dag.dependencies[job]),
            depth=depth(job),
        )
