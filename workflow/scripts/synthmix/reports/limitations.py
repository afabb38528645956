"""What the numbers of a study cannot show, derived from its definitions and results."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from synthmix.analysis.statistics import holm
from synthmix.experiments import arms, constant
from synthmix.planning import initial_weights, kinds
from synthmix.reports.formatting import count, p_value
from synthmix.tables.accuracy import FEW_SHOT, FEWER, FINE_TUNED, IMBALANCED, scope

LEVEL = 0.05
Meta = Mapping[str, Any]  # of a data set: its meta.json


def limitations(
    spec: Mapping[str, Any], meta: Sequence[Meta], experiments: pd.DataFrame | None, comparisons: pd.DataFrame | None
) -> list[str]:
    """One sentence or two for each limitation.

    Args:
        spec: of the report (see reports.contents).
        meta: of each data set.
        experiments, comparisons: of the study; None for one without runs.
    """
    found = [*_data(meta), *_generators(spec["definitions"], experiments)]
    if experiments is not None:
        found += [
            *_seeds(experiments, comparisons),
            *_few_shot(experiments, meta),
            *_training(spec),
            *_imbalance(spec, experiments),
        ]
    return [*found, *_published(spec["published"])]


def _seeds(experiments: pd.DataFrame, comparisons: pd.DataFrame | None) -> Iterator[str]:
    seeds = sorted({len(runs) for _, runs in arms(experiments)})
    if seeds[-1] == 1:
        yield "Training sets have one seed: there are no intervals, and what is luck is not known."
    else:
        words = f"{seeds[0]}" if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"
        yield f"Training sets have {words} seeds: intervals are wide, and those that resample seeds too narrow."
    family = comparisons[~comparisons["primary"].astype(bool)] if comparisons is not None else pd.DataFrame()
    if len(family):
        most = int(family["n"].max())
        least = holm(family["p_min"])  # corrected, if all reach the smallest p that their seeds can
        hopeless = int((least >= LEVEL).sum())
        if hopeless == len(family):
            compared = "comparison is" if len(family) == 1 else "comparisons are"
            yield (
                f"{len(family)} {compared} corrected for, and {most} {'seed reaches' if most == 1 else 'seeds reach'} "
                f"p = {p_value(least.min())} then at best: none can be significant at 5 %; intervals can be read."
            )
        elif hopeless:
            have = "has" if hopeless == 1 else "have"
            yield (
                f"Of the {len(family)} comparisons that are corrected for, {hopeless} {have} too few seeds to be "
                "significant at 5 % then; intervals can be read."
            )
    yield "All comparisons on a data set share its one test split: they go wrong together where it is unusual."


def _few_shot(experiments: pd.DataFrame, meta: Sequence[Meta]) -> Iterator[str]:
    train = {each["name"]: sum(each["counts"]["train"].values()) for each in meta}
    names = [
        arm.training_set
        for arm, runs in arms(experiments)
        if scope(runs) in (FEW_SHOT, FEWER)
        or (scope(runs) == FINE_TUNED and 0 < (constant(runs, "real_images") or 0) < train[arm.dataset])
    ]
    if names:
        yield (
            f"Behind {_named(names)} stands a full-data generator: it saw more real images than the classifier. These "
            "are no results of so few real images."
        )
    filtered = experiments[experiments["filter"].notna()] if "filter" in experiments else experiments[:0]
    more = filtered[~(filtered["filter_real_images"] <= filtered["real_images"])] if len(filtered) else filtered
    if len(more):
        names = list(more["training_set"])
        yield f"The filters behind {_named(names)} saw more real images than the classifier, or unknown ones."


def _generators(used: Mapping[str, Any], experiments: pd.DataFrame | None) -> Iterator[str]:
    generators: Mapping[str, Any] = used["generators"]
    once = [name for name, each in generators.items() if kinds.trainer(dict(each)) and not each.get("train_on")]
    if once and experiments is not None:
        yield f"{_named(once)}: trained once. Intervals say nothing of how another training of it would do."
    unknown = [name for name, each in generators.items() if kinds.scope(dict(each)) in ("unknown", "fine-tuned")]
    if unknown:
        yield f"What real images the makers of {_named(unknown)} trained on is unknown; test images may be among them."
    pretrained = [name for name, each in used["models"].items() if initial_weights.wanted(each)]
    pretrained += [name for name, each in used["extractors"].items() if each["kind"] != "classifier"]
    if pretrained:
        yield f"{_named(pretrained)}: published weights. The images behind them are in no count of real images."


def _data(meta: Sequence[Meta]) -> Iterator[str]:
    for each in meta:
        own = [split for split in ("val", "test") if each["splits"][split]["from"] == "train"]
        if "test" in own:
            yield f"The test split of `{each['name']}` is our own: values on a published split are not comparable."
        images = sum(each["counts"]["test"].values())
        rarest = min(each["counts"]["test"].values())
        yield f"`{each['name']}` is tested on {count(images)} images, {count(rarest)} of them of the rarest class."


def _training(spec: Mapping[str, Any]) -> Iterator[str]:
    recipes = spec["definitions"]["recipes"]
    by_val = [
        name for name, each in recipes.items() if each["checkpoint"] == "best-val" or each["schedule"] == "plateau"
    ]
    if by_val:
        yield f"Val takes part in training by {_named(by_val)}: it chooses weights or rates, and is no second test."
    epochs = [name for name, each in recipes.items() if each.get("epochs")]
    if epochs and len(spec["definitions"]["training_sets"]) > 1:
        yield f"By {_named(epochs)}, larger training sets get more steps: a gain there may be one of longer training."
    clock = [name for name, each in recipes.items() if (each.get("stop") or {}).get("max_seconds")]
    if clock:
        yield f"The clock may end trainings by {_named(clock)}: such runs cannot be reproduced."


def _imbalance(spec: Mapping[str, Any], experiments: pd.DataFrame) -> Iterator[str]:
    largest = experiments["class_ratio"].max() if "class_ratio" in experiments else 1
    if largest > IMBALANCED and spec.get("metric", "accuracy") == "accuracy":
        yield f"The largest class has {largest:.1f} times the images of the smallest: accuracy says little."


def _published(entries: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if not entries:
        return
    ours = sum(each.get("comparable") is True for each in entries)
    yield f"Of {len(entries)} published values, {ours or 'none'} can be compared with ours; tables give the reasons."


def _named(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in dict.fromkeys(names))
