"""Generators: training that learns and repeats itself, and images that do not depend on each other."""

import functools
import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from synthmix.generation import diffusion, small_pipeline
from synthmix.generators.ddpm import Source
from synthmix.networks.measuring import DivergedError
from synthmix.planning.configuration import ConfigurationError, read_studies, read_yaml
from synthmix.planning.schema import read_schema
from synthmix.store import Entry
from synthmix.trainers import ddpm as trainer

GENERATOR = {
    "kind": "ddpm",
    "channels": [16, 32],
    "layers_per_block": 1,
    "attention": [False, True],
    "prediction": "epsilon",
    "noise_schedule": "squaredcos_cap_v2",
    "train_timesteps": 1000,
    "steps": 30,
    "batch_size": 32,
    "learning_rate": 0.003,
    "warmup_steps": 5,
    "label_dropout": 0.1,
    "ema_decay": 0.995,
    "gradient_clip": 1.0,
    "precision": "float32",
}
SMALL = {"steps": 3, "channels": [16], "attention": [False], "batch_size": 8}
SAMPLING = {"sampler": "dpm-solver++", "steps": 4, "guidance": 1.5, "batch_size": 8}
# Dark images of class 0 and bright ones of class 1.
LABELS = np.arange(40) % 2
IMAGES = np.clip(
    np.random.default_rng(0).normal(np.where(LABELS, 230, 20)[:, None, None, None], 5, (40, 8, 8, 1)), 0, 255
).astype(np.uint8)
NEVER = SimpleNamespace(due=lambda: False, done=lambda: None)


@pytest.fixture
def fit(tmp_path):
    """Trains a generator in a store of its own."""
    count = iter(range(100))

    def run(seed=0, images=IMAGES, entry=None, **changes):
        entry = entry or Entry(f"{next(count):016x}", tmp_path)
        return diffusion.fit({**GENERATOR, **changes}, images, LABELS, 2, seed, entry, NEVER, "cpu")

    return run


@pytest.fixture(scope="module")
def untrained():
    """A network with random weights, for what does not need a trained one."""
    torch.manual_seed(0)
    return diffusion.network(GENERATOR, 3, 16, 10).to(memory_format=torch.channels_last).eval()


def sample(unet, wanted, seed=0, **changes):
    schedule = diffusion.noise_schedule(GENERATOR)
    return diffusion.sample(unet, schedule, {**SAMPLING, **changes}, wanted, seed, "cpu")


def trained(state, **changes):
    unet = diffusion.network({**GENERATOR, **changes}, 1, 8, 2)
    unet.load_state_dict({name: torch.from_numpy(value) for name, value in state["model"].items()})
    return unet.to(memory_format=torch.channels_last).eval()


# ---- training --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_the_loss_falls(fit, prediction):
    history = fit(prediction=prediction)["history"]
    losses = [row["loss"] for row in history]
    assert [row["step"] for row in history] == list(range(1, 31))
    assert np.mean(losses[-5:]) < 0.6 * np.mean(losses[:3])


def test_a_trained_generator_knows_its_classes(fit):
    changes = {"steps": 100, "prediction": "v_prediction"}
    state = fit(**changes)
    wanted = [(label, index) for index in range(8) for label in range(2)]
    schedule = diffusion.noise_schedule({**GENERATOR, **changes})
    images = diffusion.sample(trained(state, **changes), schedule, {**SAMPLING, "steps": 10}, wanted, 0, "cpu")
    dark, bright = images[0::2].mean((1, 2, 3)), images[1::2].mean((1, 2, 3))
    assert dark.max() < bright.min()
    assert dark.mean() < 80
    assert bright.mean() > 175


def test_a_training_that_diverges_says_so(fit):
    with pytest.raises(DivergedError, match="not finite by step 6: lower the generator's learning_rate"):
        fit(**SMALL | {"steps": 120}, learning_rate=1e38, warmup_steps=0)


def test_training_twice_gives_the_same_weights(fit):
    one, other, different = (fit(seed=seed, steps=10) for seed in (3, 3, 4))
    for name, value in one["model"].items():
        np.testing.assert_array_equal(value, other["model"][name])
    assert [row["loss"] for row in one["history"]] == [row["loss"] for row in other["history"]]
    assert any((value != different["model"][name]).any() for name, value in one["model"].items())


def test_the_global_generator_plays_no_part(fit):
    torch.manual_seed(1)
    one = fit(steps=3)
    torch.manual_seed(2)
    before = torch.get_rng_state()
    other = fit(steps=3)
    assert torch.equal(torch.get_rng_state(), before)
    for name, value in one["model"].items():
        np.testing.assert_array_equal(value, other["model"][name])


