"""The canonical form of specs: equal meanings give equal texts, different ones give different texts."""

import json

import pytest

from synthmix.spec import canonical, clean, digest


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"b": 1, "a": 2}, '{"a":2,"b":1}'),
        ({"a": None, "b": {"c": None}}, '{"b":{}}'),
        ({"a": 4.0, "b": 4, "c": 4.5}, '{"a":4,"b":4,"c":4.5}'),
        ({"a": -0.0}, '{"a":0}'),
        ({"a": (1, 2.0)}, '{"a":[1,2]}'),
        ({"a": [None, 1]}, '{"a":[null,1]}'),  # a list's places mean something
        ({"a": True, "b": False}, '{"a":true,"b":false}'),
        ({3: "x"}, '{"3":"x"}'),
        ({"a": 1e-4}, '{"a":0.0001}'),
        ({"a": 1e300}, '{"a":1e+300}'),  # no integer of 301 digits
        ({"a": "4.0"}, '{"a":"4.0"}'),
        ({"a": "é"}, '{"a":"\\u00e9"}'),
    ],
)
def test_the_canonical_text(value, text):
    assert canonical(value) == text


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"lr": 0.1, "steps": 600}, {"steps": 600.0, "lr": 0.1, "augment": None}),
        ({"a": {"x": 1, "y": [1.0]}}, {"a": {"y": (1,), "x": 1}}),
        ({0: "a"}, {"0": "a"}),
    ],
)
def test_equal_meanings_have_one_digest(one, other):
    assert digest(one) == digest(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": 1}, {"a": 2}),
        ({"a": 1, "b": 2}, {"a": 2, "b": 1}),
        ({"a": [1, 2]}, {"a": [2, 1]}),
        ({"a": 1}, {"a": "1"}),
        ({"a": 1}, {"a": True}),
        ({"a": 0.1}, {"a": 0.1 + 1e-17 + 2e-17}),
        ({"a": {}}, {}),
        ({"a": False}, {}),
        ({"a": 0}, {}),
    ],
)
def test_different_meanings_have_different_digests(one, other):
    assert digest(one) != digest(other)


def test_the_canonical_text_is_a_fixed_point():
    value = {"b": [1.0, {"z": None, "y": 2.5}], "a": 3.0}
    assert canonical(json.loads(canonical(value))) == canonical(value)
    assert clean(clean(value)) == clean(value)


def test_a_text_counts_as_canonical_already():
    value = {"b": 4.0, "a": 1.5}
    assert digest(canonical(value)) == digest(value)


def test_the_digest_stays_what_it_is():
    """Stored results are found by it."""
    assert digest({"b": 4.0, "a": [None, 1.5, True], "c": None}) == "48126af9d7eb1d41"


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_json_does_not_know_are_refused(value):
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical({"a": value})


def test_cleaning_does_not_change_its_input():
    value = {"a": None, "b": [4.0]}
    clean(value)
    assert value == {"a": None, "b": [4.0]}
    assert isinstance(value["b"][0], float)
