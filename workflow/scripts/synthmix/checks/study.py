"""Checks of a study that a schema cannot make: what its definitions say of each other.

A check yields problems as (dotted key, text); the first one becomes a ConfigurationError. Studies are given as
`configuration` leaves them: valid under the schema, with imported definitions, defaults filled in, names in lists.
"""

import itertools
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from synthmix.checks import generators, known, recipes
from synthmix.planning.messages import shown, suggestion

Definition = dict[str, Any]
Problem = tuple[str, str]

REFERENCES = {
    "dataset": "datasets",
    "generator": "generators",
    "pool": "pools",
    "extractor": "extractors",
    "filter": "filters",
    "explainer": "explainers",
    "corruption": "corruptions",
    "training_set": "training_sets",
    "baseline": "training_sets",
    "ladder": "training_sets",
    "beside": "training_sets",
    "model": "models",
    "narrow": "models",
    "wide": "models",
    "over": "models",
    "best": "models",
    "baseline_model": "models",
    "recipe": "recipes",
    "search": "searches",
}
DEFINITIONS = tuple(dict.fromkeys(REFERENCES.values()))
ARM = ("dataset", "training_set", "model", "recipe")
OF_IMAGES = ("cam", "gallery", "disagreements")  # shows what networks say of single test images
PER_CLASS = ("classes", "best_classes")  # shows single classes
OF_NETWORKS = ("confusion", "attention", "feature_maps", *OF_IMAGES, *PER_CLASS)
ONE_DATASET = ("ranking", "usefulness", "learning_curves", "epochs", *OF_NETWORKS)
SWEEPS = ("threshold", "width")  # what shows models of rising width
OF_METRIC = ("overview", "accuracy", "models", "when", "arms", "robustness")
JUDGED = ("ranking", "ladder", "saturation", "searched", "usefulness", *OF_METRIC)  # shows the study's metric
CNN_BLOCK = 2**3  # pixels a side that a `cnn_block` needs, which halves them three times
LONGEST_COMPONENT = 255  # bytes of a file's name on common file systems; SLURM logs join all names of a job in one


class Study:
    """A study with what is derived from its runs."""

    def __init__(self, content: Definition) -> None:
        self.content = content
        self.of: dict[str, dict[str, Definition]] = {section: content[section] for section in DEFINITIONS}

    @cached_property
    def arms(self) -> dict[tuple[str, ...], set[int]]:
        """(dataset, training set, model, recipe) -> seeds, for every run."""
        arms: dict[tuple[str, ...], set[int]] = defaultdict(set)
        for entry in self.content["runs"]:
            for arm in itertools.product(*(entry[key] for key in ARM)):
                arms[arm].update(entry["seeds"])
        return dict(arms)

    @cached_property
    def datasets(self) -> set[str]:
        """The data sets that runs, tables and figures, or any other part of the study name."""
        sections = [entries for section, entries in self.content.items() if section != "datasets"]
        parts = [entries.values() if isinstance(entries, dict) else entries for entries in sections]
        entries = [entry for part in parts if not isinstance(part, str) for entry in part if isinstance(entry, dict)]
        return {name for entry in entries for name in listed(entry.get("dataset", []))}

    def matching(self, names: Mapping[str, Any]) -> dict[tuple[str, ...], set[int]]:
        """The arms whose names are among those that `names` gives under each key; an absent key admits any."""
        wanted = [listed(names[key]) if key in names else None for key in ARM]
        return {
            arm: seeds
            for arm, seeds in self.arms.items()
            if all(among is None or name in among for name, among in zip(arm, wanted, strict=True))
        }

    def per_seed(self, pool: str) -> Definition | None:
        """`train_on` of a pool's generator; None where one generator serves all seeds."""
        found: Definition | None = self.of["generators"][self.of["pools"][pool]["generator"]].get("train_on")
        return found

    def dataset_of(self, figure: Mapping[str, Any]) -> str | None:
        """The data set of a figure of one data set: its own, or the only one of the study's runs; else None."""
        datasets = {arm[0] for arm in self.arms}
        only: str | None = figure.get("dataset") or (min(datasets) if len(datasets) == 1 else None)
        return only

    def pools_of(self, training_set: str) -> dict[str, str]:
        """Key -> pool, for the pools that a training set reads."""
        definition = self.of["training_sets"][training_set]
        found = {"pool": definition.get("pool"), "monitor.pool": definition.get("monitor", {}).get("pool")}
        return {key: pool for key, pool in found.items() if pool}


def listed(value: Any) -> list[Any]:
    """The value as a list."""
    return value if isinstance(value, list) else [value]


