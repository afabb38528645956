"""Fine-tuning of a published Stable Diffusion pipeline on captioned images: what its ways have in common.

The loss is that of diffusers' example train_text_to_image_lora.py: the latents of an image are noised, and the U-Net
predicts the noise or the velocity, whichever the pipeline was trained with (Rombach et al. 2022, arXiv:2112.10752).
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from diffusers import DDPMScheduler, StableDiffusionPipeline
from torch import Tensor, nn
from torch.nn import functional as F

from synthmix import files
from synthmix.generation import denoising, pipelines
from synthmix.images import prompts
from synthmix.interruption import Interruption
from synthmix.networks import engine
from synthmix.networks.parallel import Team
from synthmix.store import Entry
from synthmix.streams import seed as stream_seed

PREDICTIONS = ("epsilon", "v_prediction")


def load(generator: dict[str, Any], settings: dict[str, Any]) -> Any:
    """The pipeline of a generator, on the CPU, nothing of it trainable.

    Raises:
        MissingWeightsError: it is not there.
        ValueError: it is no Stable Diffusion pipeline, or one that predicts neither noise nor velocity.
    """
    folder = pipelines.planned(generator, settings)
    kind = files.read_json(folder / pipelines.INDEX).get("_class_name")
    if kind != StableDiffusionPipeline.__name__:
        raise ValueError(f"{folder} is a {kind}; only a StableDiffusionPipeline can be fine-tuned: change pipeline")
    pipeline = pipelines.load(StableDiffusionPipeline, folder, "cpu", "float32", "ddim")  # any sampler: none is used
    if (prediction := pipeline.scheduler.config.prediction_type) not in PREDICTIONS:
        raise ValueError(f"{folder} predicts {prediction}; known are {' and '.join(PREDICTIONS)}: change pipeline")
    for part in (pipeline.unet, pipeline.vae, pipeline.text_encoder):
        part.requires_grad_(False)
    return pipeline


def captions(pipeline: Any, caption: str, names: Sequence[str]) -> list[str]:
    """The caption of each class, by what is written for {class}. Raises ValueError: the text encoder would cut one."""
    texts = [prompts.fill(caption, name) for name in names]
    longest = pipeline.tokenizer.model_max_length
    for text in texts:
        tokens = pipeline.tokenizer(pipeline.maybe_convert_prompt(text, pipeline.tokenizer))["input_ids"]
        if len(tokens) > longest:
            excess = f"{len(tokens)} tokens, and the pipeline reads {longest}"
            raise ValueError(f"caption: {text!r} has {excess}: shorten it, the class's name or vectors")
    return texts


def alone(device: str, processes: int) -> Team:
    """The one process that fine-tunes; says so where the job was given GPUs for more."""
    if processes > 1:
        print(f"fine-tuning uses one GPU: {processes - 1} of {processes} are idle, lower `gpu` of this job", flush=True)
    return Team(device)


def optimise(
    pipeline: Any,
    trained: nn.Module,
    condition: Callable[[Tensor], Tensor],
    recipe: dict[str, Any],
    images: np.ndarray,
    labels: np.ndarray,
    classes: int,
    seed: int,
    state: dict[str, Any] | None,
    entry: Entry,
    stop: Interruption,
    team: Team,
) -> dict[str, Any]:
    """Train what is trainable in a part of a pipeline; see `denoising.optimise`.

    Args:
        pipeline: as `load` gives it, on its device.
        trained: what holds the trainable parameters.
        condition: classes (N,), int64 on the CPU, `classes` for none -> what the U-Net attends to (N, tokens, width).
        recipe: `steps`, `batch_size`, `precision`, ... ; `resolution` and `caption_dropout` where it has them.
        images, labels: uint8 (N, H, W, C), int64 (N,).
        classes: number of classes.
        seed: of order and noise.
        state: what `entry` holds, unfinished; None to begin.
        entry, stop, team: see there; the team is one process.
    """
    schedule = DDPMScheduler.from_config(pipeline.scheduler.config)
    random, batch_size = torch.Generator(), recipe["batch_size"]
    dropout, targets = recipe.get("caption_dropout") or 0.0, torch.from_numpy(labels)

    def latents(chosen: Tensor) -> Tensor:
        pictures = [pipelines.picture_for(pipeline, images[row], recipe.get("resolution")) for row in chosen.tolist()]
        pixels = pipeline.image_processor.preprocess(pictures).to(team.device)
        with torch.no_grad():
            encoded: Tensor = pipeline.vae.encode(pixels).latent_dist.sample(random)
        return encoded * pipeline.vae.config.scaling_factor

    def loss_at(step: int) -> Tensor:
        random.manual_seed(stream_seed("diffusion", seed, step))
        chosen = torch.randint(len(targets), (batch_size,), generator=random)
        hidden = torch.rand(batch_size, generator=random) < dropout
        noisy, times, wanted = denoising.noisy_batch(latents(chosen), schedule, random)
        with engine.autocast(team.device, recipe["precision"]):
            text = condition(torch.where(hidden, classes, targets[chosen]))
            output = pipeline.unet(noisy, times, encoder_hidden_states=text).sample
        return F.mse_loss(output.float(), wanted)

    return denoising.optimise(trained, loss_at, recipe, state, len(targets), entry, stop, team)
