"""Tables: numbers equal to those of runs, comparisons and scores, and files that people and programs can read."""

import dataclasses
import math
import re
from pathlib import Path
from typing import Any

import fabricate
import numpy as np
import pandas as pd
import pytest
from docutils.core import publish_parts
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from pages import Page

from synthmix import comparisons
from synthmix.analysis import power, statistics
from synthmix.analysis.artefacts import Artefacts
from synthmix.files import read_json, write_json
from synthmix.planning.schema import read_schema
from synthmix.reports import contents, formatting, rendering
from synthmix.reports.formatting import metric_title
from synthmix.reports.rendering import Table
from synthmix.tables import accuracy, cost, cross_test, overview, ranking, scores

FEWSHOT = {
    "kind": "accuracy",
    "training_set": ["shot3", "shot3-syn20", "shot3-syn80", "shot3-own20", "shot3-real20"],
    "order": fabricate.ORDER,
}
MAIN = {"kind": "accuracy", "training_set": ["org", "syn", "mix"], "model": ["vit", "cnn"]}


def row(table: Table, **where: str) -> tuple[pd.Series, pd.Series]:
    """The only row of data and of frame with these values in data."""
    keep = pd.Series(True, index=table.data.index)
    for name, value in where.items():
        keep &= table.data[name] == value
    assert keep.sum() == 1
    return table.data[keep].iloc[0], table.frame[keep].iloc[0]


def test_accuracy_has_a_row_per_arm_in_the_order_of_the_specification(artefacts: Artefacts) -> None:
    table = accuracy.build(MAIN, artefacts)
    keys = table.data[["model", "recipe", "training_set"]].to_numpy().tolist()
    assert keys == [
        [model, f"{model}-{budget}", name]
        for model in ("vit", "cnn")
        for budget in ("epochs", "steps")
        for name in ("org", "syn", "mix")
    ]


def test_accuracy_row_says_what_runs_and_comparisons_say(artefacts: Artefacts) -> None:
    table = accuracy.build(FEWSHOT, artefacts)
    data, frame = row(table, training_set="shot3-syn80", recipe="cnn-steps")
    runs = artefacts.read_experiments()
    values = runs[(runs["training_set"] == "shot3-syn80") & (runs["recipe"] == "cnn-steps")]["accuracy"]
    interval = statistics.t_interval(values)
    assert (data["accuracy"], data["accuracy_low"]) == pytest.approx((interval.mean, interval.low))
    assert frame["Accuracy, %"] == formatting.joined(
        f"{100 * interval.mean:.1f}", formatting.bracket(interval.low, interval.high)
    )
    comparisons = artefacts.read_comparisons()
    primary = comparisons[comparisons["primary"]].iloc[0]
    assert data["difference"] == primary["difference"]
    assert frame["Difference, points"].startswith(f"+{100 * primary['difference']:.1f} [")
    assert frame["p (Holm)"] == "0.031 (primary)"
    assert (frame["Real images (generator)"], frame["Real images (classifier)"]) == ("1,149", "30")


def test_accuracy_says_which_difference_could_have_been_seen(artefacts: Artefacts) -> None:
    table = accuracy.build(FEWSHOT, artefacts)
    (note,) = [note for note in table.notes if note.startswith("Smallest true difference")]
    spreads = (table.data["t_high"] - table.data["t_low"]).dropna() / 2 * math.sqrt(6) / 2.570582  # t of 5 degrees
    points = 100 * spreads * power.detectable(6)
    assert f": {points.min():.1f} to {points.max():.1f} points" in note
    assert "of them of the rarest class" in note


def test_differences_without_variance_tell_nothing_of_what_could_be_seen(artefacts: Artefacts, tmp_path: Path) -> None:
    compared = artefacts.read_comparisons()
    compared["t_low"] = compared["t_high"] = compared["difference"]
    rendering.write_frame(tmp_path / "comparisons.csv", compared)
    same = dataclasses.replace(artefacts, comparisons=tmp_path / "comparisons.csv")
    notes = " ".join(accuracy.build(FEWSHOT, same).notes)
    assert "rarest class): unknown, for no difference varies between seeds." in notes