def test_compiling_leaves_the_weights_to_the_plain_network(fit, monkeypatch):
    """With a backend that runs the captured graph as it is, nothing differs."""
    graphs = []
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend=_recording(graphs)))
    plain = fit(**SMALL)
    assert not graphs
    compiled = fit(**SMALL, compile=True)
    assert graphs
    assert compiled["model"].keys() == plain["model"].keys()
    for name, value in plain["model"].items():
        np.testing.assert_array_equal(compiled["model"][name], value)


def _recording(graphs):
    def backend(graph, inputs):
        graphs.append(graph)
        return graph

    return backend


@pytest.mark.long
@pytest.mark.skipif(shutil.which("g++") is None, reason="compiling needs g++")
def test_a_compiled_training_is_the_same_but_for_rounding(fit):
    plain, compiled = fit(**SMALL), fit(**SMALL, compile=True)
    for name, value in plain["model"].items():
        np.testing.assert_allclose(compiled["model"][name], value, rtol=1e-3, atol=1e-4, err_msg=name)
    losses = [[row["loss"] for row in state["history"]] for state in (plain, compiled)]
    np.testing.assert_allclose(*losses, rtol=1e-4)


def test_a_finished_generator_is_taken_from_the_store(fit, tmp_path):
    entry = Entry("f" * 16, tmp_path)
    first = fit(steps=2, entry=entry)
    again = fit(steps=2, entry=entry, images=255 - IMAGES)
    assert again["done"]
    for name, value in first["model"].items():
        np.testing.assert_array_equal(value, again["model"][name])


def test_the_averaged_weights_are_kept(fit):
    """A decay of 0 gives the weights after each step; from these follows the average with diffusers' warm-up."""
    steps = [fit(steps=n, ema_decay=0.0)["model"] for n in range(1, 6)]
    found = fit(steps=5, ema_decay=0.5)["model"]
    for name, value in found.items():
        average = steps[0][name]  # the first step has a decay of 0
        for k in range(1, 5):
            decay = min(1 - (1 + k) ** -0.75, 0.5)
            average = decay * average + (1 - decay) * steps[k][name]
        np.testing.assert_allclose(value, average, rtol=1e-4, atol=1e-6)
    assert any((value != steps[-1][name]).any() for name, value in found.items())


@pytest.mark.parametrize(("size", "levels"), [(10, 3), (28, 4), (8, 5)])
def test_images_that_cannot_be_halved_are_refused(size, levels):
    generator = {**GENERATOR, "channels": [16] * levels, "attention": [False] * levels}
    with pytest.raises(ValueError, match=rf"{levels} levels cannot halve images of {size} pixels .* fewer `channels`"):
        diffusion.network(generator, 1, size, 10)


@pytest.mark.parametrize(
    ("widths", "attention", "message"),
    [
        ([12, 16], [False, True], "channels\\[0\\]: 12 is not a multiple of 8; change it"),
        ([8, 16], [True, False], "channels\\[0\\]: 8 is not a multiple of 8 from 16 on; change it"),
        ([16, 8], [False, False], "channels\\[1\\]: 8 is not a multiple of 8 from 16 on; change it"),
        ([16, 32], [True], "attention: has 1 values for 2 channels; give one for each"),
    ],
)
def test_levels_that_the_network_cannot_have_are_refused(tmp_path, widths, attention, message):
    study = read_yaml(Path(__file__).with_name("configuration_study.yaml"))
    study["generators"]["ddpm"] |= {"channels": widths, "attention": attention}
    (tmp_path / "s.yaml").write_text(json.dumps(study))
    with pytest.raises(ConfigurationError, match=f"generators.ddpm.{message}"):
        read_studies(tmp_path, ["s"])


@pytest.mark.parametrize(
    ("widths", "attention"), [([8, 16], [False, False]), ([16, 24], [True, True]), ([16], [False])]
)
def test_levels_that_are_admitted_work(widths, attention):
    unet = diffusion.network({**GENERATOR, "channels": widths, "attention": attention}, 1, 8, 3)
    assert unet(torch.zeros(1, 1, 8, 8), 1, class_labels=torch.tensor([3])).sample.shape == (1, 1, 8, 8)


