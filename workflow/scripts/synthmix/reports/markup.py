"""Texts with marks for code, emphasis and citations, as HTML and as LaTeX."""

import html
import re
from collections.abc import Callable, Sequence

from synthmix.reports.citations import MARK, keys
from synthmix.reports.rendering import escape

# what is marked, where a mark does not stand within a word
_MARKED = re.compile(rf"`([^`]+)`|\*\*([^*]+)\*\*|(?<![\w*])\*([^*\s][^*]*)\*(?!\w)|{MARK.pattern}")


def to_html(text: str, references: Sequence[str]) -> str:
    """HTML of a text; citations are numbers, with links into the list of the references (their keys, in order)."""

    def cite(cited: Sequence[str]) -> str:
        links = [f'<a href="#{key}">{references.index(key) + 1}</a>' for key in cited]
        return f'<span class="cite">[{", ".join(links)}]</span>'

    tags = ("code", "strong", "em")
    forms = [lambda words, tag=tag: f"<{tag}>{html.escape(words, quote=False)}</{tag}>" for tag in tags]
    return _replaced(text, lambda words: html.escape(words, quote=False), forms, cite)


def to_latex(text: str) -> str:
    """LaTeX of a text."""
    commands = ("texttt", "textbf", "emph")
    forms = [lambda words, command=command: f"\\{command}{{{escape(words)}}}" for command in commands]
    return _replaced(text, escape, forms, lambda cited: f"\\cite{{{','.join(cited)}}}")


def _replaced(
    text: str,
    plain: Callable[[str], str],
    forms: Sequence[Callable[[str], str]],
    cite: Callable[[Sequence[str]], str],
) -> str:
    parts, end = [], 0
    for found in _MARKED.finditer(text):
        parts.append(plain(text[end : found.start()]))
        *words, mark = found.groups()
        parts += [cite(keys(mark))] if mark else [form(each) for form, each in zip(forms, words, strict=True) if each]
        end = found.end()
    return "".join([*parts, plain(text[end:])])
