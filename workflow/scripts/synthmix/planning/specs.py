"""The spec of every job: canonical JSON of exactly what its result depends on.

A spec holds the definitions that the job uses, its seeds, the digests of the specs upstream and the digest of the code
that it runs. Snakemake compares specs as text; the store knows results by their digests. Names of definitions are left
out of what identifies a trained network, so that renaming one trains nothing.
"""

from collections.abc import Iterable
from functools import cache as memoised
from functools import cached_property, partial
from typing import Any

from synthmix import layout
from synthmix.planning import few_shot, initial_weights, kinds, seen
from synthmix.planning.plan import Definition, Job, Jobs, Plan, members
from synthmix.spec import canonical, digest

DETECTORS = 5  # seeds of a detection


class Specs:
    """Specs of the jobs of one plan, made on demand."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.of = plan, plan.definitions
        # Memoised per plan: thousands of runs share a few data sets, generators and shards.
        self.data = memoised(self._data)
        self.generator = memoised(self._generator)
        self.shard = memoised(self._shard)
        self.extractor = memoised(self._extractor)
        self.reference = memoised(self._reference)
        self.filter = memoised(self._filter)
        self.few_shot_key = memoised(self._few_shot_key)
        self.run_key = memoised(self._run_key)

    def _spec(self, *entries: str, **parts: Any) -> str:
        return canonical({**parts, "entries": entries, "code": self.plan.codes[",".join(entries)]})

    def _data(self, dataset: str) -> str:
        """Spec of prepare_data."""
        definition = self.of["datasets"][dataset]
        entry = f"synthmix/sources/{definition['source']}.py"
        return self._spec("prepare_data.py", entry, name=dataset, dataset=definition)

    def _seeds(self, dataset: str, generator: str, group: str, seed: int | None) -> list[int] | None:
        """The seeds of a group, or the given one alone; None for a group of all seeds."""
        if not group.startswith("seeds"):
            return None
        return self.plan.group_seeds(dataset, generator, group) if seed is None else [seed]

    def _generator(self, dataset: str, name: str, group: str, seed: int | None = None) -> str:
        """Spec of train_generator; with a seed, of that seed's generator alone."""
        seeds = self._seeds(dataset, name, group, seed)
        keys = None
        if seeds and seed is None:
            keys = {each: digest(self.generator(dataset, name, group, each)) for each in seeds}
        return self._spec(
            *kinds.entries_of(self.of["generators"][name])[1],
            generator=kinds.training(self.of["generators"][name]),
            seeds=seeds,
            keys=keys,
            upstream={"data": digest(self.data(dataset))},
        )

    def _shard(self, dataset: str, pool: str, group: str, index: int, seed: int | None = None) -> str:
        """Spec of generate for one shard; with a seed, of that seed's images in it."""
        definition = self.of["pools"][pool]
        name, generator = definition["generator"], self.plan.generator_of(pool)
        seeds = self._seeds(dataset, name, group, seed)
        keys = None
        if seeds and seed is None:
            keys = {each: digest(self.shard(dataset, pool, group, index, each)) for each in seeds}
        upstream = {}
        if kinds.trainer(generator):
            own = group if group.startswith("seeds") else "all"
            upstream["generator"] = digest(self.generator(dataset, name, own, seed))
        if generator["kind"] != "ddpm":  # the spec of a trained network holds the digest of its data
            upstream["data"] = digest(self.data(dataset))
        return self._spec(
            *kinds.entries_of(generator)[0],
            sampling=_without(definition, "generator", "per_class"),
            network=kinds.network(generator),
            shard=index,
            seeds=seeds,
            keys=keys,
            upstream=upstream,
            **kinds.drawing(generator, definition, group, index),
        )

    def _shards(self, dataset: str, pool: str, paths: Iterable[str]) -> list[str]:
        return [digest(self.shard(dataset, pool, *layout.shard_name(path))) for path in paths]

    def _filter(self, dataset: str, pool: str, group: str, name: str, seed: int | None = None) -> str:
        """Spec of filter for one group of a pool; with a seed, of that seed's images alone."""
        definition = self.of["filters"][name]
        extractor = self._of_extractor(definition["extractor"])
        shards = map(layout.shard_name, self.plan.filter_shards(dataset, pool, group, name))
        seeds = self._seeds(dataset, self.of["pools"][pool]["generator"], group, seed)
        kind, trained = f"synthmix/filters/{definition['kind']}.py", definition["extractor"]
        entries: tuple[str, ...] = ("filter.py", kind, _extractor_file(extractor))
        upstream: Any = None
        if self.plan.by_seed(name):
            entries = ("filter_by_seed.py", kind)
            upstream = {each: self.few_shot_key(dataset, trained, each) for each in seeds or ()}
        return self._spec(
            *entries,
            selection=_without(definition, "extractor"),
            extractor=extractor,
            seeds=seeds,
            upstream={
                "data": digest(self.data(dataset)),
                "extractor": upstream or digest(self.extractor(dataset, trained)),
                "shards": [digest(self.shard(dataset, pool, *each, seed)) for each in shards],
            },
        )

    def few_shot(self, dataset: str, extractor: str, group: str) -> str:
        """Spec of train_extractor_by_seed: the runs of one training set for a group of seeds."""
        seeds = members(group, self.plan.extractor_seeds[dataset, extractor])
        keys = {few_shot.NAME: {seed: self.few_shot_key(dataset, extractor, seed) for seed in seeds}}
        train_on = self.of["extractors"][extractor]["train_on"]
        return self._few_shot(dataset, extractor, training_sets={few_shot.NAME: train_on}, keys=keys)

    def _few_shot_key(self, dataset: str, extractor: str, seed: int) -> str:
        """Digest of all that the classifier of one seed behind a filter depends on."""
        train_on = self.of["extractors"][extractor]["train_on"]
        return digest(self._few_shot(dataset, extractor, training_set=train_on, seed=seed))

    def _few_shot(self, dataset: str, extractor: str, **which: Any) -> str:
        definition, upstream = self.of["extractors"][extractor], {"data": digest(self.data(dataset))}
        return self._spec(*few_shot.entries(definition), **few_shot.training(definition), **which, upstream=upstream)

    def _run_key(self, dataset: str, training_set: str, model: str, recipe: str, seed: int) -> str:
        """Digest of all that one trained classifier depends on."""
        used = self.of["training_sets"][training_set]
        shards = []
        for pool, per_class in self.plan.needed(training_set):
            own = seed if self.plan.generator_of(pool).get("train_on") else None
            names = map(layout.shard_name, self.plan.shards(dataset, pool, per_class, [seed]))
            shards.append([digest(self.shard(dataset, pool, group, index, own)) for group, index in names])
        kept = None
        if used.get("filter"):
            own = seed if self.plan.generator_of(used["pool"]).get("train_on") else None
            (group,) = self.plan.groups(dataset, used["pool"], [seed])
            kept = digest(self.filter(dataset, used["pool"], group, used["filter"], own))
        monitor = _without(used["monitor"], "pool") if used.get("monitor") else None
        spec = self._spec(
            *kinds.training_files(self.of["models"][model], [used]),
            training_set={**_without(used, "pool", "filter"), "monitor": monitor},
            model=initial_weights.identity(self.of["models"][model]),
            recipe=_without(self.of["recipes"][recipe], "seeds_per_job"),
            seed=seed,
            upstream={"data": digest(self.data(dataset)), "shards": shards, "kept": kept},
        )
        return digest(spec)

    def _of_extractor(self, name: str) -> Definition:
        return initial_weights.identity(self.of["extractors"][name])

    def _architecture(self, model: str) -> str:
        return f"synthmix/models/{self.of['models'][model]['architecture']}.py"

    def _job(self, job: Job, training_sets: Iterable[str], jobs: Jobs | None = None) -> Definition:
        """What the specs of training and testing one job have in common: the key of every run, the model, the data."""
        key, seeds = partial(self.run_key, job.dataset), (jobs or self.plan.tested)[job]
        keys = {
            name: {seed: key(name, job.model, job.recipe, seed) for seed in sorted(seeds[name])}
            for name in training_sets
        }
        return {
            "model": self.of["models"][job.model],
            "keys": keys,
            "upstream": {"data": digest(self.data(job.dataset))},
        }

    def train(self, job: Job) -> str:
        """Spec of train."""
        sets = {name: self.of["training_sets"][name] for name in self.plan.jobs[job]}
        recipe = _without(self.of["recipes"][job.recipe], "seeds_per_job")
        entries = kinds.training_files(self.of["models"][job.model], sets.values())
        return self._spec(*entries, training_sets=sets, recipe=recipe, **self._job(job, sets, self.plan.jobs))

    def evaluate(self, job: Job) -> str:
        """Spec of evaluate."""
        about = {name: seen.who_saw_what(self.plan, name) for name in self.plan.tested[job]}
        parts = self._job(job, about)
        return self._spec("evaluate.py", self._architecture(job.model), names=job._asdict(), about=about, **parts)

    def cross_test(self, job: Job, training_set: str, pool: str) -> str:
        """Spec of cross_test: the runs of one training set in a job, on the images of a pool."""
        parts = self._job(job, [training_set])
        parts["upstream"]["shards"] = self._shards(job.dataset, pool, self.plan.pool_shards(job.dataset, pool))
        per_class = self.of["pools"][pool]["per_class"]
        architecture = self._architecture(job.model)
        return self._spec("cross_test.py", architecture, names=job._asdict(), pool=pool, per_class=per_class, **parts)

    def explain(self, job: Job, training_set: str, explainer: str) -> str:
        """Spec of explain: the runs of one training set in a job, under one explainer."""
        definition = self.of["explainers"][explainer]
        entries = ("explain.py", self._architecture(job.model), f"synthmix/explainers/{definition['kind']}.py")
        return self._spec(*entries, explainer=definition, **self._job(job, [training_set]))

    def _extractor(self, dataset: str, name: str) -> str:
        """Spec of train_extractor."""
        definition = _without(self._of_extractor(name), "precision")
        upstream = {"data": digest(self.data(dataset))}
        return self._spec("train_extractor.py", _extractor_file(definition), extractor=definition, upstream=upstream)

    def _reference(self, dataset: str, extractor: str) -> str:
        """Spec of reference: the real images of a data set under one extractor."""
        definition = self._of_extractor(extractor)
        return self._spec(
            "reference.py",
            _extractor_file(definition),
            extractor=definition,
            extractor_name=extractor,
            upstream={"data": digest(self.data(dataset)), "extractor": digest(self.extractor(dataset, extractor))},
        )

    def score(self, dataset: str, pool: str, extractor: str, n: int) -> str:
        """Spec of score: the first n images per class of a pool under one extractor."""
        metrics = self.plan.metrics(dataset, pool, extractor, n)
        real = {"reference": digest(self.reference(dataset, extractor))}
        return self._under_extractor("score.py", dataset, pool, extractor, n, real, metrics=metrics)

    def audit(self, dataset: str, pool: str, extractor: str, n: int) -> str:
        """Spec of audit: the first n images per class of a pool, in pixels and under one extractor."""
        real = {"data": digest(self.data(dataset)), "extractor": digest(self.extractor(dataset, extractor))}
        return self._under_extractor("audit.py", dataset, pool, extractor, n, real)

    def _under_extractor(
        self, script: str, dataset: str, pool: str, extractor: str, n: int, upstream: Definition, **more: Any
    ) -> str:
        definition = self._of_extractor(extractor)
        shards = self._shards(dataset, pool, self.plan.shards(dataset, pool, n))
        return self._spec(
            script,
            _extractor_file(definition),
            dataset=dataset,
            pool=pool,
            n=n,
            extractor=definition,
            extractor_name=extractor,
            upstream={**upstream, "shards": shards},
            **more,
        )

    def detect(self, dataset: str, pool: str, n: int) -> str:
        """Spec of detect: the first n images per class of a pool against val."""
        shards = self._shards(dataset, pool, self.plan.shards(dataset, pool, n))
        upstream = {"data": digest(self.data(dataset)), "shards": shards}
        keys = {seed: digest(self._spec("detect.py", n=n, seed=seed, upstream=upstream)) for seed in range(DETECTORS)}
        return self._spec("detect.py", dataset=dataset, pool=pool, n=n, keys=keys, upstream=upstream)

    # ---- what belongs to one study -----------------------------------------------------------------------------------

    @cached_property
    def _studies(self) -> dict[str, Definition]:
        """Per study: the runs that it asks for, by job folder, and a digest of their evaluations."""
        upstream = {}
        for study in self.plan.studies:
            jobs = self.plan.study_jobs(study)
            runs: dict[str, dict[str, list[int]]] = {layout.job_folder(job): {} for job in jobs}
            for run in self.plan.runs[study]:
                runs[layout.job_folder(run.job)].setdefault(run.training_set, []).append(run.seed)
            upstream[study] = {"runs": runs, "upstream": digest([self.evaluate(job) for job in jobs])}
        return upstream

    def experiments(self, study: str) -> str:
        """Spec of experiments."""
        return self._spec("experiments.py", **self._studies[study])

    def comparisons(self, study: str) -> str:
        """Spec of comparisons."""
        definition = self.plan.studies[study]
        chosen = {key: definition.get(key) for key in ("primary", "comparisons", "metric")}
        return self._spec("comparisons.py", upstream=self._studies[study]["upstream"], **chosen)

    def table(self, study: str, name: str) -> str:
        """Spec of one table."""
        return self._view("table", study, name, published=self.plan.studies[study].get("published"))

    def figure(self, study: str, name: str) -> str:
        """Spec of one figure."""
        return self._view("figure", study, name)

    def _view(self, stage: str, study: str, name: str, **more: Any) -> str:
        definition = self.plan.studies[study][f"{stage}s"][name]
        entry = f"synthmix/{stage}s/{definition['kind']}.py"
        runs = [{**run.job._asdict(), "training_set": run.training_set} for run in self.plan.runs[study]]
        axes = ("dataset", "training_set", "model", "recipe")
        order = {axis: list(dict.fromkeys(run[axis] for run in runs)) for axis in axes}
        return self._spec(f"{stage}.py", entry, name=name, view=definition, order=order, **more)


def _without(definition: Definition, *keys: str) -> Definition:
    return {key: value for key, value in definition.items() if key not in keys}


def _extractor_file(extractor: Definition) -> str:
    return f"synthmix/extractors/{extractor['kind']}.py"
