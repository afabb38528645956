"""A study with known numbers whose report is written: tables, figures and all, without a network being trained."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import fabricate

from synthmix.analysis.artefacts import Artefacts
from synthmix.figures import arms, confusion, samples
from synthmix.files import read_json, write_text
from synthmix.planning.configuration import read_studies, validate_config
from synthmix.planning.plan import Plan
from synthmix.planning.products import Products
from synthmix.reporting import Report, Results, compose
from synthmix.reports import latex, page, rendering
from synthmix.reports.citations import bibtex
from synthmix.reports.contents import Reports
from synthmix.tables import accuracy, cost, overview, scores

STUDIES = Path(__file__).parents[1] / "studies"
VIEWS = {
    "tables": {"overview": overview, "main": accuracy, "fewshot": accuracy, "scores": scores, "cost": cost},
    "figures": {"main": arms, "samples": samples, "confusion": confusion},
}
VERSIONS = [{"python": "3.11.7", "torch": "2.6.0"}]


def reports(*studies: str, folder: Path = STUDIES) -> Reports:
    """The reports of studies of the repository, or of another folder."""
    config = validate_config({"studies": list(studies)}, "config.yaml")
    plan = Plan(config, read_studies(folder, studies))
    return Reports(plan, Products(plan))


def spec_of(study: str, folder: Path = STUDIES) -> dict[str, Any]:
    """The spec of a study's report."""
    spec: dict[str, Any] = json.loads(reports(study, folder=folder).spec(study))
    return spec


def results(artefacts: Artefacts, training_sets: Iterable[str]) -> Results:
    """What the report is made from, of runs of these training sets."""
    experiments, names = artefacts.read_experiments(), list(training_sets)
    experiments = experiments[experiments["training_set"].isin(names)]
    meta = read_json(artefacts.data["digits"]["meta"])
    meta |= {"name": "digits", "size": [8, 8], "channels": 1, "source": {"source": "embedded", "name": "digits"}}
    meta["splits"] = {split: {"from": "train"} for split in ("train", "val", "test")}
    sizes = {"train": 115, "val": 20, "test": 20}
    meta["counts"] = {split: dict.fromkeys(fabricate.CLASSES, n) for split, n in sizes.items()}
    return Results([meta], experiments, artefacts.read_comparisons(), VERSIONS, [])


def digits(root: Path) -> tuple[Report, Path]:
    """The report of study digits, made of fabricated numbers and written below `root` with its tables and figures."""
    artefacts = fabricate.study(root)
    spec, folder = spec_of("digits"), root / "studies/digits"
    ran = set(artefacts.read_experiments()["training_set"])
    for stage, kinds in VIEWS.items():
        spec[stage] = [view for view in spec[stage] if view["name"] in kinds]
    content = reports("digits").plan.studies["digits"]
    for stage, kinds in VIEWS.items():
        for name, module in kinds.items():
            view = {**content[stage][name], "order": fabricate.ORDER}
            view |= view.pop("style", {})
            if "training_set" in view:
                view["training_set"] = [each for each in view["training_set"] if each in ran]
            if name == "samples":
                view["pool"] = ["ddpm"]
            paths = [folder / f"{stage}/{name}.{suffix}" for suffix in SUFFIXES[stage]]
            if stage == "tables":
                rendering.write_table(module.build(view, artefacts), paths, name)
            else:
                rendering.save_figure(module.draw(view, artefacts), paths)
    report = compose(spec, results(artefacts, spec["definitions"]["training_sets"]))
    write_text(folder / "report.html", page.page(report, folder))
    write_text(folder / "report.tex", latex.document(report))
    write_text(folder / "references.bib", bibtex(report.references))
    return report, folder


SUFFIXES = {"tables": ("csv", "md", "tex", "html"), "figures": ("svg", "pdf", "png")}