def test_mirrored_images_train_another_network_and_nothing_else_is_drawn_differently(fit):
    plain, mirrored = (fit(images=IMAGES, steps=3, **change) for change in ({}, {"augment": "flip"}))
    assert any((value != mirrored["model"][name]).any() for name, value in plain["model"].items())
    flat = IMAGES[:, :, :1].repeat(8, 2)  # equal to its mirror image
    plain, mirrored = (fit(images=flat, steps=3, **change) for change in ({}, {"augment": "flip"}))
    for name, value in plain["model"].items():
        np.testing.assert_array_equal(value, mirrored["model"][name])


def test_a_generator_of_a_lower_resolution_draws_images_of_the_data_sets_own(tmp_path):
    """It learns images of 4 pixels, and its files alone say what it draws."""
    generator = {**GENERATOR, **SMALL, "resolution": 4}
    meta = {"channels": 1, "size": [8, 8], "classes": ["dark", "bright"]}
    state = trainer.fit(generator, IMAGES, LABELS, meta["classes"], 0, Entry("a" * 16, tmp_path), NEVER, "cpu", {})
    names = ("weights", "config", "scheduler", "history", "index")
    paths = SimpleNamespace(**{name: str(tmp_path / name) for name in names})
    trainer.write({None: state}, generator, meta, paths)
    assert json.loads(Path(paths.config).read_text())["sample_size"] == 4
    source = Source({"sampling": {**SAMPLING, "seed": 0}}, meta, paths, "cpu", {})
    images = source.draw([(0, 0), (1, 0)], None).images
    assert images.shape == (2, 8, 8, 1)
    small = diffusion.sample(source.unet, source.schedule, source.sampling, [(0, 0), (1, 0)], 0, "cpu")
    enlarged = [Image.fromarray(each[..., 0]).resize((8, 8), Image.Resampling.LANCZOS) for each in small]
    np.testing.assert_array_equal(images[..., 0], np.stack([np.asarray(each) for each in enlarged]))


def test_the_facts_of_a_training(fit):
    state = fit(steps=2)
    parameters = sum(value.size for value in state["model"].values())
    expected = {"steps": 2, "parameters": parameters, "real_images": 40}
    assert expected.items() <= state["facts"].items()


# ---- sampling --------------------------------------------------------------------------------------------------------

WANTED = [(label, index) for index in range(2) for label in range(10)]


@pytest.mark.parametrize("sampler", sorted(diffusion.SAMPLERS))
@pytest.mark.parametrize("batch_size", [7, 8])
def test_an_image_does_not_depend_on_the_others(untrained, sampler, batch_size):
    """The same (class, index) among others, in another order, at another place and alone: equal to the last bit."""
    changes = {"sampler": sampler, "batch_size": batch_size, "steps": 3}
    images = dict(zip(WANTED, sample(untrained, WANTED, **changes), strict=True))
    assert len({image.tobytes() for image in images.values()}) == len(WANTED)
    order = [WANTED[k] for k in np.random.default_rng(0).permutation(len(WANTED))]
    for wanted in (order, order[:5], [(9, 1)], [(9, 7), *order[3:6], (0, 99)]):
        for which, image in zip(wanted, sample(untrained, wanted, **changes), strict=True):
            if which in images:
                np.testing.assert_array_equal(image, images[which])


def test_the_last_batch_is_padded_and_cut(untrained):
    batches = list(diffusion.batches(WANTED, 8))
    assert [len(batch) for batch in batches] == [8, 8, 8]
    assert sum(batches, [])[:20] == WANTED
    assert batches[-1][4:] == [WANTED[-1]] * 4
    images = sample(untrained, WANTED[:3])
    assert (images.shape, images.dtype) == ((3, 16, 16, 3), np.uint8)


def test_whole_batches_are_not_padded():
    assert list(diffusion.batches(WANTED, 10)) == [WANTED[:10], WANTED[10:]]


@pytest.mark.parametrize("other", [{"seed": 1}, {"wanted": [(0, 1)]}, {"wanted": [(1, 0)]}])
def test_seed_class_and_index_each_have_their_own_noise(untrained, other):
    """Without guidance by the class, the noise alone makes the difference."""
    one = sample(untrained, [(0, 0)], guidance=0.0)
    assert (one != sample(untrained, **{"wanted": [(0, 0)], "guidance": 0.0, **other})).any()


@pytest.mark.parametrize(("guidance", "passes"), [(1, 1), (1.0, 1), (1.5, 2), (0, 2)])
def test_guidance_of_1_takes_no_second_pass(untrained, guidance, passes):
    seen = []
    handle = untrained.register_forward_pre_hook(
        lambda _, arguments, named: seen.append(named["class_labels"].tolist()), with_kwargs=True
    )
    try:
        sample(untrained, [(3, 0), (4, 0)], guidance=guidance, batch_size=2, steps=5)
    finally:
        handle.remove()
    assert seen == [[3, 4], [10, 10]][:passes] * 5


