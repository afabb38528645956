"""The pieces of work that a job consists of, each kept in the store under a digest of its own."""

from typing import Any

from synthmix.spec import digest


def units(spec: dict[str, Any]) -> list[str] | None:
    """Digests of the store's entries that a job makes or finds; None for a stage whose results are not kept there.

    spec: of the job. A training job has an entry for each run, a generator or shard for each of its seeds (or one for
    all), a detector for each seed, and a test or an explanation one for each network that it looks at.
    """
    stage = spec["entries"][0].removesuffix(".py")
    keys = spec.get("keys") or {}
    if stage in ("train", "evaluate"):
        runs = [key for seeds in keys.values() for key in seeds.values()]
        return runs if stage == "train" else [tested(key, spec["code"]) for key in runs]
    if stage == "explain":
        looked = {"explainer": spec["explainer"], "code": spec["code"]}
        return [digest({"explained": key, **looked}) for seeds in keys.values() for key in seeds.values()]
    if stage in ("train_generator", "generate", "train_extractor", "detect"):
        return list(keys.values()) if keys else [digest(spec)]
    return None


def tested(key: str, code: str) -> str:
    """Digest of the entry that keeps what a trained network (the key of its run) said of the test split."""
    return digest({"tested": f"{key}-{code}"})


def corrupted(spec: dict[str, Any]) -> list[str]:
    """Digests of the entries of a test on corrupted images, one for each network in the order of the spec.

    It stands beside `units`, whose text is part of every job's code digest.
    """
    looked = {"corruption": spec["corruption"], "code": spec["code"]}
    return [digest({"corrupted": key, **looked}) for seeds in spec["keys"].values() for key in seeds.values()]


def every(spec: dict[str, Any]) -> list[str] | None:
    """What `units` says, and what it does not know; for commands and plans, not for jobs."""
    return corrupted(spec) if spec["entries"][0] == "corrupt.py" else units(spec)
