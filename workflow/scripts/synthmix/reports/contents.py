"""What the report of a study depends on, and the files that it is made from."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from synthmix import layout
from synthmix.exports import licences
from synthmix.planning.plan import Definition, Plan, listed
from synthmix.planning.products import Products
from synthmix.spec import canonical

CAPTIONS = Path(__file__).resolve().parents[3] / "report"  # of Snakemake's own report, too
ENTRY = "report.py"
ASKED = ("runs", "scores", "audits", "detections", "cross_tests", "explanations", "robustness", "comparisons")
ABOUT = ("title", "question", "metric", "primary")


class Reports:
    """Specs and inputs of the reports of one plan."""

    def __init__(self, plan: Plan, products: Products) -> None:
        self.plan, self.products = plan, products

    def spec(self, study: str) -> str:
        """Spec of report: what the study asks, the definitions that it uses, and what its tables and figures show.

        An object with title, question, metric, primary and what the study asks for (see ASKED), `definitions` (section
        -> name -> definition) with their `order`, `published` (of the study and of its tables), `tables` and `figures`
        (lists of {name, kind, title, about}) and `watts_per_core`.
        """
        content = self.plan.studies[study]
        order = self.used(study)
        definitions = {
            section: {name: self.plan.definitions[section][name] for name in names} for section, names in order.items()
        }
        views = {
            stage: [_view(stage, name, view) for name, view in content[stage].items()]
            for stage in ("tables", "figures")
        }
        published = [entry for each in (content, *content["tables"].values()) for entry in each.get("published") or []]
        return canonical(
            {
                **{key: content.get(key) for key in ABOUT},
                **{key: content.get(key) or [] for key in ASKED},
                **views,
                "definitions": definitions,
                "licences": {name: licences.of_dataset(self.plan, name).licence.id for name in order["datasets"]},
                "order": order,
                "published": published,
                "watts_per_core": self.plan.config["watts_per_core"],
                "entries": [ENTRY],
                "code": self.plan.codes[ENTRY],
            }
        )

    def used(self, study: str) -> dict[str, list[str]]:
        """The names of each section that a study uses: in its runs, in what it measures, in its figures; in order."""
        content, of = self.plan.studies[study], self.plan.definitions
        used: dict[str, dict[str, None]] = {section: {} for section in of}  # keys alone, which keep their order
        for run in self.plan.runs[study]:
            used["datasets"][run.job.dataset] = None
            used["training_sets"][run.training_set] = None
            used["models"][run.job.model] = None
            used["recipes"][run.job.recipe] = None
        for name in used["training_sets"]:
            definition = of["training_sets"][name]
            pools = (definition.get("pool"), (definition.get("monitor") or {}).get("pool"))
            used["pools"] |= {each: None for each in pools if each}
            used["filters"] |= {each: None for each in [definition.get("filter")] if each}
        used["extractors"] |= {of["filters"][name]["extractor"]: None for name in used["filters"]}
        for section, name in self._named(content):
            if name in of[section]:
                used[section][name] = None
        used["generators"] |= {of["pools"][name]["generator"]: None for name in used["pools"]}
        return {section: list(names) for section, names in used.items()}

    def _named(self, content: Definition) -> Iterator[tuple[str, str]]:
        """(section, name) of what is measured and shown; what entries call a data set, pool and so on."""
        keys = {"dataset": "datasets", "pool": "pools", "extractor": "extractors"}
        keys |= {"explainer": "explainers", "corruption": "corruptions"}
        entries = [entry for section in ASKED[1:7] for entry in content.get(section) or []]
        views = [view for stage in ("tables", "figures") for view in content[stage].values()]
        for entry in (*entries, *views):
            yield from ((section, name) for key, section in keys.items() for name in listed(entry.get(key)))
        yield from (("recipes", name) for view in views if view["kind"] == "augmentation" for name in view["recipe"])

    def files(self, study: str) -> dict[str, Any]:
        """The inputs of a report, by name; `shown` are the study's tables and figures, and all else that it builds."""
        jobs, folder = self.plan.study_jobs(study), layout.STUDY.format(study=study)
        found: dict[str, Any] = {
            "shown": self.products.targets(study, report=False),
            "meta": [f"{layout.DATA.format(dataset=name)}/meta.json" for name in self.used(study)["datasets"]],
            "metrics": self.products.job_files(study, "metrics.json"),
            "benchmarks": self.products.benchmarks(study, {}),
        }
        runs = {name: f"{folder}/{name}.csv" for name in ("experiments", "comparisons")}
        return found | (runs if jobs else {})


def _view(stage: str, name: str, view: Definition) -> Definition:
    title = view.get("caption") or name.replace("-", " ").capitalize()
    return {"name": name, "kind": view["kind"], "title": title, "about": about(stage, view["kind"])}


def about(stage: str, kind: str) -> str:
    """What a kind of table or figure shows, from the captions of Snakemake's report; *words* are emphasised."""
    import jinja2  # known to Snakemake's process, and wanted where a report is planned only

    template = jinja2.Template((CAPTIONS / f"{stage.removesuffix('s')}.rst").read_text(encoding="utf-8"))
    params = {"spec": f"{stage}/{kind}.py"}
    return " ".join(template.render(snakemake={"wildcards": {}, "params": params}).split())
