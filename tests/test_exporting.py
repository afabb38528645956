"""`make export`: pools and classifiers in the layout of the hub, with cards; never over something, never stale."""

import copy
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from datasets import ClassLabel, Image, load_dataset
from huggingface_hub import DatasetCard, ModelCard
from PIL import Image as Picture
from workspace import REPOSITORY, STUDY, Workspace

from synthmix import data, records
from synthmix.exports import exporting, licences
from synthmix.exports import pools as exports
from synthmix.exports.exporting import ExportError
from synthmix.exports.models import ExportedModel
from synthmix.exports.pools import ExportedPool
from synthmix.files import read_arrays, read_json, write_json
from synthmix.images import pools
from synthmix.planning.configuration import ConfigurationError, read_studies, read_yaml, validate_config
from synthmix.planning.plan import Plan
from synthmix.planning.specs import Specs
from synthmix.spec import digest

ONE = "results/pools/digits/ddpm/all/shard-0000.parquet"
RUN = "shot3-syn4/cnn/single/1"


# ---- folders and definitions -----------------------------------------------------------------------------------------


def test_a_folder_gets_its_name_when_it_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "a" / "b"
    with exporting.whole_folder(target) as temporary:
        (temporary / "file").write_text("text")
        assert not target.exists()
    assert list(target.parent.iterdir()) == [target], "nothing else is left"
    assert (target / "file").read_text() == "text"


def test_an_export_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def fail() -> None:
        with exporting.whole_folder(tmp_path / "b") as temporary:
            (temporary / "file").write_text("text")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "full").mkdir()
    (tmp_path / "full/letter.txt").write_text("Dear")
    (tmp_path / "file").write_text("text")
    (tmp_path / "link").symlink_to(tmp_path / "full")
    for name, told in (
        ("full", r"^full is not empty \(it holds letter.txt\): nothing is overwritten"),
        ("file", "^file is no folder"),
        ("link", "^link is no folder"),
        ("results/mine", "^results/mine lies below results/"),
    ):
        with pytest.raises(ExportError, match=told):
            exporting.require_free(Path(name))
    (tmp_path / "empty").mkdir()
    with exporting.whole_folder(Path("empty")) as temporary:
        (temporary / "file").write_text("text")
    assert (tmp_path / "empty/file").read_text() == "text"


def test_what_is_put_there_meanwhile_stays(tmp_path: Path) -> None:
    def export() -> None:
        with exporting.whole_folder(tmp_path / "b") as temporary:
            (temporary / "file").write_text("ours")
            (tmp_path / "b").mkdir()
            (tmp_path / "b/file").write_text("theirs")

    with pytest.raises(ExportError, match="is not empty"):
        export()
    assert (tmp_path / "b/file").read_text() == "theirs"
    assert list(tmp_path.iterdir()) == [tmp_path / "b"]


def test_definitions_lose_what_is_about_this_machine(tmp_path: Path) -> None:
    (tmp_path / "pipe").mkdir()
    parquet = {"source": "parquet", "root": "/home/me", "train": "a.parquet", "val": 0.1, "test": "b.parquet"}
    assert exporting.public(parquet) == {"source": "parquet", "val": 0.1}
    hub = {"source": "hub", "name": "a/b", "splits": {"train": "train"}, "licence": {"id": "mit"}, "limit": None}
    assert exporting.public(hub) == {"source": "hub", "name": "a/b", "splits": {"train": "train"}}
    assert exporting.public({"kind": "files", "path": "/home/me"}) == {"kind": "files"}
    assert exporting.public({"pipeline": str(tmp_path / "pipe")}) == {"pipeline": "pipe"}
    assert exporting.public({"pipeline": "owner/pipe"}) == {"pipeline": "owner/pipe"}


# ---- pools made by hand ----------------------------------------------------------------------------------------------


def test_a_large_pool_is_several_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [tmp_path / f"{index}" for index in range(3)]
    for path in paths:
        path.write_bytes(b"0" * 10)
    monkeypatch.setattr(exports, "FILE_BYTES", 25)
    assert list(exports._parts(list(map(str, paths)))) == [[*map(str, paths[:2])], [str(paths[2])]]
    monkeypatch.setattr(exports, "FILE_BYTES", 5)
    assert [len(part) for part in exports._parts(list(map(str, paths)))] == [1, 1, 1]


