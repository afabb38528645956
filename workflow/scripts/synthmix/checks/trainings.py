"""Checks of trainings that a schema cannot make: what a network needs of the batches that it is trained on."""

import math
from collections.abc import Iterator

from synthmix.checks import known, recipes
from synthmix.checks.study import Definition, Problem, Study

# Up to this many pixels a side, the last features of a `resnet` are one pixel: its stages and stem halve the side.
ONE_PIXEL = {"cifar": 2**3, "imagenet": 2**5}
# Architectures whose networks are a `backbone` and a `head`.
WITH_PARTS = ("torchvision", "timm")


def parts(study: Study) -> Iterator[Problem]:
    """What a recipe says of backbone and head is about networks that have them."""
    for _, _, model, recipe in study.arms:
        own, architecture = study.of["recipes"][recipe], study.of["models"][model]["architecture"]
        if architecture in WITH_PARTS:
            continue
        wrong = ["freeze"] if {"backbone", "head"} & {each.split(".")[0] for each in own.get("freeze", ())} else []
        for key in wrong + ["head_rate"] * ("head_rate" in own):
            problem = f"model {model}, a {architecture}, has no backbone and no head"
            yield f"recipes.{recipe}.{key}", f"{problem}; {'name its layers' if key == 'freeze' else 'delete it'}"


def last_batches(study: Study) -> Iterator[Problem]:
    """Batch norm has no variance to divide by where a batch is one image and its features are one pixel."""
    for dataset, training_set, model, recipe in study.arms:
        norm = _batch_norm(study.of["models"][model], dataset, study.of["datasets"][dataset])
        if norm is None:
            continue
        images = train_images(dataset, study.of["datasets"][dataset], study.of["training_sets"][training_set])
        problem = of_one_image(study.of["recipes"][recipe], images, training_set, dataset)
        if problem:
            yield f"recipes.{recipe}.batch_size", f"{problem}, and model {model}{norm} that needs two; change it"


def durations(study: Study) -> Iterator[Problem]:
    """A warm-up ends, and a validation comes, before the training is over, where a recipe counts epochs."""
    for dataset, training_set, _, recipe in study.arms:
        own = study.of["recipes"][recipe]
        if "epochs" not in own or not {"warmup_steps", "evaluate_every"} & own.keys():
            continue
        images = train_images(dataset, study.of["datasets"][dataset], study.of["training_sets"][training_set])
        if images is not None:
            steps = own["epochs"] * math.ceil(images / own["batch_size"])
            for key, text in recipes.too_long(own, steps, f" on the {images} images of {training_set} on {dataset}"):
                yield f"recipes.{recipe}.{key}", text


def of_one_image(recipe: Definition, images: int | None, training_set: str, dataset: str) -> str | None:
    """What is said of a recipe under which a batch, or a part of one, is one image; None where none is known to be.

    images: of an epoch, where that is known. training_set, dataset: their names.
    """
    batch, divided = recipe["batch_size"], recipe.get("accumulate", 1)
    alone = range(1, 2 * divided)  # batches of which a part is one image
    reached = "epochs" in recipe or (images is not None and recipe["steps"] > images // batch)
    if batch not in alone and not (images is not None and images % batch in alone and reached):
        return None
    whole = f" of the {images} of training set {training_set} on {dataset}" if images and batch not in alone else ""
    return f"{batch} makes {'a batch' if divided == 1 else f'a part of {divided}'} of one image{whole}"


def _batch_norm(model: Definition, name: str, dataset: Definition) -> str | None:
    """What is said of a model that has a batch norm over one value per image and channel; None of one without."""
    if model.get("head", {}).get("batch_norm"):
        return " has a batch norm in its head"
    if model["architecture"] != "resnet":
        return None
    side = known.side(name, dataset)
    if side is None or side > ONE_PIXEL[model["stem"]]:
        return None
    return ", whose last features are one pixel, has a batch norm"


def train_images(name: str, dataset: Definition, training_set: Definition) -> int | None:
    """Images of an epoch, where that is known before the data are read; else None."""
    if training_set.get("rebalance"):
        return None
    meta, classes = known.prepared(name, dataset), known.class_names(name, dataset)
    total = 0
    for key in ("real", "held_back", "synthetic"):
        wanted = training_set.get(key)
        if isinstance(wanted, dict):
            total += wanted["total"]
        elif wanted == "all" and meta:
            total += sum(meta["counts"]["train"].values())
        elif isinstance(wanted, int) and classes:
            total += wanted * len(classes)
        elif wanted:
            return None
    return total
