"""Checks of generators and pools that a schema cannot make: problems as (key, text), as in `checks`."""

import glob
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from synthmix.images import prompts
from synthmix.layout import ADAPTERS
from synthmix.planning.kinds import TRAINED, trainer
from synthmix.planning.messages import shown
from synthmix.planning.schema import expected, read_schema

Definition = dict[str, Any]
Problem = tuple[str, str]

TUNABLE = "StableDiffusionPipeline"  # the class of pipelines that can be fine-tuned
USUAL_WARM_UP = 100  # steps, where a generator names none, however short its training
DRAWING = ("sampler", "steps", "guidance")  # what a pool says of how its images are drawn


def generator(generator: Definition) -> Iterator[Problem]:
    """A generator agrees with itself, and with the files that it names."""
    checks = {"ddpm": _ddpm, "files": _files, "text2image": _text2image, "class2image": _pipeline}
    yield from checks[generator["kind"]](generator)


def pool(pool: Definition, generator: Definition) -> Iterator[Problem]:
    """A pool says how images are drawn where its generator draws them."""
    keys = read_schema("study")["properties"]["pools"]["additionalProperties"]["properties"]
    for key in DRAWING:
        if generator["kind"] == "files" and key in pool:
            yield key, "is for generators that draw images; files are taken as they are: delete it"
        if generator["kind"] == "ddpm" and key not in pool:
            yield key, f"missing key; add it, {expected(keys[key])}"


def _ddpm(generator: Definition) -> Iterator[Problem]:
    yield from _levels(generator)
    parts = 2 ** (len(generator["channels"]) - 1)
    if generator.get("resolution", parts) % parts:
        yield "resolution", f"{generator['resolution']} is not a multiple of {parts}, which channels need; change it"
    yield from _warm_up(generator)
    if generator["seeds_per_job"] > 1 and "train_on" not in generator:
        yield "seeds_per_job", "needs train_on: one generator serves all seeds; delete it"


def _warm_up(training: Definition, key: str = "") -> Iterator[Problem]:
    """A warm-up that is asked for ends before the training does."""
    steps, own = training["steps"], training["warmup_steps"]
    if own >= steps and own != USUAL_WARM_UP:
        yield f"{key}warmup_steps", f"{own}, but the training has {steps} steps; lower it"


def _levels(network: Definition) -> Iterator[Problem]:
    """The levels of a U-Net."""
    levels, attention = len(network["channels"]), len(network["attention"])
    if levels != attention:
        yield "attention", f"has {attention} values for {levels} channels; give one for each"
        return
    for level, width in enumerate(network["channels"]):
        attends = level == levels - 1 or network["attention"][level]
        if width % 8 or (attends and width < 16):  # group normalisation has 8 groups, an attention head 16 channels
            yield f"channels[{level}]", f"{width} is not a multiple of 8{' from 16 on' if attends else ''}; change it"


def _files(generator: Definition) -> Iterator[Problem]:
    path = generator["path"]
    if generator["source"] == "folder" and not Path(path).is_dir():
        yield "path", f"there is no folder {shown(path)}; correct it"
    if generator["source"] == "parquet" and not glob.glob(path):
        yield "path", f"no file matches {shown(path)}; correct it"


def _text2image(generator: Definition) -> Iterator[Problem]:
    if "prompts" in generator and "template" in generator:
        yield "template", "given beside prompts; delete one of the two"
    if "prompts" not in generator and "template" not in generator:
        yield "prompts", "missing key; name a CSV of prompts, or add template"
    for key in ("scenarios", "negative_prompt"):
        if key in generator and "template" not in generator:
            yield key, "is for template; write it into the file of prompts"
    template = generator.get("template", "{class}")
    if "{class}" not in template:
        yield "template", "does not hold {class}; every class would get the same images: add it"
    if ("{scenario}" in template) != ("scenarios" in generator):
        yield "scenarios", "and {scenario} in template need each other; add the one that is missing"
    if "prompts" in generator:
        yield from _prompts(generator)
    if generator.get("resolution", 8) % 8:
        yield "resolution", f"{generator['resolution']} is not a multiple of 8; change it"
    yield from _training(generator)
    yield from _pipeline(generator)


def _prompts(generator: Definition) -> Iterator[Problem]:
    """A file of prompts can be read, and asks for what was learned."""
    try:
        found = prompts.read(generator["prompts"])
    except prompts.PromptError as error:
        yield "prompts", str(error)
        return
    if "textual_inversion" in generator:
        for name, rows in found.items():
            if not all("{class}" in row["prompt"] for row in rows):
                problem = f"{generator['prompts']}: a prompt of class {name} does not hold {{class}}"
                yield "prompts", f"{problem}, where textual_inversion writes its word; add it"


def _training(generator: Definition) -> Iterator[Problem]:
    given = [way for way in TRAINED if way in generator]
    if len(given) > 1:
        yield given[1], f"given beside {given[0]}; delete one of the two"
    for way in given:
        yield from _warm_up(generator[way], f"{way}.")
        if "{class}" not in generator[way]["caption"]:
            yield f"{way}.caption", "does not hold {class}; the pipeline could not tell classes apart: add it"
        if (side := generator[way].get("resolution", 8)) % 8:
            yield f"{way}.resolution", f"{side} is not a multiple of 8; change it"
    if "train_from_scratch" not in generator:
        return
    if (width := generator["train_from_scratch"]["text_width"]) % 8:
        yield "train_from_scratch.text_width", f"{width} is not a multiple of 8; change it"
    for key in ("pipeline", "revision", "safety", "licence"):
        if key in generator:
            yield key, "is for published pipelines, and train_from_scratch makes one of its own; delete it"
    network = {
        **generator["train_from_scratch"],
        "attention": [True] * len(generator["train_from_scratch"]["channels"]),
    }
    yield from ((f"train_from_scratch.{key}", text) for key, text in _levels(network))


def _pipeline(generator: Definition) -> Iterator[Problem]:
    """A pipeline that is a folder holds what is asked of it."""
    folder = Path(generator.get("pipeline", ""))
    if "pipeline" not in generator or not folder.is_dir():
        return
    index = folder / "model_index.json"
    if not index.is_file():
        yield "pipeline", f"{folder} holds no model_index.json, so it is no pipeline of diffusers; correct it"
        return
    try:
        parts = json.loads(index.read_text())
    except ValueError as error:
        yield "pipeline", f"{index} cannot be read ({error}); correct it"
        return
    if "safety" in generator and not any(parts.get("safety_checker") or ()):
        yield "safety", f"the pipeline in {folder} has no safety checker; delete it"
    kind = parts.get("_class_name")
    if trainer(generator) in ADAPTERS and kind != TUNABLE:
        yield "pipeline", f"{folder} is a {kind}, and {trainer(generator)} is for a {TUNABLE}; name another one"