def with_seeds(artefacts: Artefacts, folder: Path, seeds: Any) -> Artefacts:
    """The same results with comparisons that are said to have fewer pairs: of the primary one, and of the others."""
    compared = artefacts.read_comparisons()
    primary = compared["primary"].astype(bool)
    compared["n"] = np.where(primary, seeds[0], seeds[1])
    compared.loc[compared.index[~primary][0], "n"] = seeds[2]
    compared["p_min"] = 2.0 / 2.0 ** compared["n"]
    rendering.write_frame(folder / "comparisons.csv", compared)
    return dataclasses.replace(artefacts, comparisons=folder / "comparisons.csv")


def test_seeds_that_reach_no_small_p_can_show_no_difference(artefacts: Artefacts, tmp_path: Path) -> None:
    notes = " ".join(accuracy.build(FEWSHOT, with_seeds(artefacts, tmp_path, (5, 5, 5))).notes)
    assert "rarest class): none with so few seeds." in notes


def test_the_smallest_corrected_p_is_that_of_all_seeds_together(artefacts: Artefacts, tmp_path: Path) -> None:
    """One comparison of 12 pairs is corrected for all, the others, of 8, for one less."""
    fewer = with_seeds(artefacts, tmp_path, (6, 8, 12))
    family = int((~fewer.read_comparisons()["primary"]).sum())
    built = accuracy.build({**FEWSHOT, "training_set": ["shot3-syn20", "shot3-syn80", "shot3-own20"]}, fewer)
    (note,) = [note for note in built.notes if note.startswith("p: exact")]
    assert "6 seeds 0.031, 8 seeds" in note
    assert f"8 seeds 0.008, corrected {min(1, (family - 1) * 2 / 2**8):.2f}" in note


def test_accuracy_says_what_the_generator_saw(artefacts: Artefacts) -> None:
    few, main = accuracy.build(FEWSHOT, artefacts), accuracy.build(MAIN, artefacts)
    assert row(few, training_set="shot3-syn20", recipe="vit-steps")[1]["Generator"] == accuracy.FEW_SHOT
    assert accuracy.FEW_SHOT == "full-data generator, few-shot classifier"
    assert row(few, training_set="shot3-own20", recipe="vit-steps")[1]["Generator"] == accuracy.SAME
    assert row(main, training_set="syn", recipe="vit-steps")[1]["Generator"] == (
        "full-data generator, classifier without real images"
    )
    assert row(main, training_set="mix", recipe="vit-steps")[1]["Generator"] == "full-data generator"
    assert row(main, training_set="org", recipe="vit-steps")[1]["Generator"] == ""


@pytest.mark.parametrize(
    ("scope", "words"),
    [
        ("unknown", "images that the generator saw unknown"),
        ("fine-tuned", "full-data generator, images that it saw before unknown"),
    ],
)
def test_generator_of_unknown_training_data_is_called_unknown(
    artefacts: Artefacts, tmp_path: Path, scope: str, words: str
) -> None:
    runs = artefacts.read_experiments()
    runs.loc[runs["training_set"] == "mix", ["generator_real_images", "generator_scope"]] = [None, scope]
    rendering.write_frame(tmp_path / "experiments.csv", runs)
    table = accuracy.build(MAIN, dataclasses.replace(artefacts, experiments=tmp_path / "experiments.csv"))
    cells = row(table, training_set="mix", recipe="vit-steps")[1]
    assert (cells["Real images (generator)"], cells["Generator"]) == ("unknown", words)


@pytest.mark.parametrize(
    ("seen", "name", "count"),
    [(574, "sure (full-data filter)", "574"), (30, "sure", "30"), (None, "sure", "unknown")],
)
def test_a_filter_that_saw_more_than_the_classifier_is_marked(
    artefacts: Artefacts, tmp_path: Path, seen: int | None, name: str, count: str
) -> None:
    runs = artefacts.read_experiments().assign(filter=None, filter_real_images=None)
    runs.loc[runs["training_set"] == "shot3-syn20", ["filter", "filter_real_images"]] = ["sure", seen]
    rendering.write_frame(tmp_path / "experiments.csv", runs)
    table = accuracy.build(FEWSHOT, dataclasses.replace(artefacts, experiments=tmp_path / "experiments.csv"))
    frame = row(table, training_set="shot3-syn20", recipe="vit-steps")[1]
    assert (frame["Filter"], frame["Real images (filter)"]) == (name, count)
    assert row(table, training_set="shot3-syn80", recipe="vit-steps")[1]["Filter"] == ""
    assert accuracy.FILTERED in table.notes
    assert not {"Filter", "Real images (filter)"} & set(accuracy.build(FEWSHOT, artefacts).frame)


