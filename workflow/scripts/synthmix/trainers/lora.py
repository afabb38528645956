"""Low-rank adaptation (Hu et al. 2022, arXiv:2106.09685) of a published pipeline's U-Net to captioned images."""

import tempfile
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from diffusers import StableDiffusionPipeline
from diffusers.utils import convert_state_dict_to_diffusers
from peft import LoraConfig
from safetensors.numpy import load_file
from torch import Tensor

from synthmix import files, layout
from synthmix.generation import fine_tuning, pipelines
from synthmix.interruption import Interruption
from synthmix.store import Entry
from synthmix.streams import seed as stream_seed
from synthmix.training import tensors

ADAPTER = "default"  # the adapter's name in the parameters of a network that peft has extended


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
    """Train the matrices that are added to the U-Net's weights, or take them from the store.

    Arguments and result as of `trainers.train_from_scratch.fit`; errors as of `fine_tuning.load` and `captions`.
    """
    state = entry.load()
    if state is not None and state.get("done"):
        return state
    recipe = generator["lora"]
    names = pipelines.names_of(classes, generator.get("class_names"), "lora")
    pipeline = fine_tuning.load(generator, settings)
    configuration = LoraConfig(
        r=recipe["rank"],
        lora_alpha=_alpha(recipe),
        target_modules=recipe["target"],
        init_lora_weights="gaussian",
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stream_seed("initialisation", seed))
        pipeline.unet.add_adapter(configuration, ADAPTER)
    pipeline.to(device)
    team = fine_tuning.alone(device, processes)
    captions = fine_tuning.captions(pipeline, recipe["caption"], names)
    with torch.no_grad():
        texts, _ = pipeline.encode_prompt([*captions, ""], device, 1, do_classifier_free_guidance=False)
    return fine_tuning.optimise(
        pipeline,
        pipeline.unet,
        lambda shown: texts[shown.to(device)],
        recipe,
        images,
        labels,
        len(classes),
        seed,
        state,
        entry,
        stop,
        team,
    )


def write(trained: Mapping[Any, dict[str, Any]], generator: dict[str, Any], meta: dict[str, Any], output: Any) -> None:
    """Write the matrices as diffusers does, for its `load_lora_weights`, with a checksum.

    Args:
        trained: the finished state of `fit`, under None.
        generator: the generator's definition.
        meta: of the data set.
        output: paths: `adapter`.
    """
    recipe = generator["lora"]
    scale = _alpha(recipe) / recipe["rank"]
    layers = {name.replace(f".{ADAPTER}.", "."): each for name, each in tensors(trained[None]["model"]).items()}
    # Readers that know no alpha take it for the rank: the factor goes into the second matrix.
    scaled = {name: each * scale if ".lora_B." in name else each for name, each in layers.items()}
    with tempfile.TemporaryDirectory() as folder:
        StableDiffusionPipeline.save_lora_weights(folder, unet_lora_layers=convert_state_dict_to_diffusers(scaled))
        files.write_arrays(output.adapter, load_file(f"{folder}/{layout.ADAPTERS['lora']}"), {"format": "pt"})


def extend(pipeline: Any, learned: dict[str, Tensor]) -> None:
    """Add the matrices, as they were written, to the weights of a pipeline's U-Net: once, not in every step."""
    pipeline.unet.load_lora_adapter(learned, prefix="unet")
    pipeline.unet.fuse_lora()
    pipeline.unet.unload_lora()


def _alpha(recipe: dict[str, Any]) -> float:
    return float(recipe.get("alpha") or recipe["rank"])
