"""`make plan`: what would run, why, and what it will cost; the budget; results whose makers Snakemake has forgotten."""

import re
import shutil

import pytest
from workspace import LIBRARY, RUNS, STUDY, Workspace

pytestmark = pytest.mark.workflow


def rows(output: str) -> dict[str, list[str]]:
    """The cells of the table, by stage."""
    lines = [line.strip("|").split("|") for line in output.splitlines() if line.startswith("| ")]
    return {name.strip(): [cell.strip() for cell in cells] for name, *cells in lines}


def test_without_history_costs_are_unknown(sources: Workspace) -> None:
    output = sources.command("plan", "--profile", "slurm")
    assert rows(output)["train"] == ["4", "10", "", "unknown", "", "4"]
    assert "26 jobs: 18 on the cluster, 8 here." in output
    assert "GPU-hours asked for: at least 0\n" in output
    assert "18 jobs are unknown" in output
    assert "train: new (4)" in output
    assert not (sources / "results/data").exists()


def test_a_finished_study_has_nothing_to_plan(built: Workspace) -> None:
    before = built.results()
    assert built.command("plan").strip() == "Nothing to be done: every result is there."
    assert built.results() == before


def test_a_job_that_no_study_asks_for_is_not_made(sources: Workspace) -> None:
    folder = f"{RUNS}/shot3/cnn/single/seeds0"  # shot3 is trained in the bundle main
    for name in ("model.safetensors", "metrics.json"):
        assert sources.start(f"{folder}/{name}", "--dry-run").wait() == 1
        (line,) = (each for each in sources.read("snakemake.log").splitlines() if "no active study" in each)
        assert line.endswith(f"no active study asks for {folder}")


def test_reasons_name_parameters_and_functions_and_costs_come_from_earlier_jobs(workspace: Workspace) -> None:
    workspace.replace(STUDY, "learning_rate: 0.003, weight_decay", "learning_rate: 0.004, weight_decay")
    old = "    return np.where(wrong, (labels + offsets) % classes, labels)\n"
    workspace.replace(f"{LIBRARY}/images/draws.py", old, old.replace("offsets)", "offsets + 0)"))
    before = workspace.results()
    output = workspace.command("plan")
    assert workspace.results() == before, "a plan changes nothing"
    assert "train: recipe.learning_rate: 0.003 -> 0.004 (2)" in output
    assert "train: code: images/draws.py: noisy_labels changed (4)" in output
    assert "evaluate: what it reads changes (4)" in output
    found = rows(output)
    assert set(found) == {
        "stage",
        "train",
        "evaluate",
        "cross_test",
        "experiments",
        "comparisons",
        "table",
        "figure",
        "report",
    }
    assert found["train"][:3] == ["4", "10", ""]
    value, unit = found["train"][3].split()[:2]
    seconds = float(value) * {"s": 1, "min": 60, "h": 3600}[unit]
    measured = sum(
        float((workspace / name).read_text().splitlines()[1].split("\t")[0])
        for name in before
        if name.startswith("results/benchmarks/train/")
    )
    assert seconds == pytest.approx(measured, rel=0.1, abs=1)
    assert not any(cells[-1] for stage, cells in found.items() if stage != "stage"), "all costs are known"
    assert "ran on cpu" in output


def test_what_the_store_has_costs_nothing(workspace: Workspace) -> None:
    text = workspace.read(STUDY)
    runs = text[text.index("\nruns:") : text.index("\nscores:")]
    workspace.write(STUDY, text.replace(runs, runs.replace("seeds: 2", "seeds: 3")))
    output = workspace.command("plan")
    assert rows(output)["train"][:3] == ["3", "5", "6"]
    assert "train: more runs: shot3 seed 2, shot3-syn4 seed 2 (1)" in output


def test_a_lost_folder_of_snakemake_hides_nothing(workspace: Workspace) -> None:
    shutil.rmtree(workspace / ".snakemake")
    assert workspace.command("plan").strip() == "Nothing to be done: every result is there."
    workspace.replace(STUDY, "learning_rate: 0.003, weight_decay", "learning_rate: 0.004, weight_decay")
    assert workspace.planned() == {}, "Snakemake itself does not see the change"
    output = workspace.command("plan")
    assert "train digits/main/cnn/single/seeds0: recipe.learning_rate: 0.003 -> 0.004" in output
    remedy = re.search(r"snakemake --cores all (--forcerun .*)", output)
    assert remedy
    planned = workspace.planned(*remedy[1].split())
    assert planned["train"] >= 2
    assert "train_generator" not in planned


def test_a_plan_over_the_budget_does_not_start(workspace: Workspace) -> None:
    workspace.replace(STUDY, "learning_rate: 0.003, weight_decay", "learning_rate: 0.004, weight_decay")
    workspace.append("config.yaml", "budget: {gpu_hours: 0.0001}\n")
    before = workspace.results()
    planned = re.search(r"budget.gpu_hours: .*", workspace.command("plan"))
    assert planned
    assert workspace.start("--cores", "2").wait() == 1
    said = workspace.read("snakemake.log")
    message = r"config.yaml: budget.gpu_hours: the plan takes ([\d.]+) GPU-hours, ([\d.]+) above the budget of 0.0001"
    found = re.search(message, said)
    assert found, said
    assert float(found[1]) - 0.0001 == pytest.approx(float(found[2]), abs=0.0001)
    assert workspace.results() == before

    workspace.replace("config.yaml", "budget: {gpu_hours: 0.0001}", "budget: {gpu_hours: 10}")
    workspace.snakemake("results/runs/digits/main/cnn/single/seeds0/model.safetensors")
