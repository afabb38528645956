"""`make diff` and `make experiments`: runs paired, what differs in their specs and metrics; tables of runs filtered."""

import csv
import json
import re
import shutil
import subprocess
from pathlib import Path

import fabricate
import numpy as np
import pandas as pd
import pytest
from workspace import LIBRARY, RUNS, STORE, STUDY, Workspace

from synthmix.analysis.artefacts import Artefacts
from synthmix.comparing import commits, differences, experiment_table, lineage
from synthmix.comparing.experiment_table import TableError, query, read
from synthmix.comparing.lineage import Jobs
from synthmix.comparing.sides import Side, SideError, resolve

SINGLE = "learning_rate: 0.003, weight_decay"


@pytest.fixture
def table(artefacts: Artefacts) -> Path:
    """An experiments.csv with known numbers, and comparisons.csv beside it."""
    assert artefacts.experiments
    return artefacts.experiments


def side(runs: pd.DataFrame, name: str = "x", **more: object) -> Side:
    return Side(name, "a test", runs.reset_index(drop=True), **more)  # type: ignore[arg-type]


def compared(a: Side, b: Side, metric: str = "accuracy") -> pd.DataFrame:
    return differences.metrics(a, b, differences.pair(a, b), metric).data


# ---- metrics ---------------------------------------------------------------------------------------------------------


def test_differences_of_training_sets_equal_the_comparisons_of_the_study(table: Path) -> None:
    expected = pd.read_csv(table.with_name("comparisons.csv"))
    expected = expected[(expected["training_set"] == "shot3-syn80") & (expected["baseline"] == "shot3")]
    assert len(expected) == 4, "two models under two recipes"
    a, b = (resolve(f"{table}/training_set={name}") for name in ("shot3", "shot3-syn80"))
    pairs = differences.pair(a, b)
    assert pairs.differing == {"training_set": ("shot3", "shot3-syn80")}
    assert not any(map(len, pairs.alone))
    found = differences.metrics(a, b, pairs, "accuracy").data.merge(expected, on=["model", "recipe"])
    for mine, theirs in {
        "n_x": "n_y",
        "b": "mean",
        "a": "baseline_mean",
        "difference_x": "difference_y",
        "low": "t_low",
        "high": "t_high",
        "p_x": "p_y",
        "p_min_x": "p_min_y",
        "pair_correlation_x": "pair_correlation_y",
    }.items():
        np.testing.assert_allclose(found[mine], found[theirs], rtol=1e-12)
    assert (found["p_holm_x"] >= found["p_x"]).all()
    assert found["p_holm_x"].min() == pytest.approx(min(1, 4 * found["p_x"].min()))


def test_two_axes_may_differ_and_runs_without_a_partner_are_named(table: Path) -> None:
    a = resolve(f"{table}/model=cnn,recipe=cnn-steps,seed=0,seed=1,seed=2")
    b = resolve(f"{table}/model=vit,recipe=vit-steps")
    pairs = differences.pair(a, b)
    assert pairs.differing == {"model": ("cnn", "vit"), "recipe": ("cnn-steps", "vit-steps")}
    assert len(pairs.both) == 3 * 8, "three seeds of main and ladder"
    only_a, only_b = (list(differences.alone_lines(runs)) for runs in pairs.alone)
    assert [line.split("/")[1] for line in only_a] == sorted(fabricate.SETS["controls"])
    assert all(line.endswith("/cnn/cnn-steps: seeds 0, 1, 2") for line in only_a)
    assert len(only_b) == 8
    assert all(line.endswith("/vit/vit-steps: seeds 3, 4, 5") for line in only_b)


def test_axes_with_several_names_and_none_in_common_make_no_pairs(table: Path) -> None:
    a, b = (resolve(f"{table}/model={model}") for model in ("cnn", "vit"))
    pairs = differences.pair(a, b)
    assert pairs.both.empty
    assert (len(pairs.alone[0]), len(pairs.alone[1])) == (len(a.runs), len(b.runs))
    (hint,) = pairs.hints
    assert hint.startswith("no recipe is in both (A: cnn-epochs, cnn-steps; B: vit-epochs, vit-steps): choose one")
    assert compared(a, b).empty


