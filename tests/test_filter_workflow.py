"""Filters in the workflow: what reruns, what a run depends on, and what a study says of them."""

import csv
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from workspace import RUNS, STUDY, Workspace

from synthmix import extractors_by_seed, filtering
from synthmix.data import Split
from synthmix.files import read_json
from synthmix.filters import confidence
from synthmix.images import pools
from synthmix.images.draws import of_seed

pytestmark = pytest.mark.workflow

FILTERED = """
title: Filters
question: Are filtered images worth more than others?

datasets:
  digits: {source: embedded, name: digits, val: 0.1, test: 0.1, seed: 0, limit: {train: 201, test: 100}}

generators:
  ddpm: &ddpm
    kind: ddpm
    channels: [8, 16]
    layers_per_block: 1
    attention: [false, false]
    steps: 3
    batch_size: 8
    learning_rate: 0.003
  own: {<<: *ddpm, train_on: {real: 3}, seeds_per_job: 3}

pools:
  ddpm: {generator: ddpm, sampler: ddim, steps: 2, guidance: 1.0, per_class: 8, shard_size: 4, batch_size: 40}
  own: {generator: own, sampler: ddim, steps: 2, guidance: 1.0, per_class: 4, shard_size: 4, batch_size: 40}

extractors:
  features: {kind: classifier, model: {architecture: feature_cnn, width: 4}, epochs: 1, seed: 0}
  # one for each seed, that has seen no more real images than the seed's classifier
  few: {kind: classifier, train_on: {real: 3}, model: {architecture: feature_cnn, width: 4}, epochs: 3, batch_size: 16}

filters:
  sure: {kind: confidence, extractor: features, among: 8, keep: 4}
  near: {kind: distance, extractor: features, among: 4, keep: 2}
  modest: {kind: confidence, extractor: few, among: 4, keep: 2}

training_sets:
  every: {real: 3, synthetic: 2, pool: ddpm, draw_from: 8}
  sure: {real: 3, synthetic: 2, pool: ddpm, filter: sure}
  near: {real: 3, synthetic: 2, pool: ddpm, filter: near}
  own-near: {real: 3, synthetic: 2, pool: own, filter: near}
  own-modest: {real: 3, synthetic: 2, pool: own, filter: modest}

models:
  cnn: {architecture: cnn_block, width: 2}

recipes:
  quick: {optimizer: sgd, learning_rate: 0.01, batch_size: 16, steps: 2, seeds_per_job: 3}

runs:
  - {dataset: digits, training_set: [every, sure, near, own-near, own-modest], model: cnn, recipe: quick, seeds: 2}

comparisons:
  - {baseline: every, training_set: [sure, near]}

tables:
  main: {kind: accuracy}
  cost: {kind: cost}
"""
SHOWN = {"experiments": 1, "comparisons": 1, "table": 2, "report": 1}
FILTERS = "results/filters/digits"
FEW = "results/extractors/digits/few/seeds0-2"


