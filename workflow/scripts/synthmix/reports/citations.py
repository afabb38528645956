"""Citations in texts, and the publications that they stand for as BibTeX and in words.

A text cites by `[@key]` or `[@key; @key]`. Adding a method with a source means adding it to
bibliography.py and a mark where the text names it (methods.py).
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from synthmix.reports import bibliography

MARK = re.compile(r"\[(@[a-z0-9]+(?:; @[a-z0-9]+)*)\]")


@dataclass(frozen=True)
class Reference:
    """A publication. authors: given name and surname of each, with "and" between; `others` stands for further ones."""

    authors: str
    title: str
    venue: str
    year: int
    doi: str = ""
    arxiv: str = ""

    @property
    def link(self) -> str:
        """Where it can be read; empty where no lasting address is known."""
        if self.doi:
            return f"https://doi.org/{self.doi}"
        return f"https://arxiv.org/abs/{self.arxiv}" if self.arxiv else ""


def _read(text: str) -> dict[str, Reference]:
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    found = {}
    for first, authors, title in zip(lines[::3], lines[1::3], lines[2::3], strict=True):
        key, year, identifier, venue = first.split(maxsplit=3)
        kind, _, number = identifier.partition(":")
        ids = {"doi": number if kind == "doi" else "", "arxiv": number if kind == "arXiv" else ""}
        found[key] = Reference(authors.strip(), title.strip(), venue, int(year), **ids)
    return found


REFERENCES = _read(bibliography.LIST)


def keys(mark: str) -> list[str]:
    """The keys within a mark: those of "@a; @b" are a and b."""
    return [key.removeprefix("@") for key in mark.split("; ")]


def cited(texts: Iterable[str]) -> list[str]:
    """The keys that texts cite, each once, in order. Raises KeyError for a key that is not in the list."""
    found = [key for text in texts for mark in MARK.findall(text) for key in keys(mark)]
    return [key for key in dict.fromkeys(found) if REFERENCES[key]]


def words(reference: Reference) -> str:
    """A reference as a line of a list, without its link."""
    names = reference.authors.split(" and ")
    others = names[-1] == "others"
    names = names[:-1] if others else names
    listed = (
        ", ".join(names) + " et al." if others else " and ".join([", ".join(names[:-1]), names[-1]][len(names) == 1 :])
    )
    return f"{listed}{'' if others else '.'} {reference.title}. {reference.venue}, {reference.year}."


def bibtex(chosen: Iterable[str]) -> str:
    """The entries of the chosen keys as BibTeX, in ASCII; titles keep their capitals."""
    return "\n".join(_entry(key, REFERENCES[key]) for key in chosen)


def _entry(key: str, reference: Reference) -> str:
    fields = {
        "author": reference.authors,
        "title": f"{{{reference.title}}}",
        "journal": reference.venue,
        "year": str(reference.year),
        "doi": reference.doi,
        "eprint": reference.arxiv,
        "archiveprefix": "arXiv" if reference.arxiv else "",
        "url": reference.link,
    }
    lines = [f"  {name} = {{{_ascii(value)}}},\n" for name, value in fields.items() if value]
    return f"@article{{{key},\n{''.join(lines)}}}\n"


_ACCENTS = {"\u0301": "'", "\u0308": '"', "\u0300": "`", "\u0302": "^"}  # combining marks and their names in LaTeX


def _ascii(text: str) -> str:
    """Letters with accents as LaTeX writes them: {\\'n}."""
    for letter in {letter for letter in text if ord(letter) > 127}:
        plain, accent = unicodedata.normalize("NFD", letter)[:1], unicodedata.normalize("NFD", letter)[1:]
        command = {"ł": r"{\l}"}.get(letter) or rf"{{\{_ACCENTS[accent[0]]}{plain}}}"
        text = text.replace(letter, command)
    return text
