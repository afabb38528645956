"""Whether a small classifier can tell generated images from real ones: a detector of shortcuts.

An accuracy of 0.5 means that this network, trained on this many images, finds no difference. An accuracy near 1 may
come from a trace that says nothing of quality, such as another way of resizing or encoding, and then a classifier that
trains on both kinds can learn the trace, too.
"""

from typing import Any

import numpy as np
from scipy import stats

from synthmix.data import Split
from synthmix.images.draws import TrainingSet
from synthmix.images.pools import Pool
from synthmix.images.stratify import split_halves
from synthmix.interruption import Interruption
from synthmix.models import feature_cnn
from synthmix.store import Entry
from synthmix.streams import stream
from synthmix.training import Data, fit

CONFIDENCE = 0.95
REAL, GENERATED = 0, 1  # the classes
MODEL = {"architecture": "feature_cnn", "width": 16}
RECIPE = {
    "optimizer": "adamw",
    "learning_rate": 0.003,
    "weight_decay": 0.01,
    "batch_size": 64,
    "epochs": 20,
    "schedule": "cosine",
    "precision": "float32",
    "checkpoint": "last",
}


def drawn(generated: Pool, real: Split, seed: int) -> Data:
    """Equal numbers of real and generated images of every class, drawn and halved at random: train and val of a fit.

    As many per class as the rarer kind has; one kind is halved like the other, so both halves are balanced by class
    and kind to one image.

    Raises:
        ValueError: a class has fewer than two images of either kind.
    """
    rows: list[list[np.ndarray]] = [[], []]
    for label in np.unique(np.concatenate([real.labels, generated.labels])):
        members = [np.flatnonzero(labels == label) for labels in (real.labels, generated.labels)]
        count = min(map(len, members))
        if count < 2:
            raise ValueError(
                f"class {label} has {len(members[REAL])} held-out and {len(members[GENERATED])} generated images, and "
                "a detector needs two of each: raise `val` of the data set, or n"
            )
        for kind, each in enumerate(members):
            rows[kind].append(stream("detection", seed, kind, label).permutation(each)[:count])
    chosen = [np.concatenate(each) for each in rows]
    images = [real.images[chosen[REAL]], generated.images[chosen[GENERATED]]]
    halves = split_halves(real.labels[chosen[REAL]], seed)  # the labels of both kinds are the same
    kinds = [np.repeat([REAL, GENERATED], len(half)) for half in halves]
    seen, unseen = (np.concatenate([each[half] for each in images]) for half in halves)
    return Data(TrainingSet(seen, kinds[0], len(halves[0]), None), unseen, kinds[1], 2)


def detect(data: Data, seed: int, entry: Entry, stop: Interruption, device: str) -> dict[str, Any]:
    """Train a detector on one half, or take it from the store; its accuracy on both, with the numbers of images."""
    task = {"model": MODEL, "recipe": RECIPE, "scale": "unit"}
    last = fit(feature_cnn.build, task, seed, data, entry, stop, device)["history"][-1]
    return {
        "seed": seed,
        "accuracy": last["val_accuracy"],
        "train_accuracy": last["train_accuracy"],
        "images": len(data.val_labels),
        "train_images": len(data.train.labels),
    }


def summary(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Mean accuracy over seeds with an interval that allows for their images being the same ones.

    mean +- t(J - 1) * sqrt((1 / J + n_test / n_train) * variance) (Nadeau and Bengio 2003, doi:10.1023/A:1024068626366,
    the corrected resampled t-test), cut to [0, 1].
    """
    values = np.array([run["accuracy"] for run in runs])
    count, mean = len(values), float(values.mean())
    share = 1 / count + runs[0]["images"] / runs[0]["train_images"]
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, count - 1) * np.sqrt(share * values.var(ddof=1)))
    return {
        "accuracy": mean,
        "interval": [max(0.0, mean - half), min(1.0, mean + half)],
        "interval_method": f"corrected resampled t interval over {count} random halves",
        "confidence": CONFIDENCE,
    }
