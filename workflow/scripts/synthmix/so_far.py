"""A study while its jobs run: finished runs in the tables and figures, missing ones marked."""

import html
import json
from collections.abc import Iterable, Iterator, Set
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from synthmix import job, layout, records
from synthmix.analysis import statistics
from synthmix.analysis.artefacts import Artefacts
from synthmix.comparisons import COLUMNS, compare
from synthmix.experiments import ARM, collect
from synthmix.files import write_text
from synthmix.planning.graph import Planned
from synthmix.planning.plan import Plan, listed
from synthmix.planning.products import Products
from synthmix.planning.specs import Specs
from synthmix.reports.formatting import bracket, capitalised, joined, percent, run_metric_title
from synthmix.reports.rendering import Table, block, document, save_figure, write_frame

NOT_YET = "not yet"
OF_RUNS = ("predictions", "histories")  # what readers limit to the runs in experiments.csv


def finished_runs(plan: Plan, study: str) -> dict[str, dict[str, list[int]]]:
    """The runs of a study that are tested, as the study now wants them: job folder -> training set -> seeds."""
    specs = Specs(plan)
    planned = {job: json.loads(specs.evaluate(job)) for job in plan.study_jobs(study)}
    records_of = {job: records.read(layout.log("evaluate", layout.job_folder(job))) for job in planned}
    found: dict[str, dict[str, list[int]]] = {}
    for run in plan.runs[study]:
        folder, wanted, record = layout.job_folder(run.job), planned[run.job], records_of[run.job]
        whole = all(Path(folder, name).exists() for name in ("metrics.json", "predictions.parquet"))
        if not whole or record is None or record.spec["code"] != wanted["code"]:
            continue
        keys = (spec["keys"].get(run.training_set, {}).get(str(run.seed)) for spec in (wanted, record.spec))
        if len(set(keys)) == 1:
            found.setdefault(folder, {}).setdefault(run.training_set, []).append(run.seed)
    return found


def as_planned(jobs: Iterable[Planned]) -> set[str]:
    """The results and benchmarks of those jobs whose last run had the spec that is planned now."""
    found = set()
    for each in jobs:
        record = records.read(each.log)
        if record is not None and record.spec == each.spec:
            found |= {*each.outputs, *filter(None, [each.benchmark])}
    return found


def progress(plan: Plan, study: str, experiments: pd.DataFrame) -> Table:
    """One row per arm of the study: seeds finished of those wanted, and the study's metric over them."""
    metric = plan.studies[study].get("metric", "accuracy")
    title = capitalised(run_metric_title(metric))
    wanted: dict[tuple[str, ...], set[int]] = {}
    for run in plan.runs[study]:
        arm = (run.job.dataset, run.job.model, run.job.recipe, run.training_set)
        wanted.setdefault(arm, set()).add(run.seed)
    rows, cells = [], []
    for key, seeds in wanted.items():
        names = dict(zip(ARM, key, strict=True))
        found = experiments[(experiments[ARM] == pd.Series(names)).all(axis=1)] if len(experiments) else experiments
        row = {**names, "finished": len(found), "wanted": len(seeds)}
        value = NOT_YET
        if len(found):
            interval = statistics.t_interval(found[metric])
            row |= {metric: interval.mean, f"{metric}_low": interval.low, f"{metric}_high": interval.high}
            value = joined(percent(interval.mean), bracket(interval.low, interval.high))
        rows.append(row)
        shown = {key.replace("_", " ").capitalize(): value for key, value in names.items()}
        cells.append({**shown, "Seeds": f"{len(found)} of {len(seeds)}", f"{title}, %": value})
    notes = [f"{title}: mean over the seeds finished so far, with its 95 % t interval; not the study's result."]
    return Table(pd.DataFrame(rows), pd.DataFrame(cells), notes)


