"""Checks of what a study measures and shows: it refers to runs, pools and scores that the study has."""

import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from synthmix.checks.curves import curves
from synthmix.checks.exploring import CONVOLUTIONAL, OF_IMAGES
from synthmix.checks.filters import trained_by_seed
from synthmix.checks.study import ARM, ONE_DATASET, Problem, Study, listed, path_length
from synthmix.planning.messages import listing
from synthmix.planning.schema import read_schema

POOL = ("dataset", "pool", "extractor")
USUAL_METRICS = ("isc", "fid", "kid", "precision", "recall")  # of a score that names none
# Kinds of explainers that look into some architectures only; each is shown by the kind of figure of the same name.
EXPLAINED = {
    "masking": ("vit_block",),
    "attention": ("vit_block", "torchvision", "timm"),
    "feature_maps": CONVOLUTIONAL,
}
OF_POOLS = ("scores", "audits", "detections")  # what is measured of the first n images per class of a pool


def measurements(study: Study) -> Iterator[Problem]:
    """Scores, audits, detections, cross tests, explanations and comparisons can be computed from runs and pools."""
    yield from _one_network(study)
    for section in OF_POOLS:
        yield from _of_pools(study, section)
    yield from _cross_tests(study)
    yield from _explanations(study)
    yield from _comparisons(study)
    for index, entry in enumerate(study.content["published"]):
        for key, text in _published(entry):
            yield f"published[{index}].{key}", text


def _one_network(study: Study) -> Iterator[Problem]:
    """Features of one network for all images."""
    for section in ("scores", "audits", "published"):
        for index, entry in enumerate(study.content[section]):
            for name in listed(entry.get("extractor", [])):
                if "train_on" in study.of["extractors"][name]:
                    yield f"{section}[{index}].extractor", trained_by_seed(name)


def _published(entry: Mapping[str, Any]) -> Iterator[Problem]:
    """A published value is of runs (a training set and a model) or of a score (a pool)."""
    of_runs = read_schema("study")["properties"]["metric"]["enum"]
    if "pool" in entry:
        for key in ("training_set", "model", "recipe"):
            if key in entry:
                yield key, "is for values of runs, and pool makes this one of a score; delete one of the two"
        if entry["metric"] in of_runs:
            yield "metric", f"{entry['metric']} is of runs; name a metric of scores, such as isc or fid"
    else:
        for key in ("training_set", "model"):
            if key not in entry:
                yield key, "missing key; add it, or pool where the value is of a score"
        if entry["metric"] not in of_runs:
            yield "pool", f"missing key; name the pool that the published {entry['metric']} is of"
        if "extractor" in entry:
            yield "extractor", "is for values of scores; delete it, or name a pool"
        if not 0 <= entry["value"] <= 1:
            yield "value", f"must be a fraction between 0 and 1, not {entry['value']}"
    if not entry["comparable"] and "reason" not in entry:
        yield "reason", "missing key; say why the value is not comparable"


def displays(study: Study) -> Iterator[Problem]:
    """Tables and figures show something that the study has."""
    for name, table in study.content["tables"].items():
        yield from _table(study, f"tables.{name}", table)
        yield from curves(study, f"tables.{name}", table)
    for name, figure in study.content["figures"].items():
        yield from _figure(study, f"figures.{name}", figure)
        yield from curves(study, f"figures.{name}", figure)


def _of_pools(study: Study, section: str) -> Iterator[Problem]:
    for index, entry in enumerate(study.content[section]):
        for pool in entry["pool"]:
            per_class = study.of["pools"][pool]["per_class"]
            if entry.get("n", 0) > per_class:
                yield f"{section}[{index}].n", f"{entry['n']} per class, but pool {pool} has {per_class}; lower it"
        yield from _seeds_of_pools(study, f"{section}[{index}]", entry)


def _seeds_of_pools(study: Study, where: str, entry: Mapping[str, Any]) -> Iterator[Problem]:
    """A pool whose generator is trained per seed has the seeds of the runs that use it: there must be such runs."""
    for dataset, pool in itertools.product(listed(entry["dataset"]), listed(entry.get("pool", []))):
        used = any(arm[0] == dataset and pool in study.pools_of(arm[1]).values() for arm in study.arms)
        if study.per_seed(pool) and not used:
            yield (
                f"{where}.pool",
                f"{pool} is drawn per seed of the runs, and no run on {dataset} uses it; add such a run",
            )


def _cross_tests(study: Study) -> Iterator[Problem]:
    for index, entry in enumerate(study.content["cross_tests"]):
        yield from of_runs(study, f"cross_tests[{index}]", entry, "pool")
        yield from _seeds_of_pools(study, f"cross_tests[{index}]", entry)


