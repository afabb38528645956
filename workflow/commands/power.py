"""How many seeds and test images the comparisons of a study need, before they are run; it runs nothing.

    python workflow/commands/power.py [options] [study ...]     (make power STUDY=digits OPTIONS="--effect 0.02")

Variances come from the results of the study, or of a pilot, where there are some; otherwise they are stated, here or in
the key `power` of the study. All are fractions: 0.02 is two points.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tabulate import tabulate

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "workflow/scripts"))

from synthmix.analysis import power, statistics  # noqa: E402 (the library is not installed)
from synthmix.analysis.planned_power import Assumed, Planned, planned, points  # noqa: E402
from synthmix.planning.configuration import ConfigurationError  # noqa: E402
from synthmix.planning.plan import Plan  # noqa: E402
from synthmix.reports.formatting import count, joined, run_metric_title  # noqa: E402

ON_THESE = """On the study's own test images: the sign-flip test over seeds.
p needed: 0.05; where Holm corrects, what is enough whatever the other comparisons show. SD: of the paired difference
between seeds, with its 95 % interval where it was measured; in brackets behind the seeds needed, those at its ends."""
IN_GENERAL = """On images in general: that test, and the joint interval over seeds and test images excludes zero.
All seeds share the test images, so what these happen to favour does not go away with more seeds. SD of images: of what
one test image contributes to the difference. Test images needed: with the seeds planned, and with any number of seeds.
none: the seeds, or the test images, are too few whatever the number of the other is."""
FEW = 30  # test images; fewer carry no statement about images in general


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", nargs="*", help="studies; default: those of config.yaml")
    about = f"the probability with which it is to be seen, at least 0.5 (default: {power.POWER})"
    parser.add_argument("--power", type=_probability, metavar="FRACTION", help=about)
    for name, about in (
        ("effect", "the smallest difference that matters"),
        ("sd", "standard deviation of the paired difference between seeds, in the place of a pilot's"),
        ("discordance", "share of the test images that one arm of a pair has right and the other wrong"),
    ):
        parser.add_argument(f"--{name}", type=_fraction, metavar="FRACTION", help=about)
    parser.add_argument("--pilot", help="the study whose results show variances (default: the study itself)")
    parser.add_argument("--seeds", type=_number, help="number of seeds, in the place of the study's")
    parser.add_argument("--test-images", type=_number, help="number of test images, in the place of the study's")
    stated = vars(parser.parse_args())
    studies = stated.pop("study")
    try:
        plan = Plan.named(ROOT, studies)
        for study in studies or plan.studies:
            print("\n".join(_report(plan, study, stated)))
    except (ConfigurationError, ValueError) as error:
        print(error)
        return 1
    return 0


def _fraction(text: str) -> float:
    value = float(text)
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"must be a fraction above 0 and below 1, not {text}")
    return value


def _probability(text: str) -> float:
    if _fraction(text) < 0.5:
        raise argparse.ArgumentTypeError(f"must be at least 0.5, not {text}")
    return float(text)


def _number(text: str) -> int:
    value = int(text)
    if value < 2:
        raise argparse.ArgumentTypeError(f"must be at least 2, not {text}")
    return value


def _report(plan: Plan, study: str, stated: dict[str, Any]) -> Iterator[str]:
    definition = plan.studies[study]
    assumed = Assumed.of(definition, stated)
    comparisons = planned(plan, study, assumed)
    metric = run_metric_title(definition.get("metric", "accuracy"))
    yield f"studies/{study}.yaml: {definition['title']}"
    if not comparisons:
        yield "It compares nothing: no primary, no comparisons.\n"
        return
    if assumed.effect:
        yield f"A power of {assumed.power:g} for a difference of {points(assumed.effect)} of {metric}.\n"
    else:
        yield f"A power of {assumed.power:g}, {metric}; no effect is declared.\n"
    yield f"{ON_THESE}\n"
    yield _grid([_on_these(each, assumed) for each in comparisons])
    general = [each for each in comparisons if each.variance and each.variance.images is not None and each.test_images]
    if general:
        yield f"\n{IN_GENERAL}\n"
        yield _grid([_in_general(each, assumed) for each in general])
    yield from ("", *_notes(comparisons, len(general), assumed, study), "")


def _grid(rows: list[dict[str, str]]) -> str:
    """A table without the columns that are empty in every row."""
    names = [name for name in rows[0] if any(row[name] for row in rows)]
    right = ["left"] * 2 + ["right"] * (len(names) - 2)
    cells = [[row[name] for name in names] for row in rows]
    return tabulate(cells, headers=names, tablefmt="github", colalign=right, disable_numparse=True)


def _names(each: Planned) -> dict[str, str]:
    named = f"{each.arm.training_set} against {each.baseline}"
    return {
        "comparison": joined(named, "(primary)" if each.primary else ""),
        "on": "/".join((each.arm.dataset, each.arm.model, each.arm.recipe)),
        "seeds": str(each.seeds),
    }


def _on_these(each: Planned, assumed: Assumed) -> dict[str, str]:
    row = {
        **_names(each),
        "smallest p": f"{statistics.smallest_p(each.seeds):.2g}",
        "p needed": f"{each.level:.2g}",
    }
    columns = ("SD, points", "from", "power", "seen, points", "seeds needed")
    if each.variance is None or each.sd is None:
        return row | dict.fromkeys(columns, "") | {"from": "not known"}
    ends = power.sd_interval(each.sd, each.variance.pairs) if each.variance.pairs else None
    seen = power.detectable(each.seeds, each.level, assumed.power)
    cells = [
        joined(_points(each.sd), f"[{_points(ends[0])}, {_points(ends[1])}]" if ends else ""),
        each.source,
        _power(assumed.effect, lambda effect: power.seed_power(effect, each.sd or 0, each.seeds, each.level)),
        "none" if seen is None else _points(seen * each.sd),
        "",
    ]
    if assumed.effect:
        needed = [
            _or(power.seeds_needed(assumed.effect, sd, each.level, assumed.power), ">10,000")
            for sd in (each.sd, *(ends or ()))
        ]
        cells[-1] = joined(needed[0], f"[{needed[1]}, {needed[2]}]" if ends else "")
    return row | dict(zip(columns, cells, strict=True))


def _in_general(each: Planned, assumed: Assumed) -> dict[str, str]:
    variance, images = each.variance, each.test_images
    assert variance is not None  # `_report` chooses such
    assert images is not None
    assert variance.images is not None
    row = {
        **_names(each),
        "test images": count(images),
        "SD of images, points": _points(variance.images**0.5),
        "power": _power(
            assumed.effect, lambda effect: power.general_power(effect, variance, each.seeds, images, each.level)
        ),
        "seen, points": _points(power.general_detectable(variance, each.seeds, images, each.level, assumed.power)),
    }
    columns = ("seeds needed", "test images needed", "with any seeds")
    if not assumed.effect:
        return row | dict.fromkeys(columns, "")
    wanted = (each.level, assumed.power)
    seeds = power.general_seeds_needed(assumed.effect, variance, images, *wanted)
    needed = power.images_needed(assumed.effect, variance, each.seeds, *wanted)
    cells = [_or(seeds, "none"), _images(needed), _images(power.least_images(assumed.effect, variance, assumed.power))]
    return row | dict(zip(columns, cells, strict=True))


def _images(needed: int | None) -> str:
    return f"<{FEW}" if needed is not None and needed < FEW else _or(needed, "none")


def _points(fraction: float | None) -> str:
    """The number of points alone."""
    return "none" if fraction is None else points(fraction).partition(" ")[0]


def _power(effect: float | None, of: Callable[[float], float]) -> str:
    return f"{of(effect):.2f}" if effect else ""


def _or(value: int | None, otherwise: str) -> str:
    return otherwise if value is None else count(value)


def _notes(comparisons: list[Planned], general: int, assumed: Assumed, study: str) -> Iterator[str]:
    if not assumed.effect:
        yield f"To see power and what is needed, state --effect, or power.effect in studies/{study}.yaml."
    unknown = sum(each.variance is None for each in comparisons)
    if unknown:
        yield (
            f"{unknown} of {len(comparisons)} comparisons have no variance: run a pilot of two seeds or more and "
            "name it (--pilot), or state --sd."
        )
    elif general < len(comparisons):
        yield (
            f"{len(comparisons) - general} of {len(comparisons)} comparisons are left out where images in general are "
            "asked about: their predictions are not there, or the metric is no mean over test images, or the number of "
            "test images is not known (--discordance, --test-images)."
        )
    few = [each.variance.pairs for each in comparisons if each.variance and each.variance.pairs]
    if few:
        low, high = power.sd_interval(1, min(few))
        yield (
            f"An SD of {min(few)} seeds is known to a factor of {low:.2f} to {high:.1f}: plan for the upper end, or "
            "run a larger pilot."
        )
    if any(each.level < power.ALPHA for each in comparisons):
        lost = sum(power.detectable(each.seeds, each.level, assumed.power) is None for each in comparisons)
        if lost:
            yield f"{lost} of {len(comparisons)} comparisons cannot reach the p that they need, whatever they show."


if __name__ == "__main__":
    sys.exit(main())
