"""Local jobs on a machine with several GPUs: each gets its own. The GPUs here are names; no test needs one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from synthmix import gpus

SCRIPTS = Path(__file__).parents[1] / "workflow/scripts"
HOLD = """
import sys; sys.path.insert(0, {scripts!r})
from pathlib import Path
from synthmix import gpus
chosen = gpus.assign({count}, {share}, Path({folder!r}))
import os
print(os.environ["CUDA_VISIBLE_DEVICES"], flush=True)
sys.stdin.read()
"""


def hold(folder: Path, count: int = 1, share: int = 1, visible: str = "0,1,2") -> subprocess.Popen[str]:
    """A process that takes GPUs and holds them until its input ends; the first line it prints names them."""
    code = HOLD.format(scripts=str(SCRIPTS), count=count, share=share, folder=str(folder))
    return subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={"CUDA_VISIBLE_DEVICES": visible, "PATH": ""},
    )


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline().strip()


def end(*processes: subprocess.Popen[str]) -> None:
    for process in processes:
        process.communicate()


def test_jobs_side_by_side_get_different_gpus(tmp_path: Path) -> None:
    processes = [hold(tmp_path) for _ in range(3)]
    assert sorted(map(said, processes)) == ["0", "1", "2"]
    end(*processes)


def test_a_job_waits_until_a_gpu_is_free(tmp_path: Path) -> None:
    first, second = hold(tmp_path, visible="4,7"), hold(tmp_path, visible="4,7")
    held = {said(first), said(second)}
    assert held == {"4", "7"}
    third = hold(tmp_path, visible="4,7")
    assert said(third) == "waiting for 1 of the GPUs 4,7: other jobs hold them"
    first.kill()  # the lock goes with the process, however it ends
    first.wait()
    assert said(third) in held
    end(second, third)


def test_a_job_of_two_gpus_takes_both_or_none(tmp_path: Path) -> None:
    one = hold(tmp_path, visible="0,1,2")
    held = said(one)
    two = hold(tmp_path, count=2, visible="0,1,2")
    assert set(said(two).split(",")) == {"0", "1", "2"} - {held}
    waiting = hold(tmp_path, count=2, visible="0,1,2")
    assert said(waiting).startswith("waiting for 2")
    end(one)
    end(two)
    assert len(said(waiting).split(",")) == 2
    end(waiting)


def test_a_job_may_hold_all_gpus(tmp_path: Path) -> None:
    one = hold(tmp_path, count=2, visible="0,1")
    assert said(one) == "0,1"
    two = hold(tmp_path, visible="0,1")
    assert said(two).startswith("waiting for 1")
    end(one)
    assert said(two) == "0"
    end(two)


def test_jobs_share_a_gpu_as_configured_and_spread_first(tmp_path: Path) -> None:
    processes, names = [], []
    for _ in range(4):
        processes.append(hold(tmp_path, share=2, visible="0,1"))
        names.append(said(processes[-1]))
    assert names == ["0", "1", "0", "1"]
    end(*processes)


def test_a_machine_with_too_few_gpus_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    with pytest.raises(RuntimeError, match="asks for 3 GPUs, but this machine has 2"):
        gpus.assign(3, folder=tmp_path)


@pytest.mark.parametrize(("variable", "value"), [("SLURM_JOB_ID", "1"), ("CUDA_VISIBLE_DEVICES", "3")])
def test_nothing_is_assigned_where_there_is_no_choice(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str, value: str
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    monkeypatch.setenv(variable, value)
    assert gpus.assign(1, folder=tmp_path) == []
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("visible", ["1", "0,1"])
def test_gpus_have_the_numbers_of_the_driver(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, visible: str) -> None:
    """And not those of CUDA, which counts the fastest one first."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    monkeypatch.setenv("CUDA_DEVICE_ORDER", "FASTEST_FIRST")
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    gpus.assign(1, folder=tmp_path)
    assert os.environ["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"


@pytest.mark.parametrize(("value", "names"), [("", []), ("-1", []), ("0", ["0"]), ("GPU-a,GPU-b", ["GPU-a", "GPU-b"])])
def test_visible_gpus(monkeypatch: pytest.MonkeyPatch, value: str, names: list[str]) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", value)
    assert gpus.visible() == names


def test_without_a_driver_there_are_no_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("PATH", "")
    assert gpus.visible() == []
