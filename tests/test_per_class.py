"""Single classes: tests and shrinkage against what is known of them, tables and a figure, and what is refused early."""

import copy
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.proportion import proportion_confint
from test_configuration import STUDY, error_of, write

from synthmix.analysis import class_arms, per_class
from synthmix.analysis.artefacts import Artefacts
from synthmix.figures import classes as figure
from synthmix.planning.configuration import read_studies
from synthmix.tables import best_classes, classes

ARMS = {"dataset": "digits", "training_set": ["shot3-syn80", "shot3"], "model": "cnn", "recipe": "cnn-steps"}
GROUPS = {"round": ["0", "6", "8", "9"], "straight": ["1", "4", "7"]}
SPEC: dict[str, Any] = {"kind": "classes", **ARMS, "groups": GROUPS}
PRINTED = {"source": "a paper", "comparable": False, "reason": "another split"}


def simulated(rng: np.random.Generator, seeds: int, spread: float) -> tuple[np.ndarray, ...]:
    """Two arms on 60 classes of 10 to 30 images: (first, second, labels, true differences of accuracy).

    Accuracies differ between classes; seeds shift each class of each arm, images are hard for both arms.
    """
    count = 60
    labels = np.repeat(np.arange(count), rng.integers(10, 31, count))
    base, effect, image = rng.normal(1.2, 1, count), rng.normal(0, spread, count), rng.normal(0, 1.5, len(labels))
    arms, means = [], []
    hard = rng.normal(0, np.hypot(1.5, 0.3), 4000)
    for sign in (1, -1):
        level = base + sign * effect / 2
        logits = (level + rng.normal(0, 0.3, (seeds, count)))[:, labels] + image
        arms.append(rng.random(logits.shape) < 1 / (1 + np.exp(-logits)))
        means.append((1 / (1 + np.exp(-(level[:, None] + hard)))).mean(axis=1))
    return *arms, labels, means[0] - means[1]


def test_the_test_enumerates_all_signs() -> None:
    scores = np.array([3, -1, 2, 0, 5, 1, -2])
    sums = [abs(np.dot(signs, scores)) for signs in itertools.product((-1, 1), repeat=len(scores))]
    assert per_class.sign_flip_p(scores) == pytest.approx(np.mean(np.array(sums) >= abs(scores.sum())))
    assert per_class.sign_flip_p([0, 0]) == 1


def test_with_one_seed_the_test_is_mcnemars() -> None:
    scores = [1] * 9 + [-1] * 2 + [0] * 20
    assert per_class.sign_flip_p(scores) == pytest.approx(stats.binomtest(2, 11).pvalue)


def test_seeds_that_repeat_each_other_add_nothing_to_the_test() -> None:
    scores = np.array([1, 1, -1, 0, 1])
    assert per_class.sign_flip_p(6 * scores) == per_class.sign_flip_p(scores)


def test_the_variance_is_that_of_the_simulated_parts() -> None:
    """Classes of equal size, whose values are a part of the seed, one of the image and a rest."""
    rng = np.random.default_rng(0)
    parts = [
        rng.normal(0, 0.2, (4, 1)) + rng.normal(0, 0.5, (1, 12)) + rng.normal(0, 0.4, (4, 12)) for _ in range(3000)
    ]
    expected = 0.2**2 / 4 + 0.5**2 / 12 + 0.4**2 / 48
    assert per_class.sampling_variance(parts) == pytest.approx(expected, rel=0.05)
    assert np.var([part.mean() for part in parts]) == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize("seeds", [1, 4])
def test_intervals_hold_for_most_classes_and_shrunken_differences_are_nearer(seeds: int) -> None:
    rng = np.random.default_rng(seeds)
    held, raw, shrunken = [], [], []
    for _ in range(5):
        first, second, labels, truth = simulated(rng, seeds, 0.5)
        found = per_class.compare(first, second, labels, len(truth))
        held.append((found.low <= truth) & (truth <= found.high))
        raw.append((found.difference - truth) ** 2)
        shrunken.append((found.shrunken - truth) ** 2)
    assert 0.9 < np.mean(held) < 0.98
    assert np.mean(shrunken) < 0.7 * np.mean(raw)


def test_arms_that_are_equal_differ_in_few_classes() -> None:
    rng = np.random.default_rng(2)
    found = [per_class.compare(*simulated(rng, 4, 0)[:3], 60) for _ in range(5)]
    assert np.mean([one.p < 0.05 for one in found]) <= 0.06
    assert np.mean([(one.p_holm < 0.05).any() for one in found]) <= 0.25  # of 5; the level is 0.05


def test_shrinkage_follows_its_formula() -> None:
    rng = np.random.default_rng(3)
    variance = rng.uniform(0.5, 2, 4000)
    difference = rng.normal(1, 2, 4000) + rng.normal(0, np.sqrt(variance))
    assert per_class.shrink(difference, variance) == pytest.approx(1 + 4 / (4 + variance) * (difference - 1), abs=0.25)
    alike = np.array([0.1, 0.2, 0.3])
    assert per_class.shrink(alike, np.array([1.0, 1, 1])) == pytest.approx([0.2] * 3)
    assert per_class.shrink(alike, np.zeros(3)).tolist() == alike.tolist()