def _explanations(study: Study) -> Iterator[Problem]:
    for index, entry in enumerate(study.content["explanations"]):
        where = f"explanations[{index}]"
        yield from of_runs(study, where, entry, "explainer")
        for explainer, model in itertools.product(entry["explainer"], entry["model"]):
            kind, architecture = study.of["explainers"][explainer]["kind"], study.of["models"][model]["architecture"]
            if architecture not in EXPLAINED.get(kind, (architecture,)):
                fit = " or ".join(EXPLAINED[kind])
                yield f"{where}.model", f"{model} is a {architecture}, and {kind} is for {fit}; leave it out"


def of_runs(study: Study, where: str, entry: Mapping[str, Any], other: str) -> Iterator[Problem]:
    """An entry about trained runs and what each meets (`other`) is about runs that the study has."""
    for arm in itertools.product(*(entry[key] for key in ARM)):
        absent = set(entry["seeds"]) - study.arms.get(arm, set())
        if absent:
            which = f"seed {min(absent)}" if arm in study.arms else "any seed"
            yield f"{where}.seeds", f"no run {'/'.join(arm)} with {which}; add it to runs, or leave it out here"
        for name in entry[other]:
            # the bundle is at most as long as the longest name
            yield from path_length(where, [arm[0], "b" * 40, *arm[1:], name], entry["seeds"])


def _comparisons(study: Study) -> Iterator[Problem]:
    primary = study.content.get("primary")
    if primary:
        yield from _pair(study, "primary", primary, primary["training_set"])
    for index, entry in enumerate(study.content["comparisons"]):
        for training_set in entry["training_set"]:
            yield from _pair(study, f"comparisons[{index}]", entry, training_set)


def _pair(study: Study, where: str, entry: Mapping[str, Any], training_set: str) -> Iterator[Problem]:
    """Somewhere the training set and the baseline have runs that differ in nothing else and share seeds."""
    baseline = entry["baseline"]
    if training_set == baseline:
        yield f"{where}.training_set", f"{training_set} is the baseline itself; leave it out"
        return
    for key, name in (("baseline", baseline), ("training_set", training_set)):
        if not study.matching({**entry, "training_set": name}):
            yield f"{where}.{key}", f"no run of {name}{_among(entry)}; add it to runs, or leave it out here"
            return
    sides = (study.matching({**entry, "training_set": name}) for name in (baseline, training_set))
    against, own = ({(arm[0], *arm[2:]): seeds for arm, seeds in side.items()} for side in sides)
    shared = [arm for arm in own if arm in against]
    if not shared:
        problem = f"{training_set} and {baseline} have no data set, model and recipe in common; add runs of one"
        yield f"{where}.training_set", problem
    elif not any(own[arm] & against[arm] for arm in shared):
        yield f"{where}.training_set", f"{training_set} and {baseline} share no seed; give their runs the same seeds"


def _among(entry: Mapping[str, Any]) -> str:
    names = [f"{key} {', '.join(listed(entry[key]))}" for key in ("dataset", "model", "recipe") if key in entry]
    return f" with {' and '.join(names)}" if names else ""


# The kinds of tables that show one section about pools, with the names that its entries have.
SHOWN = {"scores": ("scores", POOL), "audit": ("audits", POOL), "detection": ("detections", POOL[:2])}


def _table(study: Study, where: str, table: Mapping[str, Any]) -> Iterator[Problem]:
    kind = table["kind"]
    if kind == "ranking":
        yield from _ranking(study, where, table)
    elif kind in SHOWN:
        section, keys = SHOWN[kind]
        rows = _rows(study.content[section], keys)
        if kind == "scores":
            values = [each for each in study.content["published"] if "pool" in each]
            rows += [tuple(each.get(key, "") for key in POOL) for each in values]
            yield from _computed(
                where, table, [*study.content["scores"], *({"metrics": [each["metric"]]} for each in values)]
            )
        yield from _shown(where, table, keys, rows, section)
    elif kind == "cross_test":
        keys = (*ARM, "pool")
        yield from _shown(where, table, keys, _rows(study.content["cross_tests"], keys), "cross_tests")
    else:
        published = [each for each in study.content["published"] if kind == "accuracy" and "pool" not in each]
        rows = [*study.arms, *(tuple(entry.get(key, "") for key in ARM) for entry in published)]
        yield from _shown(where, table, ARM, rows, "runs")


def _computed(where: str, view: Mapping[str, Any], scores: Iterable[Mapping[str, Any]]) -> Iterator[Problem]:
    """Every metric that a table or figure names is among those of the scores."""
    known = {metric for entry in scores for metric in entry.get("metrics", USUAL_METRICS)}
    for metric in view.get("metrics", ()):
        if metric not in known:
            yield f"{where}.metrics", f"no score has {metric}; add it to metrics of scores, or leave it out here"


def _rows(entries: Iterable[Mapping[str, Any]], keys: Collection[str]) -> list[tuple[str, ...]]:
    return [row for entry in entries for row in itertools.product(*(entry[key] for key in keys))]


