"""LoRA and textual inversion: a published pipeline learns classes, repeats itself, and plain diffusers reads it."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
from networks import save_dit, save_stable_diffusion
from test_small_pipeline import IMAGES, LABELS, NAMES, NEVER, RECIPE
from test_small_pipeline import fit as fit_small
from test_training import StopAt

from synthmix import data, files, layout
from synthmix.checks import generators
from synthmix.generators import text2image
from synthmix.store import Entry
from synthmix.trainers import lora, textual_inversion, train_from_scratch

SHARED = {"caption": "a photo of a {class}", "batch_size": 4, "warmup_steps": 2, "gradient_clip": 1.0}
SHARED |= {"precision": "float32"}
TARGET = ["to_q", "to_k", "to_v", "to_out.0"]
RECIPES = {
    "lora": {**SHARED, "rank": 2, "alpha": 4, "target": TARGET, "learning_rate": 0.01, "steps": 4},
    "textual_inversion": {**SHARED, "vectors": 2, "learning_rate": 0.1, "steps": 4},
}
TRAINERS = {"lora": lora, "textual_inversion": textual_inversion}
WAYS = pytest.mark.parametrize("way", list(TRAINERS))
SETTINGS = {"weights": "nowhere", "offline": True}
COLOURS = np.repeat(IMAGES, 3, 3)
META = {"name": "pets", "classes": ["cat", "dog"], "channels": 3, "size": [8, 8]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A pipeline with random weights."""
    path = tmp_path_factory.mktemp("pipelines") / "tiny"
    save_stable_diffusion(path)
    return path


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A pipeline that draws dark nights and bright days."""
    folder = tmp_path_factory.mktemp("small")
    meta = {"name": "mine", "classes": NAMES, "channels": 1, "size": [8, 8]}
    paths = SimpleNamespace(**{name: str(folder / path) for name, path in layout.PIPELINE.items()})
    state = fit_small(Entry("0" * 16, folder / "store"), steps=80)
    train_from_scratch.write({None: state}, {"train_from_scratch": RECIPE}, meta, paths)
    return folder


def generator(way, folder, **changes):
    return {"kind": "text2image", "pipeline": str(folder), way: {**RECIPES[way], **changes}}


def fit(way, folder, entry, images=COLOURS, labels=LABELS, classes=META["classes"], stop=NEVER, seed=0, **changes):
    definition = generator(way, folder, **changes)
    return TRAINERS[way].fit(definition, images, labels, classes, seed, entry, stop, "cpu", SETTINGS)


def write(way, folder, state, path, classes=META["classes"], **changes):
    output = SimpleNamespace(adapter=str(path / layout.ADAPTERS[way]))
    TRAINERS[way].write({None: state}, generator(way, folder, **changes), {"classes": classes}, output)
    return output


def source(way, folder, inputs, meta=META, steps=2, guidance=3.0, **drawing):
    sampling = {"sampler": "dpm-solver++", "steps": steps, "guidance": guidance, "batch_size": 4, "seed": 0}
    drawing = {"pipeline": str(folder), "template": "a photo of a {class}", "precision": "float16", **drawing}
    spec = {"sampling": sampling, "drawing": drawing | {"trained": way}}
    return text2image.Source(spec, meta, inputs, "cpu", SETTINGS)


@pytest.fixture(scope="module")
def trained(folder, tmp_path_factory):
    """Per way: a finished state and the paths of what was written of it."""
    made = {}
    for way in TRAINERS:
        path = tmp_path_factory.mktemp(way)
        state = fit(way, folder, Entry("0" * 16, path))
        made[way] = state, write(way, folder, state, path)
    return made


# ---- learning --------------------------------------------------------------------------------------------------------


@WAYS
def test_a_pipeline_unlearns_what_its_classes_look_like(small, tmp_path, way):
    """It draws dark nights and bright days, and is shown the opposite."""
    meta = {"name": "mine", "classes": NAMES, "channels": 1, "size": [8, 8]}
    wanted = [(label, index) for index in range(4) for label in (0, 1)]

    def brightness(way, inputs):
        images = source(way, small, inputs, meta, steps=15, guidance=1.0).draw(wanted, None).images
        return [images[label::2].mean() for label in (0, 1)]

    nights, days = brightness(None, None)
    assert nights + 60 < days
    changes = {"steps": 40, "batch_size": 16, "learning_rate": {"lora": 0.02, "textual_inversion": 0.3}[way]}
    state = fit(way, small, Entry("0" * 16, tmp_path), IMAGES, 1 - LABELS, NAMES, **changes)
    losses = [row["loss"] for row in state["history"]]
    assert np.mean(losses[-3:]) < 0.6 * np.mean(losses[:3])
    nights, days = brightness(way, write(way, small, state, tmp_path, NAMES, **changes))
    assert nights > days + 60


@WAYS
def test_a_training_resumed_equals_uninterrupted(folder, trained, tmp_path, way):
    whole, _ = trained[way]
    for step in (1, 3):
        entry = Entry(f"{step}" * 16, tmp_path)
        with pytest.raises(SystemExit):
            fit(way, folder, entry, stop=StopAt([step]))
        assert "done" not in entry.load()
        resumed = fit(way, folder, entry)
        assert [row["loss"] for row in resumed["history"]] == [row["loss"] for row in whole["history"]]
        assert resumed["model"].keys() == whole["model"].keys()
        for name, value in resumed["model"].items():
            np.testing.assert_array_equal(value, whole["model"][name])


@WAYS
def test_the_seed_and_nothing_global_decides(folder, trained, tmp_path, way):
    whole, _ = trained[way]
    torch.manual_seed(1)
    before = torch.get_rng_state()
    again = fit(way, folder, Entry("1" * 16, tmp_path))
    assert torch.equal(torch.get_rng_state(), before)
    other = fit(way, folder, Entry("2" * 16, tmp_path), seed=1)
    for name, value in again["model"].items():
        np.testing.assert_array_equal(value, whole["model"][name])
    assert any((value != other["model"][name]).any() for name, value in whole["model"].items())


def test_only_what_is_added_is_trained(trained):
    state, _ = trained["lora"]
    layers = 2 * 2 * len(TARGET)  # self- and cross-attention, two matrices
    assert len(state["model"]) % layers == 0
    assert all(".lora_A." in name or ".lora_B." in name for name in state["model"])
    assert {min(value.shape) for value in state["model"].values()} == {RECIPES["lora"]["rank"]}
    state, _ = trained["textual_inversion"]
    assert {name: value.shape for name, value in state["model"].items()} == {"vectors": (4, 16)}
    assert state["facts"]["real_images"] == len(LABELS)


# ---- what is written -------------------------------------------------------------------------------------------------


def test_diffusers_reads_the_matrices(folder, trained):
    """A weight grows by alpha / rank times the product of its matrices (Hu et al. 2022, section 4.1)."""
    state, paths = trained["lora"]
    layer = "mid_block.attentions.0.transformer_blocks.0.attn2.to_v"
    pipeline = StableDiffusionPipeline.from_pretrained(folder)
    before = pipeline.unet.get_submodule(layer).weight.detach().clone()
    pipeline.load_lora_weights(paths.adapter)
    pipeline.fuse_lora()
    pipeline.unload_lora_weights()
    first, second = (torch.from_numpy(state["model"][f"{layer}.lora_{each}.default.weight"]) for each in "AB")
    assert second.abs().max() > 0
    torch.testing.assert_close(pipeline.unet.get_submodule(layer).weight, before + 2.0 * second @ first)


def test_diffusers_reads_the_words(folder, trained):
    state, paths = trained["textual_inversion"]
    vectors, metadata = files.read_arrays(paths.adapter)
    assert (metadata["<class-0>"], metadata["<class-1>"]) == ("cat", "dog")
    pipeline = StableDiffusionPipeline.from_pretrained(folder)
    pipeline.load_textual_inversion([{word: torch.from_numpy(each)} for word, each in vectors.items()])
    prompt = pipeline.maybe_convert_prompt("a photo of a <class-1>", pipeline.tokenizer)
    tokens = pipeline.tokenizer(prompt)["input_ids"][-3:-1]  # without the token of the end
    embedded = pipeline.text_encoder.get_input_embeddings().weight[tokens]
    np.testing.assert_array_equal(embedded.detach().numpy(), state["model"]["vectors"][2:])


def test_words_start_as_the_first_token_of_the_names(folder, tmp_path):
    untrained = fit("textual_inversion", folder, Entry("0" * 16, tmp_path), steps=1, learning_rate=1e-12)
    pipeline = StableDiffusionPipeline.from_pretrained(folder)
    table = pipeline.text_encoder.get_input_embeddings().weight.detach().numpy()
    tokens = [pipeline.tokenizer.convert_tokens_to_ids(f"{name}</w>") for name in META["classes"]]
    np.testing.assert_allclose(untrained["model"]["vectors"], table[np.repeat(tokens, 2)], atol=1e-6)


@WAYS
def test_the_same_state_gives_the_same_bytes(folder, trained, tmp_path, way):
    state, paths = trained[way]
    again = write(way, folder, state, tmp_path)
    with open(paths.adapter, "rb") as one, open(again.adapter, "rb") as other:
        assert one.read() == other.read()


# ---- what is drawn ---------------------------------------------------------------------------------------------------


@WAYS
def test_images_are_drawn_with_what_was_learned(folder, trained, way):
    _, paths = trained[way]
    wanted = [(0, 0), (1, 0), (0, 1)]
    plain = source(None, folder, None).draw(wanted, None)
    tuned = source(way, folder, paths, safety="record").draw(wanted, None)
    assert tuned.flagged.shape == (3,)
    assert all((one != other).any() for one, other in zip(plain.images, tuned.images, strict=True))
    np.testing.assert_array_equal(source(way, folder, paths).draw(wanted[2:], None).images[0], tuned.images[2])
    assert tuned.prompts[1] == {"lora": "a photo of a dog", "textual_inversion": "a photo of a <class-1>"}[way]


@WAYS
def test_images_start_from_real_ones(folder, trained, tmp_path, way):
    split = data.Split(COLOURS, LABELS, np.arange(len(LABELS)))
    paths = {name: str(tmp_path / f"{name}.safetensors") for name in ("train", "val", "test")}
    data.write(data.Prepared(dict.fromkeys(paths, split), {}), *paths.values(), str(tmp_path / "meta.json"))
    inputs = SimpleNamespace(train=paths["train"], adapter=trained[way][1].adapter)
    change = {"img2img": {"strength": 0.5}}
    plain, tuned = (source(each, folder, inputs, **change).draw([(0, 0)], None).images for each in (None, way))
    assert (plain != tuned).any()


# ---- what is refused -------------------------------------------------------------------------------------------------


@WAYS
def test_pipelines_of_other_kinds_are_refused(tmp_path, way):
    save_dit(tmp_path / "dit")
    with pytest.raises(ValueError, match="dit is a DiTPipeline; only a StableDiffusionPipeline can be fine-tuned"):
        fit(way, tmp_path / "dit", Entry("0" * 16, tmp_path))


def test_names_that_say_nothing_and_captions_that_are_cut_are_refused(folder, tmp_path):
    entry = Entry("0" * 16, tmp_path)
    with pytest.raises(ValueError, match="class_names: ' ' has no token to begin with: give the class another name"):
        fit("textual_inversion", folder, entry, classes=["cat", " "])
    with pytest.raises(ValueError, match="caption: .* has 17 tokens, and the pipeline reads 16: shorten it"):
        fit("textual_inversion", folder, entry, vectors=11)
    definition = {**generator("lora", folder), "class_names": {"emu": "ostrich"}}
    with pytest.raises(ValueError, match="lora: class_names: the data set has no class 'emu': correct it"):
        lora.fit(definition, COLOURS, LABELS, META["classes"], 0, entry, NEVER, "cpu", SETTINGS)


def test_what_cannot_work_is_said_before_anything_starts(folder, tmp_path):
    rows = tmp_path / "p.csv"
    rows.write_text("class,prompt\ncat,a {class}\ncat,a red cat\ndog,a {class}\n")
    definition = {**generator("textual_inversion", folder), "prompts": str(rows)}
    problems = list(generators.generator(definition))
    text = f"{rows}: a prompt of class cat does not hold {{class}}, where textual_inversion writes its word; add it"
    assert problems == [("prompts", text)]
    save_dit(tmp_path / "dit")
    definition = {**generator("lora", tmp_path / "dit"), "template": "a {class}"}
    text = f"{tmp_path / 'dit'} is a DiTPipeline, and lora is for a StableDiffusionPipeline; name another one"
    assert list(generators.generator(definition)) == [("pipeline", text)]