def references(content: Definition) -> Iterator[Problem]:
    """Every name that is used is defined; a search stands for recipes where these are run."""
    searching = {**content, "recipes": content["recipes"] | content["searches"]}
    for section, entries in content.items():
        if not isinstance(entries, dict | list):
            continue
        pairs: Any = entries.items() if isinstance(entries, dict) else enumerate(entries)
        for name, entry in [(None, entries)] if section == "primary" else pairs:
            if isinstance(entry, dict):
                where = (
                    section if name is None else f"{section}[{name}]" if isinstance(name, int) else f"{section}.{name}"
                )
                yield from _unknown(searching if section in ("runs", "scale") else content, where, entry)
                yield from _unknown(content, f"{where}.monitor", entry.get("monitor", {}))
                for position, printed in enumerate(entry.get("published", ())):
                    yield from _unknown(content, f"{where}.published[{position}]", printed)


def _unknown(content: Definition, where: str, entry: Definition) -> Iterator[Problem]:
    for key, section in REFERENCES.items():
        names = entry.get(key, [])
        if isinstance(names, dict):  # a definition written in place
            continue
        for index, name in enumerate(listed(names)):
            if name not in content[section]:
                place = f"[{index}]" if isinstance(names, list) and len(names) > 1 else ""
                word = section.removesuffix("es" if key == "search" else "s").replace("_", " ")
                yield f"{where}.{key}{place}", f"unknown {word} {shown(name)}{suggestion(name, content[section])}"


# ---- definitions -----------------------------------------------------------------------------------------------------


def definitions(study: Study) -> Iterator[Problem]:
    """Each definition agrees with itself and with those that it names."""
    checks: Sequence[tuple[str, Any]] = (
        ("datasets", _dataset),
        ("generators", generators.generator),
        ("models", _model),
        ("recipes", recipes.recipe),
    )
    for section, check in checks:
        for name, definition in study.of[section].items():
            for key, text in check(definition):
                yield f"{section}.{name}.{key}", text
    for name, definition in study.of["pools"].items():
        for key, text in generators.pool(definition, study.of["generators"][definition["generator"]]):
            yield f"pools.{name}.{key}", text
    for name, definition in study.of["training_sets"].items():
        for key, text in _training_set(study, name, definition):
            yield f"training_sets.{name}{'.' if key else ''}{key}", text


def _dataset(dataset: Definition) -> Iterator[Problem]:
    if dataset["source"] != "hub":
        return
    for split in ("val", "test"):
        if split in dataset and split in dataset["splits"]:
            yield split, f"given although splits.{split} names the source's own; delete one of the two"
        if split not in dataset and split not in dataset["splits"]:
            yield split, f"missing key; add it (what is cut from train), or splits.{split} (the source's own)"


def _model(model: Definition) -> Iterator[Problem]:
    if "heads" in model and model["width"] % model["heads"]:
        yield "heads", f"{model['heads']} heads do not divide width {model['width']}; change one of the two"


def _training_set(study: Study, name: str, own: Definition) -> Iterator[Problem]:
    if "rebalance" in own and (not own.get("real") or isinstance(own["real"], int)):
        yield "rebalance", "needs real to be all or a total: with a number per class, classes are equal; change real"
    if "real" not in own and "synthetic" not in own:
        yield "", "has no images; add real, or synthetic and pool"
    if "synthetic" in own and "pool" not in own:
        yield "pool", "missing key; name the pool of the synthetic images"
    for key in ("pool", "draw_from"):
        if key in own and "synthetic" not in own:
            yield key, "needs synthetic (images per class); add it, or delete this key"
    if own["shuffle_synthetic_labels"] and "synthetic" not in own:
        yield "shuffle_synthetic_labels", "needs synthetic (images per class); add it, or delete this key"
    if "held_back" in own and not isinstance(own.get("real"), int):
        yield "held_back", "needs real to be a number of images per class; change real"
    if "corrupt" in own and "held_back" not in own:
        yield "corrupt", "needs held_back (images per class); add it, or delete this key"
    if "synthetic" in own and "pool" in own:
        yield from _draw(study, own)
    if "monitor" in own:
        yield from _monitor(study, own)
    for key, pool in study.pools_of(name).items():
        train_on = study.per_seed(pool)
        if train_on and own.get("real") != train_on["real"]:
            yield (
                "real",
                f"must be {train_on['real']}: the generator of {key} {pool} is trained on the {train_on['real']} real "
                f"images per class of each seed (train_on), not {shown(own['real']) if 'real' in own else 'none'}",
            )


def _draw(study: Study, own: Definition) -> Iterator[Problem]:
    per_class = study.of["pools"][own["pool"]]["per_class"]
    each = own["synthetic"] if isinstance(own["synthetic"], int) else 0  # with a total, shares are known from the data
    if not each and "draw_from" not in own and "filter" not in own:
        yield "draw_from", "missing key; with synthetic.total, say how many images of a class the pool is read for"
    draw_from = own.get("draw_from", each)
    if each > per_class:
        yield "synthetic", _too_many(each, own["pool"], per_class)
    if draw_from < each:
        yield "draw_from", f"{draw_from} is fewer than synthetic, {each}; raise it"
    if draw_from > per_class:
        yield "draw_from", _too_many(draw_from, own["pool"], per_class)


