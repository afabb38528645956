"""Targets of the command line that nothing makes: a misspelt study is told in one line, not by an exception."""

import os
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

from synthmix.planning.configuration import RULES, missing_study, study_names
from synthmix.planning.plan import ENVIRONMENT


def require(arguments: Sequence[str], root: Path) -> None:
    """Raise ConfigurationError where a target is no study, rule, path or file.

    arguments: of Snakemake's command line. A word with a slash is a path, which rules know or do not.
    """
    if ENVIRONMENT in os.environ:  # a job of this call, whose targets are planned
        return
    folder = root / "studies"
    known = {*RULES, *study_names(folder)}
    for word in of(arguments):
        if "/" not in word and word not in known and not Path(word).exists():
            raise missing_study(word, folder, f"no such file, and {word} is no rule either")


def of(arguments: Sequence[str]) -> list[str]:
    """The targets among arguments, as Snakemake parses them: no option, no value of one. None where it cannot."""
    from snakemake import cli  # which Snakemake has imported long since

    with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        try:
            return [str(target) for target in cli.parse_args(list(arguments))[1].targets or ()]
        except (SystemExit, Exception):  # the arguments of another program
            return []
