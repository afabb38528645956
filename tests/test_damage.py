"""A damaged file under results/ stops the next job that reads it, with one line that says which file and what to do."""

from collections.abc import Callable
from pathlib import Path

import pytest
from workspace import RUNS, Workspace

pytestmark = pytest.mark.workflow

JOB = f"{RUNS}/main/cnn/single/seeds0"
SHARD = "results/pools/digits/ddpm/all/shard-0000.parquet"


def truncate(path: Path) -> None:
    """Half of the file, as after a full disk under a program that does not notice."""
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def flip(path: Path) -> None:
    """One bit in the middle."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_a_damaged_meta_file_hinders_nothing_but_the_jobs_that_read_it(workspace: Workspace) -> None:
    meta = "results/data/digits/meta.json"
    truncate(workspace / meta)
    workspace.command("plan")
    workspace.command("so_far")
    assert f"{meta} is damaged" in workspace.failing("--forcerun", "evaluate")


@pytest.mark.parametrize(
    ("damaged", "damage", "target", "remade"),
    [
        (SHARD, flip, f"{JOB}/model.safetensors", {"generated": 1}),
        ("results/data/digits/train.safetensors", truncate, "results/extractors/digits/features.json", {}),
        (f"{JOB}/model.safetensors", flip, f"{JOB}/metrics.json", {}),
    ],
    ids=["altered shard", "truncated split", "altered model"],
)
def test_a_damaged_file_is_named_and_can_be_made_again(
    workspace: Workspace, damaged: str, damage: Callable[[Path], None], target: str, remade: dict[str, int]
) -> None:
    original = (workspace / damaged).read_bytes()
    before = workspace.entries()
    damage(workspace / damaged)
    assert (workspace / damaged).read_bytes() != original
    log = workspace.failing(target)
    (line,) = (line for line in log.splitlines() if "DamagedFileError:" in line)
    assert f"{damaged} is damaged" in line
    assert line.endswith("delete it and run snakemake again")

    (workspace / damaged).unlink()
    workspace.snakemake(target)
    assert (workspace / damaged).read_bytes() == original
    assert workspace.made(before) == remade
    if damaged == SHARD:
        assert workspace.planned(target) == {}