def build(plan: Plan, study: str, made: Set[str]) -> Path:
    """Write results/studies/{study}/so-far/ from what is finished; returns its page. made: see `as_planned`."""
    definition, products = plan.studies[study], Products(plan)
    folder = Path(layout.STUDY.format(study=study), "so-far")
    asked = finished_runs(plan, study)
    experiments = collect([f"{each}/metrics.json" for each in asked], asked) if asked else pd.DataFrame()
    write_frame(folder / "experiments.csv", experiments)
    title = f"{definition['title']} (so far)"
    parts = [f"<h1>{html.escape(title)}</h1>", block(progress(plan, study, experiments))]
    if asked:
        paths = [f"{each}/predictions.parquet" for each in asked]
        comparisons, metric = definition["comparisons"], definition.get("metric", "accuracy")
        try:
            compared = compare(experiments, paths, comparisons, definition.get("primary"), metric)
        except ValueError:  # an arm of the primary comparison is not there yet
            compared = compare(experiments, paths, comparisons, None, metric)
        write_frame(folder / "comparisons.csv", compared.reindex(columns=COLUMNS))
        parts += _views(plan, products, study, folder, experiments, made)
    page = folder / "index.html"
    write_text(page, document(title, "\n".join(parts)))
    return page


def _views(
    plan: Plan, products: Products, study: str, folder: Path, experiments: pd.DataFrame, made: Set[str]
) -> Iterator[str]:
    """The study's tables and figures as HTML, of what is there; a line for one that nothing is there for."""
    order = {axis: list(dict.fromkeys(experiments[axis])) for axis in ARM}
    definition = plan.studies[study]
    views = [(kind, name, view) for kind in ("tables", "figures") for name, view in definition[kind].items()]
    for stage, name, view in views:
        yield f"<h2>{html.escape(view.get('caption') or name)}</h2>"
        left_out = [each for each in listed(view.get("training_set")) if each not in order["training_set"]]
        if left_out:
            yield f"<p>{NOT_YET}: {html.escape(', '.join(left_out))}</p>"
        try:
            there = _there(products.view_files(stage, study, name), made)
            yield _view(stage, _reduced(view, order), there, folder, order)
        except (ValueError, KeyError, IndexError) as error:
            yield f"<p>{NOT_YET} ({html.escape(str(error))})</p>"


def _reduced(view: dict[str, Any], order: dict[str, list[str]]) -> dict[str, Any]:
    """A table's or figure's definition without the names of which no run is finished."""
    keys = {"training_set": "training_set", "ladder": "training_set", "beside": "training_set"}
    kept = {}
    for key, axis in {**keys, "dataset": "dataset", "model": "model", "recipe": "recipe"}.items():
        if isinstance(view.get(key), list):
            kept[key] = [name for name in view[key] if name in order[axis]]
            if view[key] and not kept[key]:
                raise ValueError(f"no run of {', '.join(view[key])} is finished")
    return {**view, **kept}


def _there(inputs: dict[str, Any], made: Set[str]) -> dict[str, list[str]]:
    """Those inputs of a view that are there and made as planned; experiments and comparisons are this page's own."""
    return {
        # jobs of which more seeds are wanted now have some of the finished runs, too; readers leave out all others
        kind: [path for path in listed(paths) if Path(path).exists() and (kind in OF_RUNS or path in made)]
        for kind, paths in inputs.items()
        if kind not in ("experiments", "comparisons")
    }


def _view(
    stage: str, view: dict[str, Any], there: dict[str, list[str]], folder: Path, order: dict[str, list[str]]
) -> str:
    artefacts = replace(
        Artefacts.of(there), experiments=folder / "experiments.csv", comparisons=folder / "comparisons.csv"
    )
    module = job.module(f"synthmix/{stage}/{view['kind']}.py")
    if stage == "tables":
        return block(module.build({**view, "order": order, "published": []}, artefacts))
    figure = module.draw({**view, **view.get("style", {}), "order": order}, artefacts)
    path = folder / f"{view['kind']}.svg"
    save_figure(figure, [path])
    image = path.read_text(encoding="utf-8")
    path.unlink()
    return f"<div>{image[image.index('<svg') :]}</div>"
