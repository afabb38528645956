"""A report as one HTML page that needs no other file and no network, for screens and for paper."""

import base64
import html
import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from synthmix.files import DamagedFileError
from synthmix.reporting import Part, Points, Report, Section, Shown, Words
from synthmix.reports.citations import REFERENCES, words
from synthmix.reports.markup import to_html
from synthmix.reports.rendering import block, body_of, document

WIDE = 9  # columns beyond which a table is printed on pages of its own, in landscape format
INTERVAL = re.compile(r"\[(-?[\d.,]+), (-?[\d.,]+)\]")  # which no line break shall part
_STYLE = """
body { max-width: 80rem; margin: 1.5rem auto; padding: 0 1.5rem; }
h1 { font-size: 1.6rem; line-height: 1.25; margin-bottom: .6rem; }
h2 { font-size: 1.25rem; margin: 2.2rem 0 .6rem; padding-top: .5rem; border-top: 1px solid #ccc; }
h3 { font-size: 1rem; margin: 1.6rem 0 .3rem; }
p, li { max-width: 46rem; }
p.about { color: #444; }
code { font: .92em "DejaVu Sans Mono", Consolas, Menlo, monospace; background: #f2f2f2; padding: 0 .2em; }
nav ul { columns: 3 12rem; list-style: none; padding: 0; }
nav li { break-inside: avoid; }
a { color: #00548a; }
#question + p { font-size: 1.1rem; }
section#answer { background: #eef5fa; border-left: 4px solid #0072b2; padding: .2rem 1rem .4rem;
  margin: 1.2rem 0; max-width: 50rem; }
section#answer h2 { border: 0; margin: .4rem 0; padding: 0; }
.scroll { margin: .6rem 0; }
.scroll table { font-size: 12px; line-height: 1.35; }
.scroll :is(th, td) { padding: .25rem .5rem; }
figure { margin: 1.6rem 0; }
figure img { max-width: 100%; height: auto; display: block; }
figcaption { margin-top: .4rem; max-width: 46rem; color: #444; }
ol.references { padding-left: 1.6rem; }
@page { size: A4; margin: 16mm 14mm; }
@page wide { size: A4 landscape; margin: 14mm; }
@media print {
  body { max-width: none; margin: 0; padding: 0; font-size: 9.5pt; }
  nav { display: none; }
  p, li, figcaption { max-width: none; orphans: 3; widows: 3; }
  h2, h3 { break-after: avoid; }
  h3 + p.about { break-after: avoid; }
  figure, tr, section#answer { break-inside: avoid; }
  figure img { max-height: 200mm; }
  .wide { page: wide; }
  thead { display: table-header-group; }
  .scroll { overflow: visible; }
  .scroll table { font-size: 7pt; }
  .scroll :is(th, td) { padding: .12rem .28rem; }
  a { color: inherit; text-decoration: none; }
}
"""


def page(report: Report, folder: Path) -> str:
    """The page. folder: that of the study, whose tables (HTML) and figures (SVG) are taken into it."""
    titles = [*(each.title for each in report.sections), "References"]
    contents = "".join(f'<li><a href="#{_id(each)}">{html.escape(each)}</a></li>\n' for each in titles)
    sections = "".join(_section(each, report.references, folder) for each in numbered(report.sections))
    head = f"<h1>{html.escape(report.title)}</h1>\n<nav><ul>\n{contents}</ul></nav>\n"
    body = f"{head}{sections}{_references(report.references)}"
    return document(report.title, body, _STYLE)


def numbered(sections: Sequence[Section]) -> list[Section]:
    """The sections with numbers before the titles of tables and of figures."""
    counts = {"tables": itertools.count(1), "figures": itertools.count(1)}

    def named(part: Part) -> Part:
        if not isinstance(part, Shown):
            return part
        word = part.stage.removesuffix("s").capitalize()
        return replace(part, title=f"{word} {next(counts[part.stage])}. {part.title}")

    return [replace(section, parts=[named(part) for part in section.parts]) for section in sections]


def _section(section: Section, references: Sequence[str], folder: Path) -> str:
    parts = "".join(_part(part, references, folder) for part in section.parts)
    name = _id(section.title)
    return f'<section id="{name}">\n<h2>{html.escape(section.title)}</h2>\n{parts}</section>\n'


def _part(part: Part, references: Sequence[str], folder: Path) -> str:
    if isinstance(part, Words):
        heading = f"<h3>{html.escape(part.heading)}</h3>\n" if part.heading else ""
        return f"{heading}<p>{to_html(part.text, references)}</p>\n"
    if isinstance(part, Points):
        points = "".join(f"<li>{to_html(text, references)}</li>\n" for text in part.texts)
        return f"<ul>\n{points}</ul>\n" if points else ""
    return "".join(_shown(part, references, folder))


def _shown(part: Shown, references: Sequence[str], folder: Path) -> Iterator[str]:
    name, title, about = f"{part.stage[:-1]}-{part.name}", html.escape(part.title), to_html(part.about, references)
    if part.stage == "figures":
        image = base64.b64encode((folder / f"figures/{part.name}.svg").read_bytes()).decode()
        yield f'<figure id="{name}">\n<h3>{title}</h3>\n<img alt="{title}" src="data:image/svg+xml;base64,{image}">\n'
        yield f"<figcaption>{about}</figcaption>\n</figure>\n"
        return
    body = _table(part, folder)
    yield f'<div class="table{" wide" if body.count("<th>") > WIDE else ""}" id="{name}">\n<h3>{title}</h3>\n'
    yield f'<p class="about">{about}</p>\n' if about else ""
    yield INTERVAL.sub(r"[\1,&nbsp;\2]", body)
    yield "</div>\n"


def _table(part: Shown, folder: Path) -> str:
    if part.table is not None:
        return block(part.table)
    path = folder / f"tables/{part.name}.html"
    try:
        return body_of(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DamagedFileError(path, error) from error


def _references(references: Sequence[str]) -> str:
    lines = []
    for key in references:
        link = REFERENCES[key].link
        shown = re.sub(
            r"^https://(doi\.org/|arxiv\.org/abs/)", lambda found: "doi:" if "doi" in found[1] else "arXiv:", link
        )
        address = f' <a href="{html.escape(link)}">{html.escape(shown)}</a>' if link else ""
        lines.append(f'<li id="{key}">{html.escape(words(REFERENCES[key]))}{address}</li>\n')
    return (
        f'<section id="references">\n<h2>References</h2>\n<ol class="references">\n{"".join(lines)}</ol>\n</section>\n'
    )


def _id(title: str) -> str:
    return re.sub(r"[^a-z]+", "-", title.lower()).strip("-")
