"""A study's artefacts with known numbers, for the tests of statistics, tables and figures: no network is trained."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from sklearn.datasets import load_digits

from synthmix import comparisons, experiments
from synthmix.analysis.artefacts import Artefacts
from synthmix.files import write_arrays, write_json, write_rows
from synthmix.images import pools
from synthmix.reports import rendering

SEEDS = 6
TEST_IMAGES = 200
CLASSES = [str(digit) for digit in range(10)]


@dataclass(frozen=True)
class Set:
    """One fabricated training set: its mean accuracy and who saw how many images."""

    accuracy: float
    real: int
    synthetic: int = 0
    pool: str | None = None
    scope: str | None = None
    generator_real: int | None = None


def full(accuracy: float, real: int, synthetic: int, pool: str = "ddpm") -> Set:
    return Set(accuracy, real, synthetic, pool, "full", 1149)


SETS = {
    "main": {"org": Set(0.965, 1149), "syn": full(0.93, 0, 800), "mix": full(0.972, 1149, 800)},
    "ladder": {
        "shot3": Set(0.72, 30),
        "shot3-syn5": full(0.79, 30, 50),
        "shot3-syn20": full(0.86, 30, 200),
        "shot3-syn80": full(0.91, 30, 800),
        "shot3-own20": Set(0.75, 30, 200, "ddpm-3shot", "same", 30),
    },
    "controls": {
        "shot3-real20": Set(0.92, 230),
        "shot3-shuffled20": full(0.60, 30, 200),
        "shot3-unguided20": full(0.87, 30, 200, "ddpm-unguided"),
        "shot3-rough20": full(0.80, 30, 200, "ddpm-rough"),
    },
}
JOBS = [
    *[
        (bundle, model, f"{model}-{budget}")
        for bundle in ("main", "ladder")
        for model in ("cnn", "vit")
        for budget in ("epochs", "steps")
    ],
    ("controls", "cnn", "cnn-steps"),
]
COMPARISONS: list[dict[str, Any]] = [
    {"baseline": "org", "training_set": ["syn", "mix"]},
    {
        "baseline": "shot3",
        "training_set": [*list(SETS["ladder"])[1:], "shot3-real20", "shot3-shuffled20"],
    },
    {"baseline": "shot3-real20", "training_set": ["shot3-syn20", "shot3-own20"]},
]
PRIMARY = {
    "dataset": "digits",
    "model": "cnn",
    "recipe": "cnn-steps",
    "training_set": "shot3-syn80",
    "baseline": "shot3",
}
ORDER = {"model": ["cnn", "vit"], "training_set": [name for bundle in SETS.values() for name in bundle]}
SCORED = {"ddpm": 9.4, "ddpm-unguided": 7.1, "ddpm-rough": 41.0, "ddpm-3shot": 62.5}


def study(root: Path) -> Artefacts:
    """Writes everything below `root` and returns its artefacts."""
    metrics, predictions, histories, benchmarks = [], [], [], []
    for bundle, model, recipe in JOBS:
        folder = root / f"runs/digits/{bundle}/{model}/{recipe}/seeds0-5"
        metrics.append(folder / "metrics.json")
        write_json(metrics[-1], {"spec": {}, "runs": _runs(folder, bundle, model, recipe)})
        predictions.append(folder / "predictions.parquet")
        histories.append(folder / "history.csv")
        _history(histories[-1], SETS[bundle])
        benchmarks.append(root / f"benchmarks/train/digits/{bundle}/{model}/{recipe}/seeds0-5.tsv")
    benchmarks.append(root / "benchmarks/prepare_data/digits.tsv")
    for position, path in enumerate(benchmarks):
        path.parent.mkdir(parents=True, exist_ok=True)
        rss, cpu = ("NA", "NA") if position == len(benchmarks) - 1 else (300.5 + position, 20)
        path.write_text(f"s\th:m:s\tmax_rss\tcpu_time\n{10 + position}\t0:00:10\t{rss}\t{cpu}\n")
    table = root / "studies/digits/experiments.csv"
    runs = experiments.collect(metrics)
    rendering.write_frame(table, runs)
    compared = table.with_name("comparisons.csv")
    rendering.write_frame(compared, comparisons.compare(runs, predictions, COMPARISONS, PRIMARY))
    data, images, labels = _data(root)
    return Artefacts(
        experiments=table,
        comparisons=compared,
        predictions=predictions,
        histories=histories,
        scores=[_score(root, pool, distance) for pool, distance in SCORED.items()],
        cross_tests=[_cross_test(root, model) for model in ("cnn", "vit")],
        benchmarks=benchmarks,
        data=data,
        pools={("digits", pool): [_shard(root, pool, images, labels)] for pool in SCORED},
    )


def _runs(folder: Path, bundle: str, model: str, recipe: str) -> list[dict[str, Any]]:
    """Metrics of one job, whose predictions are written: pairs share the luck of seed and image."""
    luck = np.random.default_rng(1)
    image_luck, seed_luck = luck.normal(0, 0.5, TEST_IMAGES), luck.normal(0, 0.25, SEEDS)
    labels = np.arange(TEST_IMAGES) % 10
    runs, rows = [], []
    for name, one in SETS[bundle].items():
        own = np.random.default_rng([len(name), *map(ord, name + recipe)])
        shift = (0.15 if model == "vit" else 0) + (0.2 if recipe.endswith("steps") and one.accuracy < 0.8 else 0)
        level = np.log(one.accuracy / (1 - one.accuracy)) - shift
        for seed in range(SEEDS):
            chance = 1 / (1 + np.exp(-(level + 1.5 * image_luck + seed_luck[seed] + own.normal(0, 0.08))))
            correct = own.random(TEST_IMAGES) < chance
            wrong = (labels + own.integers(1, 10, TEST_IMAGES)) % 10
            prediction = np.where(correct, labels, wrong)
            rows.append((name, seed, labels, prediction, correct))
            runs.append(
                {
                    "training_set": name,
                    "seed": seed,
                    "accuracy": float(correct.mean()),
                    "balanced_accuracy": float(np.mean([correct[labels == k].mean() for k in range(10)])),
                    "per_class_accuracy": [float(correct[labels == k].mean()) for k in range(10)],
                    "test_images": TEST_IMAGES,
                    "rarest_class_test_images": TEST_IMAGES // 10,
                    "train_seconds": 2.5,
                    "images": 19200,
                    "images_per_second": 7680.0,
                    "parameters": 21000 if model == "cnn" else 12500,
                    "real_images": one.real,
                    "synthetic_images": one.synthetic,
                    "generator_real_images": one.generator_real,
                    "generator_scope": one.scope,
                    "pool": one.pool,
                }
            )
    folder.mkdir(parents=True)
    columns = {
        "training_set": np.repeat([row[0] for row in rows], TEST_IMAGES),
        "seed": np.repeat([row[1] for row in rows], TEST_IMAGES),
        "index": np.tile(np.arange(TEST_IMAGES), len(rows)),
        "label": np.concatenate([row[2] for row in rows]),
        "prediction": np.concatenate([row[3] for row in rows]),
        "correct": np.concatenate([row[4] for row in rows]),
    }
    pq.write_table(pa.table(columns), folder / "predictions.parquet")
    return runs


def _history(path: Path, sets: dict[str, Set]) -> None:
    rows = []
    for name, one in sets.items():
        rng = np.random.default_rng(3)
        for seed in range(SEEDS):
            for step in range(0, 601, 40):
                fit, luck = 1 - np.exp(-step / 120), rng.normal(0, 0.01)
                accuracy = 0.1 + (one.accuracy - 0.1) * fit + luck
                row: dict[str, Any] = {"training_set": name, "seed": seed, "step": step}
                row |= {"train_loss": 2.3 * (1 - fit) + 0.01, "train_accuracy": 0.1 + 0.89 * fit}
                row |= {"val_loss": 2.3 - 2 * one.accuracy * fit - luck * 5, "val_accuracy": accuracy}
                if name in {"shot3", "shot3-syn80"}:
                    row |= {
                        "generated_loss": 2.3 - 1.9 * one.accuracy * fit,
                        "generated_accuracy": accuracy - 0.05 * fit,
                    }
                rows.append(row)
    columns = ["training_set", "seed", "step"]
    columns += [f"{part}_{what}" for part in ("train", "val", "generated") for what in ("loss", "accuracy")]
    write_rows(path, columns, rows)


def _score(root: Path, pool: str, distance: float) -> Path:
    floors = {"n": 180, "generated": distance + 1, "train": 2.2, "held_out": 2.4}
    limits = [distance - 1, distance + 1]
    common = {"n_generated": 800, "n_reference": 574, "interval_method": "t over 5 disjoint subsamples", "reason": None}
    score = {
        "extractor": {
            "name": "digits-features",
            "kind": "classifier",
            "dimension": 64,
            "weights_sha256": "ab12cd34" * 8,
        },
        "metrics": {
            "fid": {
                "value": distance,
                **common,
                "interval": limits,
                "floors": floors,
                "copy_flag": False,
            },
            "kid": {"value": distance / 400, **common, "interval": None, "floors": floors, "copy_flag": False},
            "precision": {"value": 0.95 - distance / 200, **common, "interval": None, "floors": floors},
            "recall": {"value": None, **common, "interval": None, "floors": floors, "reason": "fewer than 4 images"}
            if pool == "ddpm-3shot"
            else {"value": 0.9 - distance / 100, **common, "interval": None, "floors": floors},
            "isc": {"value": 8.0, **common, "interval": None, "floors": {"n": 800, "generated": 8.0, "real": 9.1}},
        },
    }
    path = root / f"scores/digits/{pool}/digits-features-n80.json"
    write_json(path, score)
    return path


def _cross_test(root: Path, model: str) -> Path:
    path = root / f"cross_tests/digits/main/{model}/{model}-steps/seeds0-5/org.ddpm.json"
    runs = [
        {"training_set": "org", "seed": seed, "pool": "ddpm", "accuracy": 0.9 + seed / 100, "images": 1000}
        for seed in range(SEEDS)
    ]
    write_json(path, {"spec": {}, "runs": runs})
    return path


def _data(root: Path) -> tuple[dict[str, dict[str, Path]], np.ndarray, np.ndarray]:
    digits = load_digits()
    images = (digits.images * (255 / 16)).astype(np.uint8)[..., None]
    labels = digits.target.astype(np.int64)
    folder = root / "data/digits"
    write_arrays(folder / "train.safetensors", {"images": images[:1149], "labels": labels[:1149]})
    write_json(folder / "meta.json", {"name": "digits", "classes": CLASSES, "channels": 1, "size": [8, 8]})
    return {"digits": {"train": folder / "train.safetensors", "meta": folder / "meta.json"}}, images, labels


def _shard(root: Path, pool: str, images: np.ndarray, labels: np.ndarray) -> Path:
    """Noisy real digits stand for generated ones."""
    rng = np.random.default_rng(len(pool))
    chosen = np.concatenate([np.flatnonzero(labels == k)[40:60] for k in range(10)])
    noise = rng.normal(0, 10 + 8 * (len(pool) - 4), images[chosen].shape)
    noisy = np.clip(images[chosen] + noise, 0, 255).astype(np.uint8)
    path = root / f"pools/digits/{pool}/all/shard-0000.parquet"
    pools.write_shard(path, noisy, labels[chosen], np.tile(np.arange(20), 10), None)
    return path
