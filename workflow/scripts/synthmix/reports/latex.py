"""A report as a LaTeX document, beside the tables (.tex), figures (.pdf) and references (.bib) that it takes in."""

from collections.abc import Iterator

from synthmix.reporting import Part, Points, Report, Shown, Words
from synthmix.reports.markup import to_latex
from synthmix.reports.rendering import escape, latex

_HEAD = r"""% pdflatex report, bibtex report, pdflatex report, pdflatex report
\documentclass[10pt,a4paper]{article}
\usepackage[T1]{fontenc}
\usepackage[utf8]{inputenc}
\usepackage{lmodern}
\usepackage[margin=18mm]{geometry}  % figures are up to 174 mm wide
\usepackage{booktabs,array,graphicx}
\usepackage[export]{adjustbox}
\usepackage{rotating}
\usepackage[section]{placeins}
\usepackage[hyphens]{url}
\usepackage[hidelinks]{hyperref}
\setlength{\parindent}{0pt}
\setlength{\parskip}{.5em}
\sloppy
"""


def document(report: Report) -> str:
    """The document; it compiles in the study's folder."""
    sections = "\n".join(
        f"\\section{{{escape(each.title)}}}\n{''.join(map(_part, each.parts))}" for each in report.sections
    )
    return (
        f"{_HEAD}\\title{{{escape(report.title)}}}\n\\author{{}}\n\\date{{}}\n\\begin{{document}}\n\\maketitle\n\n{sections}\n"
        "\\bibliographystyle{unsrt}\n\\bibliography{references}\n\\end{document}\n"
    )


def _part(part: Part) -> str:
    if isinstance(part, Words):
        heading = f"\\paragraph{{{escape(part.heading)}}} " if part.heading else ""
        return f"{heading}{to_latex(part.text)}\n\n"
    if isinstance(part, Points):
        points = "".join(f"\\item {to_latex(text)}\n" for text in part.texts)
        return f"\\begin{{itemize}}\n{points}\\end{{itemize}}\n\n" if points else ""
    return "".join(_shown(part))


def _shown(part: Shown) -> Iterator[str]:
    if part.stage == "figures":
        yield "\\begin{figure}[htbp]\n\\centering\n"
        yield f"\\includegraphics[max width=\\linewidth]{{figures/{part.name}.pdf}}\n"
        title = escape(part.title.rstrip("."))
        yield f"\\caption{{{title}. {to_latex(part.about)}}}\n\\end{{figure}}\n\n"
    elif part.table is not None:
        yield f"{latex(part.table, part.title)}\n"
    else:
        yield f"\\input{{tables/{part.name}.tex}}\n"
