"""Images per second of scoring, beside torch-fidelity, and how far half precision moves each metric.

    python benchmarks/scoring.py IMAGES.parquet EXTRACTOR [--weights FILE] [--n 5000] [--size 32] [--device cpu]

IMAGES is Parquet with a column `image`, as the Hugging Face hub has it. EXTRACTOR is an extractor as a study writes it,
such as '{kind: classifier}' with the weights that train_extractor wrote. The first n images are the reference, the next
n, as JPEGs of quality 25, stand for generated ones. Both programs start from PNGs, ours in shards, torch-fidelity's in
folders, and end with Inception score, FID, KID, precision and recall.
"""

import argparse
import importlib
import io
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "workflow/scripts"))

import numpy as np  # noqa: E402 (the library is not installed)
import pyarrow.parquet as pq  # noqa: E402
import torch  # noqa: E402
import torch_fidelity  # noqa: E402
import yaml  # noqa: E402
from PIL import Image  # noqa: E402

from synthmix.checks.results import USUAL_METRICS  # noqa: E402
from synthmix.features.extraction import FeatureExtractor, Features, extract, register  # noqa: E402
from synthmix.features.metrics import NAMES, evaluate  # noqa: E402
from synthmix.images import pools  # noqa: E402
from synthmix.runs import hardware  # noqa: E402
from synthmix.scoring import subsample_intervals  # noqa: E402

SETS = ("generated", "reference")


def read(path: Path, n: int, size: int) -> dict[str, np.ndarray]:
    """The two sets, uint8 (n, size, size, 3) each."""
    rows = pq.read_table(path, columns=["image"])["image"].slice(0, 2 * n).to_pylist()
    if len(rows) < 2 * n:
        raise SystemExit(f"{path}: {len(rows)} images, {2 * n} are needed: lower --n")
    images = [Image.open(io.BytesIO(row["bytes"])).convert("RGB").resize((size, size)) for row in rows]
    return {
        "reference": np.stack([np.asarray(image) for image in images[:n]]),
        "generated": np.stack([np.asarray(_coarse(image)) for image in images[n:]]),
    }


def _coarse(image: Image.Image) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=25)
    return Image.open(buffer)


def write(sets: dict[str, np.ndarray], folder: Path) -> None:
    """Both sets as a shard and as a folder of PNGs."""
    for name, images in sets.items():
        zeros = np.zeros(len(images), dtype=np.int64)
        pools.write_shard(folder / f"{name}.parquet", images, zeros, np.arange(len(images)), None)
        (folder / name).mkdir()
        for index, image in enumerate(images):
            Image.fromarray(image).save(folder / name / f"{index:06d}.png")


def features(folder: Path, extractor: FeatureExtractor, device: str, precision: str = "float32") -> list[Features]:
    """Features of the sets, read from their shards."""
    shards = [pools.read([folder / f"{name}.parquet"]) for name in SETS]
    return [extract(shard.images, shard.labels, extractor, device, precision) for shard in shards]


def scored(folder: Path, extractor: FeatureExtractor, device: str) -> tuple[list[Features], dict[str, float | None]]:
    """Features of the sets, and the usual metrics."""
    sets = features(folder, extractor, device)
    return sets, evaluate(*sets, USUAL_METRICS)


def theirs(folder: Path, extractor: FeatureExtractor, device: str, n: int) -> dict[str, float]:
    """The metrics by torch-fidelity, under our names."""
    values = torch_fidelity.calculate_metrics(
        input1=str(folder / "generated"),
        input2=str(folder / "reference"),
        feature_extractor=register(extractor),
        isc=True,
        fid=True,
        kid=True,
        prc=True,
        isc_splits=1,
        kid_subsets=1,
        kid_subset_size=n,
        batch_size=256 if device != "cpu" else 64,
        cuda=device != "cpu",
        cache=False,
        verbose=False,
    )
    keys = ("inception_score_mean", "frechet_inception_distance", "kernel_inception_distance_mean")
    return dict(zip(USUAL_METRICS, (values[key] for key in (*keys, "precision", "recall")), strict=True))


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """What `work` returns, and the seconds that it took."""
    start = time.perf_counter()
    return work(), time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", type=Path)
    parser.add_argument("extractor", type=yaml.safe_load)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--n", type=int, default=5000)
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    options = parser.parse_args()
    definition, device, n = options.extractor, options.device, options.n
    build = importlib.import_module(f"synthmix.extractors.{definition['kind']}").build
    extractor = build(definition, options.weights, ROOT / "results/weights", True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(read(options.images, n, options.size), folder)
        features(folder, extractor, device)  # starts the device
        (whole, ours), seconds = timed(lambda: scored(folder, extractor, device))
        reference, their_seconds = timed(lambda: theirs(folder, extractor, device, n))
        half = features(folder, extractor, device, "bfloat16")
    print(f"{hardware(device)}, Python {platform.python_version()}, torch {torch.__version__}, {definition}, n = {n}\n")
    print("| | images/s | seconds |\n|---|---:|---:|")
    for label, taken in (("synthmix", seconds), ("torch-fidelity", their_seconds)):
        print(f"| {label} | {2 * n / taken:.0f} | {taken:.1f} |")
    print(f"| ratio | {their_seconds / seconds:.2f} | |\n")
    print("| metric | torch-fidelity | float32 | bfloat16 - float32 | half of the 95 % interval |")
    print("|---|---:|---:|---:|---:|")
    values, moved = evaluate(*whole), evaluate(*half)
    intervals = subsample_intervals(*whole, values)
    for metric in NAMES:
        if values[metric] is not None:
            limits = intervals[metric].limits
            cells = [reference.get(metric), values[metric], moved[metric] - values[metric]]
            cells.append((limits[1] - limits[0]) / 2 if limits else None)
            print(f"| {metric} | " + " | ".join("" if cell is None else f"{cell:.5g}" for cell in cells) + " |")
    assert all(np.isclose(ours[each], reference[each], rtol=1e-3) for each in USUAL_METRICS if ours[each] is not None)


if __name__ == "__main__":
    main()
