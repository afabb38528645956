"""Metrics against values computed by hand."""

import math
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

from synthmix import evaluating, files
from synthmix.evaluating import auroc, calibration_error, judge

# ---- expected calibration error --------------------------------------------------------------------------------------


def test_perfect_calibration_is_zero():
    confidence = np.repeat([0.25, 0.5, 1.0], [4, 4, 4])
    correct = np.array([1, 0, 0, 0, 1, 1, 0, 0, 1, 1, 1, 1], dtype=bool)
    assert calibration_error(confidence, correct, bins=10) == pytest.approx(0, abs=1e-12)


def test_certain_and_wrong_is_one():
    assert calibration_error(np.ones(7), np.zeros(7, dtype=bool)) == 1


def test_certain_and_right_is_zero():
    assert calibration_error(np.ones(7), np.ones(7, dtype=bool)) == 0


def test_two_bins_by_hand():
    """Bin [0, .5): 3 images, mean confidence .3, accuracy 1/3; bin [.5, 1]: 2 images, .8 and 1/2."""
    confidence = np.array([0.2, 0.3, 0.4, 0.7, 0.9])
    correct = np.array([False, True, False, True, False])
    expected = 3 / 5 * abs(1 / 3 - 0.3) + 2 / 5 * abs(1 / 2 - 0.8)
    assert calibration_error(confidence, correct, bins=2) == pytest.approx(expected, abs=1e-12)


def test_gaps_of_opposite_sign_cancel_within_a_bin_only():
    confidence = np.array([0.6, 0.6, 0.9, 0.9])
    correct = np.array([True, True, False, False])
    assert calibration_error(confidence, correct, bins=1) == pytest.approx(abs(0.5 - 0.75))
    assert calibration_error(confidence, correct, bins=5) == pytest.approx((0.4 + 0.9) / 2)


@pytest.mark.parametrize("bins", [1, 2, 15])
def test_a_confidence_of_one_lies_in_the_last_bin(bins):
    """So that its gap and that of 0.95 in the same bin cancel."""
    assert calibration_error(np.array([1.0, 0.95]), np.array([False, True]), bins) == pytest.approx(0.95 / 2)


def test_single_precision_does_not_matter():
    random = np.random.default_rng(0)
    confidence, correct = random.uniform(0.3, 1, 500), random.random(500) < 0.6
    single = calibration_error(confidence.astype(np.float32), correct)
    assert single == pytest.approx(calibration_error(confidence, correct), abs=1e-4)


# ---- metrics of predictions ------------------------------------------------------------------------------------------


def one_hot(predicted, classes, confidence=0.9):
    rest = (1 - confidence) / (classes - 1)
    return np.where(np.arange(classes) == np.asarray(predicted)[:, None], confidence, rest)


# Six images of class 0, of which four are found; three of class 1, of which one is found; one of class 2, found.
LABELS = np.array([0, 0, 0, 0, 0, 0, 1, 1, 1, 2])
PREDICTED = np.array([0, 0, 0, 0, 1, 2, 1, 0, 0, 2])


def test_metrics_by_hand():
    found = judge(one_hot(PREDICTED, 3), LABELS)
    assert found["accuracy"] == pytest.approx(6 / 10)
    assert found["per_class_accuracy"] == pytest.approx([4 / 6, 1 / 3, 1])
    assert found["balanced_accuracy"] == pytest.approx((4 / 6 + 1 / 3 + 1) / 3)
    assert found["confusion"] == [[4, 1, 1], [2, 1, 0], [0, 0, 1]]
    # F1 = 2 TP / (2 TP + FP + FN)
    assert found["macro_f1"] == pytest.approx((8 / (8 + 2 + 2) + 2 / (2 + 1 + 2) + 2 / (2 + 1 + 0)) / 3)
    assert found["ece"] == pytest.approx(abs(0.6 - 0.9))
    assert found["nll"] == pytest.approx(-(6 * math.log(0.9) + 4 * math.log(0.05)) / 10)


