"""A copy of the repository in which a test runs Snakemake on the small study studies/tiny.yaml."""

import csv
import fcntl
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from synthmix.planning.plan import ENVIRONMENT
from synthmix.store import Entry

REPOSITORY = Path(__file__).parents[1]
STUDY = "studies/tiny.yaml"
LIBRARY = "workflow/scripts/synthmix"
STORE = "results/.resume"
RUNS = "results/runs/digits"
# Snakemake gives a job fewer threads where --cores is smaller, and sums depend on the number of threads.
CONFIG = "studies: [tiny]\ndevice: cpu\ncheckpoint_seconds: 1\nresources:\n  train_generator: {threads: 1}\n"
LOOP = '    for step in range(state["step"], steps):\n'  # where a training step begins
PATIENCE = 120  # seconds until a test stops waiting for what should have happened


class Workspace:
    """A working directory of Snakemake."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @classmethod
    def of_sources(cls, root: Path) -> "Workspace":
        """The repository's files but documentation and tests, with the study tiny as its only one; nothing is built."""
        listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        names = subprocess.run(listed, cwd=REPOSITORY, capture_output=True, check=True, text=True).stdout.split("\0")
        workspace = cls(root)
        for name in filter(None, names):
            if not name.startswith(("docs/", "studies/", "tests/")) and (REPOSITORY / name).is_file():
                (workspace / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(REPOSITORY / name, workspace / name)
        workspace.write(STUDY, (REPOSITORY / "tests" / STUDY).read_text())
        workspace.write("config.yaml", CONFIG)
        return workspace

    def copy(self, root: Path) -> "Workspace":
        """A copy with equal times of modification; what is one file under two names stays so."""
        subprocess.run(["cp", "-a", self.root, root], check=True)
        return Workspace(root)

    # ---- files -------------------------------------------------------------------------------------------------------

    def __truediv__(self, name: str) -> Path:
        return self.root / name

    def read(self, name: str) -> str:
        return (self / name).read_text()

    def write(self, name: str, text: str) -> None:
        (self / name).parent.mkdir(parents=True, exist_ok=True)
        (self / name).write_text(text)

    def replace(self, name: str, old: str, new: str) -> None:
        """Replace a text that stands in a file once."""
        text = self.read(name)
        assert text.count(old) == 1, f"{name} holds {old!r} {text.count(old)} times"
        self.write(name, text.replace(old, new))

    def append(self, name: str, text: str) -> None:
        self.write(name, self.read(name) + text)

    def slow_down(self, module: str, seconds: float = 0.02) -> None:
        """Make training steps long enough to interrupt them; what they compute stays the same."""
        self.replace(f"{LIBRARY}/{module}", LOOP, LOOP + f"        time.sleep({seconds})\n")

    def trained(self, folder: str, weights: str) -> tuple[bytes, list[dict[str, str]]]:
        """Bytes of the trained weights in a folder, and the history without what the clock says."""
        with (self / folder / "history.csv").open() as file:
            rows = [{name: value for name, value in row.items() if name != "seconds"} for row in csv.DictReader(file)]
        assert rows
        return (self / folder / weights).read_bytes(), rows

    # ---- Snakemake -----------------------------------------------------------------------------------------------

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Snakemake in a process group of its own; its output goes to the file snakemake.log."""
        inherited = {name: value for name, value in os.environ.items() if name != ENVIRONMENT}
        with (self / "snakemake.log").open("w") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "snakemake", *arguments],
                cwd=self.root,
                env=inherited | environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )

    def snakemake(self, *arguments: str, **environment: str) -> str:
        """Run Snakemake to its end, which must be a good one; returns its output."""
        status = self.start("--cores", "2", *arguments, **environment).wait()
        output = self.read("snakemake.log")
        assert status == 0, f"{output}\n{self.logs()}"
        return output

    def make_again(self, rules: list[str], *targets: str, **environment: str) -> None:
        """Run the jobs of rules that targets need as if they had not run: nothing is in the store, no log is left."""
        for path in [*self.entries(), *self.root.glob("logs/**/*.log")]:
            path.unlink()
        self.snakemake("--forcerun", *rules, "--", *targets, **environment)

    def command(self, name: str, *arguments: str, status: int = 0, **environment: str) -> str:
        """Run a script of workflow/commands, which must end with a status; returns what it prints."""
        inherited = {name: value for name, value in os.environ.items() if name != ENVIRONMENT}
        done = subprocess.run(
            [sys.executable, f"workflow/commands/{name}.py", *arguments],
            cwd=self.root,
            env=inherited | environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == status, f"{done.stdout}\n{done.stderr}"
        return done.stdout

    def failing(self, *arguments: str) -> str:
        """Run Snakemake to its end, which must be an error; returns the logs of its jobs."""
        for log in self.root.glob("logs/**/*.log"):
            log.unlink()
        assert self.start("--cores", "2", *arguments).wait() != 0, self.read("snakemake.log")
        return self.logs()

    def results(self) -> dict[str, tuple[int, int]]:
        """Every file under results/ with its inode and time of modification."""
        files = [path for path in (self / "results").rglob("*") if path.is_file()]
        return {path.relative_to(self.root).as_posix(): (path.stat().st_ino, path.stat().st_mtime_ns) for path in files}

    def logs(self) -> str:
        return "\n".join(path.read_text() for path in sorted(self.root.glob("logs/**/*.log")))

    def planned(self, *arguments: str, **environment: str) -> dict[str, int]:
        """Number of jobs per rule that Snakemake would run."""
        output = self.snakemake(*arguments, "--dry-run", "--quiet", "rules", **environment)
        if "Nothing to be done" in output:
            return {}
        table = output.rpartition("Job stats:\n")[2].partition("\n\n")[0]
        jobs = {rule: int(count) for rule, count in re.findall(r"^(\w+) +([0-9]+)$", table, re.MULTILINE)}
        total = jobs.pop("total")
        assert sum(jobs.values()) == total, output
        return {rule: count for rule, count in jobs.items() if rule not in ("all", "tiny")}

    # ---- the store -----------------------------------------------------------------------------------------------

    def entries(self) -> dict[Path, int]:
        """The files of the store with their inodes: a file that is written again has another one."""
        files = [*(self / STORE).glob("*/*/state.safetensors"), *(self / STORE).glob("*/*/shard.parquet")]
        return {path: path.stat().st_ino for path in files}

    def made(self, before: dict[Path, int]) -> Counter[str]:
        """What was written into the store since `before` was taken with `entries`, by kind."""
        return Counter(_kind(path) for path, inode in self.entries().items() if before.get(path) != inode)

    def unfinished(self) -> list[int]:
        """The steps at which trainings are saved that are not finished."""
        states = [self.state(path) for path in self.entries() if path.suffix == ".safetensors"]
        return [state["step"] for state in states if "step" in state]

    @staticmethod
    def state(path: Path) -> dict[str, Any]:
        """The state in a file of the store."""
        state = Entry(path.parent.name, path.parents[2]).load()
        assert isinstance(state, dict), path
        return state

    def working(self) -> bool:
        """Whether a job holds an entry of the store."""
        return any(map(_is_locked, (self / STORE).glob("*/*/lock")))


def _kind(path: Path) -> str:
    if path.name == "shard.parquet":
        return "generated"
    state = Workspace.state(path)
    if "probabilities" in state:
        return "tested"
    for kind in ("explained", "corrupted"):
        if kind in state:
            return kind
    if not state.get("done"):
        return "interrupted"
    return "classifier" if "train_loss" in state["history"][0] else "generator"


def _is_locked(path: Path) -> bool:
    with path.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


# ---- processes -------------------------------------------------------------------------------------------------------


def wait_until(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Wait until a condition holds while a process runs."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert process.poll() is None, "snakemake ended before what the test waits for"
        assert time.monotonic() < deadline, f"nothing happened in {PATIENCE} seconds"
        time.sleep(0.02)


@contextmanager
def running(workspace: Workspace, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Snakemake in the background; none of its processes is left behind."""
    process = workspace.start("--cores", "1", *arguments)
    try:
        yield process
    finally:
        kill_group(process)


def job_of(snakemake: subprocess.Popen[str], script: str) -> int:
    """The id of the process that runs a script below Snakemake."""
    listed = subprocess.run(
        ["ps", "-A", "-ww", "-o", "pid=,pgid=,args="], capture_output=True, check=True, text=True
    ).stdout
    processes = [line.split(maxsplit=2) for line in listed.splitlines()]
    found = [
        int(pid)
        for pid, group, command in processes
        if int(group) == snakemake.pid and "bash" not in command and command.endswith(f".{script}")
    ]
    assert len(found) == 1, found
    return found[0]


def kill_group(process: subprocess.Popen[str]) -> None:
    """kill -9 of Snakemake and everything that it started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
