"""Power of what a study plans, from a pilot or as stated; `make power`, and what `make plan` says of it."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fabricate
import numpy as np
import pandas as pd
import pytest
from scipy import stats
from workspace import STUDY, Workspace

from synthmix.analysis import planned_power, power, statistics
from synthmix.analysis.artefacts import Artefacts
from synthmix.analysis.planned_power import Assumed, PowerError, planned
from synthmix.experiments import Arm
from synthmix.planning.configuration import read_studies, read_yaml, validate_config
from synthmix.planning.plan import Plan

Planner = Callable[..., Plan]


@pytest.fixture(scope="module")
def pilot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the study digits has results: six seeds, 200 test images."""
    folder = tmp_path_factory.mktemp("pilot")
    fabricate.study(folder / "results")
    (folder / "results/data/digits/meta.json").unlink()  # it says nothing of the test split
    return folder


@pytest.fixture
def plan_of(pilot: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Planner:
    """Plans the study digits, with some of its keys changed, where the pilot's results are."""
    monkeypatch.chdir(pilot)

    def plan(**changed: Any) -> Plan:
        content = {**read_yaml(Path(__file__).parent / "configuration_study.yaml"), **changed}
        (tmp_path / "digits.yaml").write_text(json.dumps(content))
        studies = read_studies(tmp_path, ["digits"])
        return Plan(validate_config({"studies": ["digits"]}, "config.yaml"), studies, codes={"none": "none"})

    return plan


def compared() -> pd.DataFrame:
    return Artefacts(comparisons=Path("results/studies/digits/comparisons.csv")).read_comparisons()


def test_the_comparisons_planned_are_those_that_are_made(plan_of: Planner) -> None:
    table = compared()
    found = planned(plan_of(), "digits", Assumed())
    keys = ["dataset", "model", "recipe", "training_set", "baseline", "primary", "n"]
    made = set(table[keys].itertuples(index=False, name=None))
    assert {(*each.arm, each.baseline, each.primary, each.seeds) for each in found} == made
    assert found[0].primary
    assert [each.level for each in found[:2]] == pytest.approx([0.05, 0.05 / (len(table) - 1)])


def test_a_pilot_gives_the_variance_over_seeds_and_over_images(plan_of: Planner) -> None:
    found = {(*each.arm, each.baseline): each for each in planned(plan_of(), "digits", Assumed())}
    closer = 0
    for row in compared().to_dict("records"):
        each = found[tuple(row[key] for key in (*Arm._fields, "baseline"))]
        assert (each.source, each.test_images) == ("6 seeds of digits", 200)
        assert each.variance is not None
        assert each.sd is not None
        assert each.variance.pairs == 6
        half = (row["t_high"] - row["t_low"]) / 2
        measured = half / stats.t.ppf(0.975, 5) * np.sqrt(6)
        assert each.sd >= measured * (1 - 1e-9)
        closer += each.sd == pytest.approx(measured)
        error = each.variance.joint_variance(np.array(measured**2), 6, 200) ** 0.5
        assert error == pytest.approx((row["joint_high"] - row["joint_low"]) / 2 / 1.96, rel=0.1)
    assert closer > len(found) / 3  # not where single images make seeds differ by more than they happen to


def test_a_metric_that_is_no_mean_over_images_has_a_variance_over_seeds(plan_of: Planner) -> None:
    balanced = planned(plan_of(metric="balanced_accuracy"), "digits", Assumed(), primary_only=True)[0]
    assert balanced.variance is not None
    assert balanced.variance.images is not None
    # the fabricated results have no macro F1 at all
    absent = planned(plan_of(metric="macro_f1"), "digits", Assumed(), primary_only=True)[0]
    assert (absent.variance, absent.sd) == (None, None)
    path = Path("results/studies/digits/experiments.csv")
    kept = path.read_text()
    try:
        pd.read_csv(path).assign(macro_f1=lambda frame: frame["accuracy"]).to_csv(path, index=False)
        macro = planned(plan_of(metric="macro_f1"), "digits", Assumed(), primary_only=True)[0]
    finally:
        path.write_text(kept)
    assert macro.variance is not None
    assert macro.variance.images is None


def test_what_is_stated_stands_in_for_results_and_on_the_command_line_before_them(plan_of: Planner) -> None:
    declared = {"effect": 0.03, "sd": 0.02, "discordance": 0.2, "pilot": "digits"}
    plan = plan_of(power=declared)
    own = Assumed.of(plan.studies["digits"])
    assert (own.effect, own.power, own.sd_first) == (0.03, 0.8, False)
    measured = planned(plan, "digits", own, primary_only=True)[0]
    assert measured.source == "6 seeds of digits"
    stated = Assumed.of(plan.studies["digits"], {"sd": 0.01, "effect": None, "seeds": 9, "test_images": 500})
    first = planned(plan, "digits", stated, primary_only=True)[0]
    assert (first.sd, first.source, first.seeds, first.test_images) == (0.01, "stated", 9, 500)
    assert first.variance is not None
    assert first.variance.images == pytest.approx(0.2 - 0.03**2)  # of McNemar's test


def test_a_pilot_without_results_is_named_and_no_pilot_is_no_variance(plan_of: Planner, tmp_path: Path) -> None:
    plan = plan_of()
    with pytest.raises(PowerError, match=r"results/studies/other/experiments.csv: no such file.*build it first"):
        planned(plan, "digits", Assumed(pilot="other"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        first = planned(plan, "digits", Assumed(), primary_only=True)[0]
        assert (first.variance, first.source, first.test_images) == (None, "", None)
        second = planned(plan, "digits", Assumed(sd=0.02, discordance=0.1), primary_only=True)[0]
        assert (second.sd, second.source) == (0.02, "stated")


def test_older_blocks_of_other_sizes_do_not_count_twice(plan_of: Planner, tmp_path: Path, pilot: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(pilot, copy)
    job = copy / "results/runs/digits/ladder/cnn/cnn-steps"
    before = planned(plan_of(), "digits", Assumed(), primary_only=True)[0]
    shutil.copytree(job / "seeds0-5", job / "seeds0-2")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(copy)
        (job / "seeds0-5/predictions.parquet").touch()
        assert planned(plan_of(), "digits", Assumed(), primary_only=True)[0] == before


def warned(plan: Plan) -> str:
    (line,) = planned_power.warnings(plan, "digits")
    return line


def test_a_plan_warns_of_a_primary_comparison_that_cannot_be_answered(plan_of: Planner) -> None:
    runs = read_yaml(Path(__file__).parent / "configuration_study.yaml")["runs"]
    few = [{**entry, "seeds": 5} for entry in runs]
    only = {name: [] for name in ("cross_tests", "explanations", "robustness")} | {"tables": {}, "figures": {}}
    message = "studies/digits.yaml: primary: shot3-syn80 against shot3: 5 seeds cannot reach p < 0.05"
    assert warned(plan_of(**only, runs=few)).startswith(message)
    assert "give both at least 6 seeds" in warned(plan_of(**only, runs=few))
    sd = planned(plan_of(), "digits", Assumed(), primary_only=True)[0].sd
    assert sd is not None
    line = warned(plan_of(power={"effect": 0.02}))
    needed = power.seeds_needed(0.02, sd)
    assert f"with a power of {power.seed_power(0.02, sd, 6):.2f}, not 0.8" in line
    assert f"6 seeds of digits); it takes {needed} seeds: make power STUDY=digits" in line
    for enough in ({}, {"power": {"effect": 0.2}}, {"power": {"sd": 0.3}}):
        assert not list(planned_power.warnings(plan_of(**enough), "digits"))


def test_a_study_without_a_primary_comparison_is_not_warned_of(plan_of: Planner) -> None:
    plan = plan_of(primary=None, power={"effect": 0.001})
    assert not list(planned_power.warnings(plan, "digits"))
    assert not any(each.primary for each in planned(plan, "digits", Assumed()))
    assert Arm("digits", "cnn", "cnn-steps", "mix") in [each.arm for each in planned(plan, "digits", Assumed())]


# ---- the commands ----------------------------------------------------------------------------------------------------


def cells(output: str, comparison: str) -> list[list[str]]:
    """The cells of the rows about a comparison."""
    lines = [line.strip("|").split("|") for line in output.splitlines() if line.startswith(f"| {comparison}")]
    return [[cell.strip() for cell in line] for line in lines]


@pytest.mark.workflow
def test_make_power_prints_what_is_needed(sources: Workspace) -> None:
    options = ("--effect", "0.02", "--sd", "0.015", "--discordance", "0.1", "--seeds", "8")
    output = sources.command("power", *options, "tiny")
    first, general = cells(output, "shot3-syn4 against shot3 (primary)")
    stated = f"{power.seed_power(0.02, 0.015, 8):.2f}"
    needed = str(power.seeds_needed(0.02, 0.015))
    assert first[1:8] == ["digits/vit/block", "8", f"{statistics.smallest_p(8):.2g}", "0.05", "1.5", "stated", stated]
    assert first[-1] == needed
    least = power.least_images(0.02, power.Variance(0.015**2, 0.1 - 0.02**2))
    assert (general[3], general[-1]) == ("100", f"{least:,}")  # test images of the study, and what it takes
    assert not (sources / "results/data").exists()

    output = sources.command("power")
    assert "no effect is declared" in output
    assert "1 of 1 comparisons have no variance" in output
    assert sources.command("power", "--pilot", "other", status=1).startswith("results/studies/other/experiments.csv")
    assert "studies/tinny.yaml: no such file" in sources.command("power", "tinny", status=1)


@pytest.mark.workflow
def test_make_plan_warns(sources: Workspace) -> None:
    warning = "studies/tiny.yaml: primary: shot3-syn4 against shot3: 2 seeds cannot reach p < 0.05"
    assert warning in sources.command("plan")
    sources.replace(STUDY, "primary:", "power: {effect: 0.01, sd: 0.02}\n\nprimary:")
    text = sources.read(STUDY)
    sources.write(STUDY, text.replace("model: vit, recipe: block, seeds: 2", "model: vit, recipe: block, seeds: 6"))
    assert "6 seeds see 1 point with a power of" in sources.command("plan", "tiny")
    sources.replace(STUDY, "sd: 0.02", "sd: 0.002")
    assert "primary:" not in sources.command("plan", "tiny")


@pytest.mark.workflow
def test_declaring_power_runs_nothing_again(workspace: Workspace) -> None:
    workspace.replace(STUDY, "primary:", "power: {effect: 0.01, sd: 0.02}\n\nprimary:")
    assert workspace.planned() == {}
