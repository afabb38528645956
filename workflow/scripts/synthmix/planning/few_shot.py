"""Classifiers that filters rank by, one for each seed, trained on that seed's few real images.

Each is trained as the run of a training set of those images is: by the same script, on the same draw, into the same
kinds of files and the same store.
"""

from typing import Any

Definition = dict[str, Any]

NAME = "few-shot"  # of the training set in their files


def entries(extractor: Definition) -> tuple[str, str]:
    """The entry files of the job that trains them."""
    return "train.py", f"synthmix/models/{extractor['model']['architecture']}.py"


def training(extractor: Definition) -> Definition:
    """What the spec of a run says of its network and its training.

    The recipe is that of an extractor which is trained on one half of train; images reach the network in [0, 1], since
    it normalises them itself.
    """
    recipe = {"optimizer": "adamw", "schedule": "cosine", "precision": "float32", "checkpoint": "last"}
    recipe |= {key: extractor[key] for key in ("learning_rate", "batch_size", "epochs")}
    return {"model": extractor["model"], "recipe": recipe, "scale": "unit"}
