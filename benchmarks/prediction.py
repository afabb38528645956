"""Images per second that a network classifies on the CPU, as jobs do it and with the allocator as it comes.

    python benchmarks/prediction.py [--threads 1] [--images 512] [--repeats 3]

Jobs keep the memory that they free (synthmix/memory.py) and classify as many images at once as suit the caches of a
CPU (`networks/engine.py`). Beside them: the same without keeping memory, and 1,024 images at a time (455 of 96 pixels),
as on a GPU. Each way has a process of its own; the best of the repeats, which take turns.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow/scripts"))

from synthmix import memory  # noqa: E402 (the library is not installed)
from synthmix.models import cnn_block, timm  # noqa: E402
from synthmix.networks import engine  # noqa: E402
from synthmix.runs import hardware  # noqa: E402

# name: (build, model, pixels a side)
NETWORKS: dict[str, tuple[Any, dict[str, Any], int]] = {
    "EfficientNet-Lite0": (timm.build, {"name": "tf_efficientnet_lite0"}, 96),
    "convolutional block, C = 10": (cnn_block.build, {"width": 10}, 32),
}
# name: (whether freed memory is kept, how many times as many images at once)
WAYS = {"ours": (True, 1), "freed memory not kept": (False, 1), "neither": (False, engine.ON_GPU)}


def rate(network: str, way: str, images: int, repeats: int) -> float:
    """Images/s, the best of some turns after one that does not count."""
    kept, times = WAYS[way]
    if kept:
        memory.keep_freed()
    engine.PIXELS *= times
    build, model, size = NETWORKS[network]
    classifier = engine.Classifier(build(model, 3, size, 10), 3).to(memory_format=torch.channels_last)
    count = images * (96 // size) ** 2
    pixels = np.random.default_rng(0).integers(0, 256, (count, size, size, 3), dtype=np.uint8)
    seconds = []
    for _ in range(1 + repeats):
        started = time.perf_counter()
        engine.logits(classifier, engine.to_device(pixels, "cpu"))
        seconds.append(time.perf_counter() - started)
    return count / min(seconds[1:])


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1, help="of PyTorch")
    parser.add_argument("--images", type=int, default=512, help="of 96 pixels a side; nine times as many of 32")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--one", nargs=2, metavar=("NETWORK", "WAY"), help="print the rate of one way")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.one:
        print(rate(*arguments.one, arguments.images, arguments.repeats))
        return
    print(f"{hardware('cpu')}, threads: {arguments.threads}, PyTorch {torch.__version__}\n")
    print("| | | images/s | ratio |\n|---|---|---:|---:|")
    for network in NETWORKS:
        rates = dict.fromkeys(WAYS, 0.0)
        for _ in range(arguments.repeats):
            for way in WAYS:
                command = [sys.executable, __file__, *sys.argv[1:], "--repeats", "1", "--one", network, way]
                done = subprocess.run(command, check=True, capture_output=True, text=True)
                rates[way] = max(rates[way], float(done.stdout))
        for way, images_per_s in rates.items():
            print(f"| {network} | {way} | {images_per_s:,.0f} | {images_per_s / rates['neither']:.2f} |", flush=True)


if __name__ == "__main__":
    main()
