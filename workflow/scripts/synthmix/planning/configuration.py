"""config.yaml and the studies: read strictly, checked, with every default filled in.

Nothing heavy is imported here, for the Snakefile is parsed again by every job.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from synthmix.checks import order
from synthmix.checks.known import look_again
from synthmix.checks.results import OF_POOLS, USUAL_METRICS
from synthmix.checks.study import DEFINITIONS, JUDGED, ONE_DATASET, SWEEPS, Problem, Study, listed
from synthmix.images import drawn, prompts
from synthmix.planning import grouping, searches
from synthmix.planning.messages import ConfigurationError, file_name, listing, suggestion
from synthmix.planning.schema import expected, read_schema, validated
from synthmix.planning.yaml_reader import read_yaml

__all__ = [
    "ConfigurationError",
    "missing_study",
    "read_config",
    "read_studies",
    "read_yaml",
    "says_something",
    "study_names",
    "validate_config",
]

# How pools of pipelines are drawn where they do not say it.
PIPELINE_SAMPLING = {
    "text2image": {"sampler": "dpm-solver++", "steps": 25, "guidance": 7.5},
    "class2image": {"sampler": "dpm-solver++", "steps": 25, "guidance": 4.0},
}

# A study is a target of Snakemake, as these rules are.
RULES = (
    "all",
    "prepare_data",
    "train_generator",
    "train_generator_by_seed",
    "train_text2image",
    "train_lora",
    "train_textual_inversion",
    "generate",
    "train_extractor",
    "train_extractor_by_seed",
    "reference",
    "score",
    "filter",
    "filter_by_seed",
    "audit",
    "detect",
    "train",
    "evaluate",
    "cross_test",
    "explain",
    "corrupt",
    "corrupted_images",
    "experiments",
    "comparisons",
    "table",
    "figure",
    "report",
)


def read_config(path: str | Path) -> dict[str, Any]:
    """Read config.yaml; every key is present, `studies` is a list. Raises ConfigurationError."""
    return validate_config(read_yaml(path), path)


def says_something(path: str | Path) -> bool:
    """Whether config.yaml has keys; one that is empty leaves out all of them. Raises ConfigurationError.

    Read before Snakemake does: its own reader swallows keys that are given twice, and names no line of an error.
    """
    content = read_yaml(path)
    if content and not isinstance(content, dict):
        validate_config(content, path)  # raises: no mapping
    return bool(content)


def validate_config(config: Mapping[str, Any] | None, file: str | Path) -> dict[str, Any]:
    """A valid copy of a configuration with every key present; `file` names it in errors. Raises ConfigurationError."""
    content: dict[str, Any] = validated(dict(config) if isinstance(config, Mapping) else config, "config", file)
    return content


def study_names(folder: Path) -> list[str]:
    """The studies of a folder, in alphabetical order."""
    return sorted(path.stem for path in folder.glob("*.yaml"))


def missing_study(name: str, folder: Path, problem: str) -> ConfigurationError:
    """The error of a study that has no file in a folder: a problem, and what to write or to rename."""
    names = study_names(folder)
    stem, _, suffix = name.rpartition(".")
    if (folder / f"{name}.yml").exists():
        hint = f"; rename {name}.yml to {name}.yaml"
    elif suffix in ("yaml", "yml") and stem in names:
        hint = f"; write {stem}, without .{suffix}"
    else:
        hint = suggestion(name, names)
    return ConfigurationError(folder / f"{name}.yaml", "", problem + hint)


def read_studies(
    folder: str | Path, active: Iterable[str], named_by: str = "studies of config.yaml"
) -> dict[str, dict[str, Any]]:
    """The active studies of a folder, by name; no other is looked at unless one of them uses it.

    named_by: where their names stand, in words.

    Each is valid, with imported definitions and all defaults; keys that take a name or a list of names hold lists,
    `seeds` a list of integers, and `scores`, `audits` and `detections` have one entry for each pool, with its `n`;
    `scores` their metrics, too.

    Raises:
        ConfigurationError: an active study does not exist, is invalid, or defines a name otherwise than another one.
    """
    look_again()
    reader = _Reader(Path(folder), named_by)
    names = list(dict.fromkeys(active))
    for name in names:
        if not any(reader.content(name)[section] for section in ("runs", "tables", "figures")):
            problem = "a study needs at least one run, table or figure; add an entry"
            raise ConfigurationError(reader.file(name), "runs", problem)
    studies = {name: reader.study(name) for name in names}
    _require_equal_definitions(reader, names)
    return studies


def _require_equal_definitions(reader: "_Reader", names: Iterable[str]) -> None:
    """Active studies share results by name: a name means the same in all of them."""
    known: dict[tuple[str, str], tuple[str, Any]] = {}
    for study in names:
        for section, key, definition, origin in reader.definitions(study):
            first = known.setdefault((section, key), (origin, definition))
            if first[1] != definition:
                raise reader.differing(f"{section}.{key}", first, (origin, definition))


def _completed(study: Study) -> dict[str, Any]:
    """The content with those defaults that depend on other keys."""
    content = study.content
    training_sets = {
        name: {**each, "draw_from": _draw_from(content, each)} if "synthetic" in each else each
        for name, each in content["training_sets"].items()
    }
    measured = {
        section: [
            {**entry, "pool": [pool], "n": entry.get("n", content["pools"][pool]["per_class"])}
            for entry in content[section]
            for pool in entry["pool"]
        ]
        for section in OF_POOLS
    }
    measured["scores"] = [{"metrics": list(USUAL_METRICS), **entry} for entry in measured["scores"]]
    # a score may hold metrics that only another study asks for
    shown = list(dict.fromkeys(metric for entry in measured["scores"] for metric in entry["metrics"]))
    in_tables = [*shown, *(entry["metric"] for entry in content["published"] if "pool" in entry)]
    measures = {"scores": list(dict.fromkeys(in_tables)), "ranking": shown}
    generators = {name: prompts.completed(each) for name, each in content["generators"].items()}
    pools = {
        name: {**PIPELINE_SAMPLING.get(generators[each["generator"]]["kind"], {}), **each}
        for name, each in content["pools"].items()
    }
    explainers = {
        name: {**each, "drawn": drawn.digests(each["drawn"])} if "drawn" in each else each
        for name, each in content["explainers"].items()
    }
    datasets = {name: grouping.resolved(each, "merge") for name, each in content["datasets"].items()}
    changed = {"generators": generators, "pools": pools, "training_sets": training_sets, "explainers": explainers}
    completed = {**content, **changed, **measured, "datasets": datasets}
    # accuracy is left unsaid, so that saying it changes no spec
    metric = completed.pop("metric", "accuracy")
    judged = {} if metric == "accuracy" else {"metric": metric}
    for section in ("tables", "figures"):
        completed[section] = {
            name: {
                **({"metrics": measures[each["kind"]]} if each["kind"] in measures else {}),
                **(judged if each["kind"] in JUDGED else {}),
                **grouping.resolved(each, "groups"),
                **({"dataset": study.dataset_of(each)} if each["kind"] in ONE_DATASET else {}),
                **({"widths": _widths(content, each)} if each["kind"] in SWEEPS else {}),
                **(_frozen(content, each) if each["kind"] == "when" else {}),
                **({"augment": _augment(content, each)} if each["kind"] == "augmentation" else {}),
                **(searches.shown(content, each) if each["kind"] == "searched" else {}),
            }
            for name, each in content[section].items()
        }
    return {**completed, **judged}


def _widths(content: Mapping[str, Any], view: Mapping[str, Any]) -> dict[str, int]:
    """The width of each model that a table or figure names."""
    return {name: content["models"][name]["width"] for name in view["model"]}


def _frozen(content: Mapping[str, Any], view: Mapping[str, Any]) -> dict[str, list[str]]:
    """Under `frozen`, the recipes of a table that do not train all layers; nothing where there are none."""
    names = listed(view["recipe"]) if "recipe" in view else list(content["recipes"])
    frozen = [name for name in names if content["recipes"][name].get("freeze")]
    return {"frozen": frozen} if frozen else {}


def _augment(content: Mapping[str, Any], figure: Mapping[str, Any]) -> dict[str, str]:
    """The augmentation of each recipe that a figure names."""
    return {name: content["recipes"][name]["augment"] for name in figure["recipe"]}


def _draw_from(content: Mapping[str, Any], training_set: Mapping[str, Any]) -> int:
    """How many images per class of the pool, or of those that the filter keeps, a seed draws its own from."""
    if "filter" in training_set:
        return int(content["filters"][training_set["filter"]]["keep"])
    return int(training_set["draw_from"] if "draw_from" in training_set else training_set["synthetic"])


class _Reader:
    """The studies of one folder, each file read once."""

    def __init__(self, folder: Path, named_by: str) -> None:
        self.folder, self.named_by = folder, named_by
        self.names = study_names(folder)
        self.contents: dict[str, dict[str, Any]] = {}

    def file(self, name: str) -> Path:
        return self.folder / f"{name}.yaml"

    def content(self, name: str, wanted_by: str | None = None) -> dict[str, Any]:
        """A study by itself: valid under the schema, seeds as lists, nothing imported."""
        if name not in self.names:
            problem = f"no such file, but {wanted_by or self.named_by} names the study"
            raise missing_study(name, self.folder, problem)
        if name not in self.contents:
            content = validated(read_yaml(self.file(name)), "study", self.file(name))
            for entry in (*content["runs"], *content["cross_tests"], *content["explanations"], *content["robustness"]):
                seeds = entry["seeds"]
                entry["seeds"] = [int(seed) for seed in seeds] if isinstance(seeds, list) else list(range(seeds))
            self.contents[name] = content
        return self.contents[name]

    def imports(self, name: str, path: tuple[str, ...] = ()) -> list[str]:
        """The study and all that it uses, directly or not, each once, itself first."""
        if name in path:
            chain = " -> ".join((*path[path.index(name) :], name))
            raise ConfigurationError(self.file(path[-1]), "use", f"studies use each other ({chain}); drop one use")
        wanted_by = f"use of {file_name(self.file(path[-1]))}" if path else None
        used = [each for other in self.content(name, wanted_by)["use"] for each in self.imports(other, (*path, name))]
        return list(dict.fromkeys([name, *used]))

    def definitions(self, name: str) -> Iterator[tuple[str, str, dict[str, Any], str]]:
        """(section, name, definition, study that it stands in) of a study's own and imported definitions."""
        for study in self.imports(name):
            for section in DEFINITIONS:
                for key, definition in self.content(study)[section].items():
                    yield section, key, definition, study

    def study(self, name: str) -> dict[str, Any]:
        """A study with imported definitions and all defaults. Raises ConfigurationError."""
        self._require_name(name)
        content = {**self.content(name), **{section: {} for section in DEFINITIONS}}
        origin: dict[str, str] = {}
        for section, key, definition, study in self.definitions(name):
            known = content[section].setdefault(key, definition)
            other = origin.setdefault(f"{section}.{key}", study)
            if known != definition:
                raise self.differing(f"{section}.{key}", (other, known), (study, definition))
        for of_names in order.OF_NAMES:
            self._require_sound(name, of_names(content), origin)
        whole = Study(searches.expanded(content))
        for check in order.OF_STUDY:
            self._require_sound(name, check(whole), origin)
        return _completed(whole)

    def _require_name(self, name: str) -> None:
        form = read_schema("study")["properties"]["datasets"]["propertyNames"]
        if not re.search(form["pattern"], name):
            raise ConfigurationError(self.file(name), "", f"a study's name must be {expected(form)}; rename the file")
        if name in RULES:
            raise ConfigurationError(self.file(name), "", "a rule of the workflow has this name; rename the file")

    def _require_sound(self, name: str, problems: Iterator[Problem], origin: Mapping[str, str]) -> None:
        for key, text in problems:
            study = origin.get(".".join(key.split(".")[:2]), name)
            raise ConfigurationError(self.file(study), key, text)

    def differing(self, key: str, one: tuple[str, Any], other: tuple[str, Any]) -> ConfigurationError:
        """The error of two (study, definition) of one name that are not equal."""
        differing = [each for each in {**one[1], **other[1]} if one[1].get(each) != other[1].get(each)]
        first = file_name(self.file(one[0]))
        problem = f"differs from {key} in {first} (in {listing(differing)}); rename one, or make them equal"
        return ConfigurationError(self.file(other[0]), key, problem)
