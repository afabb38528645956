"""How a process gets its memory from the system."""

import contextlib
import ctypes

# Of glibc's malloc.h.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
LARGE = 2**28, 2**25  # bytes from which on a block goes back when it is freed; the second, where the first is refused


def keep_freed() -> None:
    """Let the process keep what it frees, for its next tensors; nothing happens where malloc is not glibc's.

    Networks on the CPU make tensors of some megabytes at every step. By default glibc maps large ones anew each time,
    and the system empties every page before it is used: half of the time of a network that only predicts
    (benchmarks/README.md). So only blocks of the size of whole data sets are mapped, and the rest is never trimmed; see
    mallopt(3). Older versions of glibc take no threshold above 32 MiB.
    """
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_TRIM_THRESHOLD, -1)
        any(mallopt(M_MMAP_THRESHOLD, size) for size in LARGE)
