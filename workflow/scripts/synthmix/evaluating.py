"""What a trained classifier is worth: its predictions on images that it has not seen, and their metrics."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    confusion_matrix,
    f1_score,
    log_loss,
    roc_auc_score,
)
from torch import nn

from synthmix import files
from synthmix.data import Split
from synthmix.images import feeding
from synthmix.images.mapped import Images
from synthmix.images.pools import Pool
from synthmix.networks import engine
from synthmix.networks.frozen import Features, has_parts
from synthmix.runs import Key, hardware
from synthmix.store import Entry
from synthmix.units import entry, tested

LEDGER = Path("results/test_ledger.csv")


def calibration_error(confidence: np.ndarray, correct: np.ndarray, bins: int = 15) -> float:
    """Expected calibration error (Guo et al. 2017, equation 3) with equal-width bins.

    Args:
        confidence: float (N,), the probability given to the predicted class, in [0, 1].
        correct: bool (N,), whether the prediction is right.
        bins: number of bins.

    Returns:
        The mean over bins, weighted by their share of the N images, of |accuracy - mean confidence|; in [0, 1].
    """
    bin_of = np.minimum((confidence * bins).astype(int), bins - 1)
    counts = np.bincount(bin_of, minlength=bins)
    gaps = np.bincount(bin_of, correct - confidence.astype(np.float64), minlength=bins)
    return float(np.abs(gaps).sum() / counts.sum())


def auroc(probabilities: np.ndarray, labels: np.ndarray) -> float | None:
    """Area under the ROC curve: of the second class where there are two, else the mean over classes against the rest.

    Args:
        probabilities: float (N, K), rows summing to 1.
        labels: int64 (N,), the true classes.

    Returns:
        A value in [0, 1]; with K > 2 the unweighted mean over the classes that have images and are not all images
        (macro one-vs-rest). None where all images are of one class.
    """
    present = np.unique(labels)
    if len(present) < 2:
        return None
    if probabilities.shape[1] == 2:
        return float(roc_auc_score(labels == 1, probabilities[:, 1]))
    return float(np.mean([roc_auc_score(labels == each, probabilities[:, each]) for each in present]))


def judge(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """Metrics of predicted probabilities, JSON-ready.

    Args:
        probabilities: float (N, K), rows summing to 1.
        labels: int64 (N,), the true classes.

    Returns:
        accuracy, balanced_accuracy and macro_f1 (means over the classes that have images), auroc (see there), ece, nll
        (natural logarithm, mean per image), per_class_accuracy (K values; null for a class without images), confusion
        (K x K counts, rows true, columns predicted).
    """
    classes = np.arange(probabilities.shape[1])
    predicted = probabilities.argmax(1)
    confusion = confusion_matrix(labels, predicted, labels=classes)
    counts = confusion.sum(1)
    return {
        "accuracy": float(accuracy_score(labels, predicted)),
        "balanced_accuracy": float(balanced_accuracy_score(labels, predicted)),
        "macro_f1": float(f1_score(labels, predicted, labels=np.flatnonzero(counts), average="macro", zero_division=0)),
        "auroc": auroc(probabilities, labels),
        "ece": calibration_error(probabilities.max(1), predicted == labels),
        "nll": float(log_loss(labels, probabilities, labels=classes)),
        "per_class_accuracy": [float(confusion[k, k] / counts[k]) if counts[k] else None for k in classes],
        "confusion": confusion.tolist(),
    }


def classifier(
    build: Any, model: dict[str, Any], parameters: dict[str, np.ndarray], images: Split | Pool, classes: int
) -> nn.Module:
    """A trained classifier for images of the given kind."""
    size, channels = images.images.shape[1], images.images.shape[3]
    network = engine.Classifier(build(model, channels, size, classes), channels)
    network.load_state_dict({name: torch.from_numpy(value) for name, value in parameters.items()})
    return network


def probabilities(network: nn.Module, images: Images, device: str, features: Features | None = None) -> np.ndarray:
    """Class probabilities, float64 (N, K), of uint8 images (N, H, W, C), in memory or on the disk.

    features: those that the job knows already, of networks that are a backbone and a head.
    """
    network = network.to(device).to(memory_format=torch.channels_last)
    if features and has_parts(network):
        return features.logits(network, images, device).double().softmax(1).cpu().numpy()
    return engine.logits(network, feeding.placed(images, device)).double().softmax(1).cpu().numpy()


def test_once(
    network: nn.Module, test: Split, key: str, code: str, content: str, dataset: str, device: str, features: Features
) -> np.ndarray:
    """Probabilities on the test split, float64 (N, K): computed once for a run (its key), code and content of the data,
    then in the store.

    Each computation leaves a line in the ledger, so that how often a trained network has met the test split is on
    record.
    """
    kept = Entry(entry(tested(key, code), content))
    with kept.locked():
        state = kept.load()
        if state is None:
            state = {"done": True, "probabilities": probabilities(network, test.images, device, features)}
            note(f"{key}-{code}-{content}", dataset, len(test.labels))
            kept.save(state)
    result: np.ndarray = state["probabilities"]
    return result


def note(key: str, dataset: str, images: int) -> None:
    """Write into the ledger that a network, known by `key`, met so many test images of a data set."""
    line = f"{time.strftime('%Y-%m-%dT%H:%M:%S')},{dataset},{key},{images}\n"
    LEDGER.parent.mkdir(parents=True, exist_ok=True)
    with LEDGER.open("a", encoding="utf-8") as file:
        files.lock(file)  # nodes that share a disk by NFS would write over each other's lines
        file.write(line)


def write_results(
    results: Mapping[Key, np.ndarray],
    test: Split,
    spec: dict[str, Any],
    training: dict[str, Any],
    meta: dict[str, Any],
    costs: Mapping[str, Any],
    device: str,
    output: Any,
) -> None:
    """Write predictions and metrics of every run of a job.

    Args:
        results: probabilities on the test split by run.
        test: the test split.
        spec: of the evaluation; its `about` says what each training set's generator and filter saw.
        training: what `write` left in training.json.
        meta: of the data set.
        costs: of testing any of the networks (see costs.measure).
        device: where the test ran.
        output: paths `predictions` and `metrics`.
    """
    facts = {(run["training_set"], run["seed"]): run for run in training["runs"]}
    counts = meta["counts"]["train"].values()
    ratio = max(counts) / max(1, min(counts))  # of the largest class to the smallest
    rarest = min(meta["counts"]["test"].values())
    tables, rows = [], []
    for (training_set, seed), found in results.items():
        tables.append(_predictions(training_set, seed, found, test))
        tested = {"test_images": len(test.labels), "rarest_class_test_images": rarest}
        row = {**facts[training_set, seed], **tested, **judge(found, test.labels)}
        row |= {"trained_on": training["device"], **costs}
        about = spec["about"][training_set]
        rows.append({**row, "class_ratio": ratio, **_generator(about, meta), **_filter(about, meta)})
    with files.atomic(output.predictions) as temporary:
        pq.write_table(pa.concat_tables(tables), temporary, compression="zstd", write_page_checksum=True)
    made = {
        "spec": spec,
        "versions": training["versions"],
        "device": hardware(device),
        "trained_on": training["device"],
    }
    files.write_json(output.metrics, {**made, "runs": rows})


def _predictions(training_set: str, seed: int, found: np.ndarray, test: Split) -> pa.Table:
    n, predicted = len(test.labels), found.argmax(1)
    columns = {
        "training_set": pa.array([training_set] * n),
        "seed": np.full(n, seed, dtype=np.int64),
        "index": np.arange(n, dtype=np.int64),
        "label": test.labels,
        "prediction": predicted.astype(np.int64),
        "confidence": found.max(1).astype(np.float32),
        "correct": predicted == test.labels,
    }
    if found.shape[1] == 2:  # what an AUROC takes; in full precision, since rounding would tie images that are not
        columns["probability"] = found[:, 1]
    return pa.table(columns)


def _generator(about: Mapping[str, Any], meta: dict[str, Any]) -> dict[str, Any]:
    """Which generated images a run trained on, and how many real ones their generator saw."""
    if not about:
        return {"pool": None, "generator_scope": None, "generator_real_images": None}
    if about["generator_scope"] in ("unknown", "fine-tuned"):  # made, or first trained, elsewhere
        return {"pool": about["pool"], "generator_scope": about["generator_scope"], "generator_real_images": None}
    per_class = about.get("generator_real")
    seen = per_class * len(meta["classes"]) if per_class else sum(meta["counts"]["train"].values())
    return {"pool": about["pool"], "generator_scope": about["generator_scope"], "generator_real_images": seen}


def _filter(about: Mapping[str, Any], meta: dict[str, Any]) -> dict[str, Any]:
    """Which filter chose the generated images of a run, and how many real images it saw; None where that is unknown."""
    train = sum(meta["counts"]["train"].values())
    # the first of the halves of stratify.split_halves has the odd image
    own = about.get("filter_real", 0) * len(meta["classes"])
    seen = {"train": train, "half": (train + 1) // 2, "same": own}.get(about.get("filter_scope", ""))
    return {"filter": about.get("filter"), "filter_real_images": seen}
