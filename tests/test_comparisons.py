"""From metrics files to one row per run, and from runs and predictions to paired comparisons."""

from pathlib import Path
from typing import Any

import fabricate
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synthmix import comparisons, experiments
from synthmix.analysis import statistics
from synthmix.analysis.artefacts import Artefacts
from synthmix.experiments import Arm
from synthmix.files import DamagedFileError, write_json


@pytest.fixture(scope="module")
def compared(artefacts: Artefacts) -> pd.DataFrame:
    return artefacts.read_comparisons()


def metrics_file(root: Path, bundle: str, runs: list[dict[str, Any]], seeds: str = "0-5") -> Path:
    path = root / f"runs/digits/{bundle}/cnn/cnn-steps/seeds{seeds}/metrics.json"
    write_json(path, {"spec": {}, "runs": runs})
    return path


def one_run(training_set: str, seed: int, accuracy: float = 0.9) -> dict[str, Any]:
    return {"training_set": training_set, "seed": seed, "accuracy": accuracy, "confusion": [[1]], "real_images": 30}


def test_collect_is_sorted_and_scalar(tmp_path: Path) -> None:
    late = metrics_file(tmp_path, "b", [one_run("x", 11), one_run("x", 2), one_run("a", 10)])
    early = metrics_file(tmp_path, "a", [one_run("m", 0)])
    frame = experiments.collect([late, early])
    assert frame[["training_set", "seed", "bundle"]].to_numpy().tolist() == [
        ["a", 10, "b"],
        ["m", 0, "a"],
        ["x", 2, "b"],
        ["x", 11, "b"],
    ]
    assert list(frame.columns) == [
        "dataset",
        "training_set",
        "model",
        "recipe",
        "seed",
        "bundle",
        "accuracy",
        "real_images",
    ]
    assert frame.equals(experiments.collect([early, late]))


def test_collect_refuses_the_same_run_twice(tmp_path: Path) -> None:
    paths = [metrics_file(tmp_path, bundle, [one_run("x", 0)]) for bundle in "ab"]
    with pytest.raises(ValueError, match=r"digits/x/cnn/cnn-steps/0 is also in .*/a/"):
        experiments.collect(paths)


def test_collect_takes_the_runs_asked_for_and_misses_none(tmp_path: Path) -> None:
    path = metrics_file(tmp_path, "a", [one_run(name, seed) for name in ("x", "y") for seed in (0, 1, 2)])
    frame = experiments.collect([path], {str(path.parent): {"y": [2, 0]}})
    assert frame[["training_set", "seed"]].to_numpy().tolist() == [["y", 0], ["y", 2]]
    with pytest.raises(DamagedFileError, match="it lacks training set y, seed 3"):
        experiments.collect([path], {str(path.parent): {"x": [0], "y": [3]}})


def test_artefacts_of_named_inputs() -> None:
    inputs: dict[str, Any] = {
        "experiments": "results/studies/s/experiments.csv",
        "scores": ["results/scores/d/p/e-n80.json"],
        "meta": ["results/data/d/meta.json"],
        "train": ["results/data/d/train.safetensors"],
        "shards": ["results/pools/d/p/all/shard-0000.parquet", "results/pools/d/p/all/shard-0001.parquet"],
    }
    artefacts = Artefacts.of(inputs)
    assert artefacts.experiments == Path("results/studies/s/experiments.csv")
    assert artefacts.scores == [Path("results/scores/d/p/e-n80.json")]
    assert artefacts.data == {"d": {"train": Path(inputs["train"][0]), "meta": Path(inputs["meta"][0])}}
    assert artefacts.pools == {("d", "p"): [Path(shard) for shard in inputs["shards"]]}
    with pytest.raises(ValueError, match=r"comparisons\.csv is not among the inputs"):
        artefacts.read_comparisons()
    with pytest.raises(ValueError, match="no file of this kind"):
        artefacts.read_histories()


def test_collect_refuses_a_file_without_runs_and_another_layout(tmp_path: Path) -> None:
    with pytest.raises(DamagedFileError, match="no runs"):
        experiments.collect([metrics_file(tmp_path, "a", [])])
    with pytest.raises(ValueError, match="expected"):
        experiments.collect([tmp_path / "metrics.json"])
    with pytest.raises(ValueError, match="asks for no run"):
        experiments.collect([])


def test_select_keeps_the_order_of_the_specification(artefacts: Artefacts) -> None:
    frame = artefacts.read_experiments()
    spec = {"training_set": ["syn", "org"], "model": "vit", "order": {"recipe": ["vit-steps", "vit-epochs"]}}
    keys = [
        (arm.recipe, arm.training_set, len(runs)) for arm, runs in experiments.arms(experiments.select(frame, spec))
    ]
    assert keys == [
        ("vit-steps", "syn", 6),
        ("vit-steps", "org", 6),
        ("vit-epochs", "syn", 6),
        ("vit-epochs", "org", 6),
    ]
    with pytest.raises(ValueError, match="no run has training_set ogr"):
        experiments.select(frame, {"training_set": ["ogr"]})
    assert experiments.select(frame, {"training_set": ["ogr"]}, complete=False).empty


