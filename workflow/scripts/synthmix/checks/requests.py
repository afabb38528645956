"""Checks of what a study says of the requests of its jobs."""

from collections.abc import Iterator

from synthmix.checks.study import Problem, Study

FACTORS = {"gpu", "mem_mb", "runtime", "threads"}  # what an entry of `scale` may multiply


def scale(study: Study) -> Iterator[Problem]:
    """Every entry of `scale` changes something."""
    for index, entry in enumerate(study.content["scale"]):
        if not entry.keys() & FACTORS:
            yield f"scale[{index}]", f"has no factor; add {', '.join(sorted(FACTORS))}, or some of them, or delete it"
