"""Training a classifier: repeatable, resumed at any step to the last bit, and never done twice. Generators too."""

import functools
import os
import shutil
import signal
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from synthmix import training
from synthmix.generation import diffusion
from synthmix.images.draws import TrainingSet
from synthmix.interruption import Interruption
from synthmix.models import cnn_block, feature_cnn
from synthmix.networks import schedules
from synthmix.networks.engine import Classifier
from synthmix.networks.measuring import DivergedError
from synthmix.store import Entry
from synthmix.training import Data, fit

NEVER = SimpleNamespace(due=lambda: False, done=lambda: None)
STEPS = 7
RECIPE = {"learning_rate": 0.01, "batch_size": 8, "steps": STEPS, "schedule": "cosine", "precision": "float32"}
RECIPES = {
    "sgd": {**RECIPE, "optimizer": "sgd", "momentum": 0.9, "checkpoint": "last"},
    "best-val": {**RECIPE, "optimizer": "adamw", "weight_decay": 0.1, "checkpoint": "best-val", "evaluate_every": 2},
    "augmented": {**RECIPE, "optimizer": "adam", "checkpoint": "last", "augment": "strong", "warmup_steps": 3},
    "crop": {**RECIPE, "optimizer": "sgd", "checkpoint": "last", "augment": "crop"},
    "bfloat16": {**RECIPE, "optimizer": "adamw", "checkpoint": "last", "precision": "bfloat16", "evaluate_every": 3},
    "plateau": {**RECIPE, "optimizer": "sgd", "learning_rate": 0.1, "checkpoint": "last", "evaluate_every": 1}
    | {"schedule": "plateau", "plateau": {"factor": 0.5, "patience": 0}, "warmup_steps": 1}
    | {"accumulate": 3, "clip": 1.0, "label_smoothing": 0.1},
    # 21 images are three steps an epoch: no prediction changes, so the sixth step is the last
    "constant": {**RECIPE, "optimizer": "sgd", "learning_rate": 1e-9, "checkpoint": "last"}
    | {"stop": {"train_error_constant_epochs": 2}},
}
# batch norm has state of its own
NETWORKS = {"cnn_block": (cnn_block.build, {"width": 2}), "feature_cnn": (feature_cnn.build, {"width": 4})}


class StopAt:
    """An interruption at every one of some steps."""

    def __init__(self, steps):
        self.left = sorted(steps)
        self.step = 0

    def due(self):
        self.step += 1
        return self.step in self.left

    def done(self):
        raise SystemExit(143)


@pytest.fixture(scope="module")
def data():
    random = np.random.default_rng(0)
    labels = np.arange(30) % 3
    images = random.integers(0, 256, (30, 8, 8, 1), dtype=np.uint8)
    generated = random.integers(0, 256, (9, 8, 8, 1), dtype=np.uint8)
    seen = TrainingSet(images[:21], labels[:21], 15, (generated, np.arange(9) % 3))
    return Data(seen, images[21:], labels[21:], 3)


@pytest.fixture
def train(data, tmp_path):
    """Trains a classifier; interrupted after each number of steps in `stops`, counted from its last start."""

    def run(recipe="sgd", network="cnn_block", stops=(), seed=0, name="00", **changes):
        build, model = NETWORKS[network]
        spec = {"model": model, "recipe": {**RECIPES[recipe], **changes}}
        entry = Entry(name, tmp_path)
        for stop in stops:
            with pytest.raises(SystemExit):
                fit(build, spec, seed, data, entry, StopAt([stop]), "cpu")
        return fit(build, spec, seed, data, entry, NEVER, "cpu")

    return run


def assert_equal(one, other):
    """Two finished states are equal but for what the clock says."""
    assert one["model"].keys() == other["model"].keys()
    for name, value in one["model"].items():
        np.testing.assert_array_equal(value, other["model"][name], err_msg=name)
    timeless = [
        [{k: v for k, v in row.items() if k != "seconds"} for row in state["history"]] for state in (one, other)
    ]
    assert timeless[0] == timeless[1]
    clock = ("train_seconds", "validation_seconds", "seconds", "images_per_second", "max_rss_mb")
    facts = [{k: v for k, v in state["facts"].items() if k not in clock} for state in (one, other)]
    assert facts[0] == facts[1]


