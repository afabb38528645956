"""Text-to-image pipelines: prompts, images that do not depend on each other, safety flags."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from networks import save_stable_diffusion

from synthmix import data
from synthmix.generation import pipelines
from synthmix.generators import text2image
from synthmix.images import pools, prompts
from synthmix.images.shards import draw_shard
from synthmix.networks.weights import MissingWeightsError
from synthmix.store import Entry

META = {"name": "pets", "classes": ["cat", "dog"], "size": [8, 8], "channels": 3}
SAMPLING = {"sampler": "dpm-solver++", "steps": 2, "guidance": 3.0, "batch_size": 3, "seed": 0}
TEMPLATE = {"template": "a {scenario} photo of a {class}", "scenarios": ["red", "blue"], "negative_prompt": "blurred"}
WANTED = [(label, index) for index in range(3) for label in range(2)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A pipeline with random weights and a safety checker."""
    path = tmp_path_factory.mktemp("pipelines") / "tiny"
    save_stable_diffusion(path)
    return path


def source(folder, inputs=None, **drawing):
    drawing = {
        "pipeline": str(folder),
        "precision": "float16",
        **(drawing if "prompts" in drawing else TEMPLATE | drawing),
    }
    settings = {"weights": "nowhere", "offline": True}
    return text2image.Source({"sampling": SAMPLING, "drawing": drawing}, META, inputs, "cpu", settings)


@pytest.fixture(scope="module")
def drawn(folder):
    return source(folder).draw(WANTED, None)


# ---- images ----------------------------------------------------------------------------------------------------------


def test_images_have_the_size_of_the_data_set_and_their_prompts(drawn):
    assert (drawn.images.shape, drawn.images.dtype) == ((6, 8, 8, 3), np.uint8)
    assert drawn.prompts[:4] == [f"a {s} photo of a {c}" for s in ("red", "blue") for c in ("cat", "dog")]
    assert not drawn.flagged.any()


def test_an_image_does_not_depend_on_the_others(folder, drawn):
    images = dict(zip(WANTED, drawn.images, strict=True))
    assert len({image.tobytes() for image in images.values()}) == 6
    wanted = [(1, 2), (0, 0), (1, 7), (0, 1)]
    for which, image in zip(wanted, source(folder).draw(wanted, None).images, strict=True):
        if which in images:
            np.testing.assert_array_equal(image, images[which])


@pytest.mark.parametrize(
    "change",
    [
        {"negative_prompt": "red"},
        {"scenarios": ["blurred"]},
        {"class_names": {"cat": "dog photo"}},
        {"resolution": 24},
    ],
)
def test_what_is_asked_for_changes_the_image(folder, drawn, change):
    assert (source(folder, **change).draw([(0, 0)], None).images[0] != drawn.images[0]).any()


def test_pixels_that_are_not_finite_are_refused(folder):
    broken = source(folder)
    torch.nn.init.constant_(broken.pipeline.vae.decoder.conv_out.bias, torch.nan)
    with pytest.raises(ValueError, match="pixels that are not finite: give the generator `precision: float32`"):
        broken.draw([(0, 0)], None)


def test_images_start_from_real_ones_of_their_class(folder, tmp_path):
    images = np.zeros((4, 8, 8, 3), np.uint8)
    images[2:] = 255  # the dogs
    split = data.Split(images, np.array([0, 0, 1, 1]), np.arange(4))
    data.write(
        data.Prepared({"train": split, "val": split, "test": split}, {}),
        *(str(tmp_path / f"{name}.safetensors") for name in ("train", "val", "test")),
        str(tmp_path / "meta.json"),
    )
    inputs = SimpleNamespace(train=str(tmp_path / "train.safetensors"))
    found = source(folder, inputs, img2img={"strength": 0.5}).draw([(0, 0), (1, 0), (1, 1)], None).images
    start = source(folder, inputs, img2img={"strength": 0.5})
    assert np.asarray(start._real(0, 0)).max() == 0
    assert np.asarray(start._real(1, 5)).min() == 255
    assert len({image.tobytes() for image in found}) == 3


# ---- the safety checker ----------------------------------------------------------------------------------------------


@pytest.fixture
def checked(monkeypatch):
    """A checker that flags an image when its number, in the order of drawing, is among those given."""

    def prepare(*numbers):
        count = iter(range(1000))
        check = lambda images: np.array([next(count) in numbers for _ in images])  # noqa: E731
        monkeypatch.setattr(pipelines, "checker_of", lambda pipeline, device: check)

    return prepare