def test_a_classifier_with_three_quarters_of_the_images_is_no_few_shot_one(
    artefacts: Artefacts, tmp_path: Path
) -> None:
    runs = artefacts.read_experiments()
    runs.loc[runs["training_set"] == "mix", "real_images"] = 862
    rendering.write_frame(tmp_path / "experiments.csv", runs)
    table = accuracy.build(MAIN, dataclasses.replace(artefacts, experiments=tmp_path / "experiments.csv"))
    assert row(table, training_set="mix", recipe="vit-steps")[1]["Generator"] == accuracy.FEWER


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (["org", "shot3"], ""),
        (["org", "mix"], ", conditional on one trained generator"),
        (["mix", "shot3-own20"], ", conditional on one trained generator (generators that see the classifier's images"),
        (["shot3", "shot3-own20"], ", with generators that see the classifier's images only: one per seed"),
    ],
)
def test_one_trained_generator_is_spoken_of_where_there_is_one(
    artefacts: Artefacts, names: list[str], says: str
) -> None:
    for table in (accuracy, overview):
        notes = table.build(
            {"kind": "any", "training_set": names, "model": "cnn", "recipe": "cnn-steps"}, artefacts
        ).notes
        (note,) = [note for note in notes if "mean over seeds with its 95 % t interval" in note]
        end = note.split("95 % t interval")[1]
        assert end.startswith(says) if says else end == "."


def test_scores_say_why_floors_are_missing(artefacts: Artefacts, tmp_path: Path) -> None:
    score = read_json(artefacts.scores[0])
    path = tmp_path / "digits/ddpm/lite0-n80.json"
    score["metrics"]["fid"]["floors"] |= {"held_out": None, "train": None, "reason": "too few images"}
    write_json(path, score)
    built = scores.build({"kind": "scores", "metrics": ["fid", "kid"]}, dataclasses.replace(artefacts, scores=[path]))
    assert built.frame["Remark"].tolist() == ["floors: too few images", ""]


def test_an_arm_with_two_baselines_has_a_row_for_each(artefacts: Artefacts) -> None:
    table = accuracy.build(FEWSHOT, artefacts)
    arm = table.data[(table.data["training_set"] == "shot3-own20") & (table.data["recipe"] == "cnn-steps")]
    assert arm["baseline"].tolist() == ["shot3", "shot3-real20"]
    assert arm["accuracy"].nunique() == 1


def test_notes_print_the_smallest_p_before_and_after_correction(artefacts: Artefacts) -> None:
    notes = " ".join(accuracy.build(FEWSHOT, artefacts).notes)
    family = (~artefacts.read_comparisons()["primary"]).sum()
    assert f"over the {family} comparisons" in notes
    assert f"6 seeds 0.031, corrected {min(1, family * 0.03125):.2f}" in notes
    assert "conditional on one trained generator" in notes
    assert "95 % t interval" in notes


def test_published_values_stand_beside_ours_and_missing_runs_say_so(artefacts: Artefacts) -> None:
    published: list[dict[str, Any]] = [
        {
            "dataset": "digits",
            "model": "vit",
            "training_set": "org",
            "value": 0.813,
            "comparable": False,
            "reason": "other images",
        },
        {"dataset": "digits", "model": "vgg", "training_set": "syn", "value": 0.12, "oddity": "at chance."},
        {"dataset": "digits", "model": "vit", "training_set": "shot3", "value": 0.133},
        {"dataset": "digits", "model": "vit", "training_set": "org", "metric": "fid", "value": 12.4},
    ]
    table = accuracy.build({**MAIN, "model": ["vit", "vgg"], "published": published}, artefacts)
    ours, frame = row(table, training_set="org", recipe="vit-steps")
    assert (ours["published"], frame["Published, %"], frame["Comparable"]) == (0.813, "81.3", "no")
    assert frame["Reason"] == "other images"
    missing, frame = row(table, model="vgg")
    assert (missing["status"], frame["Accuracy, %"], frame["Published, %"]) == ("not run", "not run", "12.0")
    assert frame["Comparable"] == ""
    assert len(table.data) == 7  # two recipes of three arms, and one that was not run; shot3 is not asked for
    assert "Oddity of the publication: at chance." in table.notes
    with pytest.raises(ValueError, match="81.3 of org is not a fraction"):
        accuracy.build({**MAIN, "published": [{**published[0], "value": 81.3}]}, artefacts)


