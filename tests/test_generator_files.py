"""Somebody else's images as a pool: classes, counts, conversion, and what is refused."""

from pathlib import Path

import datasets
import numpy as np
import pytest
from PIL import Image
from test_data import parquet, pixels, write_folder
from workspace import STUDY, Workspace

from synthmix.data import DatasetError, to_array
from synthmix.generators import files
from synthmix.images import pools

SETTINGS = {"data": "unused", "offline": True}
META = {"classes": ["a", "b"], "size": [8, 8], "channels": 3}
WANTED = [(label, index) for index in range(3) for label in (0, 1)]


def source(path, kind="folder", meta=META, **changes):
    definition = {"kind": "files", "source": kind, "path": str(path), "image_column": "image", "label_column": "label"}
    settings = {**SETTINGS, "data": str(Path(path).parent / "cache")}
    return files.Source({"drawing": {**definition, **changes}}, meta, None, "cpu", settings)


@pytest.fixture
def folder(tmp_path):
    """Three images of 10 x 10 in each of the folders a and b; the images."""
    images = pixels(6, (10, 10, 3))
    write_folder(tmp_path / "images", images, [0, 0, 0, 1, 1, 1])
    return tmp_path / "images", images


def resized(image):
    return to_array(Image.fromarray(image), (8, 8), 3)


def test_images_are_taken_in_order_through_the_chain_of_the_data_set(folder):
    path, images = folder
    drawn = source(path).draw(WANTED, None)
    np.testing.assert_array_equal(drawn.images, np.stack([resized(images[3 * label + k]) for label, k in WANTED]))


def test_parquet_gives_what_a_folder_gives(folder, tmp_path):
    _, images = folder
    parquet(tmp_path / "images.parquet", images, ["b", "a", "a", "b", "b", "a"], label=datasets.Value("string"))
    drawn = source(tmp_path / "images.parquet", "parquet").draw([(0, 0), (1, 2)], None)
    np.testing.assert_array_equal(drawn.images, np.stack([resized(images[1]), resized(images[4])]))


def test_classes_may_have_other_names_and_others_are_left_out(folder):
    path, images = folder
    drawn = source(path, meta={**META, "classes": ["cat", "dog"]}, class_names={"cat": "b", "dog": "a"})
    np.testing.assert_array_equal(drawn.draw([(0, 0)], None).images[0], resized(images[3]))
    only = source(path, meta={**META, "classes": ["cat"]}, class_names={"cat": "b"})
    assert len(only.draw([(0, 2)], None).images) == 1


def test_grey_images_become_colour_and_are_counted(folder, capsys):
    path, _ = folder
    grey = pixels(1, (10, 10))[0]
    Image.fromarray(grey).save(path / "a/0000.png")
    image = source(path).draw([(0, 0), (1, 0)], None).images[0]
    assert (image[..., 0] == image[..., 1]).all()
    assert "1 of 2 images converted from L to RGB" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("classes", "names", "message"),
    [
        (["a", "b", "c"], None, r"images has no images of 1 classes: 'c'.*class_names"),
        (["a"], None, r"images has what the data set has not, 1 classes: 'b'"),
        (["a", "bb"], None, r"no images of 1 classes: 'bb' \(did you mean 'b'\?\)"),
        (["a", "b"], {"aa": "a"}, r"class_names: 'aa' is not a class of the data set \(did you mean 'a'\?\)"),
        (["a", "b"], {"a": "x", "b": "b"}, "no images of 1 classes: 'x'"),
    ],
)
def test_classes_that_do_not_fit_are_refused(folder, classes, names, message):
    with pytest.raises(DatasetError, match=message):
        source(folder[0], meta={**META, "classes": classes}, class_names=names)


def test_too_few_images_are_refused(folder):
    (folder[0] / "b/0004.png").unlink()
    with pytest.raises(DatasetError, match=r"1 classes have fewer than 3 images: b \(2\): lower the pool's per_class"):
        source(folder[0]).draw(WANTED, None)


def test_every_corrupt_image_is_named_and_counted(folder):
    path, _ = folder
    (path / "a/0001.png").write_bytes(b"no image")
    (path / "b/0004.png").write_bytes((path / "b/0004.png").read_bytes()[:60])
    with pytest.raises(DatasetError, match="2 of 6 images are unusable") as error:
        source(path).draw(WANTED, None)
    assert "a/0001.png" in str(error.value)
    assert "b/0004.png" in str(error.value)


# ---- in the workflow -------------------------------------------------------------------------------------------------

GENERATOR = """
  found: {kind: files, source: folder, path: found}

pools:
  found: {generator: found, per_class: 5, shard_size: 4}
"""
SET = "training_sets:\n  shot3-found: {real: 3, synthetic: 5, pool: found}\n"
SHARDS = [f"results/pools/digits/found/all/shard-000{k}.parquet" for k in (0, 1)]


@pytest.mark.workflow
def test_a_pool_of_files_in_a_study(workspace: Workspace) -> None:
    images = pixels(50, (9, 9, 3))
    write_folder(workspace / "found", images, [k % 10 for k in range(50)], names="0123456789")
    workspace.replace(STUDY, "\npools:\n", GENERATOR)
    workspace.replace(STUDY, "training_sets:\n", SET)
    workspace.replace(STUDY, "[shot3, shot3-syn4], model: vit", "[shot3, shot3-found, shot3-syn4], model: vit")
    workspace.replace(STUDY, "pool: [ddpm, own]", "pool: [ddpm, own, found]")
    assert "train_generator" not in workspace.planned()
    targets = [*SHARDS, "results/studies/tiny/tables/main.md", "results/scores/digits/found/features-n5.json"]
    workspace.snakemake(*targets)
    assert workspace.planned(*targets) == {}
    first, last = (pools.read([workspace / name]) for name in SHARDS)
    assert (first.images.shape, last.images.shape) == ((40, 8, 8, 1), (10, 8, 8, 1))
    row = next(line for line in workspace.read("results/studies/tiny/tables/main.md").splitlines() if "found" in line)
    assert "images that the generator saw unknown" in row

    # another image: what is drawn from the folder, and what reads that
    Image.fromarray(pixels(1, (12, 12, 3), seed=1)[0]).save(workspace / "found/3/0003.png")
    planned = workspace.planned(*targets)
    assert (planned["generate"], planned["train"], planned["score"]) == (2, 1, 1)


@pytest.mark.workflow
def test_a_missing_folder_is_said_before_anything_runs(sources: Workspace) -> None:
    sources.replace(STUDY, "\npools:\n", GENERATOR)
    sources.failing("--dry-run")
    assert 'studies/tiny.yaml: generators.found.path: there is no folder "found"; correct it' in sources.read(
        "snakemake.log"
    )
