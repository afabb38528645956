"""What a job frees, it keeps for its next tensors."""

import platform
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = str(Path(__file__).parents[1] / "workflow/scripts")
CODE = """
import resource, sys
import numpy as np
from synthmix import memory
if sys.argv[1] == "kept":
    memory.keep_freed()
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(5):
        np.ones(int(sys.argv[2]) // 8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults()
print(faults())
"""


def page_faults(way: str, size: int) -> int:
    """Page faults of making and freeing an array of some bytes five times, after doing so once."""
    command = [sys.executable, "-c", CODE, way, str(size)]
    done = subprocess.run(command, env={"PYTHONPATH": SCRIPTS}, capture_output=True, text=True, check=True)
    return int(done.stdout)


def takes_large_thresholds() -> bool:
    name, version = platform.libc_ver()
    return name == "glibc" and tuple(map(int, version.split(".")[:2])) >= (2, 35)


@pytest.mark.skipif(not takes_large_thresholds(), reason="another malloc than glibc's, or an old one")
def test_large_arrays_come_from_what_was_freed() -> None:
    assert page_faults("kept", 100_000_000) < 100
    assert page_faults("default", 100_000_000) > 1000, "nothing to gain here"
    assert page_faults("kept", 300_000_000) > 1000, "data sets go back to the system"
