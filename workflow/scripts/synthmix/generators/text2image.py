"""Text-to-image pipelines: published ones, fine-tuned ones, and small ones that were trained here."""

import importlib
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from synthmix import data, files, layout
from synthmix.generation import pipelines
from synthmix.images import prompts
from synthmix.images.shards import Drawn, Wanted
from synthmix.streams import stream


class Source:
    """A pipeline and the prompts of the classes (see shards.Source). Raises ValueError: classes without prompts."""

    def __init__(
        self, spec: dict[str, Any], meta: dict[str, Any], inputs: Any, device: str, settings: dict[str, Any]
    ) -> None:
        self.spec, self.drawing, self.meta = spec, spec["drawing"], meta
        self.inputs, self.device, self.settings = inputs, device, settings
        _require_classes(self.drawing.get("classes"), meta["classes"])
        self.names = pipelines.names_of(meta["classes"], self.drawing.get("class_names"), meta["name"])
        if self.drawing.get("trained") == "textual_inversion":
            self.names = [prompts.token(label) for label in range(len(self.names))]

    def draw(self, wanted: Wanted, seed: int | None) -> Drawn:
        safety = self.drawing.get("safety")
        drawn = pipelines.draw(
            wanted,
            self.spec["sampling"],
            self.drawing["attempts"] if safety == "replace" else 1,
            self._images,
            pipelines.checker_of(self.pipeline, self.device) if safety else None,
            tuple(self.meta["size"]),
            self.meta["channels"],
        )
        texts = [self._prompt(label, index).text for label, index in wanted]
        return Drawn(drawn.images, texts, drawn.flagged, keeps_flagged=safety == "record")

    @cached_property
    def pipeline(self) -> Any:
        from diffusers import AutoPipelineForImage2Image, AutoPipelineForText2Image

        drawing, sampler = self.drawing, self.spec["sampling"]["sampler"]
        trained = drawing.get("trained")
        own = trained == "train_from_scratch"
        folder = Path(self.inputs.index).parent if own else pipelines.planned(drawing, self.settings)
        auto = AutoPipelineForImage2Image if drawing.get("img2img") else AutoPipelineForText2Image
        safety = bool(drawing.get("safety"))
        if safety and not pipelines.has_checker(folder):
            raise ValueError(f"{folder} has no safety checker: delete the generator's safety, or change its pipeline")
        pipeline = pipelines.load(auto, folder, self.device, drawing["precision"], sampler, safety, pixels=own)
        if trained in layout.ADAPTERS:
            arrays, _ = files.read_arrays(self.inputs.adapter)
            learned = {name: torch.from_numpy(value) for name, value in arrays.items()}
            importlib.import_module(f"synthmix.trainers.{trained}").extend(pipeline, learned)
        return pipeline

    def _prompt(self, label: int, index: int) -> prompts.Prompt:
        return prompts.choose(self.drawing, self.names[label], index)

    def _images(self, part: Wanted, noises: list[torch.Generator]) -> np.ndarray:
        chosen = [self._prompt(label, index) for label, index in part]
        arguments: dict[str, Any] = {"prompt": [each.text for each in chosen]}
        if any(each.negative for each in chosen):
            arguments["negative_prompt"] = [each.negative for each in chosen]
        if change := self.drawing.get("img2img"):
            arguments |= {"image": [self._real(*which) for which in part], "strength": change["strength"]}
        elif side := self.drawing.get("resolution"):
            arguments |= {"height": side, "width": side}
        sampling = self.spec["sampling"]
        images = self.pipeline(
            num_inference_steps=sampling["steps"],
            guidance_scale=sampling["guidance"],
            generator=noises,
            output_type="np",
            **arguments,
        ).images
        return np.asarray(images)

    @cached_property
    def _train(self) -> data.Split:
        return data.read(self.inputs.train)

    def _real(self, label: int, index: int) -> Image.Image:
        """The real train image that a generated one starts from: those of the class take turns in a random order."""
        members = stream("img2img", self.spec["sampling"]["seed"], label).permutation(
            np.flatnonzero(self._train.labels == label)
        )
        image = self._train.images[members[index % len(members)]]
        return pipelines.picture_for(self.pipeline, image, self.drawing.get("resolution"))


def _require_classes(prompted: list[str] | None, classes: list[str]) -> None:
    """A file of prompts is about exactly the classes of the data set."""
    if prompted is None:
        return
    for problem, names in (
        ("has prompts for what is no class of the data set", [name for name in prompted if name not in classes]),
        ("has no prompt for classes of the data set", [name for name in classes if name not in prompted]),
    ):
        if names:
            listed = ", ".join(map(repr, names[:5])) + (", ..." if len(names) > 5 else "")
            raise ValueError(f"the file of prompts {problem}: {listed}: correct it")
