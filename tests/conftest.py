"""Fixtures of the tests that run the workflow."""

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from workspace import Workspace


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Torch computes in one thread, whose sums are the same on every machine."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


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
