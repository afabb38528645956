"""Results on their way out: which pool or run is meant, whether it is what the study describes, a folder of its own."""

import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from synthmix import records
from synthmix.layout import RESULTS
from synthmix.planning.messages import ConfigurationError, listing, suggestion
from synthmix.planning.plan import Plan, Run
from synthmix.spec import clean

MEASURED = ("scores", "audits", "detections", "cross_tests")  # sections of a study that name pools
LOCAL = ("root", "path", "listing", "licence")  # keys that are about the user's machine, or about terms
SHOWN = 10  # missing files in one message


class ExportError(ValueError):
    """Nothing is exported; the text is one line with the remedy."""


# ---- which one -------------------------------------------------------------------------------------------------------


def find_pool(plan: Plan, study: str, words: str) -> tuple[str, str]:
    """(data set, pool) of "pool" or "dataset/pool", among those that a study draws. Raises ConfigurationError."""
    known = list(dict.fromkeys(_pools(plan, study)))
    name = words.rpartition("/")[2]
    found = [each for each in known if "/" not in words and each[1] == words or "/".join(each) == words]
    if len(found) == 1:
        return found[0]
    if found:
        choice = " or ".join("/".join(each) for each in found)
        raise ConfigurationError(f"studies/{study}.yaml", f"pools.{name}", f"is of several data sets; say {choice}")
    names = ["/".join(each) if "/" in words else each[1] for each in known]
    problem = f"the study draws no pool {words}{suggestion(words, dict.fromkeys(names))}"
    raise ConfigurationError(f"studies/{study}.yaml", "pools", problem)


def _pools(plan: Plan, study: str) -> Iterator[tuple[str, str]]:
    for run in plan.runs[study]:
        yield from ((run.job.dataset, pool) for pool, _ in plan.needed(run.training_set))
    entries = [entry for section in MEASURED for entry in plan.studies[study].get(section) or []]
    for entry in [*entries, *plan.studies[study]["figures"].values()]:
        for pool in _listed(entry.get("pool")):
            yield from ((dataset, pool) for dataset in _listed(entry.get("dataset")))


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value] if value else []


def find_run(plan: Plan, study: str, words: str) -> Run:
    """The run of "training_set/model/recipe/seed", with the data set before it where a study has several.

    Raises ConfigurationError.
    """
    names = {
        run: "/".join((run.training_set, run.job.model, run.job.recipe, str(run.seed))) for run in plan.runs[study]
    }
    found = [run for run, name in names.items() if words in (name, f"{run.job.dataset}/{name}")]
    if len(found) == 1:
        return found[0]
    if found:
        choice = " or ".join(f"{run.job.dataset}/{words}" for run in found)
        raise ConfigurationError(
            f"studies/{study}.yaml", "runs", f"{words} is a run on several data sets; say {choice}"
        )
    hint = suggestion(words, dict.fromkeys(names.values()))
    problem = f"no run is called {words} (training_set/model/recipe/seed){hint}"
    raise ConfigurationError(f"studies/{study}.yaml", "runs", problem)


# ---- what is there ---------------------------------------------------------------------------------------------------


def require_files(paths: Sequence[str], study: str) -> None:
    """Raise ExportError where files are missing, with the command that makes them."""
    missing = [path for path in paths if not Path(path).exists()]
    if missing:
        more = f", and {len(missing) - SHOWN} more" if len(missing) > SHOWN else ""
        problem = f"studies/{study}.yaml: {len(missing)} of {len(paths)} files are not there yet"
        raise ExportError(f"{problem}; run: snakemake --cores all {' '.join(missing[:SHOWN])}{more}")


def made_as_planned(log: str, planned: dict[str, Any]) -> bool:
    """Whether the results of the job with a log were made from a spec; further seeds beside the planned ones may be."""
    record = records.read(log)
    if record is None:
        return False
    made = record.spec
    if not (planned.get("keys") and made.get("keys")):
        return bool(made == planned)
    # a block of seeds: the digest of each holds all that it depends on
    apart = ("seeds", "keys", "upstream")
    alike = _without(made, apart) == _without(planned, apart)
    return alike and all(made["keys"].get(seed) == key for seed, key in planned["keys"].items())


def _without(spec: dict[str, Any], keys: Iterable[str]) -> dict[str, Any]:
    return {key: value for key, value in spec.items() if key not in keys}


def public(definition: dict[str, Any]) -> dict[str, Any]:
    """A definition as others may see it: without paths of this machine, terms, and what was not said."""
    kept = {key: value for key, value in clean(definition).items() if key not in LOCAL}
    if definition.get("source") in ("folder", "parquet"):
        kept = {key: value for key, value in kept.items() if not (key in ("train", "val", "test") and _is_text(value))}
    if os.sep in str(kept.get("pipeline", "")) and Path(kept["pipeline"]).exists():
        kept["pipeline"] = Path(kept["pipeline"]).name
    return kept


def _is_text(value: object) -> bool:
    return isinstance(value, str)


# ---- where it goes ---------------------------------------------------------------------------------------------------


def require_free(folder: Path) -> None:
    """Raise ExportError where a folder cannot be written without touching what is there."""
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise ExportError(f"{folder} is no folder: nothing is overwritten; give another one")
    if folder.is_dir() and any(folder.iterdir()):
        held = listing(sorted(path.name for path in folder.iterdir()))
        raise ExportError(f"{folder} is not empty (it holds {held}): nothing is overwritten; give another folder")
    if folder.absolute().is_relative_to(Path(RESULTS).absolute()):
        raise ExportError(f"{folder} lies below {RESULTS}/, where synthmix keeps its own files; give another folder")


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """Yield a temporary folder beside `folder`; it takes that name only if the block ends without an error.

    Raises ExportError where the name is taken, before or after.
    """
    require_free(folder)
    folder = folder.absolute()
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    temporary.mkdir()
    try:
        yield temporary
        require_free(folder)
        try:
            os.rename(temporary, folder)  # which takes the place of an empty folder, and of nothing else
        except OSError as error:
            raise ExportError(f"{folder} cannot be written ({error.strerror}); give another folder") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
