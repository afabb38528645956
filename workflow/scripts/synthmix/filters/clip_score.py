"""Filter kind `clip_score`: how well an image fits a text, by CLIP."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from torch.nn import functional as F

from synthmix.extractors import clip
from synthmix.filtering import View
from synthmix.images.pools import Pool
from synthmix.networks.weights import hub_file


def scores(selection: Mapping[str, Any], images: Pool, prompts: Sequence[str | None], view: View) -> np.ndarray:
    """The cosine of CLIP's embeddings of each image and its text, float64 (N,), in [-1, 1].

    This is CLIPScore (Hessel et al. 2021, arXiv:2104.08718, equation 1) without its factor and its cut at 0: the factor
    changes no order, and negative values stay apart. The text is `template` with the name of the image's class, or else
    the image's own prompt.

    Raises ValueError where an image has no text, MissingWeightsError where CLIP is not there.
    """
    texts = _texts(selection.get("template"), images.labels, prompts, view.classes)
    distinct = list(dict.fromkeys(texts))
    embedded = embed(distinct, view.definition, view.weights, view.folder, view.offline)
    rows = {text: row for row, text in enumerate(distinct)}
    wanted = embedded[[rows[text] for text in texts]]
    seen = torch.from_numpy(view.features(images).values)
    return F.cosine_similarity(seen.double(), wanted.double()).numpy()


def _texts(
    template: str | None, labels: np.ndarray, prompts: Sequence[str | None], classes: Sequence[str]
) -> list[str]:
    if template:
        return [template.replace("{class}", classes[label]) for label in labels]
    texts = [prompt for prompt in prompts if prompt]
    if len(texts) < len(prompts):
        raise ValueError(
            "the pool has images without prompts: give the filter a template, such as a photo of a {class}"
        )
    return texts


def embed(
    texts: Sequence[str], definition: Mapping[str, Any], weights: Path | None, folder: Path, offline: bool
) -> torch.Tensor:
    """CLIP's projected embeddings of texts, float32 (N, D), computed on the CPU: they are few.

    A text that is longer than CLIP reads is cut. definition: of an extractor of kind clip. weights, folder, offline: as
    weights.hub_file takes them. Raises MissingWeightsError; ValueError where the folder holds another network.
    """
    from transformers import CLIPTextModelWithProjection, PreTrainedTokenizerFast

    path, configuration, words = locate(definition, weights, folder, offline)
    try:
        network, report = CLIPTextModelWithProjection.from_pretrained(
            configuration.parent, local_files_only=True, use_safetensors=True, output_loading_info=True
        )
    except (SafetensorError, RuntimeError, OSError, ValueError) as error:
        problem = f"{path.parent} does not hold the CLIP network {definition['variant']}: download it again"
        raise ValueError(problem) from error
    if report["missing_keys"]:  # transformers would go on with random values
        raise ValueError(f"{path} lacks weights of CLIP's text tower: download {definition['variant']} again")
    network = network.float().eval()
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(words))
    longest = network.config.max_position_embeddings
    with torch.inference_mode():
        tokens = [tokenizer(text, truncation=True, max_length=longest, return_tensors="pt") for text in texts]
        return torch.cat([network(input_ids=each["input_ids"]).text_embeds for each in tokens])


def locate(definition: Mapping[str, Any], weights: Path | None, folder: Path, offline: bool) -> list[Path]:
    """Weights, configuration and tokenizer, downloaded where they are not there. Raises MissingWeightsError."""
    path, configuration = clip.locate(definition, weights, folder, offline)
    beside = None if weights is None else path.parent
    return [path, configuration, hub_file(definition["variant"], "tokenizer.json", beside, folder, offline)]
