"""Looking into trained classifiers: masking against weights of zero; explanations and corruptions in the workflow."""

import csv
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from workspace import LIBRARY, STUDY, Workspace

from synthmix.analysis.artefacts import Artefacts
from synthmix.data import Split
from synthmix.explainers import masking
from synthmix.explaining import Images
from synthmix.figures import masking as masking_figure
from synthmix.files import write_rows
from synthmix.images import mapped
from synthmix.models import vit_block
from synthmix.networks import engine

# ---- masking ---------------------------------------------------------------------------------------------------------

HEADS, LAYERS, SIZE = 3, 2, 4  # of a head: 4 of the embedding's 12 dimensions


@pytest.fixture(scope="module")
def test_split() -> Split:
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (200, 8, 8, 1), dtype=np.uint8)
    return Split(images, random.integers(0, 4, 200), np.arange(200))


def network(test_split: Split) -> engine.Classifier:
    """Equal at every call; weights large enough for every part to decide predictions."""
    torch.manual_seed(0)
    transformer = vit_block.build({"width": HEADS * SIZE, "heads": HEADS, "layers": LAYERS, "patch": 4}, 1, 8, 4)
    found = engine.Classifier(transformer, 1)
    for parameter in found.parameters():
        torch.nn.init.normal_(parameter, std=1.0)
    found.normalise_by(engine.to_device(test_split.images, "cpu"))
    return found


def only(test_split: Split) -> Images:
    """A data set of which nothing but the test split is read."""
    return Images(test_split, {}, lambda: pytest.fail("the train split is read"))


def accuracy(found: engine.Classifier, split: Split) -> float:
    predicted = engine.logits(found, engine.to_device(split.images, "cpu")).argmax(1).numpy()
    return float((predicted == split.labels).mean())


def cut(found: engine.Classifier, what: str, layer: int, head: int | None) -> None:
    """Set to zero, in place, the weights through which a part reaches the tokens."""
    block = found.network.blocks[layer - 1]
    with torch.no_grad():
        if what == "head" and head:
            block.attention.projection.weight[:, SIZE * (head - 1) : SIZE * head] = 0
        if what in ("attention", "both"):
            block.attention.projection.weight.zero_()
            block.attention.projection.bias.zero_()
        if what in ("mlp", "both"):
            block.mlp[-1].weight.zero_()
            block.mlp[-1].bias.zero_()


def test_masking_equals_weights_of_zero(test_split: Split) -> None:
    found = network(test_split)
    rows = list(masking.explain(found, {}, only(test_split), "cpu"))
    assert len(rows) == 1 + LAYERS * (HEADS + 3)
    assert len({row["accuracy"] for row in rows}) > 5, "parts that change nothing test nothing"
    for row in rows:
        other = network(test_split)
        if row["what"] != "none":
            cut(other, row["what"], row["layer"], row["head"])
        assert row["accuracy"] == pytest.approx(accuracy(other, test_split)), row
    assert accuracy(found, test_split) == rows[0]["accuracy"], "nothing is left masked"


def test_masking_leaves_images_on_the_disk(test_split: Split) -> None:
    class OnDisk(mapped.Rows):
        def __array__(self, *_: object, **__: object) -> np.ndarray:
            raise MemoryError("all of them are read at once")

    images = OnDisk([test_split.images], np.zeros(200, np.int64), np.arange(200))
    read = only(Split(images, test_split.labels, test_split.index))  # type: ignore[arg-type]
    found = network(test_split)
    assert list(masking.explain(found, {}, read, "cpu")) == list(masking.explain(found, {}, only(test_split), "cpu"))


def test_masking_says_what_it_masks(test_split: Split) -> None:
    rows = list(masking.explain(network(test_split), {}, only(test_split), "cpu"))
    assert {tuple(row) for row in rows} == {masking.COLUMNS}
    named = [(row["what"], row["layer"], row["head"]) for row in rows]
    assert named[:5] == [("none", None, None), ("head", 1, 1), ("head", 1, 2), ("head", 1, 3), ("attention", 1, None)]
    assert len(set(named)) == len(named)


# ---- the figure ------------------------------------------------------------------------------------------------------