@pytest.mark.parametrize("pixel", [torch.nan, torch.inf])
def test_pixels_that_are_not_finite_are_refused(pixel):
    unet = diffusion.network(GENERATOR, 1, 8, 2).eval()
    torch.nn.init.constant_(unet.conv_out.bias, pixel)
    with pytest.raises(ValueError, match="pixels that are not finite: lower its learning_rate"):
        sample(unet, [(0, 0)])


def test_guidance_of_0_forgets_the_class(untrained):
    """What remains is the class that stands for "no label": only its embedding matters."""
    with torch.no_grad():
        weights = untrained.class_embedding.weight
        before = weights.clone()
        one = sample(untrained, [(2, 0)], guidance=0.0)
        weights[2] += 1.0
        same = sample(untrained, [(2, 0)], guidance=0.0)
        conditional = sample(untrained, [(2, 0)], guidance=1.0)
        weights.copy_(before)
    np.testing.assert_array_equal(one, same)
    assert (conditional != sample(untrained, [(2, 0)], guidance=1.0)).any()


def test_sampling_leaves_the_network_as_it_was(untrained):
    before = {name: value.clone() for name, value in untrained.state_dict().items()}
    untrained.train()
    sample(untrained, [(0, 0)])
    assert untrained.training
    untrained.eval()
    for name, value in untrained.state_dict().items():
        assert torch.equal(value, before[name])


# ---- what the schema admits ------------------------------------------------------------------------------------------


def test_the_schema_admits_exactly_the_samplers_that_there_are():
    pool = read_schema("study")["properties"]["pools"]["additionalProperties"]["properties"]
    assert set(pool["sampler"]["enum"]) == set(diffusion.SAMPLERS)


def test_every_admitted_schedule_and_prediction_samples(untrained):
    ddpm, *_ = read_schema("study")["properties"]["generators"]["additionalProperties"]["allOf"]
    definition = ddpm["then"]["properties"]
    for noise_schedule in definition["noise_schedule"]["enum"]:
        for prediction in definition["prediction"]["enum"]:
            for sampler in diffusion.SAMPLERS:
                schedule = diffusion.noise_schedule(
                    {**GENERATOR, "noise_schedule": noise_schedule, "prediction": prediction}
                )
                sampling = {**SAMPLING, "sampler": sampler, "batch_size": 1}
                images = diffusion.sample(untrained, schedule, sampling, [(0, 0)], 0, "cpu")
                assert images.std() > 0


class NearlyPerfect(torch.nn.Module):
    """Predicts pixels with a standard deviation of 0.5 as well as can be, but for an error of 0.01."""

    config = SimpleNamespace(in_channels=1, sample_size=8, num_class_embeds=3)

    def __init__(self, schedule):
        super().__init__()
        self.schedule, self.random = schedule, torch.Generator().manual_seed(0)

    def forward(self, noisy, time, class_labels):
        signal = self.schedule.alphas_cumprod[time]
        clean = noisy * signal.sqrt() * 0.25 / (signal * 0.25 + 1 - signal)
        noise = (noisy - signal.sqrt() * clean) / (1 - signal).sqrt()
        velocity = signal.sqrt() * noise - (1 - signal).sqrt() * clean
        wanted = {"epsilon": noise, "v_prediction": velocity}[self.schedule.config.prediction_type]
        return SimpleNamespace(sample=wanted + 0.01 * torch.randn(noisy.shape, generator=self.random))


@pytest.mark.parametrize("noise_schedule", ["linear", "squaredcos_cap_v2"])
@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("sampler", sorted(diffusion.SAMPLERS))
@pytest.mark.parametrize("of", [diffusion, small_pipeline])
def test_a_small_error_of_a_prediction_stays_small(of, sampler, prediction, noise_schedule):
    schedule = of.noise_schedule({**GENERATOR, "prediction": prediction, "noise_schedule": noise_schedule})
    sampling = {"sampler": sampler, "steps": 20, "guidance": 1, "batch_size": 100}
    wanted = [(0, index) for index in range(100)]
    images = diffusion.sample(NearlyPerfect(schedule), schedule, sampling, wanted, 0, "cpu")
    assert 0.4 < images.std() / 127.5 < 0.55
