"""200 tiny runs on SLURM: a job for each, against blocks of seeds that share a job (`seeds_per_job`).

    python benchmarks/slurm_packing.py [--runs 200] [--packed 20]

Starts SLURM daemons on this machine (see tests/slurm_lab.py), trains the same runs twice from nothing through the
profile `slurm`, and prints for each way: submissions, wall time, and the share of the CPUs' time in which no network
was trained.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path += [str(ROOT / "tests"), str(ROOT / "workflow/scripts")]

import slurm_lab  # noqa: E402 (the tests' helpers are not installed)
from workspace import Workspace  # noqa: E402

STUDY = """\
title: Tiny runs
question: What does packing save?
datasets: {{digits: {{source: embedded, name: digits, val: 0.2, test: 0.2, seed: 0}}}}
training_sets: {{org: {{real: all}}}}
models: {{cnn: {{architecture: cnn_block, width: 10}}}}
recipes: {{short: {{optimizer: adamw, learning_rate: 0.003, batch_size: 32, steps: 400, seeds_per_job: {size}}}}}
runs: [{{dataset: digits, training_set: org, model: cnn, recipe: short, seeds: {runs}}}]
"""


def measured(root: Path, runs: int, size: int) -> dict[str, float]:
    """Train `runs` seeds in blocks of `size` and say what it took."""
    workspace = Workspace.of_sources(root)
    workspace.write("studies/tiny.yaml", STUDY.format(runs=runs, size=size))
    workspace.snakemake("results/data/digits/meta.json")
    before = len(slurm_lab.jobs())
    started = time.monotonic()
    process = workspace.start("tiny", "--profile", "slurm", "--until", "train")
    if process.wait():
        raise SystemExit(workspace.read("snakemake.log"))
    wall = time.monotonic() - started
    facts = [json.loads(path.read_text())["runs"] for path in workspace.root.glob("results/runs/**/training.json")]
    trained = [run["train_seconds"] for job in facts for run in job]
    assert len(trained) == runs
    return {
        "seeds per job": size,
        "submissions": len(slurm_lab.jobs()) - before,
        "wall s": round(wall),
        "training s": round(sum(trained)),
        "idle share %": round(100 * (1 - sum(trained) / (wall * (os.cpu_count() or 1)))),
    }


def main() -> None:
    """Measure both ways and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--packed", type=int, default=20, help="seeds per job in the packed way")
    arguments = parser.parse_args()
    if reason := slurm_lab.missing():
        raise SystemExit(reason)
    with tempfile.TemporaryDirectory() as folder:
        lab = slurm_lab.Lab(Path(folder) / "lab")
        try:
            lab.start()
            rows = [measured(Path(folder) / f"by{size}", arguments.runs, size) for size in (1, arguments.packed)]
        finally:
            lab.stop()
    print("| " + " | ".join(rows[0]) + " |\n|" + "---:|" * len(rows[0]))
    for row in rows:
        print("| " + " | ".join(map(str, row.values())) + " |")
    print(f"\n{arguments.runs} runs; wall time unpacked / packed: {rows[0]['wall s'] / rows[1]['wall s']:.1f}")


if __name__ == "__main__":
    main()