def test_auroc_of_two_classes_counts_pairs():
    """Of 2 x 3 pairs, class 1 is above class 0 in four and level in one."""
    ones, zeros = [0.9, 0.4], [0.1, 0.4, 0.6]
    second = np.array([*ones, *zeros])
    assert auroc(np.stack([1 - second, second], 1), np.array([1, 1, 0, 0, 0])) == pytest.approx(4.5 / 6)


def test_auroc_of_more_classes_is_the_mean_against_the_rest():
    """Class 3 has no image and takes no part."""
    found = np.array([[0.7, 0.1, 0.1, 0.1], [0.2, 0.3, 0.4, 0.1], [0.1, 0.2, 0.6, 0.1]])
    labels = np.array([0, 1, 2])
    assert auroc(found, labels) == pytest.approx(1)  # each class is above the two others
    found[2] = [0.1, 0.4, 0.4, 0.1]  # class 1: above image 0, below image 2; class 2: above image 0, level with image 1
    assert auroc(found, labels) == pytest.approx((1 + 0.5 + 0.75) / 3)


def test_there_is_no_auroc_of_one_class():
    assert auroc(np.array([[0.2, 0.8], [0.4, 0.6]]), np.array([1, 1])) is None


def test_metrics_are_json_ready():
    found = judge(one_hot(PREDICTED, 3), LABELS)
    values = [value for name, value in found.items() if name not in ("per_class_accuracy", "confusion")]
    assert {type(value) for value in values} == {float}
    assert {type(value) for value in found["per_class_accuracy"]} == {float}
    assert {type(value) for row in found["confusion"] for value in row} == {int}


def test_perfect_predictions():
    found = judge(one_hot([0, 1, 2, 2], 3, confidence=1.0), np.array([0, 1, 2, 2]))
    for name in ("accuracy", "balanced_accuracy", "macro_f1", "auroc"):
        assert found[name] == 1
    assert found["ece"] == 0
    assert found["nll"] == pytest.approx(0, abs=1e-12)


def test_certain_and_wrong_has_a_finite_loss():
    found = judge(one_hot([1, 0], 2, confidence=1.0), np.array([0, 1]))
    assert found["accuracy"] == 0
    assert found["ece"] == 1
    assert 10 < found["nll"] < math.inf


def test_a_class_without_test_images():
    """It has no accuracy of its own, takes no part in the balanced one, and keeps its place in the matrix."""
    labels, predicted = np.array([0, 0, 2, 2]), np.array([0, 2, 2, 2])
    found = judge(one_hot(predicted, 4), labels)
    assert found["per_class_accuracy"] == [0.5, None, 1.0, None]
    assert found["balanced_accuracy"] == pytest.approx(0.75)
    assert np.array(found["confusion"]).shape == (4, 4)
    assert found["nll"] == pytest.approx(-(3 * math.log(0.9) + math.log(0.1 / 3)) / 4)


def test_a_class_that_is_never_predicted_has_no_f1():
    found = judge(one_hot([0, 0, 0, 0], 2), np.array([0, 0, 1, 1]))
    assert found["macro_f1"] == pytest.approx((4 / (4 + 2) + 0) / 2)
    assert found["balanced_accuracy"] == pytest.approx(0.5)


def test_a_line_of_the_ledger_waits_for_that_of_another_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    evaluating.note("one", "digits", 10)
    other = Thread(target=evaluating.note, args=("two", "digits", 20))
    with evaluating.LEDGER.open("a") as file:
        files.lock(file)
        other.start()
        other.join(0.2)
        assert other.is_alive()
        file.write("in between\n")
    other.join()
    lines = evaluating.LEDGER.read_text().splitlines()
    assert [line.partition(",")[2] for line in lines] == ["digits,one,10", "", "digits,two,20"]
