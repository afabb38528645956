"""snakemake --lint finds nothing that is not answered in the file that it names."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ANSWERED = {
    ("report", "Specify a conda environment or container for each rule."),
    ("report", "Shell command directly uses variable sys from outside of the rule"),
    ("report", "Shell command directly uses variable workflow from outside of the rule"),
}


@pytest.mark.workflow
def test_lint_findings_are_answered() -> None:
    command = [sys.executable, "-m", "snakemake", "--lint", "text"]
    text = subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stderr
    assert "lints" in text.lower() or "lint" in text.lower(), text
    findings = set()
    for part in re.split(r"\n(?=Lints for )", text):
        subject = re.match(r"Lints for (?:rule|snakefile) (\S+)", part)
        if subject:
            findings |= {(subject[1], finding) for finding in re.findall(r"^    \* (.+):$", part, re.MULTILINE)}
    assert findings == ANSWERED
