"""Class-conditional pipelines: the right number for each class, images of their own."""

import numpy as np
import pytest
from networks import save_dit

from synthmix.generators import class2image

META = {"name": "pets", "classes": ["cat", "dog"], "size": [8, 8], "channels": 1}
SAMPLING = {"sampler": "dpm-solver++", "steps": 2, "guidance": 4.0, "batch_size": 2, "seed": 0}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("pipelines") / "dit"
    save_dit(path)
    return path


def source(folder, ids):
    drawing = {"pipeline": str(folder), "precision": "float16", "class_ids": ids}
    settings = {"weights": "nowhere", "offline": True}
    return class2image.Source({"sampling": SAMPLING, "drawing": drawing}, META, None, "cpu", settings)


def test_classes_are_asked_for_by_their_numbers(folder):
    mine, seen = source(folder, {"dog": 3, "cat": 1}), []
    call = mine.pipeline.transformer.forward
    mine.pipeline.transformer.forward = lambda *a, **k: (seen.append(k["class_labels"].tolist()), call(*a, **k))[1]
    images = mine.draw([(0, 0), (1, 0), (1, 1)], None).images
    assert (images.shape, images.dtype) == ((3, 8, 8, 1), np.uint8)
    assert [labels[:2] for labels in seen] == [[1, 3]] * 2 + [[3, 3]] * 2
    np.testing.assert_array_equal(source(folder, {"dog": 3, "cat": 1}).draw([(1, 1)], None).images[0], images[2])


@pytest.mark.parametrize(
    ("ids", "message"),
    [({"cat": 1}, "no number for class 'dog'"), ({"cat": 1, "dog": 2, "emu": 3}, "'emu' is no class of the data set")],
)
def test_numbers_must_be_those_of_the_classes(folder, ids, message):
    with pytest.raises(ValueError, match=message):
        source(folder, ids)


def test_a_number_that_the_pipeline_has_not_is_refused(folder):
    with pytest.raises(ValueError, match="class_ids: 1000 is above 999, the pipeline's last class"):
        source(folder, {"cat": 0, "dog": 1000}).draw([(0, 0)], None)
