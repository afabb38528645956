"""snakemake --lint finds nothing."""

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