def test_flags_are_recorded_and_nothing_else_changes(folder, drawn, checked):
    checked(1)
    found = source(folder, safety="record").draw(WANTED, None)
    np.testing.assert_array_equal(found.images, drawn.images)
    assert found.flagged.tolist() == [False, True] + [False] * 4
    assert found.keeps_flagged


def test_flagged_images_are_drawn_again_with_other_noise(folder, drawn, checked):
    checked(1, 6)  # the second attempt of the second image, too
    found = source(folder, safety="replace", attempts=3).draw(WANTED, None)
    assert not found.flagged.any()
    assert (found.images[1] != drawn.images[1]).any()
    np.testing.assert_array_equal(found.images[[0, 2, 3, 4, 5]], drawn.images[[0, 2, 3, 4, 5]])
    checked(*range(1000))
    assert source(folder, safety="replace", attempts=2).draw([(0, 0)], None).flagged.all()


def test_the_checker_of_the_pipeline_is_asked_and_blackens_nothing(folder, drawn):
    flagging = source(folder, safety="drop")
    flagging.pipeline.safety_checker.concept_embeds_weights.data.fill_(-2.0)  # no image is so unlike a concept
    found = flagging.draw(WANTED[:3], None)
    assert found.flagged.all()
    np.testing.assert_array_equal(found.images, drawn.images[:3])


def test_flagged_images_stand_in_the_shard_and_are_left_out_unless_recorded(folder, tmp_path, checked):
    spec = {"sampling": {**SAMPLING, "shard_size": 2}, "shard": 1, "class": "dog", "upstream": {}}
    for safety, left_out in (("drop", [False, True]), ("record", [False, False])):
        checked(1)
        path = draw_shard(source(folder, safety=safety), spec, META["classes"], None, Entry(safety.ljust(16), tmp_path))
        pool = pools.read([path])
        assert (pool.labels.tolist(), pool.index.tolist()) == ([1, 1], [2, 3])
        assert (pool.flagged.tolist(), pool.left_out.tolist()) == ([False, True], left_out)


def test_flags_without_a_checker_are_refused(tmp_path):
    save_stable_diffusion(tmp_path / "tiny", checker=False)
    with pytest.raises(ValueError, match="tiny has no safety checker: delete the generator's safety"):
        source(tmp_path / "tiny", safety="drop").draw([(0, 0)], None)


# ---- where pipelines are found ---------------------------------------------------------------------------------------


def test_a_pipeline_is_found_in_the_folder_of_weights(folder):
    assert pipelines.locate("somebody/tiny", None, folder.parent, offline=True) == folder


def test_a_missing_pipeline_is_one_line(tmp_path):
    with pytest.raises(MissingWeightsError, match=r"no weights for nobody/nothing \(offline: true\): .*/nothing$"):
        pipelines.locate("nobody/nothing", None, tmp_path, offline=True)


# ---- prompts ---------------------------------------------------------------------------------------------------------


def write(tmp_path, text):
    (tmp_path / "p.csv").write_text(text)
    return tmp_path / "p.csv"


def test_prompts_of_a_class_take_turns(tmp_path):
    path = write(tmp_path, 'class,prompt,negative_prompt\ncat,"a {class}, red",\ndog,a dog,blurred\ncat,a cat,\n')
    rows = prompts.read(path)
    assert list(rows) == ["cat", "dog"]
    drawing = {"prompts": rows["cat"]}
    assert [prompts.choose(drawing, "tom", k).text for k in range(3)] == ["a tom, red", "a cat", "a tom, red"]
    assert prompts.choose({"prompts": rows["dog"]}, "dog", 0) == ("a dog", "blurred")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("class,text\ncat,a\n", "has no column prompt"),
        ("class,prompt,seed\ncat,a,1\n", "has a column 'seed'"),
        ("class,prompt\ncat,\n", "line 2 has no prompt"),
        ("class,prompt\n,a\n", "line 2 has no class"),
        ("class,prompt\ncat,a, b\n", "line 2 has too many commas"),
        ("class,prompt\ncat,a\ndog,a\ncat,a\n", "line 4 repeats a prompt of its class"),
        ("class,prompt\n", "has no rows"),
    ],
)
def test_files_of_prompts_that_are_refused(tmp_path, text, message):
    with pytest.raises(prompts.PromptError, match=message):
        prompts.read(write(tmp_path, text))


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (["cat", "dog", "emu"], "prompts for what is no class of the data set: 'emu'"),
        (["cat"], "no prompt for .*'dog'"),
    ],
)
def test_prompts_must_be_about_the_classes_of_the_data_set(folder, classes, message):
    with pytest.raises(ValueError, match=message):
        source(folder, prompts=[{"prompt": "a cat"}], classes=classes)
