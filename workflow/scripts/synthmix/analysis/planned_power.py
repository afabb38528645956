"""Power of the comparisons that a study plans, before they are run: variances from a pilot's results, or as stated."""

import glob
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from synthmix import layout
from synthmix.analysis import statistics
from synthmix.analysis.artefacts import Artefacts
from synthmix.analysis.contributions import contributions
from synthmix.analysis.power import ALPHA, POWER, Variance, components, corrected_level, seed_power, seeds_needed
from synthmix.comparisons import Predictions, pairs
from synthmix.experiments import RUN, Arm, paired, runs_of
from synthmix.files import read_json
from synthmix.planning.plan import Plan, members
from synthmix.reports.formatting import p_value


class PowerError(ValueError):
    """What was asked for cannot be found out; the text is one line: where, what is wrong, what to do."""


@dataclass(frozen=True)
class Assumed:
    """What power is reckoned with: the key `power` of a study, and before it the command line.

    effect, sd, discordance: fractions; None where not stated. power: wanted. pilot: study whose results show variances.
    seeds, test_images: in the place of those that the study plans. sd_first: whether sd goes before results.
    """

    effect: float | None = None
    power: float = POWER
    sd: float | None = None
    discordance: float | None = None
    pilot: str | None = None
    seeds: int | None = None
    test_images: int | None = None
    sd_first: bool = False

    @classmethod
    def of(cls, study: Mapping[str, Any], stated: Mapping[str, Any] | None = None) -> "Assumed":
        """What a study declares, replaced by what is stated besides (values of None are not)."""
        given = {key: value for key, value in (stated or {}).items() if value is not None}
        return cls(**{**(study.get("power") or {}), **given, "sd_first": "sd" in given})


@dataclass(frozen=True)
class Planned:
    """One comparison that a study plans.

    seeds: of both arms. level: the p that it has to reach, for the test at 0.05 with Holm's correction. variance: None
    where neither results nor statements say it. source: what it is from. test_images: None where not known yet.
    """

    arm: Arm
    baseline: str
    primary: bool
    seeds: int
    level: float
    variance: Variance | None
    source: str
    test_images: int | None

    @property
    def sd(self) -> float | None:
        """Standard deviation of the difference between seeds."""
        return self.variance.between_seeds(self.test_images) if self.variance else None


def planned(plan: Plan, study: str, assumed: Assumed, primary_only: bool = False) -> list[Planned]:
    """The comparisons that the runs of a study allow, the primary one first.

    Raises PowerError where a pilot is named that has no results, and DamagedFileError.
    """
    definition = plan.studies[study]
    primary = definition.get("primary")
    runs = _runs(plan, study)
    seeds = {pair: _shared(runs, *pair) for pair in pairs(runs, definition["comparisons"], primary)}
    first = (Arm(*(primary[key] for key in Arm._fields)), primary["baseline"]) if primary else None
    compared = {pair: count for pair, count in seeds.items() if count or pair == first}
    family = len(compared.keys() - {first})
    pilot = _Pilot.of(assumed.pilot or study, required=assumed.pilot is not None)
    metric = definition.get("metric", "accuracy")
    found = []
    for arm, baseline in sorted(compared, key=lambda pair: pair != first):
        if primary_only and (arm, baseline) != first:
            continue
        test_images = assumed.test_images or _test_images(plan, arm.dataset)
        measured = pilot.variance(arm, baseline, metric) if pilot else None
        if pilot and not test_images:
            test_images = pilot.test_images(arm)
        variance, source = _chosen(assumed, measured, pilot.source if pilot else "")
        is_primary = (arm, baseline) == first
        level = ALPHA if is_primary else corrected_level(family)
        count = assumed.seeds or compared[arm, baseline]
        found.append(Planned(arm, baseline, is_primary, count, level, variance, source, test_images))
    return found


def warnings(plan: Plan, study: str) -> Iterator[str]:
    """A line where the primary comparison of a study cannot, or will hardly, be answered by the seeds it plans."""
    assumed = Assumed.of(plan.studies[study])
    for each in planned(plan, study, assumed, primary_only=True):
        where = f"studies/{study}.yaml: primary: {each.arm.training_set} against {each.baseline}"
        least = statistics.smallest_p(each.seeds)
        if least > ALPHA:
            needed = seeds_needed(1, 0, ALPHA)
            yield (
                f"{where}: {each.seeds} {'seed' if each.seeds == 1 else 'seeds'} cannot reach p < 0.05, whatever they "
                f"show (p is at least {p_value(least)}); give both at least {needed} seeds"
            )
        elif assumed.effect and each.sd is not None:
            reached = seed_power(assumed.effect, each.sd, each.seeds, each.level)
            if reached < assumed.power:
                enough = seeds_needed(assumed.effect, each.sd, each.level, assumed.power)
                yield (
                    f"{where}: {each.seeds} seeds see {points(assumed.effect)} with a power of {reached:.2f}, "
                    f"not {assumed.power:g} (SD {points(each.sd)}, {each.source}); "
                    f"it takes {enough or 'more than 10,000'} seeds: make power STUDY={study}"
                )


