"""Checks of what shows a data set's images, or feature maps of single ones."""

from collections.abc import Iterator

from synthmix.checks import known
from synthmix.checks.study import Definition, Problem, Study, listed
from synthmix.planning.messages import shown, suggestion

# Kinds of figures of images, which need no run.
OF_IMAGES = ("samples", "class_counts", "augmentation", "channel_histograms", "channel_correlation", "sharpness")
CONVOLUTIONAL = (
    "cnn_block",
    "feature_cnn",
    "resnet",
    "timm",
    "torchvision",
)  # architectures that may have feature maps


def figures(study: Study) -> Iterator[Problem]:
    """Classes are those of the data set, recipes augment, correlations are of several channels."""
    for name, figure in study.content["figures"].items():
        where = f"figures.{name}"
        if figure["kind"] in ("samples", "augmentation", "feature_maps") and "classes" in figure:
            yield from _classes(study, f"{where}.classes", figure["classes"], study.dataset_of(figure) or "")
        if figure["kind"] == "augmentation":
            for recipe in figure["recipe"]:
                if study.of["recipes"][recipe]["augment"] == "none":
                    yield f"{where}.recipe", f"{recipe} has no augmentation; leave it out, or give it augment"
        if figure["kind"] == "channel_correlation" and _grey(
            figure["dataset"], study.of["datasets"][figure["dataset"]]
        ):
            problem = f"the images of {figure['dataset']} are grey, and one channel correlates with no other; delete it"
            yield f"{where}.dataset", problem
    for entry in study.content["explanations"]:
        for name in entry["explainer"]:
            explainer = study.of["explainers"][name]
            if explainer["kind"] == "feature_maps" and "classes" in explainer:
                for dataset in listed(entry["dataset"]):
                    yield from _classes(study, f"explainers.{name}.classes", explainer["classes"], dataset)


def _classes(study: Study, where: str, classes: list[str], dataset: str) -> Iterator[Problem]:
    """The classes are those of a data set, as far as these are known before any job."""
    names = known.class_names(dataset, study.of["datasets"][dataset])
    for label in classes:
        if names is not None and label not in names:
            yield where, f"{shown(label)} is no class of data set {dataset}{suggestion(label, names)}"


def _grey(name: str, dataset: Definition) -> bool:
    """Whether the images of a data set have one channel, as far as that is known before any job."""
    meta = known.prepared(name, dataset)
    own = dataset.get("channels") or (meta or {}).get("channels") or (1 if dataset["source"] == "embedded" else None)
    return own == 1