def test_the_table_says_what_predictions_say(artefacts: Artefacts) -> None:
    table = classes.build(SPEC, artefacts)
    assert table.data["level"].tolist() == ["group"] * 2 + ["class"] * 10
    predictions = artefacts.read_predictions(["training_set", "seed", "label", "correct"])
    predictions = predictions[(predictions["recipe"] == "cnn-steps") & predictions["label"].isin([0, 6, 8, 9])]
    more, few = (predictions[predictions["training_set"] == name]["correct"].mean() for name in ARMS["training_set"])
    group = table.data.iloc[0]
    assert (group["class"], group["images"], group["seeds"]) == ("round", 80, 6)
    assert group[["first_accuracy", "second_accuracy", "difference"]].tolist() == pytest.approx([more, few, more - few])
    assert table.frame["shot3-syn80, %"].iloc[0] == f"{100 * more:.1f}"
    single = table.data.iloc[2:]
    assert single["shrunken"].is_monotonic_decreasing
    assert dict(zip(single["class"], single["group"], strict=True))["8"] == "round"
    surviving = (single["p_holm"] < 0.05).sum()
    assert f"Holm's correction over 10 classes leaves {surviving} differences at 5 %" in " ".join(table.notes)
    assert "In no group: 3 of 10 classes." in table.notes


@pytest.mark.parametrize("alike", [True, False])
def test_where_nothing_tells_classes_apart_raw_differences_order_them(
    artefacts: Artefacts, monkeypatch: pytest.MonkeyPatch, alike: bool
) -> None:
    """The classes of this study are alike: all shrunken differences are their mean."""
    if not alike:
        monkeypatch.setattr(per_class, "shrink", lambda difference, variance: np.linspace(0.1, 0.2, len(difference)))
    built, drawn = classes.build(SPEC, artefacts), figure.draw(SPEC, artefacts)
    footer = " ".join(drawn.get_supxlabel().split())
    assert [class_arms.ALIKE in text for text in (" ".join(built.notes), footer)] == [alike, alike]
    single = built.data[built.data["level"] == "class"]
    assert single["shrunken"].nunique() == (1 if alike else 10)
    assert single["difference" if alike else "shrunken"].is_monotonic_decreasing
    shown = [tick.get_text().split(" ")[0] for tick in drawn.axes[-1].get_yticklabels()]
    assert shown == single["class"].tolist()


def test_the_table_shows_both_ends_and_what_was_published(artefacts: Artefacts) -> None:
    whole = classes.build({**SPEC, "groups": None}, artefacts)
    middle = whole.data["class"].iloc[5]
    published = [
        {"class": middle, "first": 0.833, "second": 0.583, "images": 24, **PRINTED, "oddity": "odd."},
        {"class": "ten", "first": 0.5, "second": 0.6, **PRINTED},
    ]
    table = classes.build({**SPEC, "groups": None, "shown": 2, "published": published}, artefacts)
    assert table.frame["Class"].tolist() == [*whole.data["class"].iloc[[0, 1, 5, 8, 9]], "ten"]
    assert len(table.data) == 11
    assert table.frame["shot3, %"].iloc[-1] == "not run"
    row = table.frame.iloc[2]
    assert (row["Published, shot3-syn80, %"], row["Published, smallest p"]) == ("83.3", "0.031")  # 20 and 14 of 24
    notes = " ".join(table.notes)
    assert "Not shown here: 5 classes" in notes
    assert "The smallest, 0.031, times 10 classes is 0.31." in notes
    assert "Oddity of the publication: odd." in notes


def test_no_pairing_of_predictions_makes_p_smaller() -> None:
    def p(both: int) -> float:
        """Of 20 and 14 right among 24 images, with so many that both arms have right."""
        return per_class.sign_flip_p([1] * (20 - both) + [-1] * (14 - both) + [0] * (24 - 34 + 2 * both))

    assert min(map(p, range(10, 15))) == classes.smallest_p(20 / 24, 14 / 24, 24)
    assert classes.smallest_p(0.5, 0.5, 10) == 1


def test_what_is_no_pair_of_arms_is_refused(artefacts: Artefacts) -> None:
    with pytest.raises(ValueError, match="compares two arms, and the names select 3"):
        class_arms.compared({**SPEC, "training_set": ["shot3", "shot3-syn80", "shot3-syn20"]}, artefacts)
    with pytest.raises(ValueError, match="groups name 'ten', which is no class of digits"):
        class_arms.compared({**SPEC, "groups": {"x": ["1", "ten"]}}, artefacts)


