"""Images that are streamed from the disk: the same trainings and predictions to the last bit, in bounded memory."""

import os
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from test_frozen import build as build_frozen
from test_training import NETWORKS, RECIPES, StopAt, assert_equal
from workspace import RUNS, Workspace

from synthmix import evaluating, files
from synthmix.images import feeding, mapped
from synthmix.images.draws import TrainingSet
from synthmix.images.feeding import Streamed
from synthmix.models import feature_cnn
from synthmix.networks import engine
from synthmix.networks.frozen import Features
from synthmix.store import Entry
from synthmix.training import Data, fit

SCRIPTS = Path(__file__).parents[1] / "workflow/scripts"
NEVER = SimpleNamespace(due=lambda: False, done=lambda: None)
RANDOM = np.random.default_rng(0)
FIRST, SECOND = (RANDOM.integers(0, 256, (n, 8, 8, 3), dtype=np.uint8) for n in (40, 9))
LABELS = np.arange(49) % 3


@pytest.fixture
def seen(tmp_path):
    """What a run sees, in memory and on the disk: 21 images of two files to train on, and val and watched images."""

    def of(images, generated):
        parts = [(images, np.arange(15, 0, -1)), (generated, np.array([8, 1, 1, 0, 4, 7]))]
        monitor = (mapped.chosen(generated, np.arange(5)), LABELS[:5])
        train = TrainingSet(mapped.joined(parts), LABELS[:21], 15, monitor)
        return Data(train, mapped.chosen(images, np.arange(20, 37)), LABELS[20:37], 3)

    return of(FIRST, SECOND), of(mapped.written([FIRST[:7], FIRST[7:]], tmp_path), mapped.written([SECOND], tmp_path))


def trainings(seen, folder, recipe, build, model, stops=(), **options):
    """The finished states of a training with images in memory, and with streamed ones that is stopped."""
    spec = {"model": model, "recipe": recipe}
    whole = fit(build, spec, 0, seen[0], Entry("00", folder), NEVER, "cpu", **options)
    for stop in stops:
        with pytest.raises(SystemExit):
            fit(build, spec, 0, seen[1], Entry("01", folder), StopAt([stop]), "cpu", **options)
    return whole, fit(build, spec, 0, seen[1], Entry("01", folder), NEVER, "cpu", **options)


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("recipe", RECIPES)
def test_a_training_is_the_same_and_resumes_after_any_step(seen, tmp_path, recipe, network):
    build, model = NETWORKS[network]
    whole, streamed = trainings(seen, tmp_path, RECIPES[recipe], build, model, stops=[1, 2, 1])
    assert_equal(streamed, whole)
    assert {"val_loss", "generated_loss"} < set(whole["history"][-1])


def test_features_under_a_frozen_backbone_are_the_same(seen, tmp_path):
    recipe = {**RECIPES["sgd"], "freeze": ["backbone"]}
    whole, streamed = trainings(seen, tmp_path, recipe, build_frozen, {"backbone": 0})
    assert_equal(streamed, whole)


def test_two_processes_open_the_files_themselves(seen, tmp_path):
    """They train as one does with the images in memory, but for rounding."""
    task, build = {"model": {"width": 2}, "recipe": RECIPES["sgd"]}, NETWORKS["cnn_block"][0]
    one = fit(build, task, 0, seen[0], Entry("00", tmp_path), NEVER, "cpu")
    never = SimpleNamespace(seconds=1000, signal=0)  # an Interruption would keep the signals of this process
    two = fit(build, task, 0, seen[1], Entry("01", tmp_path), never, "cpu", processes=2)
    for name, value in one["model"].items():
        np.testing.assert_allclose(two["model"][name], value, rtol=0, atol=1e-4, err_msg=name)


def test_predictions_are_the_same(tmp_path):
    network = engine.Classifier(feature_cnn.build({"width": 4}, 3, 8, 3), 3)
    on_disk = mapped.written([FIRST], tmp_path)
    network.normalise_by(Streamed(on_disk, "cpu"))
    own = network.mean.clone(), network.std.clone()
    network.normalise_by(engine.to_device(FIRST, "cpu"))
    assert torch.equal(network.mean, own[0])
    assert torch.equal(network.std, own[1])
    expected = evaluating.probabilities(network, FIRST, "cpu")
    np.testing.assert_array_equal(evaluating.probabilities(network, on_disk, "cpu"), expected)
    rows = np.array([3, 39, 0])
    found = evaluating.probabilities(network, mapped.chosen(on_disk, rows), "cpu")
    np.testing.assert_allclose(found, expected[rows], rtol=1e-5)
    frozen = engine.Classifier(build_frozen({"backbone": 0}, 3, 8, 3), 3)
    one, other = (evaluating.probabilities(frozen, images, "cpu", Features()) for images in (FIRST, on_disk))
    np.testing.assert_array_equal(other, one)


@pytest.mark.parametrize("channels", [1, 3])
def test_mean_and_deviation_do_not_depend_on_the_parts(channels, monkeypatch):
    images = engine.to_device(FIRST[..., :channels], "cpu")
    whole = engine.moments(images)
    flat = images.double().transpose(0, 1).flatten(1)
    torch.testing.assert_close(whole, (flat.mean(1), flat.std(1)), rtol=1e-12, atol=0)
    monkeypatch.setattr(engine, "PIXELS", 64 * 7)  # seven images at a time
    for own, other in zip(engine.moments(images), whole, strict=True):
        assert torch.equal(own, other)


# ---- reading ahead ---------------------------------------------------------------------------------------------------


