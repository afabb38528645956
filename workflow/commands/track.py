"""Mirrors finished runs to the trackers of config.yaml; those that a tracker shows already are left alone.

python workflow/commands/track.py [study ...]     (make track STUDY=digits)
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "workflow/scripts"))

from synthmix import tracking  # noqa: E402 (the library is not installed)
from synthmix.planning.configuration import ConfigurationError  # noqa: E402
from synthmix.planning.plan import Plan  # noqa: E402


def main() -> int:
    try:
        plan = Plan.named(ROOT, sys.argv[1:])
        tracking.require(plan.config["trackers"])
    except ConfigurationError as error:
        print(error)
        return 1
    if not plan.config["trackers"]:
        print("config.yaml: trackers: names none; write one there, such as trackers: [tensorboard]")
        return 1
    failed = False
    for study in sys.argv[1:] or plan.studies:
        for report in tracking.mirror(plan, study):
            print(f"{study}: {report.line}")
            failed |= report.failed
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
