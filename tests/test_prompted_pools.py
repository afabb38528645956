"""Text-to-image pools in the workflow: what one prompt draws again, and pipelines that are trained and fine-tuned."""

from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from diffusers import StableDiffusionPipeline
from networks import save_stable_diffusion
from workspace import REPOSITORY, STUDY, Workspace

pytestmark = pytest.mark.workflow

PROMPTS = "class,prompt,negative_prompt\n0,a red photo,\n1,a blue photo,blurred\n1,a photo,\n"


@pytest.fixture(scope="module")
def prompted(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace in which the study is built."""
    workspace = Workspace.of_sources(tmp_path_factory.mktemp("prompted") / "workspace")
    workspace.write(STUDY, (REPOSITORY / "tests/studies/prompts.yaml").read_text())
    workspace.write("prompts.csv", PROMPTS)
    save_stable_diffusion(workspace / "pipelines/tiny")
    workspace.snakemake()
    return workspace


def shard(name: str) -> Path:
    return Path("results/pools/digits", name, "shard-0000.parquet")


def test_what_is_drawn_and_what_one_prompt_draws_again(prompted: Workspace, tmp_path: Path) -> None:
    workspace = prompted.copy(tmp_path / "copy")
    assert workspace.planned() == {}
    table = pq.read_table(workspace.root / shard("prompted/class-1"))
    assert table["prompt"].to_pylist() == ["a blue photo", "a photo"]
    assert table["label"].to_pylist() == [1, 1]
    StableDiffusionPipeline.from_pretrained(workspace / "results/generators/digits/own/all")
    assert pq.read_table(workspace.root / shard("words/all"))["prompt"][0].as_py() == "a photo of a <class-0>"
    lines = workspace.read("results/studies/tiny/tables/main.md").splitlines()
    saw = {name: next(each for each in lines if f"| {name} " in each) for name in ("mix", "mix-own", "mix-tuned")}
    assert "images that the generator saw unknown" in saw["mix"]
    assert "images that it saw before unknown" not in saw["mix-own"]
    assert "full-data generator" in saw["mix-own"]
    assert "full-data generator, images that it saw before unknown" in saw["mix-tuned"]

    workspace.replace(STUDY, "rank: 2", "rank: 3")
    again = workspace.planned()
    assert (again["train_lora"], again["generate"]) == (1, 1)
    assert "train_textual_inversion" not in again
    workspace.replace(STUDY, "rank: 3", "rank: 2")

    workspace.write("prompts.csv", PROMPTS.replace("a blue photo", "a dog"))
    assert workspace.planned()["generate"] == 1
    assert not {rule for rule in workspace.planned() if rule.startswith("train_")}
    before, other = workspace.entries(), (workspace.root / shard("prompted/class-0")).read_bytes()
    workspace.snakemake("--until", "generate")
    assert workspace.made(before) == Counter(generated=1)
    assert (workspace.root / shard("prompted/class-0")).read_bytes() == other

    workspace.write("prompts.csv", PROMPTS)
    assert workspace.command("fetch").count("there    generator prompted (text2image)") == 1
    workspace.write("prompts.csv", PROMPTS.replace("class,prompt", "class,text"))
    workspace.failing("--dry-run")
    assert "studies/tiny.yaml: generators.prompted.prompts: prompts.csv has no column prompt" in workspace.read(
        "snakemake.log"
    )
