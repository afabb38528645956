"""One training shared by several processes of a machine, each on a GPU of its own.

A step computes what it would in one process: every process draws the whole batch, a function of seed and step, and
computes its own part; the mean of the gradients over the processes is that of the whole batch. So a result depends on
the number of processes by rounding alone, and a training may go on with another number.
"""

import contextlib
import os
import tempfile
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.multiprocessing import ProcessContext, ProcessExitedException, start_processes

from synthmix import code
from synthmix.interruption import SIGNALS, Interruption
from synthmix.store import Entry

Work = Callable[..., dict[str, Any]]  # (team, entry, stop, *arguments) -> finished state

GRACE = 10  # seconds that the other processes have to end by themselves after one of them did


class Team:
    """The processes that share a training, as one of them sees them; without `accelerator` it is alone.

    device: of this process. rank: its number. size: how many there are. first: whether this one prints and saves.
    """

    def __init__(self, device: str, accelerator: Any = None) -> None:
        self.device, self.accelerator = device, accelerator
        self.rank: int = accelerator.process_index if accelerator else 0
        self.size: int = accelerator.num_processes if accelerator else 1
        self.first = self.rank == 0

    def part(self, count: int) -> slice:
        """This process's rows of a batch of `count`: none is left out, and all parts are equal up to one row."""
        return slice(count * self.rank // self.size, count * (self.rank + 1) // self.size)

    def weight(self, count: int) -> float:
        """What to multiply the mean over a part by, so that the processes' mean is the mean over all `count` rows."""
        part = self.part(count)
        return (part.stop - part.start) * self.size / count

    def shared(self, network: nn.Module) -> nn.Module:
        """The network to call in training: its gradients become those of all processes' mean loss."""
        return self.accelerator.prepare_model(network) if self.accelerator else network

    def apart(self, network: nn.Module) -> contextlib.AbstractContextManager:
        """While gradients of a network from `shared` add up in each process, for a later pass to share their sums."""
        return self.accelerator.no_sync(network) if self.accelerator else contextlib.nullcontext()

    def mean(self, value: Tensor) -> Tensor:
        """The mean of a tensor over the processes, which must all ask for it at the same step."""
        return self.accelerator.reduce(value, "mean") if self.accelerator else value


class _AgreedInterruption(Interruption):
    """An interruption of all processes at once: whoever is asked to stop, all save and end at the same step."""

    agreed = 0

    def due(self) -> bool:
        # On the CPU: to wait for the GPU at every step would leave it idle.
        asked = torch.tensor([int(super().due()), self.signal])
        distributed.all_reduce(asked, distributed.ReduceOp.MAX)
        due, self.agreed = asked.tolist()
        return bool(due)

    def done(self) -> None:
        distributed.all_reduce(torch.zeros(1))  # nobody goes before the state is saved
        self.saved = time.monotonic()
        if self.agreed:  # a signal of this process alone waits for the next step
            distributed.destroy_process_group()
            raise SystemExit(128 + self.agreed)


def run(work: Work, processes: int, device: str, entry: Entry, stop: Interruption, *arguments: Any) -> dict[str, Any]:
    """Do a piece of work in a number of processes.

    Args:
        work: a function (team, entry, stop, *arguments) of a module of this library that returns the finished state;
            each process calls it. The first one of the team saves its states, and the finished one, to the entry.
        processes: how many; 1 is this process, more are started by it and see the GPUs that it sees.
        device: "cpu" or "cuda".
        entry: where the work is kept, locked by this process.
        stop: when to save, and whether to stop.
        arguments: what else the work takes, equal in all processes.

    Returns:
        The finished state.

    Raises:
        SystemExit: the job was asked to stop; its state is saved. The status is 128 + signal.
        ProcessRaisedException, ProcessExitedException: one of the processes failed; the others have ended.
    """
    if processes == 1:
        return work(Team(device), entry, stop, *arguments)
    file = work.__module__.replace(".", "/") + ".py"
    with tempfile.TemporaryDirectory() as folder:
        meeting = os.path.join(folder, "meeting")
        threads = max(1, torch.get_num_threads() // processes)
        planned = code.digest(file)
        task = (processes, device, meeting, threads, file, planned, stop.seconds, work, entry, arguments)
        # A forked process could use neither CUDA nor the threads of this one.
        _wait(start_processes(_join, task, processes, join=False, daemon=True, start_method="spawn"), stop)
    state: dict[str, Any] | None = entry.load()
    if state is None or not state.get("done"):
        raise RuntimeError(f"{entry.state} holds no result, though the processes that made it ended well")
    return state


def _wait(context: ProcessContext, stop: Interruption) -> None:
    """Wait for all processes, and pass on to them a signal to stop."""
    told = 0
    try:
        while not context.join(timeout=0.2, grace_period=GRACE):
            if stop.signal and not told:
                told = stop.signal
                for process in context.processes:
                    if process.is_alive():
                        os.kill(process.pid, told)
    except ProcessExitedException as error:
        # SLURM may have told only them; or they were told before they could listen, and had done nothing yet
        asked = stop.signal or error.exit_code - 128
        if asked in SIGNALS:
            raise SystemExit(128 + asked) from None
        raise


def _join(
    rank: int,
    size: int,
    device: str,
    meeting: str,
    threads: int,
    file: str,
    planned: str,
    seconds: float,
    work: Work,
    entry: Entry,
    arguments: tuple[Any, ...],
) -> None:
    """What each process does: meet the others, then work."""
    stop = _AgreedInterruption(seconds)
    code.require(planned, file)  # this process has read the code again
    here = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": size, "LOCAL_WORLD_SIZE": size, "OMP_NUM_THREADS": threads}
    os.environ |= {name: str(value) for name, value in here.items()}  # where accelerate looks for them
    torch.set_num_threads(threads)
    from accelerate import Accelerator
    from accelerate.utils import check_cuda_p2p_ib_support

    if device != "cpu" and not check_cuda_p2p_ib_support():  # GPUs on which NCCL would fail
        os.environ |= {"NCCL_P2P_DISABLE": "1", "NCCL_IB_DISABLE": "1"}
    backend = "gloo" if device == "cpu" else "cpu:gloo,cuda:nccl"
    distributed.init_process_group(backend, store=distributed.FileStore(meeting, size), rank=rank, world_size=size)
    accelerator = Accelerator(cpu=device == "cpu", mixed_precision="no")
    work(Team(str(accelerator.device), accelerator), entry, stop, *arguments)
    distributed.destroy_process_group()
