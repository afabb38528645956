"""Checks of how many images and classes a data set has, where that is known before a job reads them (see `known`).

Refused is what certainly cannot be had: of stratified cuts, counts by class are known to within an image.
"""

from collections.abc import Iterator, Mapping

from synthmix.checks import known
from synthmix.checks.counts import cannot_take, cuts, known_counts, missing_images, without
from synthmix.checks.study import Definition, Problem, Study
from synthmix.planning.messages import listing


def splits(study: Study) -> Iterator[Problem]:
    """The data sets that a study uses have two classes, and images enough for their splits and training sets."""
    for name in (name for name in study.of["datasets"] if name in study.datasets):
        dataset = study.of["datasets"][name]
        counts = known.train_counts(dataset)
        problems = [*_fractions(dataset), *_classes(dataset, known.class_names(name, dataset))]
        for key, text in problems or _cuts(dataset, counts or {}):
            yield f"datasets.{name}.{key}", text
        if counts:
            most = known_counts(dataset, counts)
            for training_set in dict.fromkeys(arm[1] for arm in study.arms if arm[0] == name):
                for key, text in missing_images(study.of["training_sets"][training_set], most):
                    yield f"training_sets.{training_set}.{key}", f"{text} (data set {name})"


def _fractions(dataset: Definition) -> Iterator[Problem]:
    if dataset["source"] == "torchvision":  # whose own test split, where there is one, is taken instead
        return
    shares = [share for share in (dataset.get("val"), dataset.get("test")) if isinstance(share, float) and share < 1]
    if len(shares) == 2 and sum(shares) >= 1:
        val, test = shares
        yield "val", f"{val} of train, and {test} as test, leave nothing to train on; lower one of the two"


def _classes(dataset: Definition, classes: list[str] | None) -> Iterator[Problem]:
    """There are two at least, and a split that is limited has room for each of them; nothing where they are unknown."""
    if classes is None:
        return
    if len(classes) < 2:
        which = next(key for key in ("merge", "classes", "train", "source") if key in dataset)
        found = f"makes one class, {classes[0]}" if classes else "makes no class"
        yield which, f"{found}, and classifiers need at least two; keep more apart, or add images of another"
    for split, most in dataset.get("limit", {}).items():
        if split != "train_per_class" and most < len(classes):
            yield f"limit.{split}", f"keeps {most} images of {len(classes)} classes ({listing(classes)}); raise it"


def _cuts(dataset: Definition, counts: Mapping[str, int]) -> Iterator[Problem]:
    """What is cut from train can be: counts are of its classes before, none where they are unknown."""
    total = sum(counts.values())
    for split, cut in cuts(dataset, total) if counts else ():
        if problem := cannot_take(cut, total, counts):
            yield split, problem
        counts, total = without(counts, cut, total), total - cut
