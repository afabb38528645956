"""Features of images: what an extractor is, its place in torch-fidelity's registry, and the extraction itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torch_fidelity.feature_extractor_base import FeatureExtractorBase
from torch_fidelity.registry import FEATURE_EXTRACTORS_REGISTRY, register_feature_extractor

from synthmix.spec import digest


@dataclass(frozen=True)
class Features:
    """What an extractor says about a set of images.

    values: float32 (N, D); labels: int64 (N,); logits: float32 (N, K), None where the extractor has no class posterior.
    """

    values: np.ndarray
    labels: np.ndarray
    logits: np.ndarray | None = None

    def __post_init__(self) -> None:
        lengths = {len(self.labels), len(self.values)} | ({len(self.logits)} if self.logits is not None else set())
        if self.values.ndim != 2 or len(lengths) != 1:
            raise ValueError(f"features of shape {self.values.shape} do not fit {len(self.labels)} labels")
        if not np.isfinite(self.values).all():
            raise ValueError("features hold NaN or infinity: the extractor's weights or its input are damaged")

    def __len__(self) -> int:
        return len(self.values)

    @property
    def dimension(self) -> int:
        return self.values.shape[1]

    def take(self, indices: np.ndarray) -> "Features":
        """The features of the images at `indices`, int64 (M,), in that order."""
        return Features(
            self.values[indices], self.labels[indices], None if self.logits is None else self.logits[indices]
        )


class FeatureExtractor(FeatureExtractorBase):
    """A network behind torch-fidelity's interface: uint8 (N, 3, H, W) to ("features",), each float32.

    network: maps that input to (features (N, D), logits (N, K) or None). settings: what else than the weights the
    features depend on. `name` holds a digest of both, since torch-fidelity tells extractors apart by name alone.
    """

    def __init__(
        self,
        kind: str,
        network: nn.Module,
        dimension: int,
        weights_sha256: str,
        settings: Mapping[str, Any],
        layers: Sequence[str] | None = None,
    ) -> None:
        name = f"{kind}-{digest([weights_sha256, settings])}"
        super().__init__(name, list(layers or self.get_provided_features_list()))
        self.kind = kind
        self.network = network
        self.dimension = dimension
        self.weights_sha256 = weights_sha256
        self.settings = dict(settings)
        self.requires_grad_(False)
        self.eval()

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """The requested layers, in the order of `features_list`."""
        features, logits = self.network(images)
        layers = {"features": features, "logits": logits}
        return tuple(layers[name].to(torch.float32) for name in self.features_list)

    def describe(self, name: str) -> dict[str, Any]:
        """What a score says of its extractor; `name` is the study's name for it."""
        return {
            "name": name,
            "kind": self.kind,
            "dimension": self.dimension,
            "weights_sha256": self.weights_sha256,
            "settings": self.settings,
        }

    @staticmethod
    def get_provided_features_list() -> tuple[str, ...]:
        return ("features",)

    @staticmethod
    def get_default_feature_layer_for_metric(metric: str) -> str:
        return {"fid": "features", "kid": "features", "prc": "features"}[metric]

    @staticmethod
    def can_be_compiled() -> bool:
        return False


class PosteriorExtractor(FeatureExtractor):
    """An extractor that also gives class logits, from which an Inception score is computed."""

    @staticmethod
    def get_provided_features_list() -> tuple[str, ...]:
        return ("features", "logits")

    @staticmethod
    def get_default_feature_layer_for_metric(metric: str) -> str:
        return {"isc": "logits", "fid": "features", "kid": "features", "prc": "features"}[metric]


class SquareInput(nn.Module):
    """uint8 (N, 3, H, W) to float32 (N, 3, size, size): resized (bicubic, antialiased) and normalised."""

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, size: int, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.size = (size, size)
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        resized = nn.functional.interpolate(images.float(), self.size, mode="bicubic", antialias=True)
        return (resized.clamp(0, 255) / 255 - self.mean) / self.std


def register(extractor: FeatureExtractor) -> str:
    """Make `extractor` known to `torch_fidelity.calculate_metrics`; returns the name to call it by."""
    cls = type(extractor)

    class Registered(cls):  # type: ignore[misc, valid-type]  # torch-fidelity builds (name, layers); ours is already built
        def __init__(self, name: str, layers: Sequence[str], **kwargs: object) -> None:
            super().__init__(
                extractor.kind,
                extractor.network,
                extractor.dimension,
                extractor.weights_sha256,
                extractor.settings,
                layers,
            )

    if extractor.name not in FEATURE_EXTRACTORS_REGISTRY:
        register_feature_extractor(extractor.name, Registered)
    return extractor.name


class Batches(Dataset):
    """uint8 (N, H, W, C) in batches of uint8 (B, 3, H, W), the last one of what is left; grey is repeated to three."""

    def __init__(self, images: np.ndarray, batch_size: int) -> None:
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] not in (1, 3):
            raise ValueError(f"images are {images.dtype} {images.shape}, not uint8 (N, H, W, 1 or 3)")
        self.images, self.batch_size = images, batch_size

    def __len__(self) -> int:
        return -(-len(self.images) // self.batch_size)

    def __getitem__(self, index: int) -> torch.Tensor:
        part = self.images[index * self.batch_size : (index + 1) * self.batch_size]
        return torch.tensor(part).permute(0, 3, 1, 2).expand(-1, 3, -1, -1).contiguous()


def extract(
    images: np.ndarray,
    labels: np.ndarray,
    extractor: FeatureExtractor,
    device: str = "cpu",
    precision: str = "float32",
    batch_size: int | None = None,
) -> Features:
    """Features of uint8 (N, H, W, C) images with their int64 (N,) labels, in their order; C is 1 or 3, N at least 1.

    device: "cpu" or "cuda"; the extractor stays there. precision: "float32", or "bfloat16" or "float16", in which
    autocast then runs the layers that bear it; features are float32 in any case. batch_size: default 64 on the CPU and
    256 on CUDA. Deterministic on the CPU. torch-fidelity's cache is not used, since its key is blind to content and
    weights.
    """
    if len(images) == 0:
        raise ValueError("no images to extract features from")
    cuda = device != "cpu"
    # Workers copy the next batches into pinned memory while the device computes: as many as the job has threads. On the
    # CPU they would take the network's own threads.
    loader = DataLoader(
        Batches(images, batch_size or (256 if cuda else 64)),
        batch_size=None,
        num_workers=torch.get_num_threads() if cuda else 0,
        pin_memory=cuda,
    )
    extractor.to(device)
    outputs = []
    with torch.inference_mode(), torch.autocast(device, getattr(torch, precision), enabled=precision != "float32"):
        for batch in loader:
            # Features stay on the device until the end: a copy here would wait for the device at every batch.
            outputs.append(extractor(batch.to(device, non_blocking=True)))
        joined = [torch.cat(parts).cpu().numpy() for parts in zip(*outputs, strict=True)]
    layers = dict(zip(extractor.features_list, joined, strict=True))
    return Features(layers["features"], labels, layers.get("logits"))
