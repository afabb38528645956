"""One thread for each worker, and fixtures that test files have in common."""

import fcntl
import gc
import os
from pathlib import Path
from typing import TYPE_CHECKING

# One thread, whose sums are the same on every machine, and workers that do not wait for each other. Torch and NumPy
# read it when they are imported; Snakemake gives its jobs numbers of their own.
os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

import pytest
from workspace import Workspace

from synthmix.checks import known

if TYPE_CHECKING:
    from synthmix.analysis.artefacts import Artefacts


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder `studies` in the working directory."""
    monkeypatch.chdir(tmp_path)
    Path("studies").mkdir()
    return Path("studies")


@pytest.fixture
def no_collection(monkeypatch: pytest.MonkeyPatch) -> None:
    """statsmodels collects garbage in each of its corrections, which takes longer than all of a simulated study."""
    monkeypatch.setattr(gc, "collect", lambda: 0)


@pytest.fixture(scope="session")
def artefacts(tmp_path_factory: pytest.TempPathFactory) -> "Artefacts":
    """A study with known numbers. Tests read it, and write elsewhere."""
    import fabricate  # seconds, which tests without it are spared

    return fabricate.study(tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the workers of one test session have in common."""
    folder = tmp_path_factory.getbasetemp()
    return folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder


@pytest.fixture(scope="session")
def built(shared: Path) -> Workspace:
    """A workspace in which the study tiny is built. Tests work in copies of it."""
    with (shared / "built.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # workers that want it meanwhile wait for the one that builds it
        finished = shared / "built.finished"
        if finished.exists():
            return Workspace(shared / "built")
        assert not (shared / "built").exists(), "another worker could not build the workspace"
        workspace = Workspace.of_sources(shared / "built")
        workspace.snakemake()
        finished.touch()
        return workspace


@pytest.fixture
def workspace(built: Workspace, tmp_path: Path) -> Workspace:
    """A built workspace to change."""
    return built.copy(tmp_path / "workspace")


@pytest.fixture
def sources(tmp_path: Path) -> Workspace:
    """A workspace in which nothing is built."""
    return Workspace.of_sources(tmp_path / "sources")


@pytest.fixture(autouse=True)
def other_files() -> None:
    """Folders of one test are not those of another, though their relative paths are equal."""
    known.look_again()
