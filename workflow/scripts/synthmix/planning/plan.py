"""From configuration to runs, jobs, pools and targets: what Snakemake needs to know before the first job starts.

Imported by the Snakefile. No Snakemake, no numerical library: parsing must stay fast with thousands of runs.
"""

import itertools
import json
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from synthmix import code, files, layout
from synthmix.checks.results import USUAL_METRICS
from synthmix.checks.study import DEFINITIONS
from synthmix.exports import licences
from synthmix.planning import initial_weights, kinds, listings, searches
from synthmix.planning.configuration import missing_study, read_studies, read_yaml, validate_config
from synthmix.spec import digest

Definition = dict[str, Any]
ENVIRONMENT = "SYNTHMIX_PLAN"  # names the file of the frozen plan, for the jobs of one call of Snakemake


class Job(NamedTuple):
    """What Snakemake schedules: the runs of one bundle of training sets, for a block of seeds."""

    dataset: str
    bundle: str
    model: str
    recipe: str
    seeds: str  # "0" or "0-5": the block, of which perhaps only some seeds are wanted


class Run(NamedTuple):
    """One classifier: trained once, evaluated once."""

    job: Job
    training_set: str
    seed: int

    def named(self, names: Definition) -> bool:
        """Whether this run is among those that a mapping of dataset, training_set, model, recipe (lists) selects."""
        mine = {**self.job._asdict(), "training_set": self.training_set}
        keys = ("dataset", "training_set", "model", "recipe")
        return all(mine[key] in listed(names[key]) for key in keys if names.get(key) is not None)


Jobs = dict[Job, dict[str, set[int]]]  # job -> training set -> seeds


def listed(value: Any) -> list[Any]:
    """The value as a list: [] for None, itself for a list, [value] for anything else."""
    return [] if value is None else value if isinstance(value, list) else [value]


def block(seed: int, size: int) -> str:
    """Name of the block of `size` seeds that a seed lies in: "0-5"; "3" where a block is one seed."""
    first = seed // size * size
    return f"{first}-{first + size - 1}" if size > 1 else str(first)


def members(group: str, seeds: Iterable[int]) -> list[int]:
    """Those of the seeds that a group such as "seeds0-5" holds, ascending; none for a group of all seeds."""
    if not group.startswith("seeds"):
        return []
    first, _, last = group.removeprefix("seeds").partition("-")
    return sorted(seed for seed in seeds if int(first) <= seed <= int(last or first))


def _by_job(*runs: Iterable[Run]) -> Jobs:
    jobs: Jobs = {}
    for run in itertools.chain(*runs):
        jobs.setdefault(run.job, {}).setdefault(run.training_set, set()).add(run.seed)
    return jobs