def test_equal_results_are_called_identical_and_not_tested(table: Path) -> None:
    frame = read(table, table)
    frame = frame[(frame["model"] == "cnn") & (frame["recipe"] == "cnn-steps")]
    frame = frame[frame["training_set"].isin(["shot3", "mix", "org"])].reset_index(drop=True)
    other = frame.copy()
    changed = other["training_set"] == "mix"
    other.loc[changed, "accuracy"] += 2**-50  # less than a table shows
    other.loc[(other["training_set"] == "org") & (other["seed"] == 0), "balanced_accuracy"] += 0.01
    found = differences.metrics(side(frame), side(other), differences.pair(side(frame), side(other)), "accuracy")
    data = found.data.set_index("training_set")
    assert data["identical"].to_dict() == {"mix": 0, "org": 5, "shot3": 6}
    assert np.isnan(data.loc["shot3", "p"]), "nothing to test"
    assert data.loc["org", "p"] == 1
    shown = found.frame.set_index("Training set")
    assert shown.loc["shot3", "B - A"] == "identical"
    assert shown["Identical"].to_dict() == {"mix": "", "org": "5", "shot3": ""}
    assert shown.loc["mix", "B - A"] == "0.0 [0.0, 0.0]"


@pytest.mark.parametrize("column", ["test_images", "rarest_class_test_images"])
def test_other_test_images_make_no_difference(table: Path, column: str) -> None:
    frame = read(table, table)
    frame = frame[frame["training_set"].isin(["org", "mix"])]
    other = frame.assign(**{column: frame[column].where(frame["training_set"] != "mix", 90)})
    found = differences.metrics(side(frame), side(other), differences.pair(side(frame), side(other)), "accuracy")
    told = found.data.groupby("training_set")
    assert set(found.data["test"]) == {"other", "unknown"}
    assert told["difference"].count().to_dict() == {"mix": 0, "org": 4}
    assert told["p"].count().to_dict() == {"mix": 0, "org": 0}
    assert (found.frame.loc[found.frame["Training set"] == "mix", "B - A"] == "other test images").all()
    assert any("Nobody recorded" in note for note in found.notes)


def test_specs_of_other_data_are_other_test_images() -> None:
    frame = pd.DataFrame(
        [("digits", "org", "cnn", "steps", 0, "org", 0.5)],
        columns=["dataset", "training_set", "model", "recipe", "seed", "bundle", "accuracy"],
    )
    train = {
        "code": "c",
        "entries": ["train.py"],
        "training_sets": {"org": {"real": "all"}},
        "keys": {"org": {"0": "k"}},
        "upstream": {"data": "d"},
    }
    data = {"code": "c", "entries": ["prepare_data.py"], "dataset": {"test": 0.1}}
    specs = {"train/digits/org/cnn/steps/seeds0": train, "prepare_data/digits": data}
    a = side(frame, jobs=Jobs(specs))
    assert compared(a, a)["test"].tolist() == ["same"]
    other = {**specs, "train/digits/org/cnn/steps/seeds0": {**train, "upstream": {"data": "e"}}}
    assert compared(a, side(frame, jobs=Jobs(other)))["test"].tolist() == ["unknown"], "other code alone"
    other["prepare_data/digits"] = {**data, "dataset": {"test": 0.2}}
    b = side(frame, jobs=Jobs(other))
    assert compared(a, b)["test"].tolist() == ["other"]
    pairs = differences.pair(a, b)
    assert differences.spec_lines(a, b, pairs) == ["data.dataset.test: 0.1 -> 0.2 (1)"]
    assert differences.spec_lines(a, side(frame), pairs) == ["unknown: the specs of both are not on record (1)"]


