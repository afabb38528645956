"""Weights & Biases: a run for each run, in the project synthmix (or WANDB_PROJECT), grouped by arm.

Without credentials, or where the configuration is offline, runs are written below the tracker's folder, from which
`wandb sync` uploads them.
"""

import netrc
import os
from pathlib import Path

from synthmix.tracking import Finished

PACKAGES = ("wandb",)
HOST = "api.wandb.ai"


def mirror(run: Finished, folder: Path, offline: bool) -> None:
    """Show a run; its content is its id, so that the same content is never two runs."""
    import wandb

    folder.mkdir(parents=True, exist_ok=True)
    mode = "online" if not offline and _has_credentials() else "offline"
    shown = wandb.init(
        project=os.environ.get("WANDB_PROJECT", "synthmix"),
        id=run.content,
        name=run.name,
        group=run.group,
        config=run.parameters,
        dir=str(folder),
        mode=os.environ.get("WANDB_MODE", mode) if not offline else mode,
        resume="allow",
        settings=wandb.Settings(silent=True, console="off"),
    )
    for step, values in sorted(run.history.items()):
        shown.log(values, step=step)
    shown.summary.update({f"results/{name}": value for name, value in run.results.items()})
    shown.finish()


def _has_credentials() -> bool:
    if os.environ.get("WANDB_API_KEY"):
        return True
    try:
        return netrc.netrc().authenticators(HOST) is not None
    except (OSError, netrc.NetrcParseError):
        return False
