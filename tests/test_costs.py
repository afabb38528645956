"""What classifiers cost: operations against closed forms, and the table of what they cost and reach."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch

from synthmix.analysis import statistics
from synthmix.analysis.artefacts import Artefacts
from synthmix.models import cnn_block, vit_block
from synthmix.networks import costs, engine
from synthmix.reports import rendering
from synthmix.tables import models

# ---- operations ------------------------------------------------------------------------------------------------------


def test_operations_of_a_convolutional_network() -> None:
    network = engine.Classifier(cnn_block.build({"width": 3}, 1, 16, 10), 1)
    convolutions = 25 * (1 * 3 * 16**2 + 3 * 6 * 8**2 + 6 * 12 * 4**2)  # multiply-adds
    layers = 12 * 2**2 * 12 + 12 * 10
    assert costs.flops(network, (16, 16, 1)) == 2 * (convolutions + layers)
    assert next(network.parameters()).device.type == "cpu", "the network itself stays where it is"


def test_operations_of_a_transformer_hold_those_of_attention() -> None:
    width, tokens = 8, 4**2 + 1
    network = engine.Classifier(vit_block.build({"width": width, "heads": 2, "layers": 3, "patch": 4}, 3, 16, 10), 3)
    embedding = 3 * 4**2 * width * (tokens - 1)
    attention = tokens * width * 3 * width + 2 * tokens**2 * width + tokens * width**2
    mlp = 2 * tokens * width * 2 * width
    assert costs.flops(network, (16, 16, 3)) == 2 * (embedding + 3 * (attention + mlp) + width * 10)


def test_speed_is_measured_on_noise_and_leaves_the_network_alone() -> None:
    network = engine.Classifier(cnn_block.build({"width": 2}, 1, 8, 10), 1)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    seen: list[torch.Size] = []
    network.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].shape))
    network.train()
    found = costs.measure(network, np.zeros((1, 8, 8, 1), np.uint8), "cpu")
    assert set(found) == {"flops", "test_images_per_second", "tested_on"}
    assert found["test_images_per_second"] > 0
    shapes = [shape[0] for shape in seen]
    assert shapes[:3] == [1, costs.FEW, costs.FEW], "operations are counted for one image"
    assert costs.FEW <= shapes[3] <= costs.MANY
    assert network.training
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


def test_memory_is_that_of_the_process() -> None:
    before = costs.memory("cpu")
    free = before["max_rss_mb"] * 1e6 - psutil.Process().memory_info().rss  # the process was larger than it is
    held = np.ones(int(free + 240e6), dtype=np.uint8)
    after = costs.memory("cpu")
    assert held.all()
    assert after["max_rss_mb"] - before["max_rss_mb"] == pytest.approx(240, abs=20)
    assert after["gpu_mb"] is None


# ---- the table -------------------------------------------------------------------------------------------------------

PUBLISHED: list[dict[str, Any]] = [
    {
        "model": "vit",
        "value": [0.82, 0.85],
        "seconds_per_epoch": [30, 50],
        "parameters": 86_000_000,
        "source": "A table",
    },
    {
        "model": "vit",
        "value": 0.9461,
        "seconds_per_epoch": 465,
        "source": "A log",
        "oddity": "It contradicts the table.",
    },
    {"model": "vgg", "value": 0.706, "source": "A table"},
]
PUBLISHED = [{**entry, "comparable": False, "reason": "other data"} for entry in PUBLISHED]


@pytest.fixture(scope="module")
def measured(artefacts: Artefacts, tmp_path_factory: pytest.TempPathFactory) -> Artefacts:
    """The study with what its runs cost."""
    root = tmp_path_factory.mktemp("study")
    runs = artefacts.read_experiments().assign(epochs=5.0, test_images_per_second=1e4, flops=2e6, gpu_mb=None)
    runs = runs.assign(max_rss_mb=500.0, threads=2, trained_on="cpu (x86_64)", tested_on="cpu (x86_64)")
    rendering.write_frame(root / "experiments.csv", runs)
    return dataclasses.replace(artefacts, experiments=root / "experiments.csv")


SPEC = {"kind": "models", "training_set": ["org"], "recipe": ["cnn-steps", "vit-steps"]}


def test_a_row_says_what_runs_reach_and_cost(measured: Artefacts) -> None:
    table = models.build(SPEC, measured)
    assert table.data["model"].tolist() == ["cnn", "vit"]
    runs = measured.read_experiments()
    values = runs[(runs["training_set"] == "org") & (runs["recipe"] == "vit-steps")]["accuracy"]
    interval = statistics.t_interval(values)
    row = table.data.iloc[1]
    assert (row["value"], row["low"], row["high"]) == pytest.approx((interval.mean, interval.low, interval.high))
    assert row["seconds_per_epoch"] == pytest.approx(2.5 / 5)
    frame = table.frame.iloc[1]
    assert (frame["Seconds per epoch"], frame["Parameters"]) == ("0.500", "12,500")
    assert frame["FLOPs per image, millions"] == "2.00"
    assert "GPU memory, MB" not in frame
    assert "Trained on: cpu (x86_64), 2 threads." in table.notes
    assert "Values: measured." in table.notes


def test_published_values_have_rows_of_their_own_below_their_model(measured: Artefacts) -> None:
    table = models.build({**SPEC, "published": PUBLISHED}, measured)
    frame = table.frame
    assert frame["Model"].tolist() == ["cnn", "vit", "vit", "vit", "vgg"]
    assert frame["Values"].tolist() == ["measured", "measured", "published", "published", "published, not run here"]
    assert frame["Accuracy, %"].tolist()[2:] == ["82.0 to 85.0", "94.6", "70.6"]
    assert frame["Seconds per epoch"].tolist()[2:] == ["30.0 to 50.0", "465", ""]
    assert frame["Parameters"].tolist()[2:] == ["86,000,000", "", ""]
    assert frame["Comparable"].tolist() == ["", "", "no", "no", "no"]
    assert "Oddity of the publication: It contradicts the table." in table.notes


def test_hardware_that_differs_is_said_of_each_model(measured: Artefacts, tmp_path: Path) -> None:
    runs = measured.read_experiments()
    runs.loc[runs["model"] == "vit", "trained_on"] = "A GPU"
    rendering.write_frame(tmp_path / "experiments.csv", runs)
    table = models.build(SPEC, dataclasses.replace(measured, experiments=tmp_path / "experiments.csv"))
    assert "Trained on: cpu (x86_64), 2 threads (cnn); A GPU, 2 threads (vit)." in table.notes


def test_runs_without_costs_have_a_table_of_what_is_known(artefacts: Artefacts) -> None:
    table = models.build(SPEC, artefacts)
    assert "Seconds per epoch" not in table.frame
    assert table.frame["Images/s, training"].tolist() == ["7,680", "7,680"]
    with pytest.raises(ValueError, match="models table: no run and no published value"):
        models.build({**SPEC, "model": "vgg"}, artefacts)


def test_columns_that_only_published_values_lack_follow_in_a_fixed_order(artefacts: Artefacts) -> None:
    """Python orders sets of texts by a key that differs between processes."""
    built = models.build({**SPEC, "model": "vgg", "published": [{"model": "vgg", "source": "a paper"}]}, artefacts)
    measured = [name for name in models.MEASURED if name != "parameters"]  # which publications have
    assert built.data.columns.tolist()[-8:] == ["n", "trained_on", *measured]