def _shown(
    where: str, entry: Mapping[str, Any], keys: Collection[str], rows: Collection[tuple[str, ...]], section: str
) -> Iterator[Problem]:
    """Every name that `entry` gives under one of the keys is in a row that its other keys admit."""
    if not rows:
        yield where, f"the study has no {section} to show; add some, or delete it"
    wanted = [(position, key, listed(entry[key])) for position, key in enumerate(keys) if key in entry]
    left = [row for row in rows if all(row[position] in names for position, _, names in wanted)]
    for position, key, names in sorted(wanted, key=lambda each: each[1] != "training_set"):  # the likeliest first
        for name in names:
            if not any(row[position] == name for row in left):
                others = " and ".join(f"{other} {' or '.join(these)}" for _, other, these in wanted if other != key)
                which = f"{name} with {others}" if others else name
                yield f"{where}.{key}", f"nothing in {section} has {which}; add it there, or leave it out here"


def _figure(study: Study, where: str, figure: Mapping[str, Any]) -> Iterator[Problem]:
    if figure["kind"] in OF_IMAGES:
        yield from _seeds_of_pools(study, where, figure)
        return
    if figure["kind"] == "neighbours":
        yield from _shown(where, figure, POOL, _rows(study.content["audits"], POOL), "audits")
        return
    if figure["kind"] in ONE_DATASET:
        figure = {**figure, "dataset": study.dataset_of(figure)}
        if not figure["dataset"]:
            yield _no_dataset(where)
            return
    if figure["kind"] in EXPLAINED:
        yield from _explained(study, where, figure)
        return
    yield from _arms_shown(study, where, figure)
    if figure["kind"] == "usefulness":
        yield from _usefulness(study, where, figure)


def _explained(study: Study, where: str, figure: Mapping[str, Any]) -> Iterator[Problem]:
    keys = (*ARM, "explainer")
    yield from _shown(where, figure, keys, _rows(study.content["explanations"], keys), "explanations")
    kind = study.of["explainers"][figure["explainer"]]["kind"]
    if kind != figure["kind"]:
        yield f"{where}.explainer", f"{figure['explainer']} is of kind {kind}; name one of kind {figure['kind']}"


def _no_dataset(where: str) -> Problem:
    return f"{where}.dataset", "missing key; add it, for the study's runs do not have one data set only"


def _arms_shown(study: Study, where: str, view: Mapping[str, Any]) -> Iterator[Problem]:
    for key in ("training_set", "ladder", "beside", "baseline"):
        if view.get(key):
            yield from (
                (f"{where}.{key}" if at.endswith(".training_set") else at, text)
                for at, text in _shown(where, {**view, "training_set": view[key]}, ARM, study.arms, "runs")
            )


def _ranking(study: Study, where: str, table: Mapping[str, Any]) -> Iterator[Problem]:
    """A ranking has one training set for each pool, and an extractor that knows nothing of the data set."""
    table = {**table, "dataset": study.dataset_of(table)}
    if not table["dataset"]:
        yield _no_dataset(where)
        return
    extractor = table["extractor"]
    if study.of["extractors"][extractor]["kind"] == "classifier":
        problem = f"{extractor} was trained on the data set, which favours what it was trained for; name another kind"
        yield f"{where}.extractor", problem
    yield from _arms_shown(study, where, table)
    yield from _usefulness(study, where, table)
    users: dict[str, str] = {}
    for name in table["training_set"]:
        pool = study.of["training_sets"][name]["pool"]
        other = users.setdefault(pool, name)
        if other != name:
            yield f"{where}.training_set", f"{other} and {name} both use pool {pool}; name one training set a pool"


def _usefulness(study: Study, where: str, view: Mapping[str, Any]) -> Iterator[Problem]:
    for training_set in view["training_set"]:
        yield from _pair(study, where, view, training_set)
        yield from _scored(study, where, view, training_set)


def _scored(study: Study, where: str, figure: Mapping[str, Any], training_set: str) -> Iterator[Problem]:
    """The pool that a training set draws on has scores by one extractor."""
    dataset, pool = figure["dataset"], study.of["training_sets"][training_set].get("pool")
    if not pool:
        yield f"{where}.training_set", f"{training_set} has no generated images; leave it out"
        return
    if "filter" in study.of["training_sets"][training_set]:
        yield f"{where}.training_set", f"{training_set} is filtered, and scores are of whole pools; leave it out"
        return
    rows = _rows(study.content["scores"], POOL)
    extractors = sorted({row[2] for row in rows if row[:2] == (dataset, pool)})
    if not extractors:
        yield f"{where}.training_set", f"pool {pool} of {training_set} is not scored on {dataset}; add it to scores"
    elif "extractor" not in figure and len(extractors) > 1:
        yield f"{where}.extractor", f"missing key; add it, pool {pool} is scored by {listing(extractors)}"
    elif figure.get("extractor", extractors[0]) not in extractors:
        yield f"{where}.extractor", f"pool {pool} is not scored by {figure['extractor']}; add it to scores"
    else:
        row = (dataset, pool, figure.get("extractor", extractors[0]))
        yield from _computed(where, figure, [each for each in study.content["scores"] if row in _rows([each], POOL)])
