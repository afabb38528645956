"""How a process gets its memory from the system."""

import contextlib
import ctypes

# Of glibc's malloc.h.
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4


def keep_freed() -> None:
    """Let the process keep what it frees, for its next tensors; nothing happens where malloc is not glibc's.

    Networks on the CPU make tensors of some megabytes at every step. By default glibc maps large ones anew each time,
    and the system empties every page before it is used: half of the time of a network that only predicts
    (benchmarks/README.md). So nothing is mapped and nothing trimmed; see mallopt(3).
    """
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, -1)