def test_accuracy_of_nothing_is_refused(artefacts: Artefacts) -> None:
    with pytest.raises(ValueError, match="no run and no published value"):
        accuracy.build({"kind": "accuracy", "training_set": ["absent"]}, artefacts)


def test_scores_carry_sample_sizes_floors_and_weights(artefacts: Artefacts) -> None:
    table = scores.build({"kind": "scores", "pool": ["ddpm-rough", "ddpm"]}, artefacts)
    assert table.data["pool"].drop_duplicates().tolist() == ["ddpm-rough", "ddpm"]
    data, frame = row(table, pool="ddpm-rough", metric="fid")
    assert (data["value"], data["low"], data["high"]) == (41, 40, 42)
    assert frame["Metric"] == "Frechet distance"  # FID is the name for Inception's features
    assert frame["Value"] == "41.0 [40.0, 42.0]"
    assert (frame["Images"], frame["Reference images"], frame["n of floors"]) == ("800", "574", "180")
    assert (frame["Real against train"], frame["Real held out"], frame["Copy flag"]) == ("2.20", "2.40", "no")
    assert row(table, pool="ddpm", metric="isc")[1]["Real images' own"] == "9.10"
    assert "Extractor: digits-features (weights ab12cd34)." in table.notes


def test_metrics_carry_the_names_of_publications_with_their_extractors_only() -> None:
    metrics = ("fid", "fd_infinity", "kid", "isc", "cmmd", "coverage")
    titles = {kind: [metric_title(metric, kind) for metric in metrics] for kind in ("inception", "clip", "dinov2")}
    other = ["Frechet distance", "Frechet distance at infinite n", "Kernel distance", "Class score"]
    assert titles["inception"] == [
        "FID",
        "FID at infinite n",
        "KID",
        "Inception score",
        "Gaussian-kernel distance",
        "Coverage",
    ]
    assert titles["clip"] == [*other, "CMMD", "Coverage"]
    assert titles["dinov2"] == [*other, "Gaussian-kernel distance", "Coverage"]


def test_a_refused_score_gives_its_reason(artefacts: Artefacts) -> None:
    table = scores.build({"kind": "scores", "metrics": ["recall"]}, artefacts)
    _, frame = row(table, pool="ddpm-3shot")
    assert (frame["Value"], frame["Remark"]) == ("refused", "fewer than 4 images")
    with pytest.raises(ValueError, match="no score"):
        scores.build({"kind": "scores", "pool": "absent"}, artefacts)


def with_inception(artefacts: Artefacts, root: Path) -> Artefacts:
    """The study with a score of the pool ddpm in Inception's features, too."""
    score = read_json(next(path for path in artefacts.scores if path.parent.name == "ddpm"))
    path = root / "scores/digits/ddpm/inception-n80.json"
    write_json(path, {**score, "extractor": {"name": "inception", "kind": "inception"}})
    return dataclasses.replace(artefacts, scores=[*artefacts.scores, path])


def test_published_scores_stand_beside_ours_in_the_same_features_only(artefacts: Artefacts, tmp_path: Path) -> None:
    paper = {"dataset": "digits", "metric": "fid", "source": "A paper", "comparable": False, "reason": "n is not said"}
    published = [
        {**paper, "pool": "ddpm", "value": 12.4, "oddity": "It says 12.5, too."},
        {**paper, "pool": "ddpm", "metric": "kid", "extractor": "digits-features", "value": 0.1, "comparable": True},
        {**paper, "pool": "ddpm-rough", "value": 73.2},
        {**paper, "pool": "sd", "metric": "isc", "value": 9.9},
        {**paper, "dataset": "cars", "pool": "ddpm", "metric": "precision", "value": 0.5},
        {"dataset": "digits", "training_set": "org", "model": "cnn", "metric": "accuracy", "value": 0.9},
    ]
    table = scores.build({"kind": "scores", "published": published}, with_inception(artefacts, tmp_path))
    data, frame = row(table, pool="ddpm", metric="fid", extractor="inception")
    assert (data["published"], frame["Metric"], frame["Published"], frame["Comparable"]) == (12.4, "FID", "12.4", "no")
    assert frame["Reason"] == "n is not said"
    assert row(table, pool="ddpm", metric="fid", extractor="digits-features")[1]["Published"] == ""
    assert row(table, pool="ddpm", metric="kid", extractor="digits-features")[1]["Published"] == "0.1"
    assert row(table, pool="ddpm", metric="kid", extractor="inception")[1]["Published"] == ""
    missing = table.data[table.data["status"] == "not run"]
    assert missing[["pool", "metric"]].to_numpy().tolist() == [
        ["ddpm-rough", "fid"],
        ["sd", "isc"],
        ["ddpm", "precision"],
    ]
    _, frame = row(table, pool="ddpm-rough", status="not run")
    assert (frame["Metric"], frame["Value"], frame["Published"]) == ("FID", "not run", "73.2")
    assert frame["Reason"] == "ours is in the features of digits-features, another measure; n is not said"
    assert row(table, pool="sd")[1]["Reason"] == "n is not said"
    assert "Published: A paper." in table.notes
    assert "Oddity of the publication: It says 12.5, too." in table.notes


