"""Maps of what a classifier looks at: what their methods are called, and a map in the size of its image."""

import numpy as np
from PIL import Image

# The methods of the explainer `cam`, then what they are compared with.
TITLES = {
    "grad_cam": "Grad-CAM",
    "grad_cam_plus_plus": "Grad-CAM++",
    "score_cam": "Score-CAM",
    "eigen_cam": "Eigen-CAM",
    "random": "Random map",
    "centre": "Centre",
}
BASELINES = ("random", "centre")


def enlarged(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A map (rows, columns) at the pixels of an image, float32 `size` (H, W), bilinear between the middles of cells."""
    small = Image.fromarray(np.asarray(values, dtype=np.float32))
    return np.asarray(small.resize((size[1], size[0]), Image.Resampling.BILINEAR))