# ---- interruption ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("recipe", RECIPES)
def test_resumed_after_any_step_equals_uninterrupted(train, recipe, network):
    whole = train(recipe, network)
    for step in range(1, whole["facts"]["steps"]):
        assert_equal(train(recipe, network, stops=[step], name=f"{step:02d}"), whole)


def test_compiling_leaves_the_state_to_the_plain_model(train, monkeypatch):
    """With a backend that runs the captured graph as it is, nothing differs, be the run interrupted or not."""
    backends = []
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend=_recording(backends)))
    whole = train("best-val")
    assert not backends
    assert_equal(train("best-val", compile=True, name="01"), whole)
    assert_equal(train("best-val", compile=True, stops=[2], name="02"), whole)
    assert sorted({size for size in backends}) == [5, 8]  # 21 images in batches of 8


def _recording(sizes):
    def backend(graph, inputs):
        sizes.append(next(len(each) for each in inputs if each.dtype == torch.uint8))
        return graph

    return backend


@pytest.mark.long
@pytest.mark.skipif(shutil.which("g++") is None, reason="compiling needs g++")
def test_a_compiled_training_is_the_same_but_for_rounding_and_resumes(train):
    """21 images in batches of 8: resumed at step 2, the first batch is the smaller last one of an epoch."""
    plain, whole = train("augmented"), train("augmented", compile=True, name="01")
    for name, value in plain["model"].items():
        np.testing.assert_allclose(whole["model"][name], value, rtol=1e-3, atol=1e-4, err_msg=name)
    assert_equal(train("augmented", stops=[2], compile=True, name="02"), whole)


def test_resumed_after_every_step_equals_uninterrupted(train):
    whole = train("best-val")
    assert_equal(train("best-val", stops=[1] * (STEPS - 1), name="01"), whole)


def test_a_resumed_training_does_only_the_steps_that_are_left(train, monkeypatch):
    done = []
    monkeypatch.setattr(schedules, "rate_factor", lambda recipe, step, *_: done.append(step) or 1.0)
    train(stops=[3, 2])
    assert done == list(range(STEPS))


def test_a_saved_state_without_an_end_changes_nothing(train, data, tmp_path):
    build, model = NETWORKS["cnn_block"]
    stop = StopAt(range(1, STEPS))
    stop.done = lambda: None
    saved = fit(build, {"model": model, "recipe": RECIPES["sgd"]}, 0, data, Entry("ff", tmp_path), stop, "cpu")
    assert_equal(saved, train("sgd"))


def test_a_finished_training_is_taken_from_the_store(train, monkeypatch):
    whole = train()
    monkeypatch.setattr(training, "initialise", lambda *_: pytest.fail("trained again"))
    again = train()
    assert_equal(again, whole)
    assert again["history"] == whole["history"]


def test_a_damaged_state_is_not_resumed(train, data, tmp_path):
    whole, (build, model) = train(), NETWORKS["cnn_block"]
    entry = Entry("01", tmp_path)
    with pytest.raises(SystemExit):
        fit(build, {"model": model, "recipe": RECIPES["sgd"]}, 0, data, entry, StopAt([3]), "cpu")
    content = bytearray(entry.state.read_bytes())
    content[-1] ^= 1
    entry.state.write_bytes(content)
    assert_equal(train(name="01"), whole)


