"""TensorBoard: event files in a folder for each run, below the tracker's own; `tensorboard --logdir` shows them."""

import shutil
from pathlib import Path

from synthmix.tracking import Finished

PACKAGES = ("tensorboard", "torch")


def mirror(run: Finished, folder: Path, offline: bool) -> None:
    """Write the event file of a run, in the place of one that is there."""
    from torch.utils.tensorboard import SummaryWriter

    log = folder / run.name
    if log.exists():
        shutil.rmtree(log)
    with SummaryWriter(str(log)) as writer:
        for step, values in run.history.items():
            for name, value in values.items():
                writer.add_scalar(name, value, step)
        results = {f"results/{name}": value for name, value in run.results.items()}
        writer.add_hparams(run.parameters, results, run_name=".", global_step=max(run.history, default=0))