def test_what_runs_read_is_told_where_nothing_else_is() -> None:
    train = {
        "code": "c",
        "entries": ["train.py"],
        "training_sets": {"syn": {"pool": "p", "synthetic": 3}},
        "keys": {"syn": {"0": "k"}},
        "upstream": {"data": "d"},
    }
    name, run = "train/digits/syn/cnn/steps/seeds0", (("digits", "syn", "cnn", "steps", 0), "syn")
    shard = {"code": "c", "entries": ["generate.py"], "sampling": {"steps": 20}, "upstream": {"generator": "g"}}
    one = Jobs({name: train, "generate/digits/p/all/0000": shard})
    changed = {**train, "keys": {"syn": {"0": "other"}}}
    other = Jobs({name: changed, "generate/digits/p/all/0000": shard})
    assert lineage.differences(one, one, run, run) == []
    assert lineage.differences(one, other, run, run) == ["what it reads changes"]
    other = Jobs({name: changed, "generate/digits/p/all/0000": {**shard, "sampling": {"steps": 30}}})
    assert lineage.differences(one, other, run, run) == ["pool.sampling.steps: 20 -> 30"]
    assert lineage.differences(one, Jobs(), run, run) is None


def test_a_network_that_was_trained_again_and_not_tested_is_unknown() -> None:
    train = {
        "code": "c",
        "entries": ["train.py"],
        "training_sets": {"org": {"real": 3}},
        "keys": {"org": {"0": "k"}},
        "upstream": {"data": "d"},
    }
    test = {"code": "t", "entries": ["evaluate.py"], "keys": {"org": {"0": "k"}}}
    run = (("digits", "org", "cnn", "steps", 0), "org")
    name = "digits/org/cnn/steps/seeds0"
    known = Jobs({f"train/{name}": train, f"evaluate/{name}": test})
    assert lineage.differences(known, known, run, run) == []
    again = Jobs({f"train/{name}": {**train, "keys": {"org": {"0": "other"}}}, f"evaluate/{name}": test})
    assert lineage.differences(known, again, run, run) is None


def test_the_metric_is_what_both_are_judged_by_and_a_bad_one_is_refused(table: Path) -> None:
    frame = read(table, table)
    imbalanced = side(frame, metric="balanced_accuracy")
    assert differences.metric_of(imbalanced, side(frame), None) == "balanced_accuracy"
    assert differences.metric_of(imbalanced, side(frame, metric="accuracy"), None) == "accuracy"
    assert differences.metric_of(imbalanced, side(frame), "train_seconds") == "train_seconds"
    with pytest.raises(TableError, match=r"^METRIC: x has no column acuracy; did you mean accuracy"):
        differences.metric_of(imbalanced, side(frame), "acuracy")


# ---- what is asked for -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("", "A and B: name a study"),
        ("{table}/modl=cnn", "unknown key modl; did you mean model?"),
        ("{table}/model=cn", "no run has model cn; did you mean cnn?"),
        ("{table}/model=cnn,recipe=vit-steps", "no run is like that; leave out a part of model=cnn,recipe=vit-steps"),
        ("results/runs/digits/gone", "nothing is there that was tested; name a study"),
        ("gone.csv", "nothing is there that was tested"),
        ("no-such-study", "no-such-study: no such study"),
    ],
)
def test_what_is_not_there_is_said_in_one_line(table: Path, asked: str, told: str) -> None:
    with pytest.raises(SideError, match=re.escape(told)) as caught:
        resolve(asked.format(table=table))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "not a table of runs"),
        ("a,b\n1,2\n", "it has no column dataset"),
        ("a\n1,2\n1,2,3\n", "not a table of runs"),
        ("dataset,training_set,model,recipe,seed\na,b,c,d,zero\n", "its seeds are not whole numbers"),
    ],
)
def test_another_table_is_refused(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "experiments.csv"
    path.write_text(text)
    with pytest.raises(TableError, match=told) as caught:
        resolve(str(path))
    assert "\n" not in str(caught.value)


def test_a_condition_and_columns_choose_among_runs(table: Path) -> None:
    frame = read(table, table)
    found = query(frame, 'model == "cnn" and seed < 3 and accuracy > 0.9', "seed, accuracy")
    assert list(found) == ["seed", "accuracy"]
    kept = frame[(frame["model"] == "cnn") & (frame["seed"] < 3) & (frame["accuracy"] > 0.9)]
    assert 0 < len(kept) < len(frame)
    assert found["accuracy"].tolist() == kept["accuracy"].tolist()
    assert list(query(frame)) == [name for name in experiment_table.USUAL if name in frame]


@pytest.mark.parametrize(
    ("where", "columns", "told"),
    [
        ("modl == 3", None, "WHERE: no column modl; did you mean model? (known: dataset,"),
        ("model === 3", None, "WHERE: model === 3: invalid syntax"),
        ("accuracy + 1", None, "WHERE: accuracy + 1: it is no condition"),
        ("model < 3", None, "WHERE: model < 3: "),
        (None, "seed,acuracy", "COLUMNS: no column acuracy; did you mean accuracy"),
        (None, ",", "COLUMNS: no column"),
    ],
)
def test_bad_conditions_and_columns_are_refused(table: Path, where: str, columns: str, told: str) -> None:
    with pytest.raises(TableError) as caught:
        query(read(table, table), where, columns)
    assert str(caught.value).startswith(told)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (
            'Using.\nWorkflowError in file "a.smk", line 3:\na.yaml: title: missing key\n  File "a"\nUsing more.\n',
            "a.yaml: title: missing key",
        ),
        (
            'MissingInputException in rule train in file "a.smk", line 1:\nMissing files:\n    x.parquet\n    y\n',
            "Missing files: x.parquet",
        ),
        ("Traceback (most recent call last):\n  File x\nImportError: no graph\n", "ImportError: no graph"),
        ("", "no reason given"),
    ],
)
def test_the_reason_of_a_plan_that_fails_is_one_line(said: str, reason: str) -> None:
    assert commits._reason(said) == reason