def _monitor(study: Study, own: Definition) -> Iterator[Problem]:
    monitor = own["monitor"]
    pool, last = monitor["pool"], monitor["first"] + monitor["per_class"]
    if last > study.of["pools"][pool]["per_class"]:
        yield "monitor", "first + per_class: " + _too_many(last, pool, study.of["pools"][pool]["per_class"])
    trained = own.get("draw_from", own.get("synthetic", 0))
    if "filter" in own:
        trained = study.of["filters"][own["filter"]]["among"]
    if pool == own.get("pool") and monitor["first"] < trained:
        yield "monitor.first", f"the first {trained} images of {pool} are trained on; raise it to {trained} or more"


def _too_many(wanted: int, pool: str, per_class: int) -> str:
    return f"{wanted} images per class, but pool {pool} has {per_class}; lower it, or raise pools.{pool}.per_class"


# ---- runs ------------------------------------------------------------------------------------------------------------


def runs(study: Study) -> Iterator[Problem]:
    """Runs can be made, each once, under paths that exist on common file systems."""
    bundles: dict[tuple[str, ...], dict[int, str]] = defaultdict(dict)
    for index, entry in enumerate(study.content["runs"]):
        where = f"runs[{index}]"
        bundle = entry.get("bundle")
        if bundle in study.of["training_sets"] and bundle not in entry["training_set"]:
            yield f"{where}.bundle", f"{bundle} is a training set that the bundle does not hold; rename the bundle"
        for arm in itertools.product(*(entry[key] for key in ARM)):
            own = bundle or arm[1]
            for seed in entry["seeds"]:
                other = bundles[arm].setdefault(seed, own)
                if other != own:
                    problem = f"seed {seed} of {'/'.join(arm)} is in bundle {other} too; ask for it once"
                    yield f"{where}.bundle", problem
            yield from path_length(f"{where}.bundle", [arm[0], own, *arm[2:]], entry["seeds"])
    yield from _resolutions(study)
    yield from _compared_architectures(study)
    yield from _selections(study)


def path_length(where: str, names: Sequence[str], seeds: Sequence[int]) -> Iterator[Problem]:
    """The names of a job, joined into one file name, are not too long."""
    joined = "_".join([*names, f"seeds{max(seeds)}-{max(seeds)}"])
    if len(joined) > LONGEST_COMPONENT:
        yield where, f"its names make {len(joined)} characters, more than {LONGEST_COMPONENT}; shorten some of {joined}"


def _resolutions(study: Study) -> Iterator[Problem]:
    for dataset, model in dict.fromkeys((arm[0], arm[2]) for arm in study.arms):
        side, own = known.side(dataset, study.of["datasets"][dataset]), study.of["models"][model]
        if side and side % own.get("patch", 1):
            problem = f"{own['patch']} does not divide the resolution {side} of data set {dataset}; change it"
            yield f"models.{model}.patch", problem
        if side and own["architecture"] == "cnn_block" and side < CNN_BLOCK:
            problem = f"{side} pixels, but model {model}, a cnn_block, needs {CNN_BLOCK} for its three poolings"
            yield f"datasets.{dataset}.resolution", f"{problem}; raise it, or take another model"


def _compared_architectures(study: Study) -> Iterator[Problem]:
    named = {name for entry in study.content["scores"] for name in entry["extractor"]}
    named |= {each["extractor"] for each in study.of["filters"].values()}
    used = {study.of["extractors"][name].get("model", {}).get("architecture"): name for name in sorted(named)}
    for model in dict.fromkeys(arm[2] for arm in study.arms):
        architecture = study.of["models"][model]["architecture"]
        if architecture in used:
            problem = f"{architecture} is the architecture of extractor {used[architecture]} too; compare another one"
            yield f"models.{model}.architecture", problem


def _selections(study: Study) -> Iterator[Problem]:
    """A checkpoint is chosen, and a plateau seen, on as many validation images as the run has real ones: some."""
    for _, training_set, _, recipe in study.arms:
        own, how = study.of["training_sets"][training_set], study.of["recipes"][recipe]
        if own.get("real") or own.get("held_back"):
            continue
        for key, value, other in (("checkpoint", "best-val", "last"), ("schedule", "plateau", "another")):
            if how[key] == value:
                problem = f"{value} needs real images, and training set {training_set} has none; use {other} for it"
                yield f"recipes.{recipe}.{key}", problem
