"""A study of 2,000 runs can be planned."""

import pytest
from workspace import STUDY, Workspace

from synthmix.planning.yaml_reader import read_yaml

pytestmark = pytest.mark.workflow


def test_2000_runs_are_planned(sources: Workspace) -> None:
    text = sources.read(STUDY)
    runs = text[text.index("\nruns:") : text.index("\nscores:")]
    grid = (
        "\nruns:\n"
        "  - {dataset: digits, training_set: [shot3, shot3-syn4], model: [cnn, vit], recipe: single, seeds: 500}\n"
        "  - {dataset: digits, training_set: shot3-own2, model: vit, recipe: block, seeds: 2}\n"
        "  - {dataset: digits, training_set: [shot3, shot3-syn4], model: vit, recipe: block, seeds: 2}\n"
    )
    sources.write(STUDY, text.replace(runs, grid))
    assert read_yaml(sources / STUDY)["runs"][0]["seeds"] == 500
    planned = sources.planned()
    assert planned["train"] == planned["evaluate"] == 2 * 2 * 500 + 3