# ---- in a workspace --------------------------------------------------------------------------------------------------


def commit(workspace: Workspace, message: str) -> None:
    if not (workspace / ".git").exists():
        subprocess.run(["git", "init", "--quiet"], cwd=workspace.root, check=True)
    name = ["-c", "user.name=A Test", "-c", "user.email=test@example.org"]
    subprocess.run(["git", "add", "--all"], cwd=workspace.root, check=True)
    subprocess.run(["git", *name, "commit", "--quiet", "-m", message], cwd=workspace.root, check=True)


def parts(output: str) -> dict[str, list[str]]:
    """The lines below each heading of the output."""
    found: dict[str, list[str]] = {}
    heading = ""
    for line in output.splitlines():
        if line.startswith("  "):
            found[heading].append(line.strip())
        else:
            heading = line.partition(" (")[0].partition(",")[0]
            found[heading] = []
    return found


@pytest.mark.workflow
def test_a_built_study_a_run_and_a_copied_table(built: Workspace, tmp_path: Path) -> None:
    before = built.results()
    output = built.command("diff", "tiny/training_set=shot3", "tiny/training_set=shot3-syn4", "--metric", "nll")
    assert parts(output)["Specs"] == [
        "training_set.draw_from: absent -> 4 (4)",
        'training_set.pool: absent -> "ddpm" (4)',
        "training_set.synthetic: absent -> 4 (4)",
    ]
    assert "Nll: A" in output
    folder = f"{RUNS}/main/vit/block/seeds0-2"
    table = tmp_path / "diff.csv"
    output = built.command("diff", f"{folder}/training_set=shot3", "tiny", "--output", str(table))
    assert parts(output)["Specs"] == ["nothing (2)"]
    assert len(parts(output)["Only in B"]) == 4
    with table.open() as file:
        (row,) = csv.DictReader(file)
    assert (row["identical"], row["test"], row["difference"]) == ("2", "same", "0.0")
    shutil.copy(built / "results/studies/tiny/experiments.csv", tmp_path / "old.csv")
    output = built.command("diff", str(tmp_path / "old.csv"), "tiny")
    assert parts(output)["Specs"] == ["unknown: the specs of both are not on record (10)"]
    assert output.count("| identical |") == 5
    shown = built.command("experiments", "tiny", "--where", 'model == "vit" and seed < 1', "--columns", "seed,accuracy")
    assert shown.endswith("\n3 of 10 runs\n")
    assert "no column modl" in built.command("experiments", "tiny", "--where", "modl == 1", status=1)
    assert built.results() == before, "a comparison changes no result"