PROMPTED = {
    "title": "A study",
    "question": "What is asked for?",
    "datasets": {"digits": {"source": "embedded", "name": "digits", "val": 0.2, "test": 0.2, "classes": ["0", "1"]}},
    "generators": {"asked": {"kind": "text2image", "prompts": "prompts.csv", "safety": "drop"}},
    "pools": {"asked": {"generator": "asked", "per_class": 2, "shard_size": 2}},
    "scores": [{"dataset": "digits", "pool": "asked", "extractor": "features"}],
    "extractors": {"features": {"kind": "inception"}},
    "tables": {"scores": {"kind": "scores"}},
}


@pytest.fixture
def prompted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., exports.ExportedPool]:
    """A pool of two classes with prompts, under a rule for flagged images; class 1 has a flagged one."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "studies").mkdir()
    (tmp_path / "prompts.csv").write_text("class,prompt,negative_prompt\n0,a ring,\n1,a bar | a line,blurred\n")

    def made(safety: str, **generator: object) -> exports.ExportedPool:
        study = copy.deepcopy(PROMPTED)
        study["generators"]["asked"] |= {"safety": safety, **generator}
        (tmp_path / "studies/study.yaml").write_text(json.dumps(study))
        plan = Plan({}, read_studies("studies", ["study"]))
        meta = {"classes": ["0", "1"], "size": [8, 8], "channels": 1, "counts": {"train": {"0": 3, "1": 4}}}
        write_json("results/data/digits/meta.json", meta | {"source": {"source": "embedded", "sha256": "0" * 64}})
        pool = exports.ExportedPool(plan, "study", "digits", "asked")
        for label, path in enumerate(pool.paths):
            images = np.full((2, 8, 8, 1), 100 * label, dtype=np.uint8)
            kept = {"flagged": np.array([False, bool(label)]), "keeps_flagged": safety == "record"}
            prompts = [("a ring", "a bar | a line")[label]] * 2
            pools.write_shard(path, images, np.full(2, label), np.arange(2), None, prompts, classes=["0", "1"], **kept)
            log = f"logs/generate/digits/asked/class-{label}/0000.log"
            records.write(log, records.Record(json.loads(pool.planned[label]), 2, None, 0))
        return pool

    return made


def test_images_that_start_from_real_ones_say_so(prompted: Callable[..., exports.ExportedPool], tmp_path: Path) -> None:
    pool = prompted("drop", img2img={"strength": 0.5})
    with exporting.whole_folder(tmp_path / "changed") as folder:
        pool.write(folder)
    text = (tmp_path / "changed/README.md").read_text()
    assert "saw: all 7 train images of data set digits, as starting points, after images that are unknown." in text


def test_prompts_and_flags(prompted: Callable[..., exports.ExportedPool], tmp_path: Path) -> None:
    pool = prompted("drop")
    pool.require()
    with exporting.whole_folder(tmp_path / "drop") as folder:
        pool.write(folder)
    table = pq.read_table(tmp_path / "drop/data/train-00000-of-00001.parquet")
    assert table["label"].to_pylist() == [0, 0, 1], "the flagged image is left out"
    assert table["prompt"].to_pylist() == ["a ring", "a ring", "a bar | a line"]
    text = (tmp_path / "drop/README.md").read_text()
    assert "objected to 1 more images, which are left out" in text
    assert "The text-to-image pipeline `stable-diffusion-v1-5/stable-diffusion-v1-5`, as it was published." in text
    assert "What the generator saw: unknown." in text
    assert "The study scored this pool with no extractor, or not as it is now." in text
    assert re.search(r"^\| a bar \\\| a line +\| +1 \|$", text, re.MULTILINE)
    assert "license: creativeml-openrail-m" in text
    assert (tmp_path / "drop/prompts.csv").read_text() == (tmp_path / "prompts.csv").read_text()

    pool = prompted("record")
    pool.require()
    with exporting.whole_folder(tmp_path / "record") as folder:
        pool.write(folder)
    table = pq.read_table(tmp_path / "record/data/train-00000-of-00001.parquet")
    assert table["flagged"].to_pylist() == [False, False, False, True]
    assert "objected to 1 of the images above; they are among the files" in (tmp_path / "record/README.md").read_text()


# ---- in a built workspace --------------------------------------------------------------------------------------------


def export(workspace: Workspace, *arguments: str, status: int = 0, **environment: str) -> str:
    output = workspace.command("export", "tiny", *arguments, status=status, **environment)
    assert status == 0 or len(output.splitlines()) == 1, output
    return output


def exported(workspace: Workspace, pool: str = "", run: str = "") -> ExportedPool | ExportedModel:
    """What the command exports of the study in a workspace."""
    config = validate_config(read_yaml(workspace / "config.yaml"), "config.yaml")
    plan = Plan(config, read_studies(workspace / "studies", ["tiny"]))
    if pool:
        return ExportedPool(plan, "tiny", *exporting.find_pool(plan, "tiny", pool))
    return ExportedModel(plan, "tiny", exporting.find_run(plan, "tiny", run))


@pytest.mark.workflow
def test_a_pool_is_readable_as_images_with_classes(built: Workspace, tmp_path: Path) -> None:
    before = built.results()
    target = tmp_path / "pool"
    assert f"pool ddpm of data set digits: 0.0 MB in {target}" in export(built, "--pool", "ddpm", "--to", str(target))
    assert built.results() == before
    assert {path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file()} == {
        "README.md",
        "data/train-00000-of-00001.parquet",
    }
    images = load_dataset(str(target), split="train", cache_dir=str(tmp_path / "cache"))
    assert isinstance(images.features["image"], Image)
    assert isinstance(images.features["label"], ClassLabel)
    assert images.features["label"].names == [str(digit) for digit in range(10)]
    drawn = pools.read([built / ONE])
    assert images["label"] == drawn.labels.tolist()
    assert images["index"] == drawn.index.tolist()
    assert np.array_equal(np.stack([np.asarray(image) for image in images["image"]])[..., np.newaxis], drawn.images)


@pytest.mark.workflow
def test_the_card_of_a_pool_says_what_it_is(built: Workspace, tmp_path: Path) -> None:
    export(built, "--pool", "digits/ddpm", "--to", str(tmp_path / "pool"))
    card = DatasetCard.load(tmp_path / "pool/README.md")
    header = card.data.to_dict()
    assert header["license"] == "cc-by-4.0"
    assert header["task_categories"] == ["image-classification"]
    assert header["size_categories"] == ["n<1K"]
    assert header["configs"][0]["data_files"] == [{"split": "train", "path": "data/train-*.parquet"}]
    text = card.content
    assert "40 generated images of 8 x 8 pixels (grey) in 10 classes" in text
    assert "Sampling: dpm-solver++, 2 steps, guidance scale 1.2, seed of the noise 0." in text
    assert "all 200 train images of data set digits and no others" in text
    assert len(re.findall(r"^\| +[0-9] \| +[0-9] \| +4 \|$", text, re.MULTILINE)) == 10
    assert "No safety checker looked at the images." in text
    assert "No copy audit of this pool was made" in text
    score = read_json(built / "results/scores/digits/ddpm/features-n4.json")["metrics"]["kid"]
    assert "Kernel distance" in text
    assert f"{score['value']:#.3g}" in text
    assert "data set digits" in text.partition("## Licence")[2]
    assert "{{" not in text
    assert "None" not in text.replace("image[None]", "")
    assert str(built.root) not in text


@pytest.mark.workflow
def test_the_card_describes_the_pool_well_enough_to_make_it_again(built: Workspace, tmp_path: Path) -> None:
    export(built, "--pool", "ddpm", "--to", str(tmp_path / "pool"))
    text = (tmp_path / "pool/README.md").read_text()
    (definitions,) = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    shown = "figures: {samples: {kind: samples, dataset: digits, pool: ddpm}}\n"
    (tmp_path / "again.yaml").write_text(f"title: Again\nquestion: The same?\n{shown}{definitions}")
    specs = Specs(Plan({}, read_studies(tmp_path, ["again"])))
    assert f"the images depend on: `{digest([specs.shard('digits', 'ddpm', 'all', 0)])}`" in text


@pytest.mark.workflow
def test_a_pool_of_a_generator_for_each_seed(built: Workspace, tmp_path: Path) -> None:
    export(built, "--pool", "own", "--to", str(tmp_path / "pool"))
    table = pq.read_table(tmp_path / "pool/data/train-00000-of-00001.parquet")
    assert set(table["seed"].to_pylist()) == {0, 1}
    text = (tmp_path / "pool/README.md").read_text()
    assert "40 generated images" in text
    assert "3 real images per class of data set digits, its own for each seed" in text
    assert "There is one for each classifier seed." in text


@pytest.fixture(scope="module")
def model(built: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An exported classifier."""
    folder = tmp_path_factory.mktemp("exports") / "model"
    export(built, "--run", RUN, "--to", str(folder))
    return folder


