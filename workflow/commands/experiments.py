"""The runs of a study that a condition holds for, as a table.

    python workflow/commands/experiments.py STUDY [--where 'model == "cnn" and seed < 3'] [--columns seed,accuracy]
    (make experiments STUDY=digits WHERE='seed < 3' COLUMNS=seed,accuracy)

STUDY: as for make diff, so a study at a commit or an experiments.csv, too.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

from synthmix.comparing import experiment_table, sides  # noqa: E402 (the library is not installed)
from synthmix.comparing.commits import CommitError  # noqa: E402
from synthmix.comparing.experiment_table import TableError  # noqa: E402
from synthmix.comparing.sides import SideError  # noqa: E402
from synthmix.files import DamagedFileError  # noqa: E402
from synthmix.planning.configuration import ConfigurationError  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", help="a study, STUDY@COMMIT, an experiments.csv or a folder below results/runs")
    parser.add_argument("--where", help="a condition on columns, as pandas writes it")
    parser.add_argument("--columns", help="what to show, separated by commas; default: the usual ones")
    parser.add_argument("--csv", action="store_true", help="print CSV in full precision")
    arguments = parser.parse_args()
    try:
        runs = sides.resolve(arguments.study, "STUDY").runs
        found = experiment_table.query(runs, arguments.where, arguments.columns)
    except (SideError, CommitError, TableError, ConfigurationError, DamagedFileError) as error:
        print(error)
        return 1
    if arguments.csv:
        print(found.to_csv(index=False), end="")
    else:
        print(found.to_markdown(index=False, tablefmt="github", floatfmt=".4g"))
        print(f"\n{len(found)} of {len(runs)} runs")
    return 0


if __name__ == "__main__":
    sys.exit(main())