def test_published_scores_are_those_that_the_table_selects(artefacts: Artefacts, tmp_path: Path) -> None:
    entry = {"dataset": "digits", "pool": "ddpm", "metric": "fid", "value": 12.4}
    both = with_inception(artefacts, tmp_path)
    for selection in ({"pool": "ddpm-rough"}, {"metrics": ["kid"]}, {"extractor": "digits-features"}):
        table = scores.build({"kind": "scores", **selection, "published": [entry]}, both)
        assert (table.data["status"] == "run").all()
        assert table.data["published"].isna().all()
    alone = scores.build({"kind": "scores", "published": [entry]}, Artefacts())
    assert alone.data[["status", "published"]].to_numpy().tolist() == [["not run", 12.4]]


# ---- imbalanced data -------------------------------------------------------------------------------------------------


def imbalanced(artefacts: Artefacts, root: Path, ratio: float, metric: str = "accuracy") -> Artefacts:
    """The study with an AUROC for every run, a ratio of its classes, and comparisons of a metric."""
    runs = artefacts.read_experiments()
    runs = runs.assign(auroc=0.5 + runs["accuracy"] / 2, class_ratio=ratio)
    rendering.write_frame(root / "experiments.csv", runs)
    compared = comparisons.compare(runs, artefacts.predictions, fabricate.COMPARISONS[:1], None, metric)
    rendering.write_frame(root / "comparisons.csv", compared)
    return dataclasses.replace(artefacts, experiments=root / "experiments.csv", comparisons=root / "comparisons.csv")


def measured(table: Table) -> list[str]:
    return [name for name in table.frame.columns if name in {"Accuracy, %", "Balanced accuracy, %", "AUROC, %"}]


def test_imbalanced_classes_show_auroc_and_balanced_accuracy_first(artefacts: Artefacts, tmp_path: Path) -> None:
    table = accuracy.build(MAIN, imbalanced(artefacts, tmp_path, 5.4))
    assert measured(table) == ["AUROC, %", "Balanced accuracy, %", "Accuracy, %"]
    data, frame = row(table, training_set="mix", recipe="cnn-steps")
    assert frame["AUROC, %"].startswith(f"{100 * data['auroc']:.1f} [")
    assert "Largest class of train to the smallest: 5.4." in " ".join(table.notes)


def test_balanced_classes_show_no_auroc(artefacts: Artefacts, tmp_path: Path) -> None:
    table = accuracy.build(MAIN, imbalanced(artefacts, tmp_path, 1.9))
    assert measured(table) == ["Accuracy, %", "Balanced accuracy, %"]
    assert "auroc" in table.data
    assert "Largest class" not in " ".join(table.notes)