def test_a_generator_resumed_after_any_step_equals_uninterrupted(data, tmp_path):
    generator = {
        "channels": [8, 16],
        "layers_per_block": 1,
        "attention": [False, False],
        "prediction": "epsilon",
        "noise_schedule": "squaredcos_cap_v2",
        "train_timesteps": 100,
        "steps": 5,
        "batch_size": 4,
        "learning_rate": 0.003,
        "warmup_steps": 2,
        "label_dropout": 0.1,
        "ema_decay": 0.9,
        "gradient_clip": 1.0,
        "precision": "float32",
    }

    def run(name, *stops):
        entry = Entry(name, tmp_path)
        arguments = (generator, data.train.images, data.train.labels, 3, 0, entry)
        for stop in stops:
            with pytest.raises(SystemExit):
                diffusion.fit(*arguments, StopAt([stop]), "cpu")
        return diffusion.fit(*arguments, NEVER, "cpu")

    whole = run("00")
    for step in range(1, 5):
        assert_equal(run(f"{step:02d}", step), whole)
    assert_equal(run("05", 1, 1, 1, 1), whole)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_asks_for_a_state_and_ends_the_work(number):
    handlers = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGUSR1)}
    try:
        stop = Interruption(1000)
        assert not stop.due()
        os.kill(os.getpid(), number)
        assert stop.due()
        with pytest.raises(SystemExit) as ending:
            stop.done()
        assert ending.value.code == 128 + number
    finally:
        for each, handler in handlers.items():
            signal.signal(each, handler)


# ---- randomness ------------------------------------------------------------------------------------------------------


def test_seeds_differ_and_repeat(train):
    assert_equal(train(seed=1, name="01"), train(seed=1, name="02"))
    one, other = train(seed=1, name="01"), train(seed=2, name="03")
    assert any((one["model"][name] != other["model"][name]).any() for name in one["model"])


def test_the_global_generator_plays_no_part(train):
    torch.manual_seed(1)
    one = train("augmented", name="01")
    torch.manual_seed(2)
    assert_equal(train("augmented", name="02"), one)


def test_a_training_that_diverges_says_so(train):
    with pytest.raises(DivergedError, match="not finite by step 4: lower the recipe's learning_rate"):
        train("sgd", learning_rate=1e30, evaluate_every=4)


# ---- what ends a training ------------------------------------------------------------------------------------------


def test_a_constant_training_error_ends_a_training(train):
    state = train("constant", steps=60, network="feature_cnn", evaluate_every=50)
    assert state["facts"]["stopped_by"] == "train_error_constant_epochs"
    done = state["facts"]["steps"]
    assert done % 3 == 0
    assert [row["step"] for row in state["history"]] == [done]
    # what the rule saw: the counts of the last two epochs agree, and those of no two earlier ones in a row
    rows = train("constant", steps=done, network="feature_cnn", evaluate_every=3, stop=None, name="01")["history"]
    wrong = [round(row["images"] * (1 - row["train_accuracy"])) for row in rows]
    assert len(wrong) == done // 3
    assert [one == other for one, other in zip(wrong, wrong[1:], strict=False)] == [False] * (len(wrong) - 2) + [True]


def test_a_rule_that_is_not_reached_changes_nothing(train):
    whole = train("sgd")
    assert whole["facts"]["stopped_by"] == "steps"
    assert_equal(train("sgd", stop={"train_error_constant_epochs": 3, "max_seconds": 1e9}, name="01"), whole)


def test_a_rule_that_is_reached_with_the_last_step_ends_nothing(train):
    facts = train("constant", steps=None, epochs=2)["facts"]
    assert (facts["steps"], facts["epochs"], facts["images"], facts["stopped_by"]) == (6, 2, 42, "epochs")


def test_the_clock_ends_a_training_and_counts_over_resumptions(train, monkeypatch):
    """One second a step, and a pause of an hour before the training resumes."""
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(training.time, "monotonic", lambda: clock.now)
    step = schedules.rate_factor
    monkeypatch.setattr(schedules, "rate_factor", lambda *at: (setattr(clock, "now", clock.now + 1), step(*at))[1])
    whole = train("sgd", stop={"max_seconds": 5})
    assert whole["facts"]["stopped_by"] == "max_seconds"
    assert whole["facts"]["steps"] == 5
    assert_equal(train("sgd", stop={"max_seconds": 5}, stops=[2], name="01"), whole)


