"""The pieces of work that a job consists of, each kept in the store under a digest of its own."""

from typing import Any

from synthmix.spec import digest

# Stages that look at trained networks: what an entry is called, and the part of the spec that says how they look.
LOOKED = {"explain": ("explained", "explainer"), "corrupt": ("corrupted", "corruption")}


def units(spec: dict[str, Any]) -> list[str] | None:
    """Digests of the store's entries that a job makes or finds; None for a stage whose results are not kept there.

    spec: of the job. A training job has an entry for each run, a generator or shard for each of its seeds (or one for
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
    """Digest of the entry that keeps what a trained network (the key of its run) said of the test split."""
    return digest({"tested": f"{key}-{code}"})
