"""Write the report of a study: a page, the same as a LaTeX document, and the references of both."""

from pathlib import Path

from synthmix import job
from synthmix.analysis.artefacts import Artefacts
from synthmix.files import read_json, write_text
from synthmix.reporting import Results, compose
from synthmix.reports import latex, page
from synthmix.reports.citations import bibtex

spec = job.start(snakemake)
inputs = snakemake.input
runs = Artefacts.of({name: inputs[name] for name in ("experiments", "comparisons") if name in inputs.keys()})  # noqa: SIM118
report = compose(
    spec,
    Results(
        meta=[read_json(path) for path in inputs.meta],
        experiments=runs.read_experiments() if runs.experiments else None,
        comparisons=runs.read_comparisons() if runs.comparisons else None,
        versions=[read_json(path)["versions"] for path in inputs.metrics],
        benchmarks=inputs.benchmarks,
    ),
)
write_text(snakemake.output.html, page.page(report, Path(snakemake.output.html).parent))
write_text(snakemake.output.tex, latex.document(report))
write_text(snakemake.output.bib, bibtex(report.references))
job.finish(snakemake)
