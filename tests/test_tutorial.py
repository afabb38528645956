"""The documentation works as it stands: the tutorial's blocks are executed in order, the notebook's cells, the site."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import nbformat
import pytest
from matplotlib import pyplot
from workspace import REPOSITORY, Workspace

from synthmix.planning.plan import ENVIRONMENT

BLOCK = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)
NOTEBOOK = "docs/experiments.ipynb"


class Block(NamedTuple):
    language: str
    title: str
    text: str


def tutorial() -> list[Block]:
    return [Block(*found) for found in BLOCK.findall((REPOSITORY / "docs/tutorial.md").read_text())]


def run(workspace: Workspace, script: str) -> str:
    """What a block of shell prints; it must end well."""
    (workspace / ".venv/bin").mkdir(parents=True, exist_ok=True)
    (workspace / ".venv/bin/activate").touch()  # the environment of the test is active already
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {name: value for name, value in os.environ.items() if name != ENVIRONMENT} | {"PATH": path}
    done = subprocess.run(
        ["bash", "-e", "-c", script], cwd=workspace.root, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


@pytest.mark.workflow
def test_every_block_of_the_tutorial_does_what_the_text_says(sources: Workspace) -> None:
    """Files are written under their titles, commands run, and what stands below a dry run is what it would run."""
    printed = ""
    for language, title, text in tutorial():
        if title:
            sources.write(title, text)
        elif language == "sh":
            printed = run(sources, text)
        else:
            assert language == "text"
            jobs = dict(re.findall(r"^(\w+) +([0-9]+)$", printed, re.MULTILINE))
            expected = dict(line.rsplit(" ", 1) for line in text.splitlines())
            stages = {"prepare_data", "train_generator", "generate", "train", "evaluate"}
            assert {name: count for name, count in jobs.items() if name in stages} == expected
    for study in ("shapes", "shapes-generated"):
        assert (sources / f"results/studies/{study}/report.html").stat().st_size > 0


def test_the_tutorial_adds_a_data_set_a_generator_and_a_study() -> None:
    blocks = tutorial()
    assert [block.title for block in blocks if block.title] == [
        "draw_shapes.py",
        "studies/shapes.yaml",
        "studies/shapes-generated.yaml",
    ]
    assert any("generators:" in block.text for block in blocks)
    assert sum(block.language == "text" for block in blocks) == 3


def test_the_notebook_redraws_a_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its code runs as it stands, in its own folder, and shows what is kept in it."""
    cells = nbformat.read(REPOSITORY / NOTEBOOK, as_version=4).cells
    code = [cell for cell in cells if cell.cell_type == "code"]
    monkeypatch.chdir(REPOSITORY / "docs")
    pyplot.switch_backend("agg")
    names: dict[str, Any] = {}
    exec(compile("\n".join(cell.source for cell in code), NOTEBOOK, "exec"), names)
    (axes,) = pyplot.gcf().axes
    assert len(axes.get_lines()) > 0
    pyplot.close("all")
    assert list(names["gains"].columns) == names["LADDER"][1:]
    assert not names["gains"].isna().any(axis=None)
    kept = {kind for cell in code for output in cell.outputs for kind in output.get("data", {})}
    assert {"image/png", "text/html"} <= kept


def test_the_site_is_built_without_warnings(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARNING" not in done.stdout + done.stderr
    start = (tmp_path / "site/index.html").read_text()
    assert "tutorial" in start
    assert (tmp_path / "site/experiments.ipynb").is_file()
