"""A study with a sweep over widths and learning curves, for the tests of its configuration."""

from typing import Any

CURVES: dict[str, Any] = {
    "title": "Curves",
    "question": "How does error depend on width and on the number of images?",
    "datasets": {"digits": {"source": "embedded", "name": "digits", "val": 0.1, "test": 0.1, "limit": {"test": 100}}},
    "training_sets": {
        **{f"n{images}": {"real": {"total": images}} for images in (20, 40, 80)},
        "noisy": {"real": {"total": 40}, "label_noise": 0.2},
    },
    "models": {
        **{f"cnn{width}": {"architecture": "cnn_block", "width": width} for width in (1, 2, 4)},
        "vit": {"architecture": "vit_block", "width": 8, "heads": 2, "layers": 1, "patch": 4},
    },
    "recipes": {
        "long": {"optimizer": "adamw", "learning_rate": 0.003, "batch_size": 20, "epochs": 2, "seeds_per_job": 4},
    },
    "runs": [
        {"dataset": "digits", "training_set": "noisy", "model": ["cnn1", "cnn2", "cnn4"], "recipe": "long", "seeds": 4},
        {
            "dataset": "digits",
            "training_set": ["n20", "n40", "n80"],
            "model": ["cnn2", "vit"],
            "recipe": "long",
            "seeds": 2,
        }
        | {"bundle": "sizes"},
    ],
    "tables": {
        "peak": {"kind": "threshold", "model": ["cnn1", "cnn2", "cnn4"], "training_set": "noisy", "narrow": "cnn1"}
        | {"selection_seeds": [0, 1], "wide": "cnn4"},
        "law": {"kind": "power_law", "training_set": ["n20", "n40", "n80"]}
        | {"published": [{"model": "vit", "alpha": -0.5, "source": "a paper", "comparable": True}]},
        "choice": {"kind": "best", "model": ["cnn1", "cnn4"], "training_set": "noisy", "selection_seeds": [0, 1]},
        "crossing": {"kind": "overtaking", "training_set": ["n20", "n40", "n80"], "model": "vit", "over": "cnn2"},
    },
    "figures": {
        "widths": {"kind": "width", "model": ["cnn1", "cnn2", "cnn4"], "training_set": "noisy"},
        "law": {"kind": "power_law", "training_set": ["n20", "n40", "n80"]},
        "epochs": {"kind": "epochs", "training_set": "noisy", "model": ["cnn1", "cnn4"]},
    },
}
