"""Diffusion pipelines of others: where they are found, how they are loaded and called, image by image."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from synthmix import files
from synthmix.data import to_array
from synthmix.generation import diffusion
from synthmix.generation.diffusion import batches
from synthmix.images.shards import Drawn, Wanted
from synthmix.networks.weights import MissingWeightsError
from synthmix.planning import initial_weights
from synthmix.streams import seed as stream_seed

INDEX = "model_index.json"


def locate(pipeline: str, revision: str | None, folder: Path, offline: bool) -> Path:
    """The folder of a pipeline.

    `pipeline` is a folder, or a hub id: then it is looked for at `folder`/{its last name}, in the hub's own cache and
    in `folder` as a cache, and is downloaded there unless `offline`. Raises MissingWeightsError.
    """
    from diffusers import DiffusionPipeline
    from huggingface_hub import constants

    for given in (Path(pipeline), folder / pipeline.rsplit("/", 1)[-1]):
        if (given / INDEX).is_file():
            return given
    target = folder / pipeline.rsplit("/", 1)[-1]
    source = f"{constants.ENDPOINT}/{pipeline}"
    reason: object = "offline: true"
    for cache, only_local in ((None, True), (folder, True), (folder, False)):
        if offline and not only_local:
            break
        try:
            found = DiffusionPipeline.download(
                pipeline, revision=revision, cache_dir=cache, local_files_only=only_local, use_safetensors=True
            )
            if (Path(found) / INDEX).is_file():
                return Path(found)
        except Exception as error:  # noqa: BLE001 (of several libraries: network, hub, files)
            reason = reason if only_local else f"the download failed, {type(error).__name__}"
    raise MissingWeightsError(pipeline, source, target, reason)


def planned(generator: Mapping[str, Any], settings: Mapping[str, Any]) -> Path:
    """The folder of a generator's pipeline: that of its checksum where it has one, else where `locate` finds it.

    Raises MissingWeightsError; ValueError where the folder is not the planned one.
    """
    if checksum := generator.get("pipeline_sha256"):
        folder = Path(settings["places"][checksum])
        initial_weights.require_planned(generator, folder)
        return folder
    return locate(generator["pipeline"], generator.get("revision"), Path(settings["weights"]), settings["offline"])


def has_checker(folder: Path) -> bool:
    """Whether a pipeline comes with a safety checker."""
    return any(files.read_json(folder / INDEX).get("safety_checker") or ())


def load(
    auto: Any, folder: Path, device: str, precision: str, sampler: str, safety: bool = False, pixels: bool = False
) -> Any:
    """A pipeline on its device, ready to draw; in half precision on a GPU, in single precision on the CPU.

    Args:
        auto: the class of diffusers that loads it.
        folder: as `locate` finds it.
        device: "cpu" or "cuda".
        precision: float16, bfloat16 or float32, on a GPU.
        sampler: a key of diffusion.SAMPLERS.
        safety: whether to load the safety checker.
        pixels: whether the pipeline denoises pixels; else latents.

    Raises:
        ValueError: the folder holds no such pipeline, or one that the sampler does not fit.
    """
    kind = getattr(torch, precision) if device.startswith("cuda") else torch.float32
    unused = {"safety_checker": None, "requires_safety_checker": False} if has_checker(folder) and not safety else {}
    try:
        pipeline = auto.from_pretrained(folder, torch_dtype=kind, local_files_only=True, use_safetensors=True, **unused)
    except (OSError, ValueError, RuntimeError, AttributeError, TypeError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise ValueError(f"{folder} cannot be loaded with diffusers' {auto.__name__} ({reason})") from error
    wanted = diffusion.SAMPLERS[sampler]
    if not isinstance(pipeline.scheduler, wanted) and wanted not in getattr(pipeline.scheduler, "compatibles", ()):
        own = type(pipeline.scheduler).__name__
        raise ValueError(f"{folder}: the pipeline's {own} cannot give way to sampler {sampler}: use another pipeline")
    pipeline.scheduler = diffusion.sampler(sampler, pipeline.scheduler.config, pixels)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline.to(device)


def picture_for(pipeline: Any, image: np.ndarray, side: int | None) -> Image.Image:
    """A real image, uint8 (H, W, C), in a pipeline's colours, `side` pixels high and wide; None: the pipeline's own."""
    picture = _picture(image).convert("L" if pipeline.vae.config.in_channels == 1 else "RGB")
    side = side or pipeline.unet.config.sample_size * pipeline.vae_scale_factor
    return picture.resize((side, side), Image.Resampling.LANCZOS)


def noises(part: Wanted, seed: int, attempt: int) -> list[torch.Generator]:
    """For each image a random generator of its own, a function of seed, class, index and attempt."""
    more = [attempt] if attempt else []
    return [torch.Generator().manual_seed(stream_seed("noise", seed, label, index, *more)) for label, index in part]


def draw(
    wanted: Wanted,
    sampling: dict[str, Any],
    attempts: int,
    images_of: Callable[[Wanted, list[torch.Generator]], np.ndarray],
    flags_of: Callable[[np.ndarray], np.ndarray] | None,
    size: tuple[int, int],
    channels: int,
) -> Drawn:
    """The wanted images, in padded batches; those that a checker flags are drawn again, with other noise, if asked for.

    Args:
        wanted: (class, index in class) of each.
        sampling: `batch_size` and `seed`.
        attempts: how often an image is drawn at most; the last one counts, flagged or not.
        images_of: (a batch, its random generators) -> float (N, H, W, C) in [0, 1].
        flags_of: uint8 images (N, H, W, C) -> bool (N,); None: nothing is flagged.
        size, channels: of the data set's images, which the drawn ones are brought to by its own chain.

    Raises:
        ValueError: an image is not finite.
    """
    images: dict[tuple[int, int], np.ndarray] = {}
    flagged = dict.fromkeys(wanted, False)
    pending = list(wanted)
    for attempt in range(attempts):
        found, flags = list[np.ndarray](), list[bool]()
        for part in batches(pending, sampling["batch_size"]):
            batch = to_uint8(images_of(part, noises(part, sampling["seed"], attempt)))
            found += list(batch)
            flags += [False] * len(batch) if flags_of is None else flags_of(batch).tolist()
        for which, image, flag in zip(pending, found, flags, strict=False):  # without the last batch's padding
            images[which], flagged[which] = to_array(_picture(image), size, channels), flag
        pending = [which for which in wanted if flagged[which]]
        print(f"attempt {attempt + 1}: {len(pending)} of {len(wanted)} images flagged", flush=True)
        if not pending:
            break
    return Drawn(np.stack([images[which] for which in wanted]), flagged=np.array([flagged[which] for which in wanted]))


def to_uint8(images: np.ndarray) -> np.ndarray:
    """Float images in [0, 1] as uint8. Raises ValueError where one is not finite."""
    if not np.isfinite(images).all():
        raise ValueError(
            "the pipeline draws pixels that are not finite: give the generator `precision: float32` or another pipeline"
        )
    return (np.asarray(images, dtype=np.float32) * 255).round().clip(0, 255).astype(np.uint8)


def _picture(image: np.ndarray) -> Image.Image:
    return Image.fromarray(image[..., 0] if image.shape[2] == 1 else image)


def checker_of(pipeline: Any, device: str) -> Callable[[np.ndarray], np.ndarray]:
    """Takes the safety checker out of a pipeline, which would blacken images, and returns what it says of them."""
    checker, features = pipeline.safety_checker, pipeline.feature_extractor
    pipeline.safety_checker = None

    def flags(images: np.ndarray) -> np.ndarray:
        pictures = [_picture(image).convert("RGB") for image in images]
        seen = features(pictures, return_tensors="pt").pixel_values.to(device, pipeline.dtype)
        with torch.inference_mode():
            _, found = checker(images=images.astype(np.float32) / 255, clip_input=seen)
        return np.asarray(found, dtype=bool)

    return flags


def names_of(classes: Sequence[str], names: dict[str, str] | None, where: str) -> list[str]:
    """What to call each class. Raises ValueError where `names` names a class that the data set does not have."""
    for name in names or {}:
        if name not in classes:
            raise ValueError(f"{where}: class_names: the data set has no class {name!r}: correct it")
    return [(names or {}).get(name, name) for name in classes]