class Plan:
    """Everything that the active studies ask for.

    Jobs that Snakemake starts in processes of their own read the plan that the first process wrote, whatever has been
    edited since: `Plan.read` leaves its file's name in the environment.
    """

    def __init__(self, config: Definition, studies: dict[str, Definition], codes: dict[str, str] | None = None) -> None:
        self.config, self.studies = config, studies
        self.definitions: dict[str, dict[str, Definition]] = {section: {} for section in DEFINITIONS}
        self.licences: dict[str, dict[str, Definition]] = {section: {} for section in DEFINITIONS}
        for study in studies.values():
            for section in DEFINITIONS:
                known, terms = licences.apart(study.get(section) or {})
                self.definitions[section].update(known)
                self.licences[section].update(terms)
        self.runs: dict[str, list[Run]] = {name: list(self._expand(study["runs"])) for name, study in studies.items()}
        # Of searches, which tables of their own show: those that are tested, and those that are trained for a choice.
        self.searched = {name: list(self._expand(searches.runs(study))) for name, study in studies.items()}
        self.choosing = {name: list(self._expand(searches.runs(study, True))) for name, study in studies.items()}
        self.tested = _by_job(*self.runs.values(), *self.searched.values())
        self.jobs = _by_job(*self.runs.values(), *self.searched.values(), *self.choosing.values())
        self.generator_seeds = self._generator_seeds()
        self.extractor_seeds = self._extractor_seeds()
        self.codes = codes or {",".join(each): code.digest(*each) for each in self._entries()}

    @classmethod
    def read(cls, config: Definition, root: Path, targets: Iterable[str] = ()) -> "Plan":
        """The plan of this call of Snakemake: frozen if this process was started by one, otherwise made and frozen.

        Args:
            config: what Snakemake read from config.yaml and --config.
            root: the folder of the Snakefile.
            targets: words of the command line; a study named there is active for this call.
        """
        if frozen := os.environ.get(ENVIRONMENT):
            return cls(**files.read_json(frozen))
        config = validate_config(config, "config.yaml")
        names = {path.stem for path in (root / "studies").glob("*.yaml")}
        named = [name for word in targets for name in (word, *word.split("/")[2:3]) if name in names]
        active = list(dict.fromkeys([*config["studies"], *named]))
        studies = initial_weights.checksummed(listings.listed(read_studies(root / "studies", active)))
        config = {**config, "places": initial_weights.places(studies)}
        plan = cls(config, studies)
        state = {"config": config, "studies": plan.studies, "codes": plan.codes}
        path = Path(".snakemake/synthmix").absolute() / f"{digest(state)}.json"
        files.write_text(path, json.dumps(state))
        os.environ[ENVIRONMENT] = str(path)
        return plan

    @classmethod
    def named(cls, root: Path, studies: Iterable[str]) -> "Plan":
        """The plan with studies that a command names; raises ConfigurationError, also for one without a file."""
        plan = cls.read(read_yaml(root / "config.yaml") or {}, root, studies)
        if unknown := set(studies) - set(plan.studies):
            raise missing_study(min(unknown), root / "studies", "no such file")
        return plan

    # ---- what is asked for ---------------------------------------------------------------------------------------

    def _expand(self, grids: Iterable[Definition]) -> Iterator[Run]:
        for grid in grids:
            axes = (grid["dataset"], grid["training_set"], grid["model"], grid["recipe"], grid["seeds"])
            for dataset, training_set, model, recipe, seed in itertools.product(*axes):
                size = self.definitions["recipes"][recipe]["seeds_per_job"]
                bundle = grid.get("bundle") or training_set
                yield Run(Job(dataset, bundle, model, recipe, block(seed, size)), training_set, seed)

    def _generator_seeds(self) -> dict[tuple[str, str], set[int]]:
        """(dataset, generator) -> the seeds of the classifiers that a generator trained per seed is made for."""
        seeds = defaultdict[tuple[str, str], set[int]](set)
        for job, training_sets in self.jobs.items():
            for training_set, own in training_sets.items():
                for pool in self._pools_of(training_set):
                    seeds[job.dataset, self.definitions["pools"][pool]["generator"]] |= own
        return seeds

    def _extractor_seeds(self) -> dict[tuple[str, str], set[int]]:
        """(dataset, extractor) -> the seeds of the generators whose images an extractor trained per seed ranks."""
        seeds = defaultdict[tuple[str, str], set[int]](set)
        for job, training_set in ((job, name) for job, training_sets in self.jobs.items() for name in training_sets):
            used = self.definitions["training_sets"][training_set]
            if used.get("filter") and self.by_seed(used["filter"]):
                extractor = self.definitions["filters"][used["filter"]]["extractor"]
                generator = self.definitions["pools"][used["pool"]]["generator"]
                seeds[job.dataset, extractor] |= self.generator_seeds[job.dataset, generator]
        return seeds

    def by_seed(self, filter_name: str) -> bool:
        """Whether a filter ranks the images of each seed by a classifier that was trained for this seed."""
        extractor = self.definitions["filters"][filter_name]["extractor"]
        return bool(self.definitions["extractors"][extractor].get("train_on"))

    def _pools_of(self, training_set: str) -> list[str]:
        used = self.definitions["training_sets"][training_set]
        return [pool for pool in (used.get("pool"), (used.get("monitor") or {}).get("pool")) if pool]

    def selected(self, study: str, names: Definition) -> list[Run]:
        """The runs of a study that a mapping of dataset, training_set, model, recipe selects."""
        return [run for run in self.runs[study] if run.named(names)]

    def generators_trained_by(self, trainer: str) -> list[str]:
        """Names of the generators that are trained in a way."""
        return [name for name, each in self.definitions["generators"].items() if kinds.trainer(each) == trainer]

    # ---- pools ---------------------------------------------------------------------------------------------------

    def generator_of(self, pool: str) -> Definition:
        """Definition of the generator that a pool is drawn from."""
        return self.definitions["generators"][self.definitions["pools"][pool]["generator"]]

    def groups(self, dataset: str, pool: str, seeds: Iterable[int] | None = None) -> list[str]:
        """The groups of a pool: "all"; one per class where each has prompts; or blocks of seeds, each its generator."""
        generator = self.generator_of(pool)
        if not generator.get("train_on"):
            return list(kinds.class_groups(generator)) or ["all"]
        wanted = self.generator_seeds[dataset, self.definitions["pools"][pool]["generator"]]
        blocks = {block(seed, generator["seeds_per_job"]): seed for seed in sorted(seeds if seeds else wanted)}
        return [f"seeds{name}" for name in blocks]

    def group_seeds(self, dataset: str, generator: str, group: str) -> list[int]:
        """The seeds of one group that are wanted; none for the group "all"."""
        return members(group, self.generator_seeds[dataset, generator])

    def shards(self, dataset: str, pool: str, per_class: int, seeds: Iterable[int] | None = None) -> list[str]:
        """Paths of the shards that hold the first `per_class` images of every class."""
        count = -(-per_class // self.definitions["pools"][pool]["shard_size"])
        groups = self.groups(dataset, pool, seeds)
        return [layout.shard(dataset, pool, group, index) for group in groups for index in range(count)]

    def needed(self, training_set: str) -> list[tuple[str, int]]:
        """(pool, images per class from its start) that a training set reads."""
        used = self.definitions["training_sets"][training_set]
        needs = []
        if used.get("filter"):
            needs.append((used["pool"], self.definitions["filters"][used["filter"]]["among"]))
        elif used.get("pool"):
            needs.append((used["pool"], used.get("draw_from") or used["synthetic"]))
        if monitor := used.get("monitor"):
            needs.append((monitor["pool"], monitor["first"] + monitor["per_class"]))
        return needs

    def job_shards(self, job: Job) -> list[str]:
        """Every shard that the runs of a job read."""
        paths = [
            path
            for training_set, seeds in self.jobs[job].items()
            for pool, per_class in self.needed(training_set)
            for path in self.shards(job.dataset, pool, per_class, seeds)
        ]
        return list(dict.fromkeys(paths))

    def filter_shards(self, dataset: str, pool: str, group: str, name: str) -> list[str]:
        """The shards that a filter chooses from, of one group of a pool."""
        paths = self.shards(dataset, pool, self.definitions["filters"][name]["among"])
        return [path for path in paths if layout.shard_name(path)[0] == group]

    def job_filters(self, job: Job) -> list[str]:
        """What filters keep of the pools that the runs of a job read: every such file."""
        paths = []
        for training_set, seeds in self.jobs[job].items():
            used = self.definitions["training_sets"][training_set]
            if used.get("filter"):
                names = {"dataset": job.dataset, "pool": used["pool"], "filter": used["filter"]}
                groups = self.groups(job.dataset, used["pool"], seeds)
                paths += [layout.FILTER.format(**names, group=group) for group in groups]
        return list(dict.fromkeys(paths))

    def pool_shards(self, dataset: str, pool: str) -> list[str]:
        """Every shard of a pool, at its declared size."""
        return self.shards(dataset, pool, self.size(pool))

    def size(self, pool: str) -> int:
        """Images per class that a pool is declared to hold."""
        return int(self.definitions["pools"][pool]["per_class"])

    def metrics(self, dataset: str, pool: str, extractor: str, n: int) -> list[str]:
        """The metrics of a score: all that active studies ask for; the usual ones of a score that none asks for."""
        names = {"dataset": dataset, "pool": pool, "extractor": extractor}
        wanted = {
            metric
            for study in self.studies.values()
            for entry in study["scores"]
            if entry["n"] == n and all(name in entry[key] for key, name in names.items())
            for metric in entry["metrics"]
        }
        return sorted(wanted or USUAL_METRICS)

    def study_jobs(self, study: str, names: Definition | None = None) -> list[Job]:
        """The training jobs behind the runs of a study that `names` selects."""
        return list(dict.fromkeys(run.job for run in self.selected(study, names or {})))

    def _entries(self) -> set[tuple[str, ...]]:
        """Every combination of entry files that the active studies' jobs run."""
        of = self.definitions
        alone = ("detect", "experiments", "comparisons", "report")
        entries: set[tuple[str, ...]] = {(f"{stage}.py",) for stage in alone}
        for dataset in of["datasets"].values():
            entries.add(("prepare_data.py", f"synthmix/sources/{dataset['source']}.py"))
        for generator in of["generators"].values():
            entries.update(kinds.entries_of(generator))
        for extractor in of["extractors"].values():
            if extractor.get("train_on"):  # trained as a run is, and for filters alone
                entries.add(("train.py", f"synthmix/models/{extractor['model']['architecture']}.py"))
                continue
            file = f"synthmix/extractors/{extractor['kind']}.py"
            entries |= {(f"{stage}.py", file) for stage in ("train_extractor", "reference", "score", "audit")}
        for name, chosen in of["filters"].items():
            kind, extractor = f"synthmix/filters/{chosen['kind']}.py", of["extractors"][chosen["extractor"]]["kind"]
            file = f"synthmix/extractors/{extractor}.py"
            entries.add(("filter_by_seed.py", kind) if self.by_seed(name) else ("filter.py", kind, file))
        for model in of["models"].values():
            file = f"synthmix/models/{model['architecture']}.py"
            entries |= {(f"{stage}.py", file) for stage in ("train", "evaluate", "cross_test")}
            kinds_of = {explainer["kind"] for explainer in of["explainers"].values()}
            entries |= {("explain.py", file, f"synthmix/explainers/{kind}.py") for kind in kinds_of}
            corruptions = [kinds.corruption_files(each) for each in of["corruptions"].values()]
            entries |= {("corrupt.py", file, *files) for files in corruptions}
        for job, training_sets in self.jobs.items():
            used = [of["training_sets"][name] for name in training_sets]
            for together in (used, *([each] for each in used)):  # a job's, and those of its runs
                entries.add(kinds.training_files(of["models"][job.model], together))
        entries |= {("corrupted_images.py", *kinds.corruption_files(each)) for each in of["corruptions"].values()}
        for study in self.studies.values():
            entries |= {("table.py", f"synthmix/tables/{each['kind']}.py") for each in study["tables"].values()}
            entries |= {("figure.py", f"synthmix/figures/{each['kind']}.py") for each in study["figures"].values()}
        return entries
