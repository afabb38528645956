"""Which real images the generator and the filter behind a training set saw."""

from synthmix.planning import kinds
from synthmix.planning.plan import Definition, Plan


def who_saw_what(plan: Plan, training_set: str) -> Definition:
    """The pool and filter of a training set, and which real images its generator and its filter saw.

    The scope of a generator is that of `kinds.scope`. That of a filter is "train", "half" of it, "same" as its
    classifier, or absent: unknown. `generator_real` and `filter_real` are images per class where the scope is "same".
    """
    used = plan.definitions["training_sets"][training_set]
    pool, name = used.get("pool"), used.get("filter")
    if not pool:
        return {}
    generator = plan.generator_of(pool)
    train_on = generator.get("train_on")
    real = train_on["real"] if train_on else None
    seen = {"pool": pool, "generator_scope": kinds.scope(generator), "generator_real": real}
    return {**seen, "filter": name, **_filter(plan, name)} if name else seen


def _filter(plan: Plan, name: str) -> Definition:
    definition = plan.definitions["filters"][name]
    extractor = plan.definitions["extractors"][definition["extractor"]]
    if plan.by_seed(name):
        return {"filter_scope": "same", "filter_real": extractor["train_on"]["real"]}
    if definition["kind"] == "distance":
        return {"filter_scope": "train"}
    return {"filter_scope": "half" if extractor["kind"] == "classifier" else None}
