"""A small text-to-image pipeline, trained on the images of the train split and captions made of their classes."""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from synthmix import layout
from synthmix.generation import denoising, pipelines, small_pipeline
from synthmix.images import prompts
from synthmix.interruption import Interruption
from synthmix.networks import engine, parallel
from synthmix.store import Entry
from synthmix.streams import seed as stream_seed
from synthmix.training import tensors


def fit(
    generator: dict[str, Any],
    images: np.ndarray,
    labels: np.ndarray,
    classes: list[str],
    seed: int,
    entry: Entry,
    stop: Interruption,
    device: str,
    settings: dict[str, Any],
    processes: int = 1,
) -> dict[str, Any]:
    """Train text encoder and U-Net together, or take them from the store; see `denoising.optimise`.

    Args:
        generator: its definition, defaults resolved.
        images, labels: uint8 (N, H, W, C), int64 (N,): the images that it may see.
        classes: their names.
        seed: of initialisation, order and noise.
        entry: its entry in the store.
        stop: when to save, and whether to stop.
        device: "cpu" or "cuda".
        settings: of this call of Snakemake.
        processes: how many share the training, each on a GPU of its own; the result depends on it by rounding alone.
    """
    state = entry.load()
    if state is not None and state.get("done"):
        return state
    processes = min(processes, generator["train_from_scratch"]["batch_size"])
    return parallel.run(_fit, processes, device, entry, stop, generator, images, labels, classes, seed, state)


def _fit(
    team: parallel.Team,
    entry: Entry,
    stop: Interruption,
    generator: dict[str, Any],
    images: np.ndarray,
    labels: np.ndarray,
    classes: list[str],
    seed: int,
    state: dict[str, Any] | None,
) -> dict[str, Any]:
    recipe, device = generator["train_from_scratch"], team.device
    captions = _captions(generator, classes)
    words = small_pipeline.tokenizer(captions)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stream_seed("initialisation", seed))
        network = small_pipeline.Network(recipe, words, images.shape[3], images.shape[1]).to(device)
    called = team.shared(network)
    asked = words([*captions, ""], padding="max_length", max_length=small_pipeline.LENGTH, truncation=True)
    tokens = torch.tensor(asked["input_ids"], device=device)
    schedule = small_pipeline.noise_schedule(recipe)
    data, targets = engine.to_device(images, device).float() / 127.5 - 1, torch.from_numpy(labels).to(device)
    random, batch_size = torch.Generator(), recipe["batch_size"]
    part = team.part(batch_size)

    def loss_at(step: int) -> Tensor:
        random.manual_seed(stream_seed("diffusion", seed, step))
        chosen = engine.send(torch.randint(len(targets), (batch_size,), generator=random), device)
        noisy, times, wanted = denoising.noisy_batch(data[chosen], schedule, random)
        hidden = engine.send(torch.rand(batch_size, generator=random) < recipe["caption_dropout"], device)
        texts = tokens[torch.where(hidden, len(classes), targets[chosen])]
        with engine.autocast(device, recipe["precision"]):
            output = called(noisy[part], times[part], texts[part])
        return F.mse_loss(output.float(), wanted[part])

    return denoising.optimise(network, loss_at, recipe, state, len(targets), entry, stop, team)


def write(trained: Mapping[Any, dict[str, Any]], generator: dict[str, Any], meta: dict[str, Any], output: Any) -> None:
    """Write the pipeline's folder.

    Args:
        trained: the finished state of `fit`, under None.
        generator: the generator's definition.
        meta: of the data set.
        output: paths by the names of layout.PIPELINE.
    """
    recipe = generator["train_from_scratch"]
    words = small_pipeline.tokenizer(_captions(generator, meta["classes"]))
    network = small_pipeline.Network(recipe, words, meta["channels"], meta["size"][0])
    network.load_state_dict(tensors(trained[None]["model"]))
    folder = Path(output.index).parent
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        small_pipeline.assemble(network, words, recipe).save_pretrained(temporary)
        for path in layout.PIPELINE.values():
            (folder / path).parent.mkdir(exist_ok=True)
            os.replace(Path(temporary, path), folder / path)


def _captions(generator: dict[str, Any], classes: list[str]) -> list[str]:
    names = pipelines.names_of(classes, generator.get("class_names"), "train_from_scratch")
    return [prompts.fill(generator["train_from_scratch"]["caption"], name) for name in names]