def test_a_study_judged_by_auroc_shows_its_differences(artefacts: Artefacts, tmp_path: Path) -> None:
    judged = imbalanced(artefacts, tmp_path, 1.0, "auroc")
    published = {"dataset": "digits", "model": "vit", "training_set": "org", "value": 0.9, "comparable": True}
    spec = {**MAIN, "metric": "auroc", "published": [{**published, "metric": "auroc"}, {**published, "model": "vgg"}]}
    table = accuracy.build(spec, judged)
    assert measured(table) == ["AUROC, %", "Accuracy, %", "Balanced accuracy, %"]
    data, frame = row(table, training_set="mix", recipe="vit-steps")
    runs = judged.read_experiments()
    runs = runs[runs["recipe"] == "vit-steps"].set_index("training_set")["auroc"]
    assert data["difference"] == pytest.approx(runs["mix"].mean() - runs["org"].mean())
    assert row(table, training_set="org", recipe="vit-steps")[1]["Published, %"] == "90.0"
    assert "vgg" not in table.data["model"].tolist()  # a published accuracy has no place here
    notes = " ".join(table.notes)
    assert "Differences in AUROC" in notes
    assert "no interval that resamples test images for AUROC" in notes  # the fabricated digits have ten classes
    at_a_glance = overview.build({**MAIN, "kind": "overview", "metric": "auroc"}, judged)
    assert "Test AUROC in %" in at_a_glance.notes[-1]
    assert at_a_glance.data["mix"].iloc[0] == pytest.approx(
        judged.read_experiments().query("training_set == 'mix' and recipe == 'vit-epochs'")["auroc"].mean()
    )


def test_many_training_sets_stand_below_each_other(artefacts: Artefacts, monkeypatch: pytest.MonkeyPatch) -> None:
    names = list(artefacts.read_experiments()["training_set"].unique())
    spec = {"kind": "overview", "training_set": names, "model": "cnn"}
    turned = overview.build(spec, artefacts)
    monkeypatch.setattr(overview, "MANY", len(names))
    upright = overview.build(spec, artefacts)
    pd.testing.assert_frame_equal(turned.data, upright.data)
    arm, column = upright.frame.iloc[0], turned.frame.iloc[:, 1]
    assert str(column.name).endswith(arm["Recipe"])
    assert turned.frame["Training set"].tolist() == [name for name in upright.frame if name in names]
    assert column.tolist() == arm[turned.frame["Training set"]].tolist()
    assert turned.notes[:2] == ["Dataset: digits.", "Model: cnn."]


# ---- metrics and usefulness ------------------------------------------------------------------------------------------

RANKING: dict[str, Any] = {"kind": "ranking", "baseline": "shot3", "model": "cnn", "recipe": "cnn-steps"}
RANKING |= {"extractor": "dino", "training_set": [f"set{number}" for number in range(8)]}


def ranked(artefacts: Artefacts, root: Path, images: int = 800) -> Artefacts:
    """Eight pools: gains fall from pool to pool, the Frechet distance rises, recall is refused once."""
    runs = artefacts.read_experiments()
    template = runs[(runs["training_set"] == "shot3-syn20") & (runs["recipe"] == "cnn-steps")]
    frames, paths = [runs], []
    for number in range(8):
        lower = template["accuracy"] - number / 50
        frames.append(template.assign(training_set=f"set{number}", pool=f"pool{number}", accuracy=lower))
        score = read_json(artefacts.scores[0])
        score["extractor"] |= {"name": "dino", "kind": "dinov2"}
        wrong_order = [3, 1, 0, 2, 5, 4, 7, 6][number]
        score["metrics"] = {
            "fid": {"value": 10.0 + number, "n_generated": 800 if number else images, "reason": None},
            "precision": {"value": float(wrong_order), "n_generated": 800, "reason": None},
            "recall": {"value": 0.5 if number else None, "n_generated": 800, "reason": "few"},
        }
        paths.append(root / f"scores/digits/pool{number}/dino-n80.json")
        write_json(paths[-1], score)
    rendering.write_frame(root / "experiments.csv", pd.concat(frames))
    return dataclasses.replace(artefacts, experiments=root / "experiments.csv", scores=paths)


def test_ranking_correlates_each_metric_with_the_gains(artefacts: Artefacts, tmp_path: Path) -> None:
    table = ranking.build(RANKING, ranked(artefacts, tmp_path))
    assert table.frame["Metric"].tolist() == ["Frechet distance", "Precision", "Recall"]
    data, frame = row(table, metric="fid")
    # the distance rises while the gain falls: as a measure of quality, where lower is better, it is right every time
    assert (data["rho"], data["better"], data["pools"], frame["Images per pool"]) == (1, "lower", 8, "800")
    assert data["p"] == pytest.approx(2 / math.factorial(8))  # the two perfect orders, of all
    data, frame = row(table, metric="precision")
    differences = [3, 0, 2, 1, 1, 1, 1, 1]  # between the ranks, in sum of squares 18
    assert data["rho"] == pytest.approx(-(1 - 6 * sum(d * d for d in differences) / (8 * 63)))
    data, frame = row(table, metric="recall")
    assert (frame["Rank correlation"], frame["Remark"]) == ("refused", "rank correlation needs 8 pools, there are 7")
    both = table.data.dropna(subset=["p"])
    assert both["p_holm"].tolist() == pytest.approx(statistics.holm(both["p"]).tolist())
    assert "positive says, the better the score, the greater the gain" in " ".join(table.notes)


