"""The terms under which what is made here may be handed on: as a study says, else as far as they are known.

Terms are no part of a spec: they change no result. Nothing here is legal advice. What is not known for certain is
"unknown", which an export refuses until the study says more. Imported by the Snakefile, so nothing heavy is.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from synthmix.planning import initial_weights, kinds
from synthmix.planning.messages import ConfigurationError
from synthmix.planning.yaml_reader import read_yaml

if TYPE_CHECKING:  # plan imports this module
    from synthmix.planning.plan import Plan

Definition = dict[str, Any]


class Licence(NamedTuple):
    """Terms. id: as the hub names it. redistribute: yes, no or unknown, of what is made of it. note: who says so."""

    id: str
    redistribute: str
    note: str = ""


class Source(NamedTuple):
    """Something that an export is made of. section, name: its definition in a study. what: in words."""

    section: str
    name: str
    what: str
    licence: Licence

    @property
    def key(self) -> str:
        """Where a study says its terms."""
        return f"{self.section}.{self.name}.licence"


NOT_KNOWN = Licence("unknown", "unknown", "synthmix knows nothing of its terms")
# (source, name) of data sets.
DATASETS = {
    ("embedded", "digits"): Licence("cc-by-4.0", "yes", "https://archive.ics.uci.edu/dataset/80"),
    ("torchvision", "MNIST"): Licence("cc-by-sa-3.0", "yes", "https://keras.io/api/datasets/mnist"),
    ("torchvision", "FashionMNIST"): Licence("mit", "yes", "https://github.com/zalandoresearch/fashion-mnist"),
    ("torchvision", "KMNIST"): Licence("cc-by-sa-4.0", "yes", "https://github.com/rois-codh/kmnist"),
    ("torchvision", "CIFAR10"): Licence("unknown", "unknown", "its authors' page names no licence"),
    ("torchvision", "CIFAR100"): Licence("unknown", "unknown", "its authors' page names no licence"),
    ("torchvision", "Imagenette"): Licence("unknown", "unknown", "its images are ImageNet's, for research only"),
    ("torchvision", "StanfordCars"): Licence("unknown", "unknown", "its images are others', for research only"),
    ("hub", "tanganke/stanford_cars"): Licence("unknown", "unknown", "its images are others', for research only"),
    ("hub", "marmal88/skin_cancer"): Licence(
        "unknown", "unknown", "copies of HAM10000 name CC BY-NC 4.0 or CC BY-NC-SA 4.0; see doi:10.7910/DVN/DBW86T"
    ),
}
# Published pipelines, by their id on the hub.
PIPELINES = {
    "stable-diffusion-v1-5/stable-diffusion-v1-5": Licence(
        "creativeml-openrail-m",
        "yes",
        "https://huggingface.co/spaces/CompVis/stable-diffusion-license, whose use restrictions go with the images",
    ),
    "facebook/DiT-XL-2-256": Licence("cc-by-nc-4.0", "yes", "https://huggingface.co/facebook/DiT-XL-2-256"),
}
# (architecture, name) of networks with published weights; None stands for all others of a library.
WEIGHTS = {
    ("timm", "vit_base_patch16_224"): Licence(
        "apache-2.0", "yes", "https://huggingface.co/timm/vit_base_patch16_224.augreg2_in21k_ft_in1k"
    ),
    ("timm", None): Licence("unknown", "unknown", "see the card of the weights on the hub, timm/NAME"),
    ("torchvision", None): Licence(
        "unknown", "unknown", "torchvision says that weights may have terms of their own, after the data of training"
    ),
}


def apart(definitions: Mapping[str, Definition]) -> tuple[dict[str, Definition], dict[str, Definition]]:
    """(definitions without their terms, terms where there are some), each by name."""
    plain = {
        name: {key: value for key, value in each.items() if key != "licence"} for name, each in definitions.items()
    }
    return plain, {name: each["licence"] for name, each in definitions.items() if each.get("licence")}


def of_pool(plan: "Plan", dataset: str, pool: str) -> list[Source]:
    """What the images of a pool are made of: the data set that its generator saw, and what came from outside."""
    name, generator = plan.definitions["pools"][pool]["generator"], plan.generator_of(pool)
    found = []
    if kinds.trainer(generator) or generator.get("img2img"):
        found.append(of_dataset(plan, dataset))
    if generator["kind"] == "files":
        found.append(_said(plan, "generators", name, f"images of generator {name}", NOT_KNOWN))
    elif generator.get("pipeline"):
        known = PIPELINES.get(generator["pipeline"], NOT_KNOWN)
        found.append(_said(plan, "generators", name, f"pipeline of generator {name}", known))
    return found


def own(plan: "Plan", pool: str) -> list[Source]:
    """The terms that a study gives a pool itself, which come on top of those of what it is made of; perhaps none."""
    return [_said(plan, "pools", pool, f"pool {pool}", NOT_KNOWN)] if pool in plan.licences["pools"] else []


def of_run(plan: "Plan", dataset: str, training_set: str, model: str) -> list[Source]:
    """What a trained classifier is made of: its data set, the pool of its training set, its pretrained weights."""
    found, definition = [of_dataset(plan, dataset)], plan.definitions["models"][model]
    if pool := plan.definitions["training_sets"][training_set].get("pool"):
        found += [each for each in (*of_pool(plan, dataset, pool), *own(plan, pool)) if each not in found]
    if initial_weights.wanted(definition):
        known = _weights(definition)
        found.append(_said(plan, "models", model, f"pretrained weights of model {model}", known))
    return found


def of_dataset(plan: "Plan", name: str) -> Source:
    """A data set and its terms."""
    definition = plan.definitions["datasets"][name]
    known = DATASETS.get((definition["source"], definition.get("name", "")), NOT_KNOWN)
    return _said(plan, "datasets", name, f"data set {name}", known)


def _weights(model: Definition) -> Licence:
    if not initial_weights.published(model):
        return NOT_KNOWN
    library = model["architecture"]
    return WEIGHTS.get((library, model["name"]), WEIGHTS[library, None])


def _said(plan: "Plan", section: str, name: str, what: str, known: Licence) -> Source:
    """A source with the terms that a study gives it, else with those that are known."""
    given = plan.licences[section].get(name)
    return Source(section, name, what, Licence(**given) if given else known)


def require(sources: list[Source], what: str, folder: Path, study: str) -> None:
    """Raise ConfigurationError where something does not allow an export of what is made of it.

    Args:
        sources: what it is made of.
        what: is exported, in words.
        folder: of the studies.
        study: that asks for it.
    """
    for source in sources:
        terms, file = source.licence, defined_in(folder, study, source.section, source.name)
        if terms.redistribute == "no":
            problem = f"does not allow to hand on what is made of {source.what}, so {what} is not exported; "
            raise ConfigurationError(file, source.key, problem + "choose another, or correct the key where it is wrong")
        if terms.redistribute == "unknown":
            note = f" ({terms.note})" if terms.note else ""
            problem = f"it is not known whether what is made of {source.what} may be handed on{note}, so {what} is not "
            remedy = "exported; read its terms, then set the key, such as {id: cc-by-4.0, redistribute: yes}"
            raise ConfigurationError(file, source.key, problem + remedy)


def combined(sources: list[Source], own: Mapping[str, Any] | None = None) -> Licence:
    """The terms of what is made of sources: its own where they are given, those of all where they agree, else other."""
    if own:
        return Licence(**own)
    ids = {source.licence.id for source in sources}
    if len(ids) == 1:
        return sources[0].licence
    return Licence("other", "yes", "the terms of all that it is made of")


def defined_in(folder: Path, study: str, section: str, name: str) -> Path:
    """The file of the study, or of one that it uses, in which a definition stands."""
    todo = [study]
    while todo:
        path = folder / f"{todo.pop(0)}.yaml"
        content = read_yaml(path)
        if name in (content.get(section) or {}):
            return path
        used = content.get("use") or []
        todo += [used] if isinstance(used, str) else used
    return folder / f"{study}.yaml"
