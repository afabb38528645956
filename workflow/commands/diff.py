"""Two runs, two studies, or a study at two commits: what differs in their specs, and what in their metrics.

    python workflow/commands/diff.py A B [--metric nll] [--output diff.csv]     (make diff A=... B=...)

A and B: a study; STUDY@COMMIT; an experiments.csv; a folder below results/runs; each may be followed by
/key=value,key=value (dataset, training_set, model, recipe, seed) to choose among its runs.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

from synthmix.comparing import differences, sides  # noqa: E402 (the library is not installed)
from synthmix.comparing.commits import CommitError  # noqa: E402
from synthmix.comparing.experiment_table import TableError  # noqa: E402
from synthmix.comparing.sides import Side, SideError  # noqa: E402
from synthmix.files import DamagedFileError  # noqa: E402
from synthmix.planning.configuration import ConfigurationError  # noqa: E402
from synthmix.reports.rendering import markdown, write_table  # noqa: E402

FORMATS = (".csv", ".md", ".tex", ".html")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("a", help="what is compared with")
    parser.add_argument("b", help="what is compared")
    parser.add_argument("--metric", help="a column of experiments.csv; default: what the studies are judged by")
    parser.add_argument("--output", type=Path, help="a file for the table of metrics: .csv, .md, .tex or .html")
    arguments = parser.parse_args()
    if arguments.output and arguments.output.suffix not in FORMATS:
        print(f"OUTPUT: {arguments.output}: a table is written as {', '.join(FORMATS)}")
        return 1
    try:
        a, b = sides.resolve(arguments.a), sides.resolve(arguments.b)
        _print(a, b, arguments.metric, arguments.output)
    except (SideError, CommitError, TableError, ConfigurationError, DamagedFileError) as error:
        print(error)
        return 1
    return 0


def _print(a: Side, b: Side, asked: str | None, output: Path | None) -> None:
    metric = differences.metric_of(a, b, asked)
    pairs = differences.pair(a, b)
    for letter, side in (("A", a), ("B", b)):
        print(f"{letter}: {side.name}: {len(side.runs)} runs; metrics: {side.source}")
        for note in side.notes:
            print(f"   {note}")
    for axis, (one, other) in pairs.differing.items():
        print(f"{axis}: {one} (A) is compared with {other} (B)")
    print(f"\nSpecs, A -> B (of {len(pairs.both)} pairs of runs):")
    for line in differences.spec_lines(a, b, pairs) or ["no pairs"]:
        print(f"  {line}")
    if others := differences.other_lines(a, b):
        print("Other jobs of both (jobs):")
        print("\n".join(f"  {line}" for line in others))
    table = differences.metrics(a, b, pairs, metric)
    title = f"Metrics of {a.name} (A) and {b.name} (B)"
    print(f"\n{title}: no pair has metrics on both sides" if table.data.empty else f"\n{markdown(table, title)}")
    for letter, runs in zip("AB", pairs.alone, strict=True):
        if len(runs):
            print(f"Only in {letter} ({len(runs)} runs):")
            print("\n".join(f"  {line}" for line in differences.alone_lines(runs)))
    for hint in pairs.hints:
        print(hint)
    if output:
        write_table(table, [output], title)


if __name__ == "__main__":
    sys.exit(main())