@pytest.fixture(scope="module")
def filtered(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace in which a study with filters is built, except its report."""
    workspace = Workspace.of_sources(tmp_path_factory.mktemp("filtered") / "built")
    workspace.write(STUDY, FILTERED)
    workspace.snakemake("--until", "table")
    return workspace


@pytest.fixture
def changed(filtered: Workspace, tmp_path: Path) -> Workspace:
    """A copy to change."""
    return filtered.copy(tmp_path / "workspace")


def experiments(workspace: Workspace) -> list[dict[str, str]]:
    with (workspace / "results/studies/tiny/experiments.csv").open() as file:
        return list(csv.DictReader(file))


def test_filtered_and_all_have_equal_sizes_and_say_who_saw_what(filtered: Workspace) -> None:
    rows = experiments(filtered)
    assert {(row["real_images"], row["synthetic_images"]) for row in rows} == {("30", "20")}
    seen = {row["training_set"]: (row["filter"], float(row["filter_real_images"] or 0)) for row in rows}
    # 201 images of train: the extractor has seen the larger half, the distances are to all
    assert seen == {
        "every": ("", 0),
        "sure": ("sure", 101),
        "near": ("near", 201),
        "own-near": ("near", 201),
        "own-modest": ("modest", 30),
    }
    texts = {name: filtered.read(f"{RUNS}/{name}/cnn/quick/seeds0-2/metrics.json") for name in seen}
    assert [name for name, text in texts.items() if '"filter_scope": "same"' in text] == ["own-modest"]
    table = filtered.read("results/studies/tiny/tables/main.md")
    assert "sure (full-data filter)" in table
    assert "modest (full-data filter)" not in table
    assert "A full-data filter saw more real images than the classifier" in table


def test_every_seeds_images_are_filtered_by_themselves(filtered: Workspace) -> None:
    for name, seeds, keep in (
        ("ddpm/all/sure", [-1], 4),
        ("ddpm/all/near", [-1], 2),
        ("own/seeds0-2/near", [0, 1], 2),
        ("own/seeds0-2/modest", [0, 1], 2),
    ):
        kept = pq.read_table(filtered / f"{FILTERS}/{name}.parquet").to_pydict()
        counts = Counter(zip(kept["seed"], kept["label"], strict=True))
        assert counts == {(seed, label): keep for seed in seeds for label in range(10)}
        assert max(kept["index"]) < (8 if name.endswith("sure") else 4)
        assert kept["rank"] == list(range(keep)) * (10 * len(seeds))


def test_a_built_study_is_up_to_date(filtered: Workspace) -> None:
    assert filtered.planned() == {"report": 1}
    assert "filter" in filtered.read("results/studies/tiny/tables/cost.csv")


def test_a_changed_filter_reruns_the_runs_that_use_it(changed: Workspace) -> None:
    changed.replace(STUDY, "among: 8, keep: 4", "among: 8, keep: 3")
    assert changed.planned() == SHOWN | {"filter": 1, "train": 1, "evaluate": 1}
    before = changed.entries()
    changed.snakemake("--until", "experiments")
    assert changed.made(before) == Counter(classifier=2, tested=2)
    changed.replace(STUDY, "among: 8, keep: 3", "among: 8, keep: 4")
    between = changed.entries()
    changed.snakemake("--until", "experiments")
    assert changed.made(between) == Counter(), "the store has the runs of the earlier filter"


def test_the_code_of_a_kind_counts_for_its_own_filters(changed: Workspace) -> None:
    path = "workflow/scripts/synthmix/filters/distance.py"
    changed.replace(path, "    generated, real = ", "    _ = 0\n    generated, real = ")
    assert changed.planned() == SHOWN | {"filter": 2, "train": 2, "evaluate": 2}


def test_other_names_train_nothing(changed: Workspace) -> None:
    text = changed.read(STUDY).replace(" few: {", " three: {").replace("extractor: few", "extractor: three")
    for old, new in (("sure", "certain"), ("modest", "humble")):
        text = text.replace(f" {old}: {{kind", f" {new}: {{kind").replace(f"filter: {old}}}", f"filter: {new}}}")
    changed.write(STUDY, text)
    before = changed.entries()
    changed.snakemake("--until", "train")
    assert changed.made(before) == Counter()


def test_a_larger_pool_chooses_the_same(changed: Workspace) -> None:
    changed.replace(STUDY, "per_class: 8,", "per_class: 16,")
    assert changed.planned() == {"report": 1}


def test_one_more_seed_leaves_the_runs_of_others_alone(changed: Workspace) -> None:
    changed.replace(STUDY, "seeds: 2}", "seeds: 3}")
    before = changed.entries()
    changed.snakemake("--until", "train")
    # the seed's runs of five training sets, and its classifier behind a filter
    assert changed.made(before) == Counter(generator=1, generated=1, classifier=5 + 1)


# ---- filters whose classifier has seen no more than the one that is compared: one for each seed ----------------------


def test_each_seeds_classifier_is_a_run_on_its_few_images(filtered: Workspace) -> None:
    facts = read_json(filtered / f"{FEW}/training.json")
    assert facts["spec"]["training_sets"] == {"few-shot": {"real": 3}}
    assert [(run["seed"], run["real_images"], run["synthetic_images"]) for run in facts["runs"]] == [
        (0, 30, 0),
        (1, 30, 0),
    ]


def test_each_seeds_images_are_ranked_by_its_own_classifier(filtered: Workspace) -> None:
    meta = read_json(filtered / "results/data/digits/meta.json")
    model = {"architecture": "feature_cnn", "width": 4}
    extractors = extractors_by_seed.read(filtered / f"{FEW}/model.safetensors", model, meta)
    assert set(extractors) == {0, 1}
    assert extractors[0].name != extractors[1].name
    pool = pools.read([filtered / "results/pools/digits/own/seeds0-2/shard-0000.parquet"])
    kept = pq.read_table(filtered / f"{FILTERS}/own/seeds0-2/modest.parquet").to_pydict()
    keys = zip(kept["seed"], kept["label"], kept["index"], strict=True)
    found = dict(zip(keys, kept["score"], strict=True))
    assert len(found) == 2 * 10 * 2
    nothing = Split(np.zeros((0, 8, 8, 1), np.uint8), np.zeros(0, np.int64), np.zeros(0, np.int64))
    for seed, other in ((0, 1), (1, 0)):
        images = of_seed(pool, seed)
        own, others = (
            confidence.scores(
                {}, images, [], filtering.View(nothing, meta["classes"], each, {}, None, Path(), True, "cpu")
            )
            for each in (extractors[seed], extractors[other])
        )
        assert not np.allclose(own, others)
        for label in range(10):
            members = np.flatnonzero(images.labels == label)
            best = members[np.argsort(-own[members])[:2]]
            expected = {(seed, label, int(images.index[row])): own[row] for row in best}
            assert {key: value for key, value in found.items() if key[:2] == (seed, label)} == pytest.approx(
                expected, abs=1e-5
            )


def test_a_changed_classifier_reruns_its_own_filter_and_runs(changed: Workspace) -> None:
    changed.replace(STUDY, "epochs: 3,", "epochs: 2,")
    again = {"train_extractor_by_seed": 1, "filter_by_seed": 1, "train": 1, "evaluate": 1}
    assert changed.planned() == SHOWN | again
    before = changed.entries()
    changed.snakemake("--until", "train")
    assert changed.made(before) == Counter(classifier=2 + 2)
    changed.replace(STUDY, "epochs: 2,", "epochs: 3,")
    between = changed.entries()
    changed.snakemake("--until", "train")
    assert changed.made(between) == Counter(), "the store has the earlier classifiers and runs"