def test_patience_ends_a_training_so_many_epochs_after_its_best_checkpoint(train):
    """With evaluations every step, epochs of three steps and a patience of two of them."""
    rules = {"schedule": "constant", "evaluate_every": 1, "steps": 200, "stop": {"val_patience_epochs": 2}}
    state = train("best-val", **rules)
    facts = state["facts"]
    assert facts["stopped_by"] == "val_patience_epochs"
    accuracies = [row["selection_accuracy"] for row in state["history"]]
    assert facts["steps"] == len(accuracies) < 200
    assert facts["kept_step"] == 1 + accuracies.index(max(accuracies)) == len(accuracies) - 6
    assert_equal(train("best-val", **rules, stops=[facts["kept_step"] + 2], name="01"), state)


@pytest.mark.parametrize("recipe", ["sgd", "best-val", "augmented"])
def test_the_training_error_is_that_of_the_kept_weights_on_all_training_images(train, data, recipe):
    build, model = NETWORKS["feature_cnn"]
    state = train(recipe, "feature_cnn")
    network = Classifier(build(model, 1, 8, 3), 1).eval()
    network.load_state_dict(training.tensors(state["model"]))
    images = torch.from_numpy(data.train.images).permute(0, 3, 1, 2)
    labels = torch.from_numpy(data.train.labels)
    with torch.no_grad():
        found = network(images)
    assert state["facts"]["train_error"] == pytest.approx((found.argmax(1) != labels).double().mean().item())
    assert state["facts"]["train_loss"] == pytest.approx(F.cross_entropy(found, labels).item(), rel=1e-4)


# ---- recipes ---------------------------------------------------------------------------------------------------------


def test_the_best_checkpoint_is_the_best_on_a_selection_no_larger_than_the_real_images(train, data):
    state = train("best-val", schedule="constant")
    assert state["facts"]["selection_images"] == min(len(data.val_labels), data.train.real)
    # the first best one: training for exactly so many steps gives its weights
    history = state["history"]
    best = max(row["selection_accuracy"] for row in history)
    steps = next(row["step"] for row in history if row["selection_accuracy"] == best)
    last = train("best-val", name="01", steps=steps, checkpoint="last", schedule="constant")
    for name, value in state["model"].items():
        np.testing.assert_array_equal(value, last["model"][name])


def test_a_searched_recipe_is_measured_on_a_selection_and_keeps_the_same_weights(train, data):
    plain, searched = train("sgd"), train("sgd", name="01", searched=True)
    for name, value in plain["model"].items():
        np.testing.assert_array_equal(value, searched["model"][name])
    assert searched["facts"]["selection_images"] == min(len(data.val_labels), data.train.real)
    for name in ("selection_loss", "selection_accuracy"):
        assert searched["facts"][name] == searched["history"][-1][name]
        assert plain["facts"][name] is None
    # of the weights that are kept, not of the last ones
    best = train("best-val", name="02", searched=True)
    accuracies = [row["selection_accuracy"] for row in best["history"]]
    assert best["facts"]["selection_accuracy"] == max(accuracies)


@pytest.mark.parametrize("stops", [[], [2, 3]])
def test_validation_is_timed_by_itself_and_no_image_of_it_is_predicted_twice(data, tmp_path, monkeypatch, stops):
    """By a clock that a pass in training moves by 1 and one in validation by 100: one of val, one of `generated`."""
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(training, "time", SimpleNamespace(monotonic=lambda: clock.now))

    def build(*arguments):
        network = cnn_block.build(*arguments)
        network.register_forward_pre_hook(
            lambda own, _: setattr(clock, "now", clock.now + (1 if own.training else 100))
        )
        return network

    spec, entry = {"model": {"width": 2}, "recipe": RECIPES["best-val"]}, Entry("00", tmp_path)
    for stop in stops:
        with pytest.raises(SystemExit):
            fit(build, spec, 0, data, entry, StopAt([stop]), "cpu")
    state = fit(build, spec, 0, data, entry, NEVER, "cpu")
    assert state["facts"]["train_seconds"] == state["facts"]["steps"]
    assert state["facts"]["validation_seconds"] == 200 * len(state["history"])
    assert state["facts"]["images_per_second"] == round(state["facts"]["images"] / state["facts"]["steps"], 1)
    assert [row["seconds"] for row in state["history"]] == [row["step"] for row in state["history"]]


