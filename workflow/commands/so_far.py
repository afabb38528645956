"""A study while its jobs run: its page from the runs that are finished, missing ones marked.

python workflow/commands/so_far.py [study ...]     (make so-far STUDY=digits)
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "workflow/scripts"))

from synthmix.planning import graph  # noqa: E402 (the library is not installed)
from synthmix.planning.configuration import ConfigurationError  # noqa: E402
from synthmix.planning.plan import Plan  # noqa: E402
from synthmix.so_far import as_planned, build  # noqa: E402


def main() -> int:
    try:
        plan = Plan.named(ROOT, sys.argv[1:])
    except ConfigurationError as error:
        print(error)
        return 1
    if graph.dry_run(sys.argv[1:]) is None:
        return 1
    made = as_planned(graph.planned())
    for study in sys.argv[1:] or plan.studies:
        print(build(plan, study, made))
    return 0


if __name__ == "__main__":
    sys.exit(main())
