"""What can be known of networks and their weights before the first job is said before it; one study runs for real."""

import importlib
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import timm
import torch
import torchvision
import yaml
from safetensors.torch import save_file
from workspace import STUDY, Workspace

from synthmix.checks import models, networks
from synthmix.checks.networks import NetworkError

VIT = {"architecture": "timm", "name": "vit_tiny_patch16_224"}
SMALL = {"architecture": "timm", "name": "test_vit", "input_size": 32}


def check(
    folder: Path,
    model: dict[str, Any],
    offline: bool = False,
    runs: bool = True,
    recipe: dict[str, Any] | None = None,
    **dataset: Any,
) -> None:
    dataset = {"source": "embedded", "name": "digits", **dataset}
    definitions = {"models": {"net": model}, "datasets": {"digits": dataset}}
    plan: Any = SimpleNamespace(definitions=definitions, config={"weights": str(folder), "offline": offline})
    names = {"dataset": "digits", "model": "net", "recipe": "short"}
    spec = {
        "model": model,
        "recipe": {"batch_size": 8, "epochs": 1, **(recipe or {})},
        "training_sets": {"few": {"real": 1}},
    }
    jobs: Any = [SimpleNamespace(runs=runs, rule="train", wildcards=names, spec=spec)]
    networks.check(jobs, plan)


@pytest.mark.parametrize(
    ("model", "layer"),
    [
        ({"architecture": "timm", "name": "resnet18"}, "backbone.network.layer4.0.bn1"),
        ({"architecture": "torchvision", "name": "resnet18"}, "backbone.network.layer4.0.bn1"),
        ({"architecture": "timm", "name": "resnet18", "input_size": 32}, "backbone.network.layer4.0.bn1"),
    ],
)
def test_a_batch_of_one_image_is_refused_where_a_batch_norm_sees_one_pixel(
    tmp_path: Path, model: dict[str, Any], layer: str
) -> None:
    """Of ten images, one of each digit."""
    message = refusal(tmp_path, model, resolution=32, recipe={"batch_size": 9})
    assert message == (
        "recipes.short.batch_size: 9 makes a batch of one image of the 10 of training set few on digits, and "
        f"{layer} of model net is a batch norm over one pixel, which needs two; change it"
    )
    check(tmp_path, model, resolution=32)
    check(tmp_path, {**model, "input_size": 64}, resolution=32, recipe={"batch_size": 9})
    check(tmp_path, model, resolution=32, recipe={"batch_size": 9, "freeze": ["backbone"]})
    network = importlib.import_module(f"synthmix.models.{model['architecture']}").build(model, 3, 32, 2).train()
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        network(torch.zeros(1, 3, 32, 32))


def test_networks_whose_attention_is_not_known_are_refused_before_they_are_explained() -> None:
    def look(name: str, **explainer: Any) -> None:
        model = {"architecture": "timm", "name": name, "input_size": 224}
        own = {"kind": "attention", **explainer}
        dataset = {"source": "embedded", "name": "digits"}
        definitions = {"models": {"net": model}, "datasets": {"digits": dataset}, "explainers": {"maps": own}}
        names = {"dataset": "digits", "model": "net", "explainer": "maps"}
        spec = {"model": model, "explainer": own}
        jobs: Any = [SimpleNamespace(runs=True, rule="explain", wildcards=names, spec=spec)]
        plan: Any = SimpleNamespace(definitions=definitions, config={})
        networks.check(jobs, plan)

    look("vit_tiny_patch16_224", layers=[-12, 1])
    look("resnet18", kind="cam")
    with pytest.raises(
        NetworkError, match=r"^models\.net: attention: there is no layer 13, the network has 12; correct"
    ):
        look("vit_tiny_patch16_224", layers=[13])
    with pytest.raises(NetworkError, match=r"^models\.net: attention: resnet18 is no vision transformer whose blocks"):
        look("resnet18")


def refusal(folder: Path, model: dict[str, Any], **options: Any) -> str:
    with pytest.raises(NetworkError) as caught:
        check(folder, model, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_images_that_a_network_does_not_take_are_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path, VIT).startswith("models.net: vit_tiny_patch16_224 does not take images of 8 x 8 pixels")
    assert "of 64 x 64 pixels" in refusal(tmp_path, VIT, resolution=64)
    check(tmp_path, {**VIT, "input_size": 224})
    check(tmp_path, VIT, resolution=224)
    check(tmp_path, VIT, runs=False)


def test_weights_at_hand_are_compared_with_the_network(tmp_path: Path) -> None:
    values = timm.create_model("test_vit").state_dict()
    save_file(values, tmp_path / "right.safetensors")
    save_file({**values, "cls_token": torch.zeros(1, 1, 7)}, tmp_path / "wrong.safetensors")
    check(tmp_path, {**SMALL, "weights": str(tmp_path / "right.safetensors")})
    message = refusal(tmp_path, {**SMALL, "weights": str(tmp_path / "wrong.safetensors")})
    assert message.startswith(
        f"models.net: {tmp_path}/wrong.safetensors does not hold the weights of test_vit (cls_token"
    )


def test_a_missing_download_is_refused_where_none_is_allowed(tmp_path: Path) -> None:
    published = {**SMALL, "name": "test_vit.r160_in1k", "weights": "default"}
    check(tmp_path, published)
    assert "(offline: true): download https://" in refusal(tmp_path, published, offline=True)


@pytest.mark.parametrize(
    ("library", "registered"),
    [
        ("timm", timm.list_models),
        ("torchvision", lambda: torchvision.models.list_models(module=torchvision.models)),
    ],
)
def test_names_are_those_of_the_library(library: str, registered: Callable[[], list[str]]) -> None:
    assert models.names(library) == set(registered())


@pytest.mark.workflow
def test_another_file_of_weights_trains_its_own_runs_again(sources: Workspace) -> None:
    """And a file of another network is refused before any job."""
    study = yaml.safe_load(sources.read(STUDY))
    kept = {key: study[key] for key in ("title", "question", "datasets", "recipes")}
    kept["datasets"]["digits"]["channels"] = 3
    models = {"own": {**SMALL, "weights": "own.safetensors"}, "cnn": study["models"]["cnn"]}
    run = {"dataset": "digits", "training_set": "shot3", "model": ["own", "cnn"], "recipe": "single", "seeds": 1}
    sources.write(
        STUDY, yaml.safe_dump({**kept, "models": models, "training_sets": {"shot3": {"real": 3}}, "runs": [run]})
    )

    values = timm.create_model("test_vit").state_dict()
    save_file({"weight": torch.zeros(2)}, sources / "own.safetensors")
    output = sources.failing()
    assert output == ""
    assert "models.own: own.safetensors does not hold the weights of test_vit" in sources.read("snakemake.log")
    assert not (sources / "results/data").exists()

    save_file(values, sources / "own.safetensors")
    targets = [f"results/runs/digits/shot3/{name}/single/seeds0/metrics.json" for name in models]
    sources.snakemake(*targets)
    assert sources.planned(*targets) == {}
    save_file({**values, "cls_token": values["cls_token"] + 1}, sources / "own.safetensors")
    planned = sources.planned(*targets)
    assert (planned["train"], planned["evaluate"]) == (1, 1)
    assert "prepare_data" not in planned
