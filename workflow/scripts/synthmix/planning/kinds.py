"""What the kinds of generators differ in before any job starts: their entry files, groups of shards, parts of specs."""

from collections.abc import Iterable
from typing import Any

from synthmix import layout
from synthmix.planning import initial_weights

Definition = dict[str, Any]

TRAINED = ("train_from_scratch", "lora", "textual_inversion")  # keys of a text2image generator that train it
PROMPTING = ("prompts", "template", "scenarios", "negative_prompt")
NETWORK = ("kind", "channels", "layers_per_block", "attention")  # of a network trained here: what drawing takes


def trainer(generator: Definition) -> str | None:
    """How a generator is trained, after which its trainer's file is named; None where it is used as it is."""
    if generator["kind"] == "ddpm":
        return "ddpm"
    return next((way for way in TRAINED if generator.get(way)), None)


def scope(generator: Definition) -> str:
    """Which real images a generator saw: "same" as its classifier, "full": all of train and no others, "fine-tuned":
    all of train, by training or as what its images start from, after images that are unknown, or "unknown"."""
    if generator.get("train_on"):
        return "same"
    if trainer(generator) and trainer(generator) not in layout.ADAPTERS:
        return "full"
    return "fine-tuned" if trainer(generator) or generator.get("img2img") else "unknown"


def entries_of(generator: Definition) -> tuple[tuple[str, ...], ...]:
    """The entry files of the jobs that draw a generator's images and, where it is trained here, train it."""
    drawing = ["generate.py", f"synthmix/generators/{generator['kind']}.py"]
    if generator["kind"] == "files":
        drawing.append(f"synthmix/sources/{generator['source']}.py")
    if not trainer(generator):
        return (tuple(drawing),)
    file = f"synthmix/trainers/{trainer(generator)}.py"
    if trainer(generator) in layout.ADAPTERS:
        drawing.append(file)  # it adds to the pipeline what it has trained
    return tuple(drawing), ("train_generator.py", file)


def class_groups(generator: Definition) -> dict[str, str]:
    """Group -> class, for a generator with prompts of each class: a shard of it holds one class. Otherwise empty."""
    prompts = generator.get("prompts")
    return {layout.class_group(name): name for name in prompts} if prompts else {}


def corruption_files(corruption: Definition) -> list[str]:
    """The files of a corruption's kinds."""
    return [f"synthmix/corruptions/{kind}.py" for kind in corruption["kinds"]]


def training_files(model: Definition, training_sets: Iterable[Definition]) -> tuple[str, ...]:
    """The entry files of a job that trains a model on training sets."""
    worse = {each["corrupt"]["kind"] for each in training_sets if each.get("corrupt")}
    architecture = f"synthmix/models/{model['architecture']}.py"
    return "train.py", architecture, *corruption_files({"kinds": sorted(worse)})


def training(generator: Definition) -> Definition:
    """The part of a generator's definition that its training depends on."""
    if generator["kind"] == "ddpm":
        return {key: value for key, value in generator.items() if key != "seeds_per_job"}
    keys = ("kind", "pipeline", "pipeline_sha256", "revision", "class_names", "seed", *TRAINED)
    return {key: initial_weights.identity(generator).get(key) for key in keys}


def network(generator: Definition) -> Definition:
    """What of a network trained here decides how long it draws."""
    whole = {**generator, **(generator.get("train_from_scratch") or {})}
    return {key: whole.get(key) for key in NETWORK}


def drawing(generator: Definition, pool: Definition, group: str, index: int) -> Definition:
    """The parts of a shard's spec that belong to its generator's kind; all of a ddpm is in the generator's own spec.

    Args:
        generator, pool: the definitions, defaults resolved.
        group, index: of the shard.
    """
    if generator["kind"] == "ddpm":
        return {}
    if generator["kind"] == "files":
        # a finite set of images may end within a shard, which then holds the rest
        images = min(pool["per_class"] - index * pool["shard_size"], pool["shard_size"])
        return {"drawing": generator, "images": images}
    if generator["kind"] == "class2image":
        return {"drawing": initial_weights.identity(generator)}
    return _prompted(initial_weights.identity(generator), group)


def _prompted(generator: Definition, group: str) -> Definition:
    left_out = ("kind", "seed", "prompts", "attempts", *TRAINED)
    shared = {key: value for key, value in generator.items() if key not in left_out}
    shared["trained"] = trainer(generator)
    if generator.get("safety") == "replace":
        shared["attempts"] = generator["attempts"]
    name = class_groups(generator).get(group)
    if name is None:
        return {"drawing": shared}
    own = (generator.get("class_names") or {}).get(name)
    prompts = {"prompts": generator["prompts"][name], "classes": sorted(generator["prompts"])}
    return {"class": name, "drawing": {**shared, **prompts, "class_names": {name: own} if own else None}}