@pytest.fixture
def artefacts(tmp_path: Path) -> Artefacts:
    """Two seeds of a network of two layers with two heads, and one with a single head."""
    job = {"dataset": "mnist", "bundle": "all", "recipe": "quick", "training_set": "all"}
    runs, paths = [], []
    for model, heads, layers in (("wide", 2, 2), ("narrow", 1, 1)):
        rows = []
        for seed in (0, 1):
            runs.append({**job, "model": model, "seed": seed})
            rows.append({"seed": seed, "what": "none", "accuracy": 0.9})
            for layer in range(1, layers + 1):
                # the second seed loses a point more
                lost = {("head", head): 0.01 * (10 * layer + head + seed) for head in range(1, heads + 1)}
                lost |= {(what, None): 0.3 + 0.01 * seed for what in masking_figure.PARTS}
                rows += [
                    {"seed": seed, "what": what, "layer": layer, "head": head, "accuracy": 0.9 - by}
                    for (what, head), by in lost.items()
                ]
        paths.append(tmp_path / f"explanations/mnist/all/{model}/quick/seeds0-1/all.parts.csv")
        write_rows(paths[-1], ["training_set", "seed", *masking.COLUMNS], [{"training_set": "all", **r} for r in rows])
    write_rows(tmp_path / "experiments.csv", [*runs[0]], runs)
    return Artefacts(experiments=tmp_path / "experiments.csv", explanations=paths)


def test_the_figure_shows_mean_changes_in_points(artefacts: Artefacts) -> None:
    spec = {"kind": "masking", "explainer": "parts", "labels": {"wide": "Two heads"}}
    figure = masking_figure.draw({**spec, "order": {"model": ["wide", "narrow"]}}, artefacts)
    wide, narrow = figure.axes[:2]
    assert [axes.get_title() for axes in (wide, narrow)] == ["Two heads", "narrow"]
    assert [tick.get_text() for tick in wide.get_xticklabels()] == ["1", "2", "Attention", "MLP", "Both"]
    assert [tick.get_text() for tick in wide.get_yticklabels()] == ["2", "1"]
    cells = [[-21.5, -22.5, -30.5, -30.5, -30.5], [-11.5, -12.5, -30.5, -30.5, -30.5]]
    np.testing.assert_allclose(np.asarray(wide.collections[0].get_array()).reshape(2, 5), cells)
    np.testing.assert_allclose(np.asarray(narrow.collections[0].get_array()).ravel(), [-11.5, -30.5, -30.5, -30.5])
    assert wide.collections[0].get_clim() == narrow.collections[0].get_clim() == pytest.approx((-30.5, 30.5))
    # of two values that differ by one, the t interval reaches 12.7 / 2 to either side
    note = (
        "Test accuracy with nothing left out: 90.0 %, 90.0 %. Mean change over n = 2 seeds, each with a 95 % t interval"
    )
    assert figure.get_supxlabel().replace("\n", " ") == f"{note} of at most ±6.4 points"


def test_the_figure_shows_one_explainer(artefacts: Artefacts) -> None:
    with pytest.raises(ValueError, match="masking: no run matches"):
        masking_figure.draw({"kind": "masking", "explainer": "others"}, artefacts)


# ---- in the workflow -------------------------------------------------------------------------------------------------

