"""A study of imbalanced data from its files to its tables: AUROC, prior-matched pools, rebalanced real images."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import small_studies
import yaml
from sklearn.metrics import roc_auc_score
from workspace import STUDY, Workspace

from synthmix.files import read_json
from synthmix.planning.yaml_reader import read_yaml

pytestmark = pytest.mark.workflow

TABLES = "results/studies/tiny/tables"


def test_an_imbalanced_study_is_judged_by_auroc(sources: Workspace) -> None:
    study = read_yaml(Path(__file__).parent / "studies/imbalanced.yaml")
    sources.write(STUDY, yaml.safe_dump(small_studies.at_hand(study)))
    sources.snakemake(f"{TABLES}/main.md", f"{TABLES}/overview.md", "results/studies/tiny/figures/ladder.svg")

    job = sources / "results/runs/lesions/main/resnet/crop/seeds0-2"
    runs = read_json(job / "metrics.json")["runs"]
    counts = read_json(sources / "results/data/lesions/meta.json")["counts"]["train"]
    large, small = sorted(counts.values(), reverse=True)
    by_set = {run["training_set"]: run for run in runs}
    images = ["real_images", "repeated_images", "synthetic_images"]
    assert [by_set["org"][name] for name in images] == [large + small, 0, 0]
    assert [by_set["rebalanced"][name] for name in images] == [large + small, large - small, 0]
    assert [by_set["mix13"][name] for name in images] == [large + small, 0, 13]
    assert by_set["org"]["class_ratio"] == large / small > 2

    predictions = pq.read_table(job / "predictions.parquet").to_pandas()
    for run in runs:
        chosen = predictions["training_set"].eq(run["training_set"]) & predictions["seed"].eq(run["seed"])
        mine = predictions[chosen]
        assert run["auroc"] == pytest.approx(roc_auc_score(mine["label"], mine["probability"]))
        np.testing.assert_array_equal(mine["prediction"], mine["probability"] > 0.5)

    compared = pd.read_csv(sources / "results/studies/tiny/comparisons.csv")
    assert compared["metric"].tolist() == ["auroc", "auroc"]
    assert compared["joint_low"].notna().all()
    areas = pd.DataFrame(runs).pivot(index="seed", columns="training_set", values="auroc")
    primary = compared[compared["primary"]].iloc[0]
    assert primary["difference"] == pytest.approx((areas["mix13"] - areas["org"]).mean())

    header = next(line for line in sources.read(f"{TABLES}/main.md").splitlines() if line.startswith("|"))
    cells = [cell.strip() for cell in header.split("|")]
    assert cells.index("AUROC, %") < cells.index("Balanced accuracy, %") < cells.index("Accuracy, %")
    assert "Test AUROC in %" in sources.read(f"{TABLES}/overview.md")