def test_validations_do_not_use_up_the_time_of_a_training(train, monkeypatch):
    """A second a step and a validation after each, of 100."""
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(training, "time", SimpleNamespace(monotonic=lambda: clock.now))
    step, looked = schedules.rate_factor, training.history_row
    monkeypatch.setattr(schedules, "rate_factor", lambda *at: (setattr(clock, "now", clock.now + 1), step(*at))[1])
    monkeypatch.setattr(training, "history_row", lambda *at: (setattr(clock, "now", clock.now + 100), looked(*at))[1])
    facts = train("sgd", stop={"max_seconds": 5}, evaluate_every=1)["facts"]
    assert (facts["steps"], facts["stopped_by"]) == (5, "max_seconds")


# ---- parts of a batch, clipping, smoothing ---------------------------------------------------------------------------


@pytest.mark.parametrize("parts", [2, 3, 8])
def test_a_batch_in_parts_is_the_batch_but_for_rounding(train, parts):
    """21 images in batches of 8: the last one of an epoch has 5."""
    whole, divided = train("sgd", evaluate_every=1), train("sgd", evaluate_every=1, accumulate=parts, name="01")
    assert_close(divided, whole)


def test_a_batch_norm_sees_one_part_at_a_time(train):
    whole, divided = train("sgd", "feature_cnn"), train("sgd", "feature_cnn", accumulate=2, name="01")
    assert max(abs(whole["model"][name] - divided["model"][name]).max() for name in whole["model"]) > 1e-3


def test_clipping_bounds_the_step(train):
    """Without momentum, the first step is the learning rate times the gradient, whose norm is clipped."""
    free = {"steps": 1, "momentum": 0.0, "schedule": "constant", "learning_rate": 1.0}
    start = train("sgd", **{**free, "learning_rate": 1e-30})["model"]

    def length(name, **changes):
        found = train("sgd", **free, **changes, name=name)["model"]
        return np.sqrt(sum(((found[each] - start[each]) ** 2).sum() for each in start))

    free_length = length("01")
    assert length("02", clip=free_length / 2) == pytest.approx(free_length / 2, rel=1e-3)
    assert length("03", clip=free_length * 2) == pytest.approx(free_length)


def test_smoothed_labels_are_minimised_and_not_measured(train, data):
    """At the first step: smoothing spreads half of the label over the three classes."""
    rules = {"steps": 1, "learning_rate": 1e-30, "batch_size": 21}
    plain, smooth = train("sgd", **rules), train("sgd", **rules, label_smoothing=0.5, name="01")
    build, model = NETWORKS["cnn_block"]
    network = Classifier(build(model, 1, 8, 3), 1).eval()
    network.load_state_dict(training.tensors(plain["model"]))
    with torch.no_grad():
        logs = network(torch.from_numpy(data.train.images).permute(0, 3, 1, 2)).log_softmax(1)
    wanted = 0.5 * F.one_hot(torch.from_numpy(data.train.labels), 3) + 0.5 / 3
    assert smooth["history"][0]["train_loss"] == pytest.approx(-(wanted * logs).sum(1).mean().item(), rel=1e-5)
    assert smooth["history"][0]["train_loss"] != pytest.approx(plain["history"][0]["train_loss"], rel=1e-4)
    assert smooth["facts"]["train_loss"] == plain["facts"]["train_loss"]


def assert_close(one, other):
    """Two finished states are equal but for rounding."""
    for name, value in one["model"].items():
        np.testing.assert_allclose(value, other["model"][name], rtol=1e-4, atol=1e-6, err_msg=name)
    for row, another in zip(one["history"], other["history"], strict=True):
        assert row["train_loss"] == pytest.approx(another["train_loss"], rel=1e-4)


def test_a_plateau_is_seen_on_no_more_images_than_the_run_has_real_ones(train, data):
    state = train("plateau")
    assert state["facts"]["selection_images"] == min(len(data.val_labels), data.train.real)
    assert all("selection_loss" in row for row in state["history"])
    assert state["facts"]["kept_step"] == STEPS  # the last weights, as the recipe says