EXPLAINED = """
title: Masking, attention and class activation maps
question: What do single heads and layers contribute, and what do they look at?

datasets:
  digits: {source: embedded, name: digits, val: 0.1, test: 0.1, seed: 0, classes: ["5", "8"]}

explainers:
  parts: {kind: masking}
  maps: {kind: attention, drawn: {"5": drawn/five.png}}
  looks: {kind: cam, methods: [grad_cam, score_cam]}

corruptions:
  quality: {kinds: [noise, jpeg], severities: [1, 5]}

training_sets:
  all-noisy: {real: all, label_noise: 0.2}
  some: {real: {total: 50}}

models:
  vit: {architecture: vit_block, width: 8, heads: 2, layers: 2, patch: 4}

recipes:
  quick: {optimizer: adamw, learning_rate: 0.003, batch_size: 32, epochs: 3, stop: {max_seconds: 999}, seeds_per_job: 3}

runs:
  - {dataset: digits, training_set: [all-noisy, some], model: vit, recipe: quick, seeds: 2, bundle: main}

explanations:
  - {dataset: digits, training_set: all-noisy, model: vit, recipe: quick, seeds: 2, explainer: parts}
  - {dataset: digits, training_set: some, model: vit, recipe: quick, seeds: 2, explainer: [maps, looks]}

robustness:
  - {dataset: digits, training_set: all-noisy, model: vit, recipe: quick, seeds: 2, corruption: quality}

tables:
  faithful: {kind: faithfulness, explainer: looks}
  robustness: {kind: robustness, corruption: quality}

figures:
  looks: {kind: cam, explainer: looks, training_set: some}
  gallery:
    {kind: gallery, training_set: some, model: vit, recipe: quick, seed: 1, unsure: 0.6, explainer: looks,
     method: score_cam}
  disagreements: {kind: disagreements, training_set: [all-noisy, some], sure: 0.6}
  quality: {kind: corrupted_images, corruption: quality, dataset: digits}
  parts: {kind: masking, explainer: parts}
  maps: {kind: attention, explainer: maps, training_set: some, model: vit, recipe: quick}
"""
RESULT = "results/explanations/digits/main/vit/quick/seeds0-2/all-noisy.parts.csv"
MAPS = RESULT.replace("all-noisy.parts", "some.maps")
LOOKS = RESULT.replace("all-noisy.parts", "some.looks")
CORRUPTED = RESULT.replace("explanations", "corruptions").replace("parts", "quality")
ROBUSTNESS = "results/studies/tiny/tables/robustness.csv"
LEDGER = "results/test_ledger.csv"
OF_IMAGES = [f"results/studies/tiny/figures/{name}.svg" for name in ("maps", "looks", "gallery", "disagreements")]
TARGETS = ["results/studies/tiny/figures/parts.svg", "results/studies/tiny/experiments.csv"]


