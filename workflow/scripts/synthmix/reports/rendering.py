"""Tables as CSV, Markdown, LaTeX and HTML; figures as SVG, PDF and PNG. The same content gives the same bytes."""

import hashlib
import html
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import wrap
from typing import Any

import matplotlib
import pandas as pd
from matplotlib.figure import Figure

from synthmix.files import atomic, write_text

DPI = 300
BREAK = r"\\"  # of a line in LaTeX
LONG = 20  # characters of a text that LaTeX prints on one line
TITLE = 14  # of a column's title
PAGE_MM = (174, 255)  # width and height of the text on a page
_NUMBER = re.compile(r"^(-?[\d.,]+|<\s?[\d.]+)( |$|\[|%)")
_SHORT_NAME = re.compile(r"<td>([A-Za-z][\w.-]{,19})</td>")  # no line breaks at its hyphens
_STYLE = """
body { font: 14px/1.45 "Helvetica Neue", Arial, sans-serif; color: #222; margin: 1.5rem; }
h1 { font-size: 1.15rem; font-weight: 600; }
.scroll { overflow-x: auto; }
.name { white-space: nowrap; }
table { border-collapse: collapse; border-top: 2px solid #222; border-bottom: 2px solid #222; }
th { text-align: left; vertical-align: bottom; border-bottom: 1px solid #222; font-weight: 600; }
th, td { padding: .25rem .7rem; }
tbody tr:nth-child(even) { background: #f5f5f5; }
ul { padding-left: 1.2rem; color: #444; max-width: 60rem; }
"""


@dataclass(frozen=True)
class Table:
    """A table twice: `data` in full precision, one machine-readable name per column; `frame` as people read it.

    `frame` holds formatted strings in the order of the rows of `data`; `notes` stand below it.
    """

    data: pd.DataFrame
    frame: pd.DataFrame
    notes: list[str] = field(default_factory=list)


def write_frame(path: str | Path, frame: pd.DataFrame) -> None:
    """Write a DataFrame as CSV in full precision (shortest text that reads back to the same number), atomically."""
    with atomic(path) as temporary:
        frame.to_csv(temporary, index=False, lineterminator="\n")


def write_table(table: Table, paths: Sequence[str | Path], title: str) -> None:
    """Write a table into each path, in the format of its suffix: .csv (data), .md, .tex or .html (frame and notes)."""
    writers = {".md": markdown, ".tex": latex, ".html": page}
    for path in map(Path, paths):
        if path.suffix == ".csv":
            write_frame(path, table.data)
        elif path.suffix in writers:
            write_text(path, writers[path.suffix](table, title))
        else:
            raise ValueError(f"{path}: a table is written as .csv, .md, .tex or .html")


def save_figure(figure: Figure, paths: Sequence[str | Path]) -> None:
    """Save a figure into each path, without dates or random identifiers.

    .svg: text stays text. .pdf: fonts are embedded, as TrueType, which publishers ask for. .png: 300 dpi.
    """
    metadata: dict[str, dict[str, Any]] = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}, ".png": {}}
    settings: dict[Any, Any] = {"svg.fonttype": "none", "svg.hashsalt": "synthmix", "pdf.fonttype": 42}
    for path in map(Path, paths):
        if path.suffix not in metadata:
            raise ValueError(f"{path}: a figure is saved as .svg, .pdf or .png")
        with atomic(path) as temporary, matplotlib.rc_context(settings):
            figure.savefig(temporary, format=path.suffix[1:], dpi=DPI, metadata=metadata[path.suffix])


def numeric_columns(frame: pd.DataFrame) -> list[bool]:
    """Which columns of a formatted table hold numbers (set flush right): every cell that is not empty starts as one."""
    columns = []
    for name in frame.columns:
        cells = [cell for cell in frame[name].astype(str) if cell]
        columns.append(bool(cells) and all(_NUMBER.match(cell) for cell in cells))
    return columns


def markdown(table: Table, title: str) -> str:
    """The table as GitHub-flavoured Markdown with its notes."""
    align = ["right" if number else "left" for number in numeric_columns(table.frame)]
    cells = table.frame.astype(str).replace(r"\|", r"\\|", regex=True)
    body = cells.to_markdown(index=False, disable_numparse=True, colalign=align)
    notes = "".join(f"- {note}\n" for note in table.notes)
    return f"### {title}\n\n{body}\n" + (f"\n{notes}" if notes else "")


