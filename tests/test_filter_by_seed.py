"""Filters whose classifier has seen no more real images than the one that is compared: one for each seed."""

import csv
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from workspace import STUDY, Workspace

from synthmix import extractors_by_seed, filtering
from synthmix.data import Split
from synthmix.files import read_json
from synthmix.filters import confidence
from synthmix.images import pools
from synthmix.images.draws import of_seed

pytestmark = pytest.mark.workflow

FILTERED = """
title: Filters of the few
question: Does a filter help that has seen no more than the classifier?

datasets:
  digits: {source: embedded, name: digits, val: 0.1, test: 0.1, seed: 0, limit: {train: 200, test: 100}}

generators:
  own:
    kind: ddpm
    train_on: {real: 3}
    seeds_per_job: 3
    channels: [8, 16]
    layers_per_block: 1
    attention: [false, false]
    steps: 3
    batch_size: 8
    learning_rate: 0.003

pools:
  own: {generator: own, sampler: ddim, steps: 2, guidance: 1.0, per_class: 4, shard_size: 4, batch_size: 40}

extractors:
  half: {kind: classifier, model: {architecture: feature_cnn, width: 4}, epochs: 1}
  few: {kind: classifier, train_on: {real: 3}, model: {architecture: feature_cnn, width: 4}, epochs: 3, batch_size: 16}

filters:
  known: {kind: confidence, extractor: half, among: 4, keep: 2}
  sure: {kind: confidence, extractor: few, among: 4, keep: 2}

training_sets:
  known: {real: 3, synthetic: 1, pool: own, filter: known}
  sure: {real: 3, synthetic: 1, pool: own, filter: sure}

models:
  cnn: {architecture: cnn_block, width: 2}

recipes:
  quick: {optimizer: sgd, learning_rate: 0.01, batch_size: 16, steps: 2, seeds_per_job: 3}

runs:
  - {dataset: digits, training_set: [known, sure], model: cnn, recipe: quick, seeds: 2}

tables:
  main: {kind: accuracy}
"""
SHOWN = {"experiments": 1, "comparisons": 1, "table": 1, "report": 1}
FEW = "results/extractors/digits/few/seeds0-2"
KEPT = "results/filters/digits/own/seeds0-2/sure.parquet"


@pytest.fixture(scope="module")
def filtered(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace in which the study is built, except its report."""
    workspace = Workspace.of_sources(tmp_path_factory.mktemp("few") / "built")
    workspace.write(STUDY, FILTERED)
    workspace.snakemake("--until", "table")
    return workspace


@pytest.fixture
def changed(filtered: Workspace, tmp_path: Path) -> Workspace:
    """A copy to change."""
    return filtered.copy(tmp_path / "workspace")


def test_who_saw_what(filtered: Workspace) -> None:
    with (filtered / "results/studies/tiny/experiments.csv").open() as file:
        rows = list(csv.DictReader(file))
    seen = {row["training_set"]: (float(row["filter_real_images"]), row["real_images"]) for row in rows}
    assert seen == {"known": (100, "30"), "sure": (30, "30")}
    scopes = [filtered.read(f"results/runs/digits/{name}/cnn/quick/seeds0-2/metrics.json") for name in seen]
    assert [scope.count('"filter_scope": "same"') for scope in scopes] == [0, 1]
    table = filtered.read("results/studies/tiny/tables/main.md")
    assert "known (full-data filter)" in table
    assert "sure (full-data filter)" not in table


def test_each_seeds_classifier_is_a_run_on_its_few_images(filtered: Workspace) -> None:
    facts = json.loads(filtered.read(f"{FEW}/training.json"))
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
    kept = pq.read_table(filtered / KEPT).to_pydict()
    found = {key: kept["score"][row] for row, key in enumerate(zip(*columns(kept), strict=True))}
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


def columns(kept: dict[str, list]) -> tuple[list, ...]:
    return kept["seed"], kept["label"], kept["index"]


def test_a_built_study_is_up_to_date(filtered: Workspace) -> None:
    assert filtered.planned() == {"report": 1}


def test_one_more_seed_trains_one_more_network(changed: Workspace) -> None:
    changed.replace(STUDY, "seeds: 2}", "seeds: 3}")
    before = changed.entries()
    changed.snakemake("--until", "train")
    # the seed's classifier behind the filter, and its runs of both training sets
    assert changed.made(before) == Counter(generator=1, generated=1, classifier=1 + 2)


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


def test_other_names_train_nothing(changed: Workspace) -> None:
    text = changed.read(STUDY).replace(" few: {", " three: {").replace("extractor: few", "extractor: three")
    changed.write(STUDY, text.replace(" sure: {kind", " certain: {kind").replace("filter: sure", "filter: certain"))
    before = changed.entries()
    changed.snakemake("--until", "train")
    assert changed.made(before) == Counter()
