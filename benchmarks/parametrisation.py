"""Which learning rates suit the convolutional block at which width, by parametrisation.

    python benchmarks/parametrisation.py TRAIN.parquet TEST.parquet [--widths 2 4 10 32] [--epochs 10] [--seeds 1]
        [--fixed]

SGD without momentum on 2,000 images of 16 pixels, as the workflow trains it, with rates proportional to the width C or,
with --fixed, equal for all widths. The two files hold images as the Hugging Face hub has them, such as MNIST. A cell:
error in % on the training images and on 2,000 test images, means over seeds; "diverged" where the loss of one became
infinite.
"""

import argparse
import contextlib
import itertools
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from torch import nn

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow/scripts"))

from synthmix import data, training  # noqa: E402 (the library is not installed)
from synthmix.data import Prepared  # noqa: E402
from synthmix.images.draws import TrainingSet  # noqa: E402
from synthmix.interruption import Interruption  # noqa: E402
from synthmix.models import cnn_block  # noqa: E402
from synthmix.networks import engine  # noqa: E402 (the library is not installed)
from synthmix.store import Entry  # noqa: E402

SOURCE = {"source": "parquet", "image_column": "image", "label_column": "label", "val": 0.02, "seed": 0}
SOURCE |= {"resolution": 16, "limit": {"train": 2000, "test": 2000}}
RECIPE = {"optimizer": "sgd", "batch_size": 64, "schedule": "constant", "precision": "float32"}
RECIPE |= {"checkpoint": "last"}


def default(model: dict[str, Any], channels: int, size: int, classes: int) -> nn.Module:
    """The block with the initial weights that PyTorch gives its layers."""
    network = cnn_block.build(model, channels, size, classes)
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.reset_parameters()
    return network


FORMS = {
    "PyTorch's default": (default, {}),
    "He (the block's own)": (cnn_block.build, {}),
    "mean field": (cnn_block.build, {"parametrisation": "mean_field"}),
}


def errors(form: str, width: int, recipe: dict[str, Any], prepared: Prepared, seeds: int) -> str:
    """Training and test error of one cell."""
    build, more = FORMS[form]
    model, classes = {"width": width, **more}, len(prepared.meta["classes"])
    train, val, test = (prepared.splits[split] for split in ("train", "val", "test"))
    seen = training.Data(
        TrainingSet(train.images, train.labels, len(train.labels), None), val.images, val.labels, classes
    )
    found = []
    for seed in range(seeds):
        with tempfile.TemporaryDirectory() as folder:
            stop, entry = Interruption(1e9), Entry("run", Path(folder))
            try:
                state = training.fit(build, {"model": model, "recipe": recipe}, seed, seen, entry, stop, "cpu")
            except training.DivergedError:
                return "diverged"
        network = engine.Classifier(build(model, train.images.shape[3], 16, classes), train.images.shape[3])
        network.load_state_dict(training.tensors(state["model"]))
        wrong = engine.logits(network, engine.to_device(test.images, "cpu")).argmax(1) != torch.from_numpy(test.labels)
        found.append((state["facts"]["train_error"], wrong.double().mean().item()))
    return " / ".join(f"{100 * sum(each) / seeds:.1f}" for each in zip(*found, strict=True))


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("train", type=Path)
    parser.add_argument("test", type=Path)
    parser.add_argument("--widths", type=int, nargs="+", default=[2, 4, 10, 32])
    parser.add_argument("--rates", type=float, nargs="+", default=[0.003, 0.01, 0.03, 0.1, 0.3, 1, 3])
    parser.add_argument("--forms", nargs="+", default=list(FORMS), choices=list(FORMS))
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--fixed", action="store_true", help="rates that are not multiplied by the width")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(sys.stderr):
        files = {"train": str(arguments.train.resolve()), "test": str(arguments.test.resolve())}
        prepared = data.prepare("images", {**SOURCE, **files}, Path(folder), offline=True)
    head = " | ".join(f"{rate:g}{'' if arguments.fixed else ' C'}" for rate in arguments.rates)
    print(f"| | C | {head} |\n|---|---:|{'---:|' * len(arguments.rates)}")
    for form, width in itertools.product(arguments.forms, arguments.widths):
        recipe = {**RECIPE, "epochs": arguments.epochs, "width_scaled": not arguments.fixed}
        recipes = ({**recipe, "learning_rate": rate} for rate in arguments.rates)
        cells = (errors(form, width, each, prepared, arguments.seeds) for each in recipes)
        print(f"| {form} | {width} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