@pytest.mark.workflow
def test_a_study_at_two_commits(workspace: Workspace) -> None:
    """Specs are planned by the code of each commit; metrics come from the store, then from a committed table."""
    commit(workspace, "first")
    workspace.replace(STUDY, SINGLE, SINGLE.replace("0.003", "0.004"))
    old = "    return np.where(wrong, (labels + offsets) % classes, labels)\n"
    workspace.replace(f"{LIBRARY}/images/draws.py", old, old.replace("offsets)", "offsets + 0)"))
    workspace.replace(STUDY, "main: {kind: accuracy}", "main: {kind: accuracy, caption: Another}")
    commit(workspace, "second")
    output = workspace.command("diff", "tiny@HEAD~1", "tiny@HEAD")
    found = parts(output)
    assert found["Specs"] == [
        "code: images/draws.py: noisy_labels changed (10)",
        "recipe.learning_rate: 0.003 -> 0.004 (4)",
    ]
    assert found["Other jobs of both"] == ['table: view.caption: absent -> "Another" (1)']
    assert "B: tiny@HEAD: 10 runs; metrics: nowhere: no docs/results/tiny/experiments.csv then, none of its" in output
    assert "no pair has metrics on both sides" in output

    # what only the store has is tested anew against nothing: it equals the study's own table to the last bit
    shutil.rmtree(workspace / RUNS)
    output = workspace.command("diff", "tiny@HEAD~1", "tiny")
    assert "A: tiny@HEAD~1: 10 runs; metrics: runs with the specs of then" in output
    assert output.count("| identical |") == 5

    shutil.rmtree(workspace / STORE)
    assert "A: tiny@HEAD~1: 10 runs; metrics: nowhere" in workspace.command("diff", "tiny@HEAD~1", "tiny")
    frame = pd.read_csv(workspace / "results/studies/tiny/experiments.csv")
    (workspace / "docs/results/tiny").mkdir(parents=True)
    frame[frame["seed"] == 0].to_csv(workspace / "docs/results/tiny/experiments.csv", index=False)
    commit(workspace, "third")
    output = workspace.command("diff", "tiny@HEAD/model=cnn", "tiny/model=cnn")
    assert (
        "metrics: docs/results/tiny/experiments.csv of that commit\n   metrics of 5 of 10 runs are not there" in output
    )
    assert parts(output)["Specs"] == ["unknown: the specs of both are not on record (4)"], "the runs were deleted"


@pytest.mark.workflow
def test_commits_that_cannot_be_planned_are_named(sources: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(sources.root)
    with pytest.raises(commits.CommitError, match=r"^HEAD: no commit of this repository;"):
        resolve("tiny@HEAD")
    commit(sources, "first")
    with pytest.raises(commits.CommitError, match=r"^gone: no commit of this repository;"):
        resolve("tiny@gone")
    with pytest.raises(commits.CommitError, match=r"^studies/other\.yaml: no such file at "):
        resolve("other@HEAD")
    with pytest.raises(
        SideError, match=r"^results/studies/tiny/experiments\.csv: no such file; build the study first:"
    ):
        resolve("tiny")
    sources.append(STUDY, "nonsense: 1\n")
    commit(sources, "second")
    said = sources.command("diff", "tiny@HEAD", "tiny", status=1)
    assert "cannot be planned: studies/tiny.yaml: nonsense: unknown key" in said
    assert said.count("\n") == 1


@pytest.mark.workflow
def test_runs_that_were_made_again_have_no_known_specs_in_an_old_table(workspace: Workspace) -> None:
    path = workspace / f"{RUNS}/main/cnn/single/seeds0/metrics.json"
    content = json.loads(path.read_text())
    for run in content["runs"]:
        run["nll"] += 1
    path.write_text(json.dumps(content))
    output = workspace.command("diff", "tiny", "tiny")
    assert "2 runs are not those of the files below results/runs" in output
    assert parts(output)["Specs"] == ["nothing (8)", "unknown: the specs of both are not on record (2)"]
