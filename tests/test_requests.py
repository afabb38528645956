"""What jobs ask for: the configuration's amounts, a study's factors, and how GPUs are asked for."""

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from synthmix.gpus import requested
from synthmix.planning.configuration import ConfigurationError, read_studies, validate_config
from synthmix.planning.plan import Plan
from synthmix.planning.requests import Requests

TINY = Path(__file__).parent / "studies/tiny.yaml"


def requests(folder: Path, scale: str = "", more: str = "", **config: Any) -> Requests:
    """The requests of the study tiny with a list of factors and further sections, under a configuration."""
    shutil.copyfile(TINY, folder / "tiny.yaml")
    with (folder / "tiny.yaml").open("a") as file:
        file.write(f"\nscale: [{scale}]\n{more}")
    return Requests(Plan(validate_config(config, "config.yaml"), read_studies(folder, ["tiny"])))


def asked(requests: Requests, stage: str, attempt: int = 1, **wildcards: str) -> dict[str, Any]:
    """What a job asks for, without what it does not ask for."""
    values = {
        name: value(wildcards, attempt) if name == "mem_mb" else value(wildcards)
        for name, value in requests.resources(stage).items()
    }
    found = {name: value for name, value in values.items() if value is not None}
    return {**found, "threads": requests.threads(stage)(wildcards)}


CNN = {"dataset": "digits", "bundle": "main", "model": "cnn", "recipe": "single", "seeds": "0"}
VIT = {**CNN, "model": "vit", "recipe": "block"}


def test_amounts_are_those_of_the_configuration(tmp_path: Path) -> None:
    train = {"gpu": 2, "threads": 3, "mem_mb": 500, "runtime": 7}
    assert asked(requests(tmp_path, resources={"train": train}), "train", **CNN) == {**train, "nodes": 1}


def test_the_jobs_of_a_filter_are_those_of_its_extractor_too(tmp_path: Path) -> None:
    filters = "filters: {near: {kind: distance, extractor: features, among: 4, keep: 2}}"
    found = requests(
        tmp_path, "{extractor: features, stage: filter, mem_mb: 3}", filters, resources={"filter": {"mem_mb": 200}}
    )
    names = {"dataset": "digits", "pool": "ddpm", "group": "all"}
    assert asked(found, "filter", **names, filter="near")["mem_mb"] == 600


def test_a_retry_asks_for_half_of_the_memory_more(tmp_path: Path) -> None:
    found = requests(tmp_path, resources={"train": {"mem_mb": 1001}})
    assert [asked(found, "train", attempt, **CNN)["mem_mb"] for attempt in (1, 2, 3)] == [1001, 1502, 2002]
    assert asked(found, "train", 3, **CNN)["runtime"] == asked(found, "train", 1, **CNN)["runtime"]


@pytest.mark.parametrize(
    ("scale", "job", "factor"),
    [
        ("{model: vit, runtime: 3}", VIT, 3),
        ("{model: vit, runtime: 3}", CNN, 1),
        ("{model: [cnn, vit], runtime: 3}", CNN, 3),
        ("{stage: train, model: vit, runtime: 3}", VIT, 3),
        ("{stage: evaluate, model: vit, runtime: 3}", VIT, 1),
        ("{dataset: digits, model: vit, recipe: single, runtime: 3}", VIT, 1),
        ("{dataset: digits, runtime: 2}, {model: vit, runtime: 3}", VIT, 6),
        ("{runtime: 1.5}", CNN, 1.5),
        ("{model: vit, mem_mb: 3}", VIT, 1),
        ("{pool: ddpm, runtime: 3}", VIT, 1),
    ],
)
def test_factors_hold_for_the_jobs_of_all_that_an_entry_names(
    tmp_path: Path, scale: str, job: dict[str, str], factor: float
) -> None:
    found = requests(tmp_path, scale, resources={"train": {"runtime": 100}})
    assert asked(found, "train", **job)["runtime"] == 100 * factor


def test_a_shard_belongs_to_the_generator_of_its_pool(tmp_path: Path) -> None:
    found = requests(tmp_path, "{generator: own, mem_mb: 2}", resources={"generate": {"mem_mb": 1000}})
    shard = {"dataset": "digits", "group": "all", "shard": "0000"}
    assert asked(found, "generate", **shard, pool="own")["mem_mb"] == 2000
    assert asked(found, "generate", **shard, pool="ddpm")["mem_mb"] == 1000


@pytest.mark.parametrize(
    ("way", "wanted"),
    [
        ("gpu", {"gpu": 2, "nodes": 1}),
        ("gpu:a100", {"gpu": 2, "gpu_model": "a100", "nodes": 1}),
        ("gres", {"gres": "gpu:2"}),
        ("gres:a100", {"gres": "gpu:a100:2"}),
    ],
)
def test_gpus_are_asked_for_as_configured(tmp_path: Path, way: str, wanted: dict[str, Any]) -> None:
    found = requests(tmp_path, "{model: vit, gpu: 0}", gpu_request=way, resources={"train": {"gpu": 2}})
    names = {"gpu", "gpu_model", "gres", "nodes"}
    with_gpu, without = (asked(found, "train", **job) for job in (CNN, VIT))
    assert {name: value for name, value in with_gpu.items() if name in names} == wanted
    assert {name: value for name, value in without.items() if name in names and value} == {}
    assert (requested(with_gpu), requested(without)) == (2, 0)


def test_a_job_of_one_gpu_leaves_the_number_of_nodes_to_slurm(tmp_path: Path) -> None:
    assert "nodes" not in asked(requests(tmp_path), "train", **VIT)


def test_a_job_is_scaled_by_the_studies_that_know_it(tmp_path: Path) -> None:
    other = re.sub(r"\bvit\b", "vit-two", TINY.read_text())
    (tmp_path / "other.yaml").write_text(other + "\nscale: [{dataset: digits, runtime: 5}]\n")
    requests(tmp_path, "{dataset: digits, runtime: 2}")
    config = validate_config({"resources": {"train": {"runtime": 10}}}, "config.yaml")
    found = Requests(Plan(config, read_studies(tmp_path, ["tiny", "other"])))
    assert asked(found, "train", **VIT)["runtime"] == 20  # the other study has no such model
    assert asked(found, "train", **CNN)["runtime"] == 50


@pytest.mark.parametrize(
    ("scale", "message"),
    [
        ("{model: vitt, runtime: 3}", "scale[0].model: unknown model"),
        ("{model: vit, runtime: -1}", "scale[0].runtime"),
        ("{model: vit, time: 3}", "scale[0].time"),
        ("{stage: training, runtime: 3}", "scale[0].stage"),
    ],
)
def test_a_wrong_factor_is_named(tmp_path: Path, scale: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        requests(tmp_path, scale)
    assert message in str(error.value)
    assert "tiny.yaml" in str(error.value)
