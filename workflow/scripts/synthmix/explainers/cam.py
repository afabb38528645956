"""Explainer `cam`: the places of test images that the predicted class rests on, by class activation maps.

The package grad-cam computes them: Grad-CAM (Selvaraju et al. 2017, arXiv:1610.02391), Grad-CAM++ (Chattopadhay et al.
2018, arXiv:1710.11063), Score-CAM (Wang et al. 2020, arXiv:1910.01279) and Eigen-CAM (Muhammad and Yeasin 2020,
arXiv:2008.00299), all at one layer (target_layers.py). The images are drawn by the explainer's seed: every network is
shown the same. Each map is judged by deletion and insertion (faithfulness.py), beside a random map of as many cells and
one that falls with the distance from the middle.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytorch_grad_cam as package
import torch
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from pytorch_grad_cam.utils.svd_on_activations import get_2d_projection_with_sign_correction
from torch import Tensor, nn
from torch.nn import functional as F

from synthmix.explaining import Images
from synthmix.networks import engine, faithfulness, target_layers
from synthmix.networks.saliency import enlarged
from synthmix.streams import stream

COLUMNS = ("index", "label", "prediction", "confidence", "layer", "method", "deletion", "insertion", "values")
BATCH = 64  # masked images at a time, of which Score-CAM has one for each channel
DECIMALS = 4


class ScoreCAM(package.ScoreCAM):
    """Score-CAM with few masked images in memory: the package has all, 1.2 GB of 2048 channels at 224 pixels."""

    def get_cam_weights(
        self, image: Tensor, layer: Any, targets: list[Any], activations: np.ndarray, gradients: Any
    ) -> np.ndarray:
        self.activations_and_grads.release()
        scores = []
        with torch.no_grad():
            for channels in torch.from_numpy(activations[0]).split(BATCH):
                size = (image.shape[2], image.shape[3])
                masks = F.interpolate(channels[None].to(image.device), size, mode="bilinear", align_corners=True)[0]
                low, high = (extreme((1, 2), keepdim=True) for extreme in (masks.amin, masks.amax))
                masked = image * ((masks - low) / (high - low + 1e-8))[:, None]
                scores.append(torch.stack([targets[0](output) for output in self.model(masked)]).cpu())
            weights: np.ndarray = torch.cat(scores).float().softmax(0)[None].numpy()
        return weights


class EigenCAM(package.EigenCAM):
    """Eigen-CAM with a sign: that of a principal component is arbitrary, here its largest value is positive.

    So it does not depend on the library of linear algebra (Chung and Ying 2025, doi:10.3390/app15137562, equation 13).
    """

    def get_cam_image(
        self, image: Any, layer: Any, targets: Any, activations: np.ndarray, gradients: Any, smooth: bool = False
    ) -> Any:
        return get_2d_projection_with_sign_correction(activations)


METHODS: dict[str, Any] = {
    "grad_cam": package.GradCAM,
    "grad_cam_plus_plus": package.GradCAMPlusPlus,
    "score_cam": ScoreCAM,
    "eigen_cam": EigenCAM,
}


def explain(
    network: engine.Classifier, explainer: Mapping[str, Any], images: Images, device: str
) -> Iterator[dict[str, Any]]:
    """A row for each image and method, and for each image and baseline (`random`, `centre`).

    index: of the image in the test split, from 0. prediction: the predicted class, which scores and maps are of (those
    of Eigen-CAM are of no class), and confidence: its probability. layer: name of the layer. deletion, insertion: areas
    in [0, 1]. values: JSON, the map (rows, columns) in the layer's own size, from 0 to 1, with four decimals, as it was
    judged; none for a baseline.
    """
    classifier = network.to(device).eval()
    layer: tuple[str, nn.Module] | None = None
    for index in instances(images.test.labels, explainer["instances"], explainer["seed"]):
        pixels = engine.to_device(images.test.images[[index]], device)
        image = ((pixels.float() - classifier.mean) / classifier.std).contiguous()
        layer = layer or target_layers.find(classifier.network, image)
        with torch.inference_mode():
            confidence, predicted = classifier.network(image).double().softmax(1)[0].max(0)
        known = {
            "index": int(index),
            "label": int(images.test.labels[index]),
            "prediction": int(predicted),
            "confidence": float(confidence),
            "layer": layer[0],
        }
        maps = {
            name: saliency(name, classifier.network, layer[1], image, int(predicted)) for name in explainer["methods"]
        }
        cells = maps[explainer["methods"][0]].shape
        size = (image.shape[2], image.shape[3])
        chance = enlarged(stream("random map", explainer["seed"], index).random(cells), size)
        judged = {name: enlarged(values, size) for name, values in maps.items()}
        judged |= {"random": chance, "centre": faithfulness.centre(size)}
        found = faithfulness.scores(classifier.network, image, int(predicted), judged, ties=chance)
        for name, scores in found.items():
            values = json.dumps(maps[name].tolist()) if name in maps else None
            yield {**known, "method": name, **scores, "values": values}


def instances(labels: np.ndarray, count: int, seed: int) -> list[int]:
    """Positions of `count` images of each class, drawn without replacement: fewer are among those of a larger count.

    labels: int64 (N,). A class with fewer images has all of them.
    """
    drawn = []
    for label in np.unique(labels):
        own = np.flatnonzero(labels == label)
        drawn += stream("cam", seed, label).permutation(own)[:count].tolist()
    return drawn


def saliency(method: str, network: nn.Module, layer: nn.Module, image: Tensor, label: int) -> np.ndarray:
    """The map (rows, columns) of one image (1, C, H, W), float64 from 0 to 1, in the size of the layer's output."""
    cam = METHODS[method](network, [layer], reshape_transform=target_layers.as_map)
    cam.get_target_width_height = lambda _: None  # as it is, not in the size of the image
    values = cam(image, [ClassifierOutputTarget(label)])[0]
    cam.activations_and_grads.release()
    network.zero_grad()
    return np.round(values.astype(np.float64), DECIMALS)