@pytest.mark.workflow
def test_the_code_on_the_card_classifies_an_image_as_the_study_did(built: Workspace, model: Path) -> None:
    (usage,) = re.findall(r"```python\n(.*?)```", (model / "README.md").read_text(), re.DOTALL)
    place = model.parent / "place"
    place.mkdir()
    for path in model.iterdir():
        (place / path.name).symlink_to(path)
    (place / "synthmix").symlink_to(REPOSITORY)
    test = data.read(built / "results/data/digits/test.safetensors")
    predictions = pd.read_parquet(built / "results/runs/digits/main/cnn/single/seeds1/predictions.parquet")
    predictions = predictions[predictions["training_set"] == "shot3-syn4"].set_index("index")
    for row in (0, 1, 2):
        Picture.fromarray(test.images[row, ..., 0]).save(place / "image.png")
        done = subprocess.run([sys.executable, "-c", usage], cwd=place, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        name, confidence = done.stdout.split()
        assert int(name) == predictions.loc[row, "prediction"]
        assert float(confidence) == pytest.approx(predictions.loc[row, "confidence"], abs=1e-5)


@pytest.mark.workflow
def test_the_card_of_a_classifier_says_what_it_is(built: Workspace, model: Path) -> None:
    card = ModelCard.load(model / "README.md")
    results = {each.metric_type: each.metric_value for each in card.data.eval_results}
    runs = pd.read_csv(built / "results/studies/tiny/experiments.csv")
    arm = runs[(runs["training_set"] == "shot3-syn4") & (runs["model"] == "cnn")].set_index("seed")
    assert results["accuracy"] == arm.loc[1, "accuracy"]
    assert card.data.license == "cc-by-4.0"
    assert card.data.pipeline_tag == "image-classification"
    text = card.content
    assert re.search(r"^\| real +\| +30 \|$", text, re.MULTILINE)
    assert re.search(r"^\| generated +\| +40 \|$", text, re.MULTILINE)
    rows = {
        cells[0]: cells[1:] for line in text.splitlines() if (cells := [each.strip() for each in line.split("|")[1:-1]])
    }
    for title, metric in (("Accuracy, %", "accuracy"), ("AUROC, %", "auroc")):
        own, mean = rows[title]
        assert own == f"{100 * arm.loc[1, metric]:.1f}"
        assert mean.startswith(f"{100 * arm[metric].mean():.1f} [")
    assert arm["auroc"].nunique() == 2, "what is compared differs between seeds"
    assert "Mean of 2 seeds" in text
    assert "Generated images come from pool `ddpm`, whose generator saw all train images." in text
    assert "{{" not in text
    assert "None" not in text.replace("image[None]", "")
    assert str(built.root) not in text


@pytest.mark.workflow
def test_the_files_of_a_classifier_are_those_of_one_seed(built: Workspace, model: Path) -> None:
    assert {path.name for path in model.iterdir()} == {"README.md", "config.json", "model.safetensors"}
    whole, _ = read_arrays(built / "results/runs/digits/main/cnn/single/seeds1/model.safetensors")
    arrays, metadata = read_arrays(model / "model.safetensors")
    assert metadata == {"format": "pt"}
    prefix = "shot3-syn4/1/"
    assert {f"{prefix}{name}" for name in arrays} == {name for name in whole if name.startswith(prefix)}
    assert all(np.array_equal(array, whole[prefix + name]) for name, array in arrays.items())
    config = json.loads((model / "config.json").read_text())
    assert config["classes"] == [str(digit) for digit in range(10)]
    assert (config["size"], config["channels"], config["seed"]) == ([8, 8], 1, 1)
    assert config["recipe"]["learning_rate"] == 0.003


@pytest.mark.workflow
def test_what_cannot_be_exported_is_one_line(workspace: Workspace) -> None:
    assert "say what to export" in export(workspace, "--to", "out", status=1)
    assert "say where to" in export(workspace, "--pool", "ddpm", status=1)
    assert "say of which study" in workspace.command("export", "", "--pool", "ddpm", "--to", "out", status=1)
    text = workspace.command("export", "tinny", "--run", RUN, "--to", "out", status=1)
    assert "studies/tinny.yaml: no such file" in text
    workspace.replace(
        STUDY,
        "limit: {train: 200, test: 100}}",
        "limit: {train: 200, test: 100}, licence: {id: other, redistribute: no}}",
    )
    text = export(workspace, "--run", RUN, "--to", "out", status=1)
    assert text.startswith("studies/tiny.yaml: datasets.digits.licence: does not allow")
    found = exported(workspace, pool="ddpm")
    with pytest.raises(ConfigurationError, match=r"studies/tiny\.yaml: datasets\.digits\.licence: does not allow"):
        licences.require(found.sources(), found.name, workspace / "studies", "tiny")
    assert not (workspace / "out").exists()


def test_what_no_study_has_is_not_exported(sources: Workspace) -> None:
    told = r"^studies/tiny\.yaml: pools: the study draws no pool dpm; did you mean"
    with pytest.raises(ConfigurationError, match=told):
        exported(sources, pool="dpm")
    told = r"^studies/tiny\.yaml: runs: no run is called shot3/cnn/single/7 \(training_set/model/recipe/seed\)"
    with pytest.raises(ConfigurationError, match=told):
        exported(sources, run="shot3/cnn/single/7")


@pytest.mark.workflow
def test_a_licence_changes_no_result_and_stands_on_the_card(workspace: Workspace) -> None:
    mine = "licence: {id: cc-by-sa-4.0, redistribute: yes, note: said so}"
    workspace.replace(STUDY, "limit: {train: 200, test: 100}}", f"limit: {{train: 200, test: 100}}, {mine}}}")
    workspace.replace(
        STUDY,
        "shard_size: 4, batch_size: 40}",
        "shard_size: 4, batch_size: 40, licence: {id: other, redistribute: yes}}",
    )
    assert workspace.planned() == {"report": 1}
    export(workspace, "--pool", "ddpm", "--to", "out")
    assert DatasetCard.load(workspace / "out/README.md").data.to_dict()["license_link"] == "LICENSE.md"
    assert "| data set digits" in workspace.read("out/LICENSE.md")
    assert "said so" in workspace.read("out/LICENSE.md")


@pytest.mark.workflow
def test_what_the_study_would_now_make_otherwise_is_not_exported(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(workspace.root)
    workspace.replace(STUDY, "guidance: 1.2", "guidance: 1.3")
    text = export(workspace, "--pool", "ddpm", "--to", "out", status=1)
    assert f"{ONE} was not made by this study and code" in text
    assert f"run: snakemake --cores all {ONE}" in text
    assert not (workspace / "out").exists()
    with pytest.raises(ExportError, match="is not trained and tested by this study"):
        exported(workspace, run=RUN).require()
    workspace.replace(STUDY, "guidance: 1.3", "guidance: 1.2")
    workspace.replace(STUDY, "per_class: 4, shard_size: 4", "per_class: 8, shard_size: 4")
    missing = f"1 of 3 files are not there yet; run: snakemake --cores all {ONE.replace('0000', '0001')}"
    with pytest.raises(ExportError, match=re.escape(missing)):
        exported(workspace, pool="ddpm").require()
    (workspace / "results/runs/digits/main/cnn/single/seeds1/model.safetensors").unlink()
    with pytest.raises(ExportError, match=r"keep\.weights: false"):
        exported(workspace, run=RUN).require()


@pytest.mark.workflow
def test_a_damaged_shard_is_not_exported(workspace: Workspace) -> None:
    content = bytearray((workspace / ONE).read_bytes())
    content[len(content) // 2] ^= 1
    (workspace / ONE).unlink()
    (workspace / ONE).write_bytes(content)
    assert "is damaged" in export(workspace, "--pool", "ddpm", "--to", "out", status=1)
    assert [path.name for path in workspace.root.glob("*out*")] == []


@pytest.mark.workflow
def test_a_push_without_credentials_says_so_before_it_writes(built: Workspace, tmp_path: Path) -> None:
    target, nobody = tmp_path / "out", {"HF_HOME": str(tmp_path / "home"), "HF_TOKEN": ""}
    arguments = ("--pool", "ddpm", "--to", str(target), "--push", "somebody/pool")
    assert "there are no credentials for the hub: log in" in export(built, *arguments, status=1, **nobody)
    assert not target.exists()
