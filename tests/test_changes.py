"""What differs between two specs, in words."""

import pytest

from synthmix import code, records
from synthmix.planning.changes import differences

SPEC = {
    "entries": ["train.py", "synthmix/models/cnn_block.py"],
    "code": "same",
    "recipe": {"learning_rate": 0.1, "momentum": 0.9},
    "model": {"width": 10},
    "keys": {"shot3": {"0": "a", "1": "b"}},
    "upstream": {"data": "d"},
}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({}, []),
        ({"recipe": {"learning_rate": 0.2, "momentum": 0.9}}, ["recipe.learning_rate: 0.1 -> 0.2"]),
        ({"recipe": {"learning_rate": 0.1}}, ["recipe.momentum: 0.9 -> absent"]),
        ({"model": {"width": 10, "dropout": 0.3}}, ["model.dropout: absent -> 0.3"]),
        ({"keys": {"shot3": {"0": "a", "1": "b", "2": "c"}}}, ["more runs: shot3 seed 2"]),
        ({"keys": {"shot3": {"0": "a"}}}, ["fewer runs: shot3 seed 1"]),
        ({"keys": {"shot3": {"0": "other", "1": "b"}}}, ["what it reads changes"]),
        ({"upstream": {"data": "other"}}, ["what it reads changes"]),
        # a consequence of what is told already
        (
            {"model": {"width": 20}, "keys": {"shot3": {"0": "x", "1": "y"}}},
            ["model.width: 10 -> 20"],
        ),
        ({"code": "other"}, ["code: changed (which definition, nobody recorded)"]),
    ],
)
def test_differences(change: dict[str, object], told: list[str]) -> None:
    assert list(differences(SPEC, {**SPEC, **change})) == told


def test_changed_new_and_lost_definitions_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    now = code.definitions(SPEC["entries"])  # type: ignore[arg-type]
    then = {**now, "synthmix/training.py:fit": "other", "synthmix/gone.py:helper": "x"}
    del then["synthmix/models/cnn_block.py:build"]
    monkeypatch.setattr(records, "definitions", lambda digest: then if digest == "old" else None)
    assert list(differences({**SPEC, "code": "old"}, SPEC)) == [
        "code: gone.py: helper gone",
        "code: models/cnn_block.py: build new",
        "code: training.py: fit changed",
    ]
