"""Recipes that contradict themselves are refused before anything runs."""

import pytest

from synthmix.checks.recipes import recipe

FINE = {"optimizer": "sgd", "momentum": 0.9, "batch_size": 8, "epochs": 3, "schedule": "constant", "checkpoint": "last"}
STEP, PLATEAU = {"every": 3, "gamma": 0.1}, {"factor": 0.25, "patience": 2}


@pytest.mark.parametrize(
    "changes", [{}, {"schedule": "step", "step": STEP}, {"schedule": "plateau", "plateau": PLATEAU}, {"accumulate": 8}]
)
def test_a_recipe_that_is_fine(changes: dict) -> None:
    assert list(recipe({**FINE, **changes})) == []


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"steps": 9}, ("steps", "given beside epochs; delete one of the two")),
        ({"optimizer": "adam"}, ("momentum", "is for sgd, not adam; delete it")),
        ({"schedule": "step"}, ("step", "missing key; schedule step needs it")),
        ({"schedule": "cosine", "step": STEP}, ("step", "is for schedule step, not cosine; delete it")),
        ({"schedule": "plateau"}, ("plateau", "missing key; schedule plateau needs it")),
        ({"plateau": PLATEAU}, ("plateau", "is for schedule plateau, not constant; delete it")),
        ({"accumulate": 9}, ("accumulate", "9 parts of a batch of 8 images; lower it")),
    ],
)
def test_a_recipe_that_contradicts_itself(changes: dict, problem: tuple[str, str]) -> None:
    assert list(recipe({**FINE, **changes})) == [problem]
