"""Corruption `low_light`: values v in [0, 1] become v to the power of gamma, as in a photograph taken in the dark.

Severities are values of gamma, evenly spaced over the range that darkened training images have in LLNet (Lore, Akintayo
and Sarkar 2017, doi:10.1016/j.patcog.2016.06.008); Hendrycks and Dietterich have no such corruption. The noise of a
sensor in the dark is left to `noise`.
"""

from kornia.enhance import adjust_gamma
from torch import Tensor

from synthmix.images.corrupted import Draws

SEVERITIES = {32: (2.0, 2.75, 3.5, 4.25, 5.0)}
LABEL = "γ = {:.3g}"


def corrupt(images: Tensor, gamma: float, draws: Draws) -> Tensor:
    """Images (N, C, H, W), darker."""
    return adjust_gamma(images, gamma)
