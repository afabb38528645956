"""Whether a map shows what a classifier relies on: deletion and insertion.

Pixels are taken away, or revealed, in the order of the map, and the area under the probability of the predicted class
is the score (Petsiuk et al. 2018, "RISE: randomized input sampling for explanation of black-box models",
arXiv:1806.07421, section 4.3). A faithful map has a low deletion and a high insertion score.
"""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn
from torchvision.transforms.v2.functional import gaussian_blur

STEPS = 32  # in each of which an equal share of the pixels changes
BLUR = 1 / 8  # standard deviation, in sides of the image, of the blur that insertion begins with


def centre(size: tuple[int, int]) -> np.ndarray:
    """A map (H, W) that falls with the distance from the middle of the image: what needs no look at it."""
    rows, columns = (np.arange(side) - (side - 1) / 2 for side in size)
    return -np.hypot(rows[:, None], columns[None])


def scores(network: nn.Module, image: Tensor, label: int, maps: Mapping[str, np.ndarray], ties: np.ndarray) -> dict:
    """{name: {deletion, insertion}} of maps of one image, areas in [0, 1].

    Deleted pixels become the zero of a normalised image: the mean colour of the training images, or, under pretrained
    weights, the one that these were published with. Insertion begins with the blurred image, for a canvas of one colour
    would show new edges.

    Args:
        network: normalised float images (N, C, H, W) in, logits out; in evaluation mode.
        image: one of them, (1, C, H, W).
        label: the class whose probability counts.
        maps: float (H, W) each.
        ties: float (H, W), the order of pixels that a map makes no difference between, such as all those at its zero:
            with a random map here, a map that says nothing scores as the random one.
    """
    sigma = BLUR * min(image.shape[2:])
    blurred = gaussian_blur(image, [2 * round(3 * sigma) + 1] * 2, [sigma] * 2)
    empty = torch.zeros_like(image)
    found = {}
    for name, values in maps.items():
        order = np.lexsort((-ties.ravel(), -values.ravel()))
        found[name] = {
            "deletion": area(network, image, empty, order, label),
            "insertion": area(network, blurred, image, order, label),
        }
    return found


def area(network: nn.Module, start: Tensor, end: Tensor, order: np.ndarray, label: int) -> float:
    """Area, in [0, 1], under a class's probability while the pixels of one image become those of another.

    start, end: (1, C, H, W). order: int64 (H * W,), the pixels, counted row by row, the first to change first. By the
    trapezoidal rule over the share of changed pixels.
    """
    size = start.shape[2:]
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    changed = np.unique(np.linspace(0, len(order), STEPS + 1).round().astype(np.int64))
    done = torch.from_numpy(rank.reshape(1, 1, *size) < changed[:, None, None, None]).to(start.device)
    with torch.inference_mode():
        probability = network(torch.where(done, end, start)).double().softmax(1)[:, label].cpu().numpy()
    return float(np.trapezoid(probability, changed / len(order)))
