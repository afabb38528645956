"""What made a run: the specs of its training and test, and of the data, generator, pool and filter behind it."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from synthmix import records
from synthmix.planning import changes
from synthmix.planning.changes import Definitions
from synthmix.spec import canonical, digest

Spec = dict[str, Any]
Run = tuple[str, str, str, str, int]  # dataset, training set, model, recipe, seed: the columns experiments.RUN
UPSTREAM = ("prepare_data", "train_generator", "generate", "filter")  # stages before a training


@dataclass
class Jobs:
    """Specs of jobs by stage and name, such as "train/digits/shot3/cnn/cnn-steps/seeds0-5".

    codes: the definitions behind digests of code, where they are not among the records of this folder.
    """

    specs: dict[str, Spec] = field(default_factory=dict)
    codes: dict[str, Definitions] = field(default_factory=dict)

    @classmethod
    def recorded(cls, stages: Iterable[str] = UPSTREAM) -> "Jobs":
        """The specs that made the results of some stages which are in this folder."""
        found = {stage: records.of_stage(stage) for stage in stages}
        return cls({f"{stage}/{name}": each.spec for stage, named in found.items() for name, each in named.items()})

    @cached_property
    def _below(self) -> dict[str, dict[str, Spec]]:
        found: dict[str, dict[str, Spec]] = defaultdict(dict)
        for name, spec in self.specs.items():
            parts = name.split("/")
            for depth in range(1, len(parts)):
                found["/".join(parts[:depth])]["/".join(parts[depth:])] = spec
        return found

    def below(self, path: str) -> dict[str, Spec]:
        """The specs of all jobs below a path, such as "generate/digits/ddpm", by the rest of their names."""
        return self._below.get(path, {})

    def definitions(self, spec: Mapping[str, Any]) -> Definitions | None:
        """The definitions behind the code of a spec, None where nobody recorded them."""
        return self.codes.get(spec["code"]) or records.definitions(spec["code"])

    def job(self, stage: str, run: Run, bundle: str) -> Spec | None:
        """The spec of the job of a stage (train, evaluate) that a run belongs to, None where nobody recorded it."""
        dataset, training_set, model, recipe, seed = run
        for spec in self.below(f"{stage}/{dataset}/{bundle}/{model}/{recipe}").values():
            if str(seed) in spec["keys"].get(training_set, {}):
                return spec
        return None

    def of_run(self, run: Run, bundle: str) -> dict[str, dict[str, Spec]]:
        """The specs behind one run, by what they make and the rest of the job's name; empty where nobody recorded them.

        That of the training holds what concerns this run alone.
        """
        dataset, training_set, _, _, seed = run
        job, test = self.job("train", run, bundle), self.job("evaluate", run, bundle)
        if job is None:
            return {}
        if test and test["keys"][training_set][str(seed)] != job["keys"][training_set][str(seed)]:
            return {}  # trained again and not tested yet: the metrics are those of the network before
        used = job["training_sets"][training_set]
        own = {key: value for key, value in job.items() if key != "training_sets"}
        found = {"": {"": {**own, "training_set": used, "keys": {"run": job["keys"][training_set][str(seed)]}}}}
        if test:
            found["test"] = {"": {"code": test["code"], "entries": test["entries"]}}
        found["data"] = {"": data} if (data := self.specs.get(f"prepare_data/{dataset}")) else {}
        if pool := used.get("pool"):
            found["pool"] = self.below(f"generate/{dataset}/{pool}")
            generators = {shard.get("upstream", {}).get("generator") for shard in found["pool"].values()}
            trained = self.below(f"train_generator/{dataset}").items()
            found["generator"] = {
                name.rpartition("/")[2]: spec for name, spec in trained if digest(canonical(spec)) in generators
            }
            if chosen := used.get("filter"):
                kept = self.below(f"filter/{dataset}/{pool}").items()
                found["filter"] = {
                    group: spec for name, spec in kept for group, _, of in [name.rpartition("/")] if of == chosen
                }
        return found

    def key(self, run: Run, bundle: str) -> str | None:
        """Digest of all that a run's trained network depends on, None where nobody recorded it."""
        job = self.job("train", run, bundle)
        return None if job is None else str(job["keys"][run[1]][str(run[4])])


def differences(one: Jobs, other: Jobs, run: tuple[Run, str], against: tuple[Run, str]) -> list[str] | None:
    """What differs between what made two runs, each with its bundle: one line each, as `make plan` says it.

    None where nobody recorded what made one of them. What runs read differs only where nothing else is told.
    """
    then, now = one.of_run(*run), other.of_run(*against)
    if not (then and now):
        return None

    def definitions(spec: Mapping[str, Any]) -> Definitions | None:
        return one.definitions(spec) or other.definitions(spec)

    lines: dict[str, None] = {}  # each once, in order
    for part in now:
        for name in sorted(now[part].keys() & then.get(part, {}).keys()):
            for line in changes.differences(then[part][name], now[part][name], definitions):
                # a function is named once, whatever stages use it
                alone = not part or line.startswith("code: ") or line == changes.READS
                lines[line if alone else f"{part}.{line}"] = None
    told = [line for line in lines if line != changes.READS]
    return told or list(lines)