def latex(table: Table, title: str) -> str:
    """The table as a LaTeX float in booktabs style with its notes; needs booktabs, array, adjustbox and rotating.

    Long titles of columns stand on several lines, and so do long texts: a table that is too wide is turned where that
    helps, and made smaller.
    """
    numbers = numeric_columns(table.frame)
    columns = "".join(
        "r" if number else _text_column(table.frame[name]) for name, number in zip(table.frame, numbers, strict=True)
    )
    titles = [_stacked(str(name), number) for name, number in zip(table.frame, numbers, strict=True)]
    frame = table.frame.astype(str).map(escape).set_axis(titles, axis="columns")
    body = frame.to_latex(index=False, escape=False, column_format=columns).rstrip()
    notes = "".join(
        f"\\par\\smallskip\\parbox{{\\linewidth}}{{\\footnotesize {escape(note)}}}\n" for note in table.notes
    )
    turned = _turned(table)
    kind, tallest = ("sidewaystable", ".65\\textwidth") if turned else ("table", ".85\\textheight")
    return (
        "% needs \\usepackage{booktabs,array,adjustbox,rotating}\n"
        f"\\begin{{{kind}}}{'' if turned else '[htbp]'}\n\\centering\n\\caption{{{escape(title)}}}\n"
        f"\\begin{{adjustbox}}{{max width=\\linewidth,max totalheight={tallest}}}\n{body}\n\\end{{adjustbox}}\n"
        f"{notes}\\end{{{kind}}}\n"
    )


def _turned(table: Table) -> bool:
    """Whether a table's type is much larger in landscape format, by an estimate of its size in 10-point type."""
    cells = table.frame.astype(str)
    longest = cells.apply(lambda column: column.str.len().max())
    room = {name: longest[name] if longest[name] <= LONG else _room(longest[name]) for name in cells}
    lines = [max(-(-len(cell) // max(1, room[name])) for name, cell in row.items()) for row in cells.to_dict("records")]
    width = sum(1.6 * max(room[name], min(TITLE, len(str(name)))) + 4.2 for name in cells)
    height = 4.2 * (sum(lines) + 3)
    short, long = PAGE_MM
    upright = min(1, short / width)
    return min(1, long / width, (short - 6 * (len(table.notes) + 2)) / height) > 1.3 * upright


def _room(longest: int) -> int:
    """Characters of a line in a column with long texts."""
    return min(max(LONG, longest // 3), 40)


def _text_column(cells: pd.Series) -> str:
    """A column of a width of its own where a text would make it wide, in characters of half an em."""
    longest = cells.astype(str).str.len().max()
    return "l" if longest <= LONG else f">{{\\raggedright\\arraybackslash}}p{{{_room(longest) / 2:g}em}}"


def _stacked(title: str, number: bool) -> str:
    """A column's title on as many lines as it needs, flush with its cells."""
    lines = [escape(line) for line in wrap(title, TITLE, break_long_words=False)]
    if len(lines) < 2:
        return escape(title)
    return f"\\shortstack[{'r' if number else 'l'}]{{{BREAK.join(lines)}}}"


def escape(text: str) -> str:
    """The text as LaTeX prints it."""
    special = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}"}
    special |= {">": r"\textgreater{}", "|": r"\textbar{}", "[": "{[}", "]": "{]}"}  # a row may not start with "["
    special |= {character: f"\\{character}" for character in "&%$#_{}"}
    return "".join(special.get(character, character) for character in text)


def page(table: Table, title: str) -> str:
    """The table as a small HTML page that needs no other file."""
    return document(title, f"<h1>{html.escape(title)}</h1>\n{block(table)}")


def body_of(text: str) -> str:
    """The table and its notes in a page that `page` made, without its heading; raises ValueError for another text."""
    _, found, rest = text.partition("</h1>\n")
    body, end, _ = rest.rpartition("</body>")
    if not (found and end):
        raise ValueError("it is no page of a table")
    return body


def block(table: Table) -> str:
    """The table and its notes as a part of an HTML page."""
    numbers = numeric_columns(table.frame)
    body = _SHORT_NAME.sub(r'<td class="name">\1</td>', table.frame.astype(str).to_html(index=False, border=0))
    right = ", ".join(f"#{_name(body)} :is(td, th):nth-child({n})" for n, number in enumerate(numbers, 1) if number)
    style = f"<style>{right} {{ text-align: right; }}</style>\n" if right else ""
    notes = "".join(f"<li>{html.escape(note)}</li>\n" for note in table.notes)
    return f'{style}<div class="scroll" id="{_name(body)}">\n{body}\n</div>\n' + (
        f"<ul>\n{notes}</ul>\n" if notes else ""
    )


def _name(body: str) -> str:
    return f"table-{hashlib.sha256(body.encode()).hexdigest()[:8]}"


def document(title: str, body: str, style: str = "") -> str:
    """An HTML page with the looks of all pages, and `style` (CSS) beside them, that needs no other file."""
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{html.escape(title)}</title>\n'
        f"<style>{_STYLE}{style}</style>\n</head>\n<body>\n{body}</body>\n</html>\n"
    )
