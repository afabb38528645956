"""The pieces of work that a job consists of, each kept in the store under a digest of its own.

What a data set holds is known only when it has been prepared: a file or a branch of the hub may change under the same
spec. So the store tells entries apart by the content of the prepared data, too.
"""

from collections.abc import Mapping
from typing import Any

from synthmix.spec import digest

# Stages that look at trained networks: what an entry is called, and the part of the spec that says how they look.
LOOKED = {"explain": ("explained", "explainer"), "corrupt": ("corrupted", "corruption")}


def units(spec: dict[str, Any]) -> list[str] | None:
    """Digests of the pieces of work that a job makes or finds; None for a stage whose results are not in the store.

    spec: of the job. A training job has a piece for each run, a generator or shard for each of its seeds (or one for
    all), a detector for each seed, and a test, an explanation or corrupted images one for each network that meets them.
    """
    stage = spec["entries"][0].removesuffix(".py")
    keys = spec.get("keys") or {}
    if stage in ("train", "evaluate"):
        runs = [key for seeds in keys.values() for key in seeds.values()]
        return runs if stage == "train" else [tested(key, spec["code"]) for key in runs]
    if stage in LOOKED:
        name, how = LOOKED[stage]
        looked = {how: spec[how], "code": spec["code"]}
        return [digest({name: key, **looked}) for seeds in keys.values() for key in seeds.values()]
    if stage in ("train_generator", "generate", "train_extractor", "detect"):
        return list(keys.values()) if keys else [digest(spec)]
    return None


def tested(key: str, code: str) -> str:
    """Digest of what a trained network (the key of its run) said of the test split."""
    return digest({"tested": f"{key}-{code}"})


def content(meta: Mapping[str, Any]) -> str:
    """Digest of what a prepared data set holds, by its meta.json: images, labels, classes and sizes of the splits."""
    return digest({"images": meta["source"]["sha256"], "classes": meta["classes"], "counts": meta["counts"]})


def entry(unit: str, data: str) -> str:
    """Name of the store's entry of a piece of work that was made from data of some `content`."""
    return f"{unit}-{data}"


def entries(spec: dict[str, Any], meta: Mapping[str, Any]) -> list[str] | None:
    """Names of the store's entries of a job's pieces of work; None for a stage whose results are not in the store."""
    wanted = units(spec)
    return None if wanted is None else [entry(unit, content(meta)) for unit in wanted]