def test_ranking_is_refused_for_fewer_pools_and_for_unequal_ones(artefacts: Artefacts, tmp_path: Path) -> None:
    few = ranking.build({**RANKING, "training_set": RANKING["training_set"][:7]}, ranked(artefacts, tmp_path))
    assert set(few.frame["Rank correlation"]) == {"refused"}
    unequal = ranking.build({**RANKING, "metrics": ["fid"]}, ranked(artefacts, tmp_path / "other", images=400))
    assert row(unequal, metric="fid")[1]["Remark"] == "pools of unequal size: no rank correlation"
    assert "permutation" not in " ".join(unequal.notes)


def test_cross_test_stands_beside_accuracy_on_real_images(artefacts: Artefacts) -> None:
    data, frame = row(cross_test.build({"kind": "cross_test"}, artefacts), model="cnn")
    runs = artefacts.read_experiments()
    real = runs[(runs["training_set"] == "org") & (runs["recipe"] == "cnn-steps")]["accuracy"]
    assert (data["generated"], data["real"]) == pytest.approx((0.925, real.mean()))
    assert data["difference"] == pytest.approx(0.925 - real.mean())
    assert (frame["Seeds"], frame["Generated images"], frame["Real images"]) == ("6", "1,000", "200")


def test_cost_adds_jobs_up_and_keeps_bundles_together(artefacts: Artefacts) -> None:
    table = cost.build({"kind": "cost", "order": fabricate.ORDER}, artefacts)
    stages = table.data[table.data["training_set"].isna()].set_index("stage")
    assert stages.loc["train", ["jobs", "wall_seconds", "cpu_seconds"]].tolist() == [9, sum(range(10, 19)), 180]
    assert stages.loc["train", "max_rss_mb"] == 308.5
    assert stages.loc["prepare_data", ["cpu_seconds", "max_rss_mb"]].isna().all()  # too short to be measured
    data, frame = row(table, training_set="shot3-rough20")
    assert (data["runs"], data["runs_in_jobs"], data["jobs"]) == (6, 24, 1)  # four training sets share the job
    assert (frame["Training, s per run"], frame["Images/s"], frame["Parameters"]) == ("2.50", "7,680", "21,000")
    assert "must not be added up" in " ".join(table.notes)


def test_csv_reads_back_in_full_precision(artefacts: Artefacts, tmp_path: Path) -> None:
    table = accuracy.build(MAIN, artefacts)
    rendering.write_table(table, [tmp_path / "main.csv"], "Main")
    back = pd.read_csv(tmp_path / "main.csv")
    for name in ("accuracy", "difference", "joint_low"):
        pd.testing.assert_series_equal(back[name], table.data[name], check_exact=True, check_dtype=False)


AWKWARD = Table(
    pd.DataFrame({"a": [1.0]}),
    pd.DataFrame({"50 % of_a & b": ["x|y", "<b>"], "p": ["<0.001", ""], "[low]": ["-1.5 [-2.0, -1.0]", "3"]}),
    ["Cost: 5 $ #1 {a} ~ \\ ^ & <tag>"],
)


def test_markdown_keeps_every_cell_in_its_column() -> None:
    lines = rendering.markdown(AWKWARD, "Title").splitlines()
    rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines if line.startswith("|")]
    assert [cell.strip() for cell in rows[0]] == list(AWKWARD.frame.columns)
    assert [cell.strip() for cell in rows[2]] == ["x\\|y", "<0.001", "-1.5 [-2.0, -1.0]"]
    assert {len(cells) for cells in rows} == {3}
    assert [cell.strip()[-1] for cell in rows[1]] == ["-", ":", ":"]  # numbers flush right


