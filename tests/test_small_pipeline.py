"""A text-to-image pipeline that is trained here: it learns what its captions mean, and repeats itself."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.svm import SVC
from test_training import StopAt

from synthmix import layout
from synthmix.generation import pixel_vae, small_pipeline
from synthmix.generators import text2image
from synthmix.store import Entry
from synthmix.trainers import train_from_scratch

NEVER = SimpleNamespace(due=lambda: False, done=lambda: None)
RECIPE = {
    "caption": "a photo of a {class}",
    "channels": [16, 16],
    "layers_per_block": 1,
    "text_width": 16,
    "text_layers": 1,
    "caption_dropout": 0.1,
    "prediction": "v_prediction",
    "noise_schedule": "squaredcos_cap_v2",
    "train_timesteps": 1000,
    "steps": 40,
    "batch_size": 16,
    "learning_rate": 0.004,
    "warmup_steps": 5,
    "ema_decay": 0.99,
    "gradient_clip": 1.0,
    "precision": "float32",
}
# Dark images of nights and bright ones of days.
LABELS = np.arange(40) % 2
IMAGES = np.where(LABELS, 230, 20).astype(np.uint8)[:, None, None, None] * np.ones((1, 8, 8, 1), np.uint8)
NAMES = ["night", "day"]


def fit(entry, images=IMAGES, labels=LABELS, classes=NAMES, stop=NEVER, **changes):
    generator = {"kind": "text2image", "train_from_scratch": {**RECIPE, **changes}}
    return train_from_scratch.fit(generator, images, labels, classes, 0, entry, stop, "cpu", {})


def source_of(state, folder, classes, sampling, **changes):
    """The pipeline, written and read again."""
    meta = {"name": "mine", "classes": classes, "channels": 1, "size": [8, 8]}
    generator = {"kind": "text2image", "train_from_scratch": {**RECIPE, **changes}}
    paths = SimpleNamespace(**{name: str(folder / path) for name, path in layout.PIPELINE.items()})
    train_from_scratch.write({None: state}, generator, meta, paths)
    drawing = {"template": RECIPE["caption"], "trained": "train_from_scratch", "precision": "float16"}
    return text2image.Source({"sampling": sampling, "drawing": drawing}, meta, paths, "cpu", {})


def draw(state, folder, classes, wanted, guidance, **changes):
    """The wanted images of the pipeline that is written and read again."""
    sampling = {"sampler": "dpm-solver++", "steps": 15, "guidance": guidance, "batch_size": 50, "seed": 0}
    return source_of(state, folder, classes, sampling, **changes).draw(wanted, None).images


@pytest.mark.parametrize("channels", [1, 3])
def test_the_autoencoder_changes_nothing(channels):
    images = torch.rand(2, channels, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1
    vae = pixel_vae.build(channels, 16)
    with torch.no_grad():
        latents = vae.encode(images).latent_dist.sample()
        again = vae.decode(images).sample
    torch.testing.assert_close(latents, images, atol=2e-4, rtol=0)
    torch.testing.assert_close(again, images, atol=2e-4, rtol=0)


def test_words_of_the_captions_are_tokens_and_others_are_spelt():
    words = small_pipeline.tokenizer(["a photo of a seven", "a photo of an old boat"])
    tokens = words.convert_ids_to_tokens(words("a photo of a bat")["input_ids"])
    assert tokens == ["<|startoftext|>", "a</w>", "photo</w>", "of</w>", "a</w>", "b", "a", "t</w>", "<|endoftext|>"]
    assert len(words) < 600


def test_a_trained_pipeline_knows_what_its_captions_mean(tmp_path):
    state = fit(Entry("0" * 16, tmp_path / "store"), steps=80)
    wanted = [(label, index) for index in range(4) for label in (0, 1)]
    images = draw(state, tmp_path / "pipeline", NAMES, wanted, 1.0)
    assert images[0::2].mean() + 60 < images[1::2].mean()


def test_ddim_clips_what_a_pipeline_of_pixels_predicts(tmp_path):
    state = fit(Entry("0" * 16, tmp_path / "store"), steps=1)
    source = source_of(state, tmp_path / "pipeline", NAMES, {"sampler": "ddim"})
    assert source.pipeline.scheduler.config.clip_sample


def test_a_training_resumed_equals_uninterrupted(tmp_path):
    whole = fit(Entry("0" * 16, tmp_path), steps=4)
    for step in (1, 3):
        entry = Entry(f"{step}" * 16, tmp_path)
        with pytest.raises(SystemExit):
            fit(entry, stop=StopAt([step]), steps=4)
        for name, value in fit(entry, steps=4)["model"].items():
            np.testing.assert_array_equal(value, whole["model"][name])


@pytest.mark.long
def test_a_classifier_of_real_digits_recognises_the_images_of_their_names(tmp_path):
    digits = load_digits()
    images, order = (digits.images * 15.9).astype(np.uint8)[..., None], np.random.default_rng(0).permutation(1797)
    names = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    changes = {"channels": [16, 32], "text_width": 32, "steps": 700, "batch_size": 32, "ema_decay": 0.995}
    changes["warmup_steps"] = 50
    train = order[:1200]
    state = fit(Entry("0" * 16, tmp_path), images[train], digits.target[train].astype(np.int64), names, **changes)
    wanted = [(label, index) for index in range(20) for label in range(10)]
    found = draw(state, tmp_path / "pipeline", names, wanted, 2.0, **changes)
    classifier = SVC(gamma=0.001, C=10).fit(digits.data[train], digits.target[train])
    recognised = classifier.predict(found.reshape(200, 64) / 15.9) == [label for label, _ in wanted]
    print(f"{recognised.mean():.1%} of 200 images are recognised")
    assert recognised.mean() > 0.7
