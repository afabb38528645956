"""What a job frees, it keeps for its next tensors."""

import platform
import subprocess
import sys

import pytest

CODE = """
import resource, sys
import numpy as np
from synthmix import memory
if sys.argv[1] == "kept":
    memory.keep_freed()
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(5):
        np.ones(12_500_000)  # 100 MB
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults()
print(faults())
"""


def page_faults(way: str) -> int:
    command = [sys.executable, "-c", CODE, way]
    done = subprocess.run(command, env={"PYTHONPATH": "workflow/scripts"}, capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another malloc than glibc's")
def test_large_arrays_come_from_what_was_freed() -> None:
    assert page_faults("kept") < 100
    assert page_faults("default") > 1000, "nothing to gain here"
