"""Checks of filters: each agrees with its extractor, and with the pools and training sets that it is used for."""

from collections.abc import Iterator

from synthmix.checks.study import Definition, Problem, Study

EXTRACTORS = {"confidence": "classifier", "clip_score": "clip"}  # kinds of filters that need one kind of extractor


def filters(study: Study) -> Iterator[Problem]:
    """Filters can be computed, and keep enough of every pool that they are used for."""
    for name, own in study.of["filters"].items():
        for key, text in _filter(study, own):
            yield f"filters.{name}.{key}", text
    for name, used in study.of["training_sets"].items():
        if "filter" in used:
            for key, text in _training_set(study, used):
                yield f"training_sets.{name}.{key}", text


def _filter(study: Study, own: Definition) -> Iterator[Problem]:
    if own["keep"] > own["among"]:
        yield "keep", f"{own['keep']} images per class of {own['among']} (among); lower it, or raise among"
    extractor = study.of["extractors"][own["extractor"]]
    kind, wanted = extractor["kind"], EXTRACTORS.get(own["kind"])
    if wanted and kind != wanted:
        suited = [name for name, each in study.of["extractors"].items() if each["kind"] == wanted]
        remedy = f"name {' or '.join(suited)}" if suited else "define one"
        yield "extractor", f"{own['extractor']} is of kind {kind}, and {own['kind']} needs kind {wanted}; {remedy}"
    if "train_on" in extractor and own["kind"] != "confidence":
        yield "extractor", trained_by_seed(own["extractor"])


def trained_by_seed(extractor: str) -> str:
    """The problem of an extractor that is trained per seed where one network has to serve all images."""
    return f"{extractor} is trained per seed (train_on), and is for filters of kind confidence only; name another"


def _training_set(study: Study, used: Definition) -> Iterator[Problem]:
    name = used["filter"]
    own = study.of["filters"][name]
    if "synthetic" not in used:
        yield "filter", "needs synthetic (images per class); add it, or delete this key"
        return
    if "draw_from" in used:
        yield "draw_from", f"given beside filter: each seed draws from the {own['keep']} that it keeps; delete it"
    if isinstance(used["synthetic"], int) and used["synthetic"] > own["keep"]:
        count = f"{used['synthetic']} images per class, but filter {name} keeps {own['keep']}"
        yield "synthetic", f"{count}; lower it, or raise filters.{name}.keep"
    pool = used["pool"]
    definition = study.of["pools"][pool]
    if own["among"] > definition["per_class"]:
        count = f"{name} chooses among {own['among']} images per class, but pool {pool} has {definition['per_class']}"
        yield "filter", f"{count}; lower filters.{name}.among, or raise pools.{pool}.per_class"
    few, other = study.of["extractors"][own["extractor"]].get("train_on"), study.per_seed(pool)
    if few and few != other:
        has = f"train_on: {{real: {other['real']}}}" if other else "no train_on"
        each = f"{name} ranks each seed's images by a classifier with train_on: {{real: {few['real']}}}"
        yield "filter", f"{each}, and the generator of pool {pool} has {has}; name a pool of one with the same"
    generator = study.of["generators"][definition["generator"]]
    if own["kind"] == "clip_score" and "template" not in own:
        problem = f"{name} compares with prompts, and pool {pool} has"
        if generator["kind"] == "ddpm":
            yield "filter", f"{problem} none; add filters.{name}.template"
        if "textual_inversion" in generator:
            yield "filter", f"{problem} words that CLIP does not know; add filters.{name}.template"
