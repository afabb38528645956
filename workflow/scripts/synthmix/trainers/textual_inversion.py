"""Textual inversion (Gal et al. 2023, arXiv:2208.01618): new words, one a class, are all that a pipeline learns."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from synthmix import files
from synthmix.generation import fine_tuning, pipelines
from synthmix.images import prompts
from synthmix.interruption import Interruption
from synthmix.store import Entry


class Vocabulary(nn.Module):
    """A text encoder's table of embeddings, which stays as it is, and learned vectors behind it.

    Takes token numbers (N, L); returns embeddings (N, L, D).
    """

    def __init__(self, known: nn.Embedding, initial: Sequence[int], first: int) -> None:
        """known: the table. initial: the token whose embedding each vector starts from. first: its token number."""
        super().__init__()
        self.known, self.first = known, first
        self.vectors = nn.Parameter(known.weight.detach()[list(initial)].clone())

    def forward(self, tokens: Tensor) -> Tensor:
        learned = F.embedding((tokens - self.first).clamp_min(0), self.vectors)
        return torch.where((tokens < self.first)[..., None], self.known(tokens.clamp_max(self.first - 1)), learned)


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
    """Train the words of the classes, or take them from the store.

    Arguments and result as of `trainers.train_from_scratch.fit`; errors as of `fine_tuning.load` and `captions`, and
    ValueError where a class's name has no token to begin with.
    """
    state = entry.load()
    if state is not None and state.get("done"):
        return state
    recipe = generator["textual_inversion"]
    names = pipelines.names_of(classes, generator.get("class_names"), "textual_inversion")
    pipeline = fine_tuning.load(generator, settings)
    initial = [token for name in names for token in [_first_token(pipeline, name)] * recipe["vectors"]]
    words = [word for label in range(len(names)) for word in _words(label, recipe["vectors"])]
    if pipeline.tokenizer.add_tokens(words) < len(words):
        raise ValueError(f"the pipeline has a word {prompts.token(0)} or the like already: name another pipeline")
    encoder, first = pipeline.text_encoder, pipeline.tokenizer.convert_tokens_to_ids(words[0])
    vocabulary = Vocabulary(encoder.get_input_embeddings(), initial, first)
    encoder.set_input_embeddings(vocabulary)
    pipeline.to(device)
    team = fine_tuning.alone(device, processes)
    tokens = [prompts.token(label) for label in range(len(names))]
    captions = fine_tuning.captions(pipeline, recipe["caption"], tokens)

    def condition(shown: Tensor) -> Tensor:
        texts = [captions[label] for label in shown.tolist()]
        embedded: Tensor = pipeline.encode_prompt(texts, device, 1, do_classifier_free_guidance=False)[0]
        return embedded

    return fine_tuning.optimise(
        pipeline, vocabulary, condition, recipe, images, labels, len(names), seed, state, entry, stop, team
    )


def write(trained: Mapping[Any, dict[str, Any]], generator: dict[str, Any], meta: dict[str, Any], output: Any) -> None:
    """Write the words of all classes: an array (vectors, D) under each, a mapping that diffusers'
    `load_textual_inversion` takes one entry at a time. The header says which class each stands for.

    Args:
        trained: the finished state of `fit`, under None.
        generator: the generator's definition.
        meta: of the data set.
        output: paths: `adapter`.
    """
    tokens = [prompts.token(label) for label in range(len(meta["classes"]))]
    vectors = np.split(trained[None]["model"]["vectors"], len(tokens))
    names = dict(zip(tokens, meta["classes"], strict=True))
    files.write_arrays(output.adapter, dict(zip(tokens, vectors, strict=True)), {"format": "pt", **names})


def extend(pipeline: Any, learned: dict[str, Tensor]) -> None:
    """Give a pipeline the words, as they were written."""
    pipeline.load_textual_inversion([{word: vectors} for word, vectors in learned.items()])


def _words(label: int, vectors: int) -> list[str]:
    """The tokens of a class, named as diffusers names those of several vectors."""
    word = prompts.token(label)
    return [word, *(f"{word}_{number}" for number in range(1, vectors))]


def _first_token(pipeline: Any, name: str) -> int:
    tokens = pipeline.tokenizer(name, add_special_tokens=False)["input_ids"]
    if not tokens:
        raise ValueError(f"class_names: {name!r} has no token to begin with: give the class another name")
    return int(tokens[0])
