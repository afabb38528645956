"""Checks of the views of sweeps and of learning curves: one line with key and remedy before anything runs."""

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest
from small_curves import CURVES

from synthmix.planning.configuration import ConfigurationError, read_studies, validate_config
from synthmix.planning.plan import Plan
from synthmix.planning.specs import Specs


def read(folder: Path, **changes: object) -> dict[str, Any]:
    """The study `curves` with the value at each dotted path replaced; a position behind a list's end appends."""
    study = copy.deepcopy(CURVES)
    for path, value in changes.items():
        *parents, last = (int(part) if part.isdigit() else part for part in path.split("."))
        target: Any = study
        for part in parents:
            target = target[part]
        if isinstance(target, list) and last == len(target):
            target.append(value)
        else:
            target[last] = value
    (folder / "curves.yaml").write_text(json.dumps(study))
    return read_studies(folder, ["curves"])["curves"]


def test_views_of_sweeps_come_with_the_widths_of_their_models(tmp_path: Path) -> None:
    study = read(tmp_path)
    widths = {"cnn1": 1, "cnn2": 2, "cnn4": 4}
    assert study["tables"]["peak"]["widths"] == study["figures"]["widths"]["widths"] == widths
    assert study["tables"]["peak"]["tolerance"] == 0.01
    assert "peak_tolerance" not in study["tables"]["peak"]
    assert study["figures"]["epochs"]["dataset"] == "digits"
    assert "widths" not in study["figures"]["law"]


def test_a_table_of_when_comes_with_the_recipes_that_freeze_layers(tmp_path: Path) -> None:
    table = {"kind": "when", "model": ["cnn1", "cnn4"], "training_set": "noisy"}
    assert "frozen" not in read(tmp_path, **{"tables.when": table})["tables"]["when"]
    changes = {"tables.when": {**table, "recipe": ["long"]}, "recipes.long.freeze": ["stages.0"]}
    assert read(tmp_path, **changes)["tables"]["when"]["frozen"] == ["long"]


PAIR = {"training_set": "noisy", "model": ["cnn1", "cnn4"], "recipe": "long"}


def changed(folder: Path, before: dict[tuple[str, str], str], **changes: object) -> set[tuple[str, str]]:
    """The tables and figures whose specs are others than before."""
    return {view for view, spec in specs(folder, **changes).items() if before[view] != spec}


def specs(folder: Path, **changes: object) -> dict[tuple[str, str], str]:
    """(table or figure, name) -> spec, of the study with changes and two views of single classes."""
    classes = {"kind": "classes", **PAIR, "groups": "groups.csv"}
    read(folder, **{"tables.classes": classes, "figures.classes": classes}, **changes)
    plan = Plan(validate_config({"studies": ["curves"]}, "config.yaml"), read_studies(folder, ["curves"]))
    of, study = Specs(plan), plan.studies["curves"]
    made = {("table", name): of.table("curves", name) for name in study["tables"]}
    return made | {("figure", name): of.figure("curves", name) for name in study["figures"]}


def test_a_changed_view_is_made_again_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    groups = Path("groups.csv")
    groups.write_text("class,group\n0,round\n8,round\n1,straight\n")
    before = specs(tmp_path)
    assert changed(tmp_path, before, **{"figures.widths.tolerance": 0.1}) == {("figure", "widths")}
    # groups are known by what their file says, whatever the order of its rows
    groups.write_text("class,group\n8,round\n1,straight\n0,round\n")
    assert changed(tmp_path, before) == set()
    groups.write_text("class,group\n0,round\n8,round\n7,straight\n")
    assert changed(tmp_path, before) == {("table", "classes"), ("figure", "classes")}