class Counting:
    """Images that say which were read, and in which thread."""

    def __init__(self, images):
        self.images, self.shape, self.read, self.threads = images, images.shape, [], set()

    def __len__(self):
        return len(self.images)

    def __getitem__(self, rows):
        self.read.append(rows.tolist())
        self.threads.add(threading.get_ident())
        return self.images[rows]


def test_no_more_than_two_batches_are_read_ahead():
    images = Counting(FIRST)
    order = [np.array([n, n + 1]) for n in range(20)]
    taken = Streamed(images, "cpu").batches(iter(order))
    for done in range(20):
        rows, batch = next(taken)
        np.testing.assert_array_equal(batch.permute(0, 2, 3, 1), FIRST[order[done]])
        assert rows is order[done]
        assert len(images.read) <= done + 1 + feeding.AHEAD
    assert images.read == [each.tolist() for each in order]
    assert threading.get_ident() not in images.threads


def test_what_goes_wrong_while_reading_is_told():
    taken = Streamed(FIRST.view(), "cpu").batches([np.array([99])])
    with pytest.raises(IndexError):
        next(taken)


# ---- memory ----------------------------------------------------------------------------------------------------------

RETURNED = {"MALLOC_MMAP_THRESHOLD_": "65536"}  # what is freed goes back at once, so that allocated is in use
# A process that may allocate two thirds of its images' size: files that are mapped do not count, arrays and tensors do.
BOUNDED = """
import resource, sys
sys.path[:0] = [{scripts!r}, {tests!r}]
import numpy as np
from types import SimpleNamespace
from torch import nn
from synthmix import data, evaluating, training
from synthmix.images import mapped
from synthmix.images.draws import TrainingSet
from synthmix.networks import engine
from synthmix.store import Entry
from pathlib import Path
engine.PIXELS = 2**17  # few at once, so that few images make the difference

def build(model, channels, size, classes):
    return nn.Sequential(nn.AvgPool2d(size // 2), nn.Flatten(), nn.Linear(4 * channels, classes))

def run(read, path, name):
    split = read(path)
    half = len(split.labels) // 2
    train = TrainingSet(mapped.chosen(split.images, np.arange(half)), split.labels[:half], half, None)
    val = mapped.chosen(split.images, np.arange(half, 2 * half))
    recipe = dict(optimizer="sgd", learning_rate=0.01, batch_size=16, epochs=1, schedule="constant")
    recipe |= dict(precision="float32", checkpoint="last", augment="flip")
    stop = SimpleNamespace(due=lambda: False, done=lambda: None)
    seen = training.Data(train, val, split.labels[half:], 2)
    task = dict(model={{}}, recipe=recipe)
    state = training.fit(build, task, 0, seen, Entry(name, Path({folder!r})), stop, "cpu")
    network = evaluating.classifier(build, {{}}, state["model"], split, 2)
    return evaluating.probabilities(network, split.images, "cpu")

read = getattr(data, sys.argv[1])
run(data.read_mapped, {small!r}, "00")  # threads, caches
used = int(next(line for line in open("/proc/self/status") if line.startswith("VmData")).split()[1]) * 1024
resource.setrlimit(resource.RLIMIT_DATA, (used + {images} * 2 // 3,) * 2)
print(run(read, {large!r}, "01").shape)
"""


def test_memory_is_bounded_whatever_the_number_of_images(tmp_path):
    """The same training and test fail where the images are read into memory: that is too much of it."""
    count, side = 1000, 224
    for name, n in (("small", 40), ("large", count)):
        noise = np.random.default_rng(0).integers(0, 256, (40, side, side, 3), dtype=np.uint8)
        rows = {"labels": np.arange(n) % 2, "index": np.arange(n)}
        files.write_arrays(tmp_path / name, {"images": np.resize(noise, (n, side, side, 3)), **rows})
    script = BOUNDED.format(
        scripts=str(SCRIPTS),
        tests=str(Path(__file__).parent),
        folder=str(tmp_path / "store"),
        small=str(tmp_path / "small"),
        large=str(tmp_path / "large"),
        images=count * side * side * 3,
    )
    streamed, resident = (
        subprocess.run([sys.executable, "-c", script, how], capture_output=True, text=True, env=os.environ | RETURNED)
        for how in ("read_mapped", "read")
    )
    assert streamed.stdout.strip() == f"({count}, 2)", streamed.stderr
    assert resident.returncode != 0
    assert any(text in resident.stderr for text in ("MemoryError", "allocate memory", "memory allocation"))


# ---- the workflow ----------------------------------------------------------------------------------------------------


@pytest.mark.workflow
def test_jobs_make_the_same_files_when_their_images_are_streamed(built: Workspace, workspace: Workspace) -> None:
    workspace.append("config.yaml", "images_in_memory: 0\n")
    job = f"{RUNS}/main/vit/block/seeds0-2"
    made = [f"{job}/model.safetensors", f"{job}/predictions.parquet", "results/extractors/digits/features.safetensors"]
    made.append(f"{job}/shot3.ddpm.json".replace("/runs/", "/cross_tests/"))
    stages = ["train", "evaluate", "cross_test", "train_extractor"]
    workspace.make_again(stages, *made)
    for name in made:
        assert (workspace / name).read_bytes() == (built / name).read_bytes(), name
    for stage in stages:
        logs = [path.read_text() for path in (workspace / f"logs/{stage}").rglob("*.log")]
        assert logs
        assert all("more than images_in_memory: 0: read while used" in text for text in logs), stage
    assert not [
        path for path in (workspace / "results/pools").rglob("*") if path.is_file() and path.suffix != ".parquet"
    ]