def test_latex_is_escaped_and_balanced() -> None:
    text = rendering.latex(AWKWARD, "A & B")
    assert r"\begin{tabular}{lrr}" in text
    assert r"50 \% of\_a \& b & p & {[}low{]} \\" in text
    assert r"x\textbar{}y & \textless{}0.001 & -1.5 {[}-2.0, -1.0{]} \\" in text
    assert (
        r"5 \$ \#1 \{a\} \textasciitilde{} \textbackslash{} \textasciicircum{} \& \textless{}tag\textgreater{}" in text
    )
    for rule in (r"\toprule", r"\midrule", r"\bottomrule"):
        assert text.count(rule) == 1
    assert re.findall(r"\\begin{(\w+)}", text) == re.findall(r"\\end{(\w+)}", text)[::-1]
    bare = re.sub(r"\\[{}]", "", text)
    assert bare.count("{") == bare.count("}")


def test_latex_rows_have_one_cell_a_column(artefacts: Artefacts) -> None:
    table = accuracy.build(FEWSHOT, artefacts)
    lines = [line for line in rendering.latex(table, "Few").splitlines() if line.endswith(r"\\")]
    assert len(lines) == len(table.frame) + 1
    assert {len(re.findall(r"(?<!\\)&", line)) for line in lines} == {len(table.frame.columns) - 1}
    assert all(ord(character) < 128 for line in lines for character in line)


def test_html_stands_alone_and_is_escaped() -> None:
    page = Page(rendering.page(AWKWARD, "A <Title>"))
    assert page.tables == [[*AWKWARD.frame.columns, "x|y", "<0.001", "-1.5 [-2.0, -1.0]", "<b>", "", "3"]]
    assert page.links == page.sources == []


def test_the_same_table_gives_the_same_bytes_and_unknown_formats_are_refused(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        rendering.write_table(
            AWKWARD, [tmp_path / folder / f"t.{suffix}" for suffix in ("csv", "md", "tex", "html")], "T"
        )
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()
    with pytest.raises(ValueError, match=r"t\.xlsx: a table is written as"):
        rendering.write_table(AWKWARD, [tmp_path / "t.xlsx"], "T")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, ""),
        (float("nan"), ""),
        (0.0004, "<0.001"),
        (0.03125, "0.031"),
        (0.099, "0.099"),
        (0.0999, "0.10"),
        (1, "1.00"),
    ],
)
def test_p_values_are_printed_with_the_digits_that_matter(value: float | None, expected: str) -> None:
    assert formatting.p_value(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        *[(0, "0"), (0.8, "0.800"), (41, "41.0"), (-0.0123456, "-0.0123"), (12345.6, "12,346")],
        *[(99.96, "100"), (99.94, "99.9"), (-99.96, "-100"), (0.9996, "1.00"), (999.6, "1,000")],
    ],
)
def test_numbers_have_three_significant_digits(value: float, expected: str) -> None:
    assert formatting.number(value) == expected
    assert formatting.number(9.97, 2) == "10"


@pytest.mark.filterwarnings("ignore:.*writer_name")  # its successor is newer than the oldest docutils allowed
@pytest.mark.parametrize("caption", ["table.rst", "figure.rst"])
def test_captions_say_something_of_every_kind(caption: str) -> None:
    views = read_schema("study")["properties"][caption.replace(".rst", "s")]
    kinds = views["additionalProperties"]["properties"]["kind"]["enum"]
    folder = Path(__file__).parent.parent / "workflow" / "report"
    template = Environment(loader=FileSystemLoader(folder), undefined=StrictUndefined).get_template(caption)
    snakemake = {"wildcards": {"name": "main", "study": "digits"}}
    specs = {
        kind: f'{{"entries":["figure.py","synthmix/{caption.removesuffix(".rst")}s/{kind}.py"]}}' for kind in kinds
    }
    texts = {
        kind: template.render(snakemake={**snakemake, "params": {"spec": spec, "caption": "Own words."}})
        for kind, spec in specs.items()
    }
    assert len(set(texts.values())) == len(kinds)
    stage = caption.replace(".rst", "s")
    assert all(contents.about(stage, kind) for kind in kinds)
    for text in texts.values():
        body = publish_parts(text, writer_name="html", settings_overrides={"halt_level": 2})["body"]
        said = "".join(Page(body).words)
        assert "main of study digits" in said
        assert "Own words." in said