def test_every_comparison_with_both_arms_has_a_row(compared: pd.DataFrame) -> None:
    pairs = compared.groupby(["training_set", "baseline"]).size().to_dict()
    assert pairs["mix", "org"] == pairs["shot3-syn20", "shot3"] == 4  # two models, two recipes
    assert pairs["shot3-real20", "shot3"] == pairs["shot3-own20", "shot3-real20"] == 1  # where the control was run
    assert list(compared.columns) == comparisons.COLUMNS


@pytest.mark.parametrize(
    ("only", "settings"),
    [
        ({}, 4),
        ({"model": ["vit"]}, 2),
        ({"dataset": "digits", "model": "cnn", "recipe": ["cnn-steps"]}, 1),
        ({"dataset": ["cars"]}, 0),
    ],
)
def test_an_entry_compares_only_where_it_says(artefacts: Artefacts, only: dict[str, Any], settings: int) -> None:
    entry = {"baseline": "org", "training_set": ["syn", "mix"], **only}
    frame = comparisons.compare(artefacts.read_experiments(), artefacts.predictions, [entry], None)
    assert len(frame) == 2 * settings
    for key in only.keys() & {"model", "recipe"}:
        assert set(frame[key]) == set(np.atleast_1d(only[key]))


def test_a_row_holds_what_its_runs_say(artefacts: Artefacts, compared: pd.DataFrame) -> None:
    row = compared[(compared["training_set"] == "shot3-own20") & (compared["recipe"] == "vit-steps")].iloc[0]
    runs = artefacts.read_experiments()
    arm = Arm("digits", "vit", "vit-steps", "shot3-own20")
    a, b = (experiments.runs_of(runs, one)["accuracy"] for one in (arm, arm._replace(training_set="shot3")))
    interval = statistics.t_interval(a - b)
    assert (row["n"], row["mean"], row["baseline_mean"]) == pytest.approx((6, a.mean(), b.mean()))
    assert (row["difference"], row["t_low"], row["t_high"]) == pytest.approx(
        (interval.mean, interval.low, interval.high)
    )
    assert (row["p"], row["p_min"]) == (statistics.sign_flip_test(a - b), 0.03125)
    assert row["pair_correlation"] == pytest.approx(np.corrcoef(a, b)[0, 1])
    assert row["real_images"] == row["generator_real_images"] == row["baseline_real_images"] == 30
    assert np.isnan(row["baseline_generator_real_images"])


def test_joint_interval_comes_from_the_predictions(artefacts: Artefacts, compared: pd.DataFrame) -> None:
    row = compared[(compared["training_set"] == "syn") & (compared["recipe"] == "cnn-steps")].iloc[0]
    predictions = artefacts.read_predictions(["training_set", "seed", "index", "correct"])
    predictions = predictions[predictions["recipe"] == "cnn-steps"]
    matrices = [
        predictions[predictions["training_set"] == name]
        .pivot(index="seed", columns="index", values="correct")
        .to_numpy()
        for name in ("syn", "org")
    ]
    assert (row["joint_low"], row["joint_high"]) == pytest.approx(statistics.joint_interval(*matrices))


def test_holm_leaves_the_primary_comparison_out(compared: pd.DataFrame) -> None:
    primary = compared[compared["primary"]]
    assert len(primary) == 1
    assert (primary["training_set"].item(), primary["recipe"].item()) == ("shot3-syn80", "cnn-steps")
    assert primary["p_holm"].item() == primary["p"].item()
    others = compared[~compared["primary"]]
    assert others["p_holm"].to_numpy() == pytest.approx(statistics.holm(others["p"]))


def test_without_primary_every_row_is_corrected(artefacts: Artefacts) -> None:
    frame = comparisons.compare(artefacts.read_experiments(), artefacts.predictions, fabricate.COMPARISONS[:1], None)
    assert not frame["primary"].any()
    assert frame["p_holm"].to_numpy() == pytest.approx(statistics.holm(frame["p"]))


def test_a_primary_comparison_outside_the_list_is_added_and_one_without_runs_refused(artefacts: Artefacts) -> None:
    runs = artefacts.read_experiments()
    frame = comparisons.compare(runs, artefacts.predictions, [], fabricate.PRIMARY)
    assert frame["primary"].tolist() == [True]
    with pytest.raises(ValueError, match="primary: shot9 and shot3 share no seed"):
        comparisons.compare(runs, artefacts.predictions, [], {**fabricate.PRIMARY, "training_set": "shot9"})


def test_no_comparison_gives_an_empty_frame(artefacts: Artefacts) -> None:
    frame = comparisons.compare(artefacts.read_experiments(), [], [], None)
    assert frame.empty
    assert list(frame.columns) == comparisons.COLUMNS


def test_only_seeds_of_both_arms_are_paired(artefacts: Artefacts) -> None:
    runs = artefacts.read_experiments()
    runs = runs[~((runs["training_set"] == "org") & (runs["seed"] < 2))]
    entry = [{"baseline": "org", "training_set": "mix"}]
    frame = comparisons.compare(runs, artefacts.predictions, entry, None)
    assert frame["n"].tolist() == [4] * 4
    assert frame["p_min"].tolist() == [0.125] * 4