BEST = {"kind": "best", "model": ["cnn1", "cnn4"], "training_set": "noisy", "selection_seeds": [0, 1]}
CLAIM = {"best": "cnn2", "source": "a paper", "comparable": True}
NO_REASON = {"model": "vit", "images": 100, "source": "a paper", "comparable": False}
LEARNING = CURVES["runs"][1]
SIZES = LEARNING["training_set"]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"tables.peak.narrow": "cnn3"}, 'tables.peak.narrow: unknown model "cnn3"; did you mean cnn'),
        ({"tables.peak.narrow": "vit"}, "tables.peak.narrow: vit is not among model; add it there, or"),
        ({"tables.peak.narrow": "cnn4"}, "tables.peak.narrow: cnn4 is not narrower than cnn4; name a narrower one"),
        ({"tables.peak.model": ["cnn4"]}, "tables.peak.model: needs at least two models; add some"),
        ({"tables.peak.model": ["cnn1", "vit"]}, "tables.peak.model: nothing in runs has vit with training_set noisy"),
        ({"tables.peak.selection_seeds": 2}, "tables.peak.selection_seeds: must be a list of seeds, not 2"),
        (
            {"tables.peak.selection_seeds": [0, 7]},
            "tables.peak.selection_seeds: no run of cnn1 in digits/noisy/long with seed 7; add it to runs, or",
        ),
        (
            {"tables.peak.selection_seeds": [0, 1, 2]},
            "tables.peak.selection_seeds: leave fewer than two other seeds of cnn1, cnn4 in digits/noisy/long; add",
        ),
        ({"tables.peak.tolerance": 1}, "tables.peak.tolerance: must be a number at least 0 and below 1, not 1"),
        (
            {"runs.0.model": ["cnn1", "cnn2", "cnn4", "vit"], "figures.widths.model": ["cnn1", "vit"]},
            "figures.widths.model: cnn1 and vit are of two architectures; name models of one",
        ),
        ({"models.cnn1.width": 2}, "tables.peak.model: cnn1 and cnn2 both have width 2; leave one out"),
        ({"tables.law.training_set": ["n20", "n40"]}, "tables.law.training_set: needs at least three training sets"),
        (
            {"tables.law.training_set": [*SIZES, "noisy"]},
            "tables.law.training_set: n40 and noisy have equally many real images; leave one out",
        ),
        (
            {"runs.1.training_set": ["n20", "n40"], "runs.2": {**CURVES["runs"][0], "training_set": "n80"}},
            "tables.law.training_set: no run of n80 in digits/vit/long; add it to runs, or name the recipes to show",
        ),
        (
            {
                "runs.1.training_set": ["n20", "n40"],
                "runs.2": {**CURVES["runs"][1], "training_set": ["n80"], "seeds": [5]},
            },
            "tables.law.training_set: no seed of digits/cnn2/long has all of them; give their runs the same seeds",
        ),
        ({"tables.crossing.over": "vit"}, "tables.crossing.over: vit is among model; leave it out there"),
        ({"tables.crossing.over": "cnn3"}, 'tables.crossing.over: unknown model "cnn3"'),
        ({"tables.crossing.over": "cnn4"}, "tables.crossing.over: no run of cnn4 on a data set and with a seed of vit"),
        ({"tables.crossing.published": [NO_REASON]}, "tables.crossing.published[0].reason: missing key; say why"),
        (
            {"tables.law.published": [{**NO_REASON, "model": "vitt"}]},
            "tables.law.published[0].images: unknown key (known: ",
        ),
        (
            {"tables.law.published.0.model": "vitt"},
            'tables.law.published[0].model: unknown model "vitt"; did you mean vit?',
        ),
        ({"tables.best": {**BEST, "model": "cnn1"}}, "tables.best.model: needs at least two models; add some"),
        (
            {"tables.best": {**BEST, "selection_seeds": [0, 1, 2]}},
            "tables.best.selection_seeds: leave fewer than two other seeds of cnn1, cnn4 in digits/noisy/long",
        ),
        ({"tables.best": {**BEST, "published": [CLAIM]}}, "tables.best.published[0].best: cnn2 is not among model;"),
        (
            {"tables.best": {**BEST, "published": [{**CLAIM, "best": "cnn5"}]}},
            'tables.best.published[0].best: unknown model "cnn5"',
        ),
        ({"figures.epochs.model": ["cnn1", "vit"]}, "figures.epochs.model: nothing in runs has vit with"),
    ],
)
def test_views_that_cannot_be_made(tmp_path: Path, changes: dict[str, object], expected: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"^\S*curves\.yaml: {re.escape(expected)}") as caught:
        read(tmp_path, **changes)
    assert len(str(caught.value).splitlines()) == 1