def test_best_classes_are_judged_by_the_other_half(artefacts: Artefacts) -> None:
    published = [{"class": name, "accuracy": 0.9, **PRINTED} for name in ("5", "ten")]
    spec = {"kind": "best_classes", **ARMS, "chosen": 2, "split_seed": 4, "published": published}
    table = best_classes.build(spec, artefacts)
    for one in class_arms.tested(spec, artefacts):
        rows = table.data[table.data["training_set"] == one.arm.training_set].reset_index(drop=True)
        chooses, by_image = best_classes.halves(one.labels, 4), one.correct.to_numpy().mean(axis=0)
        own = pd.DataFrame({"label": one.labels, "correct": by_image})
        means = [own[half].groupby("label")["correct"].mean() for half in (chooses, ~chooses)]
        best = int(means[0].idxmax())
        assert rows["class"].iloc[0] == str(best)
        assert rows[["choosing", "other"]].iloc[0].tolist() == pytest.approx([mean[best] for mean in means])
        assert rows["choosing"].iloc[:2].tolist() == pytest.approx(means[0].nlargest(2).tolist())
        wilson = proportion_confint(10 * means[1][best], 10, method="wilson")
        assert rows[["low", "high"]].iloc[0].tolist() == pytest.approx(wilson)
        assert "5" in rows["class"].tolist()
    assert table.frame[["Class", "On the half that chose, %"]].iloc[-1].tolist() == ["ten", "not run"]
    chosen = table.data[table.data["chosen"]]
    fall = f"have {100 * chosen['choosing'].mean():.1f} % on the half that chose them"
    assert fall in " ".join(table.notes)


def test_halves_are_halves_of_each_class() -> None:
    labels = np.repeat([0, 1, 2], [7, 4, 1])
    chooses = best_classes.halves(labels, 0)
    assert np.bincount(labels[chooses]).tolist() == [4, 2, 1]
    assert (best_classes.halves(labels, 1) != chooses).any()


def test_the_figure_draws_both_differences(artefacts: Artefacts) -> None:
    drawn = figure.draw({**SPEC, "shown": 2, "labels": {"shot3": "few"}}, artefacts)
    found = class_arms.compared(SPEC, artefacts)
    groups, single = drawn.axes
    assert found.by_group is not None
    points = [np.asarray(line.get_xdata()) for line in groups.lines if len(np.asarray(line.get_xdata())) == 2]
    assert any(100 * found.by_group.shrunken == pytest.approx(each) for each in points)
    assert any(100 * found.by_group.difference == pytest.approx(each) for each in points)
    order = found.order[[0, 1, -2, -1]]
    assert [tick.get_text() for tick in single.get_yticklabels()] == [f"{found.classes[place]} (20)" for place in order]
    assert drawn.get_supxlabel().replace("\n", " ").startswith("shot3-syn80 minus few, n = 6 seeds")


# ---- what is refused before anything runs ----------------------------------------------------------------------------


@pytest.fixture
def folder(folder: Path) -> Path:
    Path("groups.csv").write_text("class,group\n0,round\n1,straight\n")
    return folder


def study(**table: Any) -> dict[str, Any]:
    content = copy.deepcopy(STUDY)
    del table["dataset"]
    content["tables"]["single"] = table
    return content


def test_groups_of_a_file_are_what_a_study_holds(folder: Path) -> None:
    write(folder, "a", study(**{**SPEC, "groups": "groups.csv"}))
    table = read_studies(folder, ["a"])["a"]["tables"]["single"]
    assert table["groups"] == {"round": ["0"], "straight": ["1"]}
    assert table["dataset"] == "digits"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"training_set": "shot3"},
            "training_set: training_set, model and recipe select 1 arms (shot3/cnn/cnn-steps);",
        ),
        ({"recipe": ["cnn-steps", "cnn-epochs"]}, "training_set: training_set, model and recipe select 4 arms"),
        ({"groups": {"round": ["O"]}}, 'groups: "O" is no class of data set digits (known: 0, 1'),
        ({"groups": {"round": ["0"], "even": ["0", "2"]}}, 'groups: class "0" is in 2 groups; leave it in one'),
        ({"groups": "none.csv"}, "groups: none.csv cannot be read"),
        ({"groups": {"round": []}}, "groups.round: must be a list of class names"),
        (
            {"published": [{"class": "ten", "first": 0, "second": 1, **PRINTED}]},
            'published[0].class: "ten" is no class of data set digits',
        ),
        (
            {"published": 2 * [{"class": "1", "first": 0, "second": 1, **PRINTED}]},
            'published[1].class: "1" is given twice; delete one of the two',
        ),
        ({"kind": "best_classes"}, "groups: unknown key for kind best_classes (known: kind, dataset,"),
    ],
)
def test_tables_that_cannot_be_made(folder: Path, changes: dict[str, Any], expected: str) -> None:
    write(folder, "bad", study(**{**SPEC, **changes}))
    assert error_of(folder, "bad").startswith(f"studies/bad.yaml: tables.single.{expected}")


def test_two_arms_share_a_seed(folder: Path) -> None:
    content = study(**{**SPEC, "training_set": ["shot3", "spare"]})
    content["training_sets"]["spare"] = {"real": 5}
    content["runs"].append({**content["runs"][2], "training_set": "spare", "seeds": [7], "bundle": "spares"})
    write(folder, "bad", content)
    assert "tables.single.training_set: shot3/cnn/cnn-steps and spare/cnn/cnn-steps share no seed" in error_of(
        folder, "bad"
    )