def test_another_metric_has_no_joint_interval(artefacts: Artefacts) -> None:
    runs = artefacts.read_experiments().assign(macro_f1=lambda frame: frame["accuracy"])
    frame = comparisons.compare(runs, [], fabricate.COMPARISONS[:1], None, metric="macro_f1")
    assert frame[["joint_low", "joint_high"]].isna().all(axis=None)
    assert frame["difference"].notna().all()


def test_a_metric_that_is_no_mean_over_images_has_a_joint_interval_of_its_own(artefacts: Artefacts) -> None:
    runs = artefacts.read_experiments()
    entry = [{"baseline": "org", "training_set": "syn", "recipe": "cnn-steps"}]
    frame = comparisons.compare(runs, artefacts.predictions, entry, None, metric="balanced_accuracy")
    row = frame[frame["recipe"] == "cnn-steps"].iloc[0]
    assert row["metric"] == "balanced_accuracy"
    assert row["joint_low"] < row["difference"] < row["joint_high"]
    # the fabricated classes are equal, so that the two accuracies are
    accuracy = comparisons.compare(runs, artefacts.predictions, entry, None)
    other = accuracy[accuracy["recipe"] == "cnn-steps"].iloc[0]
    assert (row["joint_low"], row["joint_high"]) == pytest.approx((other["joint_low"], other["joint_high"]), abs=0.01)


@pytest.mark.parametrize("binary", [True, False])
def test_auroc_is_resampled_where_predictions_hold_probabilities(tmp_path: Path, binary: bool) -> None:
    """Set x ranks every image rightly, y the last one wrongly; probabilities are kept for two classes only."""
    labels, seeds = [0, 0, 0, 1, 1], 3
    probabilities = {"x": [0.1, 0.2, 0.3, 0.8, 0.9], "y": [0.1, 0.2, 0.3, 0.8, 0.25]}
    runs = [one_run(name, seed) | {"auroc": area} for name, area in (("x", 1.0), ("y", 5 / 6)) for seed in range(seeds)]
    metrics = metrics_file(tmp_path, "b", runs)
    rows = [
        {"training_set": name, "seed": seed, "index": index, "label": labels[index], "probability": value}
        for name, values in probabilities.items()
        for seed in range(seeds)
        for index, value in enumerate(values)
    ]
    table = pd.DataFrame(rows)
    path = metrics.with_name("predictions.parquet")
    pq.write_table(pa.Table.from_pandas(table if binary else table.drop(columns="probability")), path)
    entry = [{"baseline": "y", "training_set": "x"}]
    row = comparisons.compare(experiments.collect([metrics]), [path], entry, None, "auroc").iloc[0]
    assert row["difference"] == pytest.approx(1 / 6)
    if binary:
        assert row["joint_low"] == 0  # resamples without the image that y has wrong
        assert 1 / 6 < row["joint_high"] <= 1
    else:
        assert row[["joint_low", "joint_high"]].isna().all()


def test_seeds_in_several_jobs_are_joined(tmp_path: Path) -> None:
    metrics, predictions = [], []
    for seeds in ("0", "1"):
        runs = [one_run(name, int(seeds)) for name in ("x", "y")]
        metrics.append(metrics_file(tmp_path, "b", runs, seeds))
        table = {"training_set": ["x", "x", "y", "y"], "seed": [int(seeds)] * 4, "index": [0, 1, 1, 0]}
        predictions.append(metrics[-1].with_name("predictions.parquet"))
        pq.write_table(pa.table({**table, "correct": [True, True, False, True]}), predictions[-1])
    frame = comparisons.compare(
        experiments.collect(metrics), predictions, [{"baseline": "y", "training_set": "x"}], None
    )
    assert frame["n"].tolist() == [2]
    assert frame["joint_low"].item() == 0  # y has image 1 wrong for both seeds, x nothing
    assert frame["joint_high"].item() == 1


def test_predictions_that_miss_a_seed_are_refused(artefacts: Artefacts, tmp_path: Path) -> None:
    runs = artefacts.read_experiments()
    entry = [{"baseline": "org", "training_set": "mix"}]
    with pytest.raises(ValueError, match="no predictions file of digits/main/cnn/cnn-epochs"):
        comparisons.compare(runs, [], entry, None)
    source = next(path for path in artefacts.predictions if "main/cnn/cnn-epochs" in str(path))
    short = tmp_path / "runs/digits/main/cnn/cnn-epochs/seeds0-5/predictions.parquet"
    short.parent.mkdir(parents=True)
    pq.write_table(pq.read_table(source, filters=[("seed", "<", 5)]), short)
    with pytest.raises(ValueError, match="predictions miss a seed"):
        comparisons.compare(runs[runs["recipe"] == "cnn-epochs"], [short], entry, None)
    short.write_bytes(b"not parquet")
    with pytest.raises(DamagedFileError, match="is damaged"):
        comparisons.compare(runs[runs["recipe"] == "cnn-epochs"], [short], entry, None)
