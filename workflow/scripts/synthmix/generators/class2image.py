"""Class-conditional pipelines of others (DiT and its like), which take the number of a class."""

from functools import cached_property
from typing import Any

import numpy as np
import torch

from synthmix.generation import pipelines
from synthmix.images.shards import Drawn, Wanted


class Source:
    """A pipeline and its numbers of the classes (see shards.Source). Raises ValueError: `class_ids` does not fit."""

    def __init__(
        self, spec: dict[str, Any], meta: dict[str, Any], inputs: Any, device: str, settings: dict[str, Any]
    ) -> None:
        self.sampling, self.drawing, self.meta = spec["sampling"], spec["drawing"], meta
        self.device, self.settings = device, settings
        ids = self.drawing["class_ids"]
        if missing := sorted(set(meta["classes"]) - set(ids)):
            raise ValueError(f"class_ids has no number for class {missing[0]!r} of the data set: add it")
        if unknown := sorted(set(ids) - set(meta["classes"])):
            raise ValueError(f"class_ids: {unknown[0]!r} is no class of the data set: correct it")
        self.ids = [ids[name] for name in meta["classes"]]

    def draw(self, wanted: Wanted, seed: int | None) -> Drawn:
        size, channels = tuple(self.meta["size"]), self.meta["channels"]
        drawn = pipelines.draw(wanted, self.sampling, 1, self._images, None, size, channels)
        return Drawn(drawn.images)

    @cached_property
    def pipeline(self) -> Any:
        from diffusers import DiffusionPipeline

        folder = pipelines.planned(self.drawing, self.settings)
        precision, sampler = self.drawing["precision"], self.sampling["sampler"]
        pipeline = pipelines.load(DiffusionPipeline, folder, self.device, precision, sampler)
        last = getattr(pipeline.transformer.config, "num_embeds_ada_norm", 1000) - 1
        if max(self.ids) > last:
            raise ValueError(f"class_ids: {max(self.ids)} is above {last}, the pipeline's last class: correct it")
        return pipeline

    def _images(self, part: Wanted, noises: list[torch.Generator]) -> np.ndarray:
        images = self.pipeline(
            class_labels=[self.ids[label] for label, _ in part],
            num_inference_steps=self.sampling["steps"],
            guidance_scale=self.sampling["guidance"],
            generator=noises,
            output_type="np",
        ).images
        return np.asarray(images)
