"""The specs of a study's jobs, planned by the code of the working directory; for `make diff`, which runs it there.

    python .../planned_specs.py STUDY FILE

FILE becomes a JSON object: specs (by stage and name of the job), codes (the definitions behind each digest of code) and
metric (what the study is judged by).
"""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path("workflow/scripts").absolute()))

from synthmix import code  # noqa: E402 (of the commit)
from synthmix.planning import graph  # noqa: E402 (of the commit)


def main() -> int:
    study, path = sys.argv[1:]
    if graph.dry_run([study]) is None:
        return 1
    specs = {f"{job.stage}/{job.name}": job.spec for job in graph.planned() if job.spec}
    codes = {spec["code"]: code.definitions(spec["entries"]) for spec in specs.values()}
    metric = graph.plan().studies[study].get("metric", "accuracy")
    Path(path).write_text(json.dumps({"specs": specs, "codes": codes, "metric": metric}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
