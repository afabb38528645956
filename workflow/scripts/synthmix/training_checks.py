"""Checks of trainings that a schema cannot make: what a network needs of the batches that it is trained on."""

from collections.abc import Iterator

from synthmix import known
from synthmix.checks import Definition, Problem, Study

# Up to this many pixels a side, the last features of a `resnet` are one pixel: its stages and stem halve the side.
ONE_PIXEL = {"cifar": 2**3, "imagenet": 2**5}


def last_batches(study: Study) -> Iterator[Problem]:
    """Batch norm has no variance to divide by where a batch is one image and its features are one pixel."""
    for dataset, training_set, model, recipe in study.arms:
        if not _ends_in_one_pixel(study.of["models"][model], dataset, study.of["datasets"][dataset]):
            continue
        images = train_images(dataset, study.of["datasets"][dataset], study.of["training_sets"][training_set])
        own = study.of["recipes"][recipe]
        batch = own["batch_size"]
        reached = "epochs" in own or (images is not None and own["steps"] > images // batch)
        if batch == 1 or (images is not None and images % batch == 1 and reached):
            whole = f" of the {images} of training set {training_set} on {dataset}" if images and batch > 1 else ""
            problem = f"{batch} makes a batch of one image{whole}, and model {model}, whose last features are one pixel"
            yield f"recipes.{recipe}.batch_size", f"{problem}, has a batch norm that needs two; change it"


def _ends_in_one_pixel(model: Definition, name: str, dataset: Definition) -> bool:
    if model["architecture"] != "resnet":
        return False
    side = dataset.get("resolution", 8 if dataset["source"] == "embedded" else None)
    if side is None and (meta := known.prepared(name, dataset)):
        side = max(meta["size"])
    return side is not None and side <= ONE_PIXEL[model["stem"]]


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
