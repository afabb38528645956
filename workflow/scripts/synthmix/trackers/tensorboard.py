"""TensorBoard: event files in a folder for each run, below the tracker's own; `tensorboard --logdir` shows them."""

import shutil
from pathlib import Path

from synthmix.tracking import Finished

PACKAGES = ("tensorboard", "torch")


def mirror(run: Finished, folder: Path, offline: bool) -> None:
    """Write the event file of a run, in the place of one that is there."""
    from torch.utils.tensorboard import SummaryWriter
    from torch.utils.tensorboard.summary import hparams

    log = folder / run.name
    if log.exists():
        shutil.rmtree(log)
    results = {f"results/{name}": value for name, value in run.results.items()}
    with SummaryWriter(str(log)) as writer:
        for summary in hparams(run.parameters, results):  # as add_hparams does, which writes a second file
            writer.file_writer.add_summary(summary)
        for step, values in (*run.history.items(), (max(run.history, default=0), results)):
            for name, value in values.items():
                writer.add_scalar(name, value, step)
