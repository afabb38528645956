"""snakemake --lint finds nothing, and benchmarks find the library."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.workflow
def test_lint_finds_nothing() -> None:
    command = [sys.executable, "-m", "snakemake", "--lint", "text"]
    text = subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stderr
    assert "your workflow is in a good condition" in text, text


def test_benchmarks_can_be_imported() -> None:
    names = [path.stem for path in (ROOT / "benchmarks").glob("*.py")]
    assert len(names) > 5
    command = [sys.executable, "-c", f"import {', '.join(names)}"]
    done = subprocess.run(command, cwd=ROOT / "benchmarks", capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