def points(fraction: float) -> str:
    """A difference in points with two significant digits and its unit: "1 point", "2.5 points"."""
    number = f"{float(f'{100 * fraction:.2g}'):g}"
    return f"{number} point{'' if number == '1' else 's'}"


def _runs(plan: Plan, study: str) -> pd.DataFrame:
    """The runs that a study plans, in the order that those of experiments.csv have."""
    rows = [{**run.job._asdict(), "training_set": run.training_set, "seed": run.seed} for run in plan.runs[study]]
    frame = pd.DataFrame(rows, columns=RUN)
    return frame.drop_duplicates().sort_values(RUN, ignore_index=True)


def _shared(runs: pd.DataFrame, arm: Arm, baseline: str) -> int:
    own, against = (runs_of(runs, each).index for each in (arm, arm._replace(training_set=baseline)))
    return len(own.intersection(against))


def _test_images(plan: Plan, dataset: str) -> int | None:
    """Images of the test split: counted where the data are prepared, else declared; None where neither."""
    prepared = Path(layout.DATA.format(dataset=dataset), "meta.json")
    if prepared.exists():
        return int(read_json(prepared)["splits"]["test"]["n"])
    definition = plan.definitions["datasets"][dataset]
    numbers = (definition.get("limit", {}).get("test"), definition.get("test"))  # `test` may be a share, or a path
    return next((number for number in numbers if isinstance(number, int)), None)


def _chosen(assumed: Assumed, measured: Variance | None, pilot: str) -> tuple[Variance | None, str]:
    """The variance to reckon with, and where it is from."""
    by_images = None
    if assumed.discordance is not None:
        # all seeds taken to disagree on the same images: the luck of the test images at its largest
        by_images = assumed.discordance - (assumed.effect or 0) ** 2
    if measured and not assumed.sd_first:
        known = measured.images is not None
        variance = measured if known else Variance(measured.seeds, by_images, pairs=measured.pairs)
        return variance, f"{measured.pairs} seeds of {pilot}"
    if assumed.sd is None:
        return None, ""
    if by_images is None and measured:
        by_images = measured.images
    return Variance(assumed.sd**2, by_images), "stated"


class _Pilot:
    """The results of a study that show how much paired differences vary."""

    def __init__(self, path: Path, source: str) -> None:
        self.experiments = Artefacts(experiments=path).read_experiments()
        self.source = source

    @classmethod
    def of(cls, study: str, required: bool) -> "_Pilot | None":
        """The finished results of a study, else those so far; None where there are none, unless they are required."""
        folder = Path(layout.STUDY.format(study=study))
        for path, source in ((folder, study), (folder / "so-far", f"{study} so far")):
            # an empty table has a line end
            if (path / "experiments.csv").exists() and (path / "experiments.csv").stat().st_size > 1:
                return cls(path / "experiments.csv", source)
        if required:
            raise PowerError(f"{folder}/experiments.csv: no such file, but the pilot is {study}; build it first")
        return None

    def variance(self, arm: Arm, baseline: str, metric: str) -> Variance | None:
        """Of the paired differences of a comparison; None where the pilot does not have it with two seeds or more."""
        if metric not in self.experiments:
            return None
        values = paired(self.experiments, arm, baseline, metric)
        differences = values["value"] - values["baseline"]
        if len(differences) < 2 or differences.std() == 0:
            return None
        found = self._components(arm, baseline, metric, values.index)
        return found or Variance(float(differences.var()), pairs=len(differences))

    def test_images(self, arm: Arm) -> int | None:
        """Test images that the runs of an arm met."""
        counts = runs_of(self.experiments, arm).get("test_images", pd.Series(dtype=float)).dropna()
        return int(counts.iloc[0]) if len(counts) else None

    def _components(self, arm: Arm, baseline: str, metric: str, seeds: pd.Index) -> Variance | None:
        """Between seeds and test images, from the predictions; None where they are not kept or hold too little."""
        sides = [runs_of(self.experiments, each).loc[seeds] for each in (arm, arm._replace(training_set=baseline))]
        paths = []
        for bundle in dict.fromkeys([*sides[0]["bundle"], *sides[1]["bundle"]]):
            names = {"dataset": arm.dataset, "bundle": bundle, "model": arm.model, "recipe": arm.recipe}
            paths += _newest(glob.glob(f"{layout.JOB.format(**names, seeds='*')}/predictions.parquet"), list(seeds))
        if not paths:
            return None
        per_image = Predictions(paths).per_image(metric, arm, baseline, *sides)
        if per_image is None:
            return None
        values, against, labels = per_image
        return components(contributions(metric, values, labels) - contributions(metric, against, labels))


def _newest(paths: list[str], seeds: list[int]) -> list[str]:
    """The newest of the files that hold the same seeds: blocks of another size may lie beside those in use."""
    taken: set[int] = set()
    kept = []
    for path in sorted(paths, key=lambda path: Path(path).stat().st_mtime, reverse=True):
        held = set(members(Path(path).parent.name, seeds))
        if held and not held & taken:
            kept.append(path)
            taken |= held
    return kept
