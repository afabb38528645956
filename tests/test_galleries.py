"""What is made of class activation maps and of predictions of single images: the table and the figures."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from synthmix.analysis.artefacts import Artefacts
from synthmix.explainers import cam
from synthmix.figures import cam as cam_figure
from synthmix.figures import disagreements, gallery, style, tiles
from synthmix.files import write_arrays, write_json, write_rows
from synthmix.tables import faithfulness

CLASSES = ["ant", "bee"]
LABELS = [0, 0, 0, 1, 1, 1]
# (prediction, confidence) of six test images, by model and seed
SAID = {
    ("cnn", 3): [(0, 0.99), (1, 0.98), (0, 0.55), (1, 0.97), (0, 0.96), (1, 0.6)],
    ("cnn", 4): [(0, 0.99), (0, 0.98), (0, 0.55), (1, 0.97), (1, 0.96), (1, 0.6)],
    ("vit", 3): [(1, 0.97), (0, 0.7), (0, 0.9), (1, 0.99), (1, 0.8), (0, 0.58)],
    ("vit", 4): [(0, 0.97), (0, 0.7), (0, 0.9), (1, 0.99), (1, 0.8), (0, 0.58)],
}
RUN = {"dataset": "insects", "bundle": "all", "recipe": "quick", "training_set": "all"}
SHOWN = (0, 4)  # images that the explainer drew
# deletion and insertion of a method, to which an image adds 0.1 and a seed 0.02
SCORES = {"grad_cam": (0.2, 0.7), "score_cam": (0.3, 0.6), "random": (0.4, 0.5), "centre": (0.35, 0.5)}


@pytest.fixture
def artefacts(tmp_path: Path) -> Artefacts:
    """Two models of two seeds each, with the maps of two images; the test image of each is of one grey of its own."""
    runs: list[dict[str, Any]] = []
    predictions, explanations = [], []
    for model in ("cnn", "vit"):
        job = f"insects/all/{model}/quick/seeds3-4"
        rows, maps = [], []
        for seed in (3, 4):
            runs.append({**RUN, "model": model, "seed": seed})
            for index, (prediction, confidence) in enumerate(SAID[model, seed]):
                said = {"label": LABELS[index], "prediction": prediction, "confidence": confidence}
                known = {"training_set": "all", "seed": seed, "index": index, **said}
                rows.append(known)
                for method, (deletion, insertion) in SCORES.items() if index in SHOWN else ():
                    more = 0.1 * (index == SHOWN[1]) + 0.02 * (seed == 4)
                    scores = {"deletion": deletion + more, "insertion": insertion + more}
                    values = json.dumps([[0, 0], [0, 1]]) if "cam" in method else None
                    maps.append({**known, "layer": "last", "method": method, **scores, "values": values})
        predictions.append(tmp_path / f"runs/{job}/predictions.parquet")
        predictions[-1].parent.mkdir(parents=True)
        pd.DataFrame(rows).astype({"confidence": "float32"}).to_parquet(predictions[-1])
        explanations.append(tmp_path / f"explanations/{job}/all.looks.csv")
        write_rows(explanations[-1], ["training_set", "seed", *cam.COLUMNS], maps)
    write_rows(tmp_path / "experiments.csv", list(runs[0]), runs)
    images = np.broadcast_to(np.arange(6, dtype=np.uint8)[:, None, None, None] * 40, (6, 8, 8, 1))
    write_arrays(tmp_path / "test.safetensors", {"images": images, "labels": np.array(LABELS)})
    write_json(tmp_path / "meta.json", {"name": "insects", "classes": CLASSES})
    data = {"insects": {"meta": tmp_path / "meta.json", "test": tmp_path / "test.safetensors"}}
    experiments = tmp_path / "experiments.csv"
    return Artefacts(experiments=experiments, predictions=predictions, explanations=explanations, data=data)


def texts(figure: Any) -> list[str]:
    return [text.get_text().replace("\n", " ") for text in figure.texts if text.get_text()]


def greys(figure: Any) -> list[int]:
    """The test images shown, as positions in the split; maps count as none."""
    pictures = [axes.images[0].get_array() for axes in figure.axes if axes.images]
    return [round(float(each.max()) * 255 / 40) for each in pictures if np.ptp(each) == 0]


# ---- the table -------------------------------------------------------------------------------------------------------


def test_the_table_compares_methods_with_random_maps(artefacts: Artefacts) -> None:
    table = faithfulness.build({"kind": "faithfulness", "explainer": "looks", "model": "cnn"}, artefacts)
    assert table.frame["Method"].tolist() == ["Grad-CAM", "Score-CAM", "Random map", "Centre"]
    row = table.data.iloc[0]
    assert (row["n"], row["images"]) == (2, 2)
    # images add 0.05 in the mean, seeds 0.01; of two values 0.02 apart the t interval reaches 12.706 * 0.01
    assert row["deletion"] == pytest.approx(0.2 + 0.05 + 0.01)
    assert row["deletion_high"] == pytest.approx(0.26 + 12.7062 * 0.01, abs=1e-5)
    assert row["deletion_difference"] == pytest.approx(-0.2)
    assert row["insertion_difference"] == pytest.approx(0.2)
    assert row["insertion_difference_low"] == pytest.approx(0.2), "what seeds share is not in a paired difference"
    assert table.frame["Insertion less random"].tolist()[1:] == ["0.100 [0.100, 0.100]", "", "0.000 [0.000, 0.000]"]


# ---- figures ---------------------------------------------------------------------------------------------------------


SPEC = {"dataset": "insects", "training_set": ["all"], "labels": {"vit": "ViT", "bee": "Bee"}, "columns": 4}


def test_maps_stand_in_rows_of_networks(artefacts: Artefacts) -> None:
    spec = {**SPEC, "kind": "cam", "explainer": "looks", "instances": 1, "order": {"model": ["vit", "cnn"]}}
    figure = cam_figure.draw(spec, artefacts)
    found = texts(figure)
    assert found.count("ant") == found.count("Bee") == 1
    assert [text for text in found if text.startswith(("ViT", "cnn"))] == [
        "ViT as Bee, 0.97",
        "cnn right, 0.99",
        "ViT right, 0.80",
        "cnn as ant, 0.96",
    ]
    assert [title for title in found if title in ("Image", "Grad-CAM", "Score-CAM")][:3] == [
        "Image",
        "Grad-CAM",
        "Score-CAM",
    ]
    assert greys(figure) == [0, 0, 4, 4]
    assert "Seed 3" in figure.get_supxlabel()
    assert "ViT, 2 x 2 after last" in figure.get_supxlabel().replace("\n", " ")
    assert ", with its probability. Maps of what it says, each" in figure.get_supxlabel().replace("\n", " ")
    one = cam_figure.draw({**spec, "seed": 4, "methods": ["score_cam"], "classes": ["bee"], "model": "cnn"}, artefacts)
    assert [text for text in texts(one) if text.startswith(("ViT", "cnn"))] == ["cnn right, 0.96"]
    assert "Grad-CAM" not in texts(one)
    with pytest.raises(ValueError, match="cam: the networks shown do not share seed 5"):
        cam_figure.draw({**spec, "seed": 5}, artefacts)


def test_a_map_that_is_empty_says_so(artefacts: Artefacts, tmp_path: Path) -> None:
    for path in artefacts.explanations:
        maps = pd.read_csv(path)
        maps.loc[(maps["method"] == "grad_cam") & (maps["index"] == 0), "values"] = "[[0, 0], [0, 0]]"
        maps.to_csv(path, index=False)
    spec = {**SPEC, "kind": "cam", "explainer": "looks", "instances": 1}
    assert texts(cam_figure.draw(spec, artefacts)).count(tiles.EMPTY) == 2, "of one image, by two networks"
    found = texts(gallery.draw({**GALLERY, "explainer": "looks", "method": "grad_cam"}, artefacts))
    assert sum(text.endswith(tiles.EMPTY) for text in found) == 1
    found = texts(gallery.draw({**GALLERY, "explainer": "looks", "method": "score_cam"}, artefacts))
    assert not any(tiles.EMPTY in text for text in found)


def test_the_footer_says_which_maps_know_no_class() -> None:
    own = "of where the layer responds most, whatever the class"
    assert cam_figure.meant(["eigen_cam"]) == f"Maps {own}"
    assert cam_figure.meant(["grad_cam", "eigen_cam"]) == f"Maps by Eigen-CAM {own}, others of what it says"
    assert cam_figure.meant(["grad_cam", "score_cam"]) == "Maps of what it says"


def test_a_map_is_coloured_over_its_grey_image() -> None:
    image = np.full((4, 4, 3), (30, 60, 90), dtype=np.uint8)
    found = tiles.overlay(image, np.array([[0.0, 1.0], [0.0, 1.0]]))
    grey = (1 - tiles.OPAQUE) * 60 / 255
    np.testing.assert_allclose(found[0, 0], grey + tiles.OPAQUE * np.array(tiles.COLOURS(0.0)[:3]))
    np.testing.assert_allclose(found[3, 3], grey + tiles.OPAQUE * np.array(tiles.COLOURS(1.0)[:3]))


GALLERY = {
    **SPEC,
    "kind": "gallery",
    "training_set": "all",
    "model": "cnn",
    "recipe": "quick",
    "sure": 0.95,
    "unsure": 0.62,
}


def test_a_gallery_counts_what_it_shows_and_what_is_right(artefacts: Artefacts) -> None:
    figure = gallery.draw(GALLERY, artefacts)
    assert texts(figure) == [
        "Surest, above 0.95: 4 of 6 test images, 2 of them right (50.0 %)",
        *("ant right, 0.99", "ant as Bee, 0.98", "Bee right, 0.97", "Bee as ant, 0.96"),
        "Least sure, below 0.62: 2 of 6 test images, 2 of them right (100.0 %)",
        *("ant right, 0.55", "Bee right, 0.60"),
        figure.get_supxlabel().replace("\n", " "),
    ]
    assert greys(figure) == [0, 1, 3, 4, 2, 5]
    fewer = gallery.draw({**GALLERY, "seed": 4, "columns": 1, "unsure": 0.1}, artefacts)
    assert "Surest, above 0.95: 4 of 6 test images, 4 of them right (100.0 %)" in texts(fewer)
    assert "Least sure, below 0.1: 0 of 6 test images" in texts(fewer)
    assert greys(fewer) == [0]


def test_a_gallery_of_maps_shows_what_the_explainer_drew_and_counts_all(artefacts: Artefacts) -> None:
    figure = gallery.draw({**GALLERY, "explainer": "looks", "method": "score_cam"}, artefacts)
    assert greys(figure) == [0, 4]
    assert "Surest, above 0.95: 4 of 6 test images, 2 of them right (50.0 %)" in texts(figure)
    maps = [axes.images[0].get_array() for axes in figure.axes if axes.images and np.ptp(axes.images[0].get_array())]
    assert len(maps) == 2
    assert "the 2 images that explainer looks drew" in figure.get_supxlabel().replace("\n", " ")


def test_disagreements_are_counted_in_both_directions_and_over_seeds(artefacts: Artefacts) -> None:
    spec = {**SPEC, "kind": "disagreements", "sure": 0.95, "order": {"model": ["cnn", "vit"]}}
    figure = disagreements.draw(spec, artefacts)
    assert texts(figure)[:-1] == [
        "cnn wrong above 0.95, ViT right: 2 of 6 test images; 0 to 2 over 2 seeds",
        "ant cnn: as Bee, 0.98 ViT: 0.70",
        "Bee cnn: as ant, 0.96 ViT: 0.80",
        "ViT wrong above 0.95, cnn right: 1 of 6 test images; 0 to 1 over 2 seeds",
        "ant ViT: as Bee, 0.97 cnn: 0.99",
    ]
    assert greys(figure) == [1, 4, 0]
    assert "Test accuracy: cnn 66.7 %, ViT 66.7 %" in figure.get_supxlabel().replace("\n", " ")
    with pytest.raises(ValueError, match="disagreements: 1 networks are selected: name two"):
        disagreements.draw({**spec, "model": "cnn"}, artefacts)


def test_a_sheet_fits_a_page() -> None:
    tile = tiles.Tile(np.zeros((4, 4, 3)), ["a caption of some length", "0.5"])
    blocks = [tiles.Block("heading", [tiles.Row([tile] * 3, ["label"])] * 2)] * 8
    figure = tiles.sheet({}, blocks, "note", 24.0, ["a", "b", "c"])
    width, height = 25.4 * figure.get_size_inches()
    assert width <= style.PAGE_MM + 1e-6
    assert height <= tiles.HEIGHT_MM
    places = [axes.get_position() for axes in figure.axes]
    assert len(places) == 48
    assert min(place.x0 for place in places) >= 0
    assert max(place.x1 for place in places) <= 1
    assert min(place.y0 for place in places) >= 0
    assert len({round(place.x0, 6) for place in places}) == 6, "two blocks stand side by side"


def test_a_heading_that_is_wider_than_its_tiles_keeps_clear_of_the_next() -> None:
    tile = tiles.Tile(np.zeros((4, 4, 3)))
    blocks = [tiles.Block("Surest, above 0.95: 4 of 6 test images, 2 of them right", [tiles.Row([tile])])] * 2
    figure = tiles.sheet({}, blocks, "note", 24.0)
    headings = [text.get_window_extent() for text in figure.texts if text.get_text().startswith("Surest")]
    assert len(headings) == 2
    assert not headings[0].overlaps(headings[1])
    assert max(heading.x1 for heading in headings) <= figure.bbox.x1
