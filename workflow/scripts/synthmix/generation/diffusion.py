"""Class-conditional denoising diffusion (Ho et al. 2020) with classifier-free guidance (Ho and Salimans 2022).

The network is diffusers' UNet2DModel; one class more than the data set has stands for "no label". As in training a
classifier, everything random is a function of a seed and a step, so a resumed training equals one never stopped.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from diffusers import DDIMScheduler, DDPMScheduler, DPMSolverMultistepScheduler, UNet2DModel
from torch import Tensor
from torch.nn import functional as F

from synthmix.generation import denoising
from synthmix.images.augmentation import augment
from synthmix.interruption import Interruption
from synthmix.networks import engine, parallel
from synthmix.store import Entry
from synthmix.streams import seed as stream_seed

SAMPLERS = {"ddim": DDIMScheduler, "dpm-solver++": DPMSolverMultistepScheduler}


def network(generator: dict[str, Any], channels: int, size: int, classes: int) -> UNet2DModel:
    """The untrained UNet of a generator for images (channels, size, size) of a number of classes.

    Raises:
        ValueError: images that cannot be halved from level to level.
    """
    widths, attention = generator["channels"], generator["attention"]
    if size % 2 ** (len(widths) - 1):
        raise ValueError(
            f"a generator of {len(widths)} levels cannot halve images of {size} pixels {len(widths) - 1} times: "
            "give it fewer `channels`, or change the data set's resolution"
        )
    return UNet2DModel(
        sample_size=size,
        in_channels=channels,
        out_channels=channels,
        block_out_channels=widths,
        layers_per_block=generator["layers_per_block"],
        down_block_types=["AttnDownBlock2D" if here else "DownBlock2D" for here in attention],
        up_block_types=["AttnUpBlock2D" if here else "UpBlock2D" for here in reversed(attention)],
        norm_num_groups=8,
        attention_head_dim=16,
        num_class_embeds=classes + 1,
    )


def noise_schedule(generator: dict[str, Any]) -> DDPMScheduler:
    """The noise schedule that a generator is trained with."""
    return DDPMScheduler(
        num_train_timesteps=generator["train_timesteps"],
        beta_schedule=generator["noise_schedule"],
        prediction_type=generator["prediction"],
    )


def sampler(name: str, config: Mapping[str, Any], pixels: bool, **changes: Any) -> Any:
    """The sampler of a network, by the configuration of the noise schedule that it was trained with.

    Args:
        name: a key of SAMPLERS.
        config: of a scheduler of diffusers.
        pixels: whether the network denoises pixels, which lie in [-1, 1], and not latents.
        changes: to that configuration.
    """
    # Where next to nothing of an image is left, as at the end of a cosine schedule, an error of the predicted noise is
    # divided by next to zero: DDIM clips the image; DPM-Solver's authors start at this logarithm of signal / noise.
    if name == "ddim" and pixels:
        changes["clip_sample"] = True
    if name == "dpm-solver++" and config.get("prediction_type") == "epsilon":
        changes["lambda_min_clipped"] = -5.1
    return SAMPLERS[name].from_config(config, **changes)


def fit(
    generator: dict[str, Any],
    images: np.ndarray,
    labels: np.ndarray,
    classes: int,
    seed: int,
    entry: Entry,
    stop: Interruption,
    device: str,
    processes: int = 1,
) -> dict[str, Any]:
    """Train a generator, or take it from the store.

    Args:
        generator: its definition, defaults resolved.
        images: uint8 (N, H, W, C), the images that it may see.
        labels: int64 (N,).
        classes: number of classes.
        seed: of initialisation, order and noise.
        entry: its entry in the store.
        stop: when to save, and whether to stop.
        device: "cpu" or "cuda".
        processes: how many share the training, each on a GPU of its own; the result depends on it by rounding alone.

    Raises:
        DivergedError: the loss is not finite.

    Returns:
        The finished state: `model` (arrays by name: the averaged weights), `history` (rows), `facts`.
    """
    state = entry.load()
    if state is not None and state.get("done"):
        return state
    processes = min(processes, generator["batch_size"])
    return parallel.run(_fit, processes, device, entry, stop, generator, images, labels, classes, seed, state)


def _fit(
    team: parallel.Team,
    entry: Entry,
    stop: Interruption,
    generator: dict[str, Any],
    images: np.ndarray,
    labels: np.ndarray,
    classes: int,
    seed: int,
    state: dict[str, Any] | None,
) -> dict[str, Any]:
    device = team.device
    size, channels = images.shape[1], images.shape[3]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stream_seed("initialisation", seed))
        unet = network(generator, channels, size, classes).to(device, memory_format=torch.channels_last)
    called: Any = team.shared(unet)
    if generator.get("compile"):
        called = torch.compile(called)
    schedule = noise_schedule(generator)
    data, targets = engine.to_device(images, device).float() / 127.5 - 1, torch.from_numpy(labels).to(device)
    random, batch_size = torch.Generator(), generator["batch_size"]
    part = team.part(batch_size)

    def loss_at(step: int) -> Tensor:
        random.manual_seed(stream_seed("diffusion", seed, step))
        chosen = engine.send(torch.randint(len(targets), (batch_size,), generator=random), device)
        clean = data[chosen]
        if generator.get("augment"):
            own = torch.Generator().manual_seed(stream_seed("augmentation", seed, step))
            clean = augment(clean, generator["augment"], own)
        noisy, times, wanted = denoising.noisy_batch(clean, schedule, random)
        unlabelled = engine.send(torch.rand(batch_size, generator=random) < generator["label_dropout"], device)
        condition = torch.where(unlabelled, classes, targets[chosen])
        with engine.autocast(device, generator["precision"]):
            output = called(noisy[part], times[part], class_labels=condition[part]).sample
        return F.mse_loss(output.float(), wanted[part])

    return denoising.optimise(unet, loss_at, generator, state, len(targets), entry, stop, team)


def sample(
    unet: UNet2DModel,
    schedule: DDPMScheduler,
    sampling: dict[str, Any],
    wanted: list[tuple[int, int]],
    seed: int,
    device: str,
) -> np.ndarray:
    """Draw the images (class, index) that are wanted, uint8 (N, H, W, C).

    Every image has a noise of its own, a function of seed, class and index, and batches have one fixed shape (the last
    is padded), so that an image does not depend on which others are drawn with it.

    Args:
        unet: the trained network, in evaluation mode on the device.
        schedule: the noise schedule that it was trained with.
        sampling: `sampler`, `steps`, `guidance` (1: none), `batch_size`.
        wanted: (class, index in class) of each image.
        seed: the pool's seed.
        device: "cpu" or "cuda".

    Raises:
        ValueError: an image is not finite.
    """
    drawn = [_denoise(unet, schedule, sampling, part, seed, device) for part in batches(wanted, sampling["batch_size"])]
    images = torch.cat(drawn)[: len(wanted)]
    return ((images + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()


def batches(wanted: Sequence[tuple[int, int]], size: int) -> Iterator[list[tuple[int, int]]]:
    """The wanted images in batches of one size, the last padded with the last image."""
    for start in range(0, len(wanted), size):
        part = list(wanted[start : start + size])
        yield part + [part[-1]] * (size - len(part))


def _denoise(
    unet: UNet2DModel,
    schedule: DDPMScheduler,
    sampling: dict[str, Any],
    wanted: list[tuple[int, int]],
    seed: int,
    device: str,
) -> Tensor:
    shape = (unet.config.in_channels, unet.config.sample_size, unet.config.sample_size)
    noises = []
    for label, index in wanted:
        noises.append(
            torch.randn(shape, generator=torch.Generator().manual_seed(stream_seed("noise", seed, label, index)))
        )
    x = torch.stack(noises).to(device, memory_format=torch.channels_last)
    labels = torch.tensor([label for label, _ in wanted], device=device)
    unlabelled = torch.full_like(labels, unet.config.num_class_embeds - 1)
    # Trailing steps start where training ends, at pure noise (Lin et al. 2024, arXiv:2305.08891).
    steps = sampler(sampling["sampler"], schedule.config, pixels=True, timestep_spacing="trailing")
    steps.set_timesteps(sampling["steps"])
    guidance = sampling["guidance"]
    with engine.evaluating(unet):
        for t in steps.timesteps:
            output = unet(x, t, class_labels=labels).sample
            if guidance != 1:
                free = unet(x, t, class_labels=unlabelled).sample
                output = free + guidance * (output - free)
            x = steps.step(output, t, x).prev_sample
    if not x.isfinite().all():
        raise ValueError("the generator draws pixels that are not finite: lower its learning_rate and train it again")
    return x.clamp(-1, 1)