@pytest.fixture(scope="module")
def explained(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace in which a study with an explanation is built, except its report."""
    workspace = Workspace.of_sources(tmp_path_factory.mktemp("explained") / "built")
    workspace.write(STUDY, EXPLAINED)
    draw(workspace / "drawn/five.png", 200)
    tables = [f"results/studies/tiny/tables/{name}.csv" for name in ("faithful", "robustness")]
    workspace.snakemake(*TARGETS, *OF_IMAGES, *tables, "results/studies/tiny/figures/quality.svg")
    return workspace


@pytest.fixture
def changed(explained: Workspace, tmp_path: Path) -> Workspace:
    """A copy to change."""
    return explained.copy(tmp_path / "workspace")


def draw(path: Path, grey: int) -> None:
    """A square of one grey, larger than the images of the data set."""
    path.parent.mkdir(exist_ok=True)
    Image.new("L", (24, 24), grey).save(path)


def rows_of(workspace: Workspace, name: str) -> list[dict[str, str]]:
    with (workspace / name).open() as file:
        return list(csv.DictReader(file))


@pytest.mark.workflow
def test_an_explanation_agrees_with_the_evaluation_and_stands_in_the_ledger(explained: Workspace) -> None:
    rows = rows_of(explained, RESULT)
    assert list(rows[0]) == ["training_set", "seed", "what", "layer", "head", "accuracy"]
    assert Counter(row["seed"] for row in rows) == {"0": 11, "1": 11}
    experiments = {row["seed"]: row for row in rows_of(explained, TARGETS[1]) if row["training_set"] == "all-noisy"}
    whole = {row["seed"]: float(row["accuracy"]) for row in rows if row["what"] == "none"}
    assert whole == {seed: pytest.approx(float(row["accuracy"])) for seed, row in experiments.items()}
    assert all(0 < float(row["train_error"]) < 1 and row["stopped_by"] == "epochs" for row in experiments.values())
    # runs, and those of them that were looked into in three ways or met corrupted images
    assert len(explained.read(LEDGER).splitlines()) == 4 + 3 * 2 + 2
    assert explained.planned(*TARGETS) == {}


@pytest.mark.workflow
def test_the_code_of_an_explainer_counts_for_its_own_results(changed: Workspace) -> None:
    path = f"{LIBRARY}/explainers/masking.py"
    changed.replace(path, '    yield row("none")\n', '    yield row("none")\n    _ = 0\n')
    assert changed.planned(*TARGETS) == {"explain": 1, "figure": 1}


@pytest.mark.workflow
def test_one_more_seed_is_looked_into_alone(changed: Workspace) -> None:
    changed.write(STUDY, changed.read(STUDY).replace("seeds: 2", "seeds: 3"))
    before, lines = changed.entries(), len(changed.read(LEDGER).splitlines())
    old = rows_of(changed, RESULT)
    corrupted = rows_of(changed, CORRUPTED)
    changed.snakemake(RESULT, CORRUPTED)
    assert changed.made(before) == Counter(classifier=2, explained=1, corrupted=1)
    assert len(changed.read(LEDGER).splitlines()) == lines + 2
    assert [row for row in rows_of(changed, CORRUPTED) if row["seed"] != "2"] == corrupted
    assert [row for row in rows_of(changed, RESULT) if row["seed"] != "2"] == old


@pytest.mark.workflow
def test_clean_images_of_a_corruption_are_those_of_the_evaluation(explained: Workspace) -> None:
    rows = rows_of(explained, CORRUPTED)
    levels = [("none", "0"), ("noise", "1"), ("noise", "5"), ("jpeg", "1"), ("jpeg", "5")]
    assert [(row["kind"], row["severity"]) for row in rows] == 2 * levels
    experiments = {row["seed"]: row for row in rows_of(explained, TARGETS[1]) if row["training_set"] == "all-noisy"}
    for row in rows[:: len(levels)]:
        for metric in ("accuracy", "nll", "auroc"):
            assert float(row[metric]) == pytest.approx(float(experiments[row["seed"]][metric]))
    (noise, jpeg, mean) = rows_of(explained, ROBUSTNESS)
    assert float(mean["drop"]) == pytest.approx((float(noise["drop"]) + float(jpeg["drop"])) / 2)
    assert "quality 80" in explained.read("results/studies/tiny/figures/quality.svg")


@pytest.mark.workflow
def test_maps_of_two_classes_hold_the_drawn_image(explained: Workspace) -> None:
    rows = [row for row in rows_of(explained, MAPS) if row["seed"] == "1"]
    # of each image itself, two layers of two heads, and rollout
    subjects = [("instance", "0"), ("instance", "1"), ("mean", "0"), ("mean", "1"), ("drawn", "0")]
    assert Counter((row["subject"], row["label"]) for row in rows) == dict.fromkeys(subjects, 6)
    (drawn,) = (row for row in rows if row["subject"] == "drawn" and row["what"] == "image")
    np.testing.assert_array_equal(json.loads(drawn["values"]), np.full((8, 8, 1), 200))
    figure = "results/studies/tiny/figures/maps.svg"
    assert "Drawn" in explained.read(figure)


@pytest.mark.workflow
def test_another_drawn_image_is_looked_at_and_a_touched_one_is_not(changed: Workspace) -> None:
    (changed / "drawn/five.png").touch()
    assert changed.planned(MAPS) == {}
    draw(changed / "drawn/five.png", 100)
    before = changed.entries()
    changed.snakemake(MAPS)
    assert changed.made(before) == Counter(explained=2)
    drawn = [row for row in rows_of(changed, MAPS) if row["subject"] == "drawn" and row["what"] == "image"]
    assert [np.unique(json.loads(row["values"])).tolist() for row in drawn] == [[100], [100]]


@pytest.mark.workflow
def test_class_activation_maps_are_of_what_the_evaluation_predicted(explained: Workspace) -> None:
    rows = rows_of(explained, LOOKS)
    # an image of each of two classes, two methods and two baselines
    assert Counter(row["seed"] for row in rows) == {"0": 8, "1": 8}
    path = explained / RESULT.replace("/explanations/", "/runs/").replace("all-noisy.parts.csv", "predictions.parquet")
    predictions = pq.read_table(path, filters=[("training_set", "=", "some")]).to_pylist()
    predicted = {(str(row["seed"]), str(row["index"])): row for row in predictions}
    for row in rows:
        other = predicted[row["seed"], row["index"]]
        assert (row["label"], row["prediction"]) == (str(other["label"]), str(other["prediction"]))
        assert float(row["confidence"]) == pytest.approx(other["confidence"], abs=1e-5)
    assert "Score-CAM" in explained.read(OF_IMAGES[1])
    assert "Surest" in explained.read(OF_IMAGES[2])
    assert explained.planned(*OF_IMAGES) == {}
