"""Filter kind `confidence`: how sure a classifier, trained on real images, is of the class that an image stands for."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.special import logsumexp

from synthmix.filtering import View
from synthmix.images.pools import Pool


def scores(selection: Mapping[str, Any], images: Pool, prompts: Sequence[str | None], view: View) -> np.ndarray:
    """The logarithm of the probability of each image's own class, float64 (N,), at most 0.

    The order is that of the probabilities, except that those which would be rounded to 1 stay apart. Raises ValueError
    where the extractor has no output for each class.
    """
    logits = view.features(images).logits
    if logits is None or logits.shape[1] != len(view.classes):
        raise ValueError(f"the extractor {view.extractor.name} is no classifier of the {len(view.classes)} classes")
    own = np.eye(logits.shape[1], dtype=bool)[images.labels]
    others = logsumexp(np.where(own, -np.inf, logits.astype(np.float64)), axis=1)
    return -np.logaddexp(0, others - logits[own])  # log(1 / (1 + sum of exp(other - own))), exact near 0
