"""What lies in folders and files of somebody else: every change that a reader sees makes another digest."""

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from synthmix.checks import known
from synthmix.planning import checksums, listings
from synthmix.planning.configuration import read_yaml
from synthmix.planning.plan import ENVIRONMENT, Plan
from synthmix.planning.products import Products
from synthmix.planning.specs import Specs


def write(path: Path, size: int = 1) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    return path


def digest(train: object = ".", **dataset: Any) -> str:
    return listings.digest(listings.patterns({"train": train, **dataset}).values())


def test_images_behind_links_count(tmp_path: Path) -> None:
    for name in ("a/1.png", "b/2.png"):
        write(tmp_path / "all" / name)
    (tmp_path / "some").mkdir()
    (tmp_path / "some/a").symlink_to(tmp_path / "all/a")
    before = digest(source="folder", root=str(tmp_path / "some"))
    write(tmp_path / "all/b/3.png")
    assert digest(source="folder", root=str(tmp_path / "some")) == before
    write(tmp_path / "all/a/4.png")
    assert digest(source="folder", root=str(tmp_path / "some")) != before
    assert len(listings.files(str(tmp_path / "some"))) == known.folder_counts(tmp_path / "some")["a"] == 2


def test_links_that_turn_in_a_circle_are_followed_once(tmp_path: Path) -> None:
    write(tmp_path / "a/1.png")
    (tmp_path / "a/up").symlink_to(tmp_path)
    (tmp_path / "b").symlink_to("a")  # another class with the same images
    assert [os.path.relpath(path, tmp_path) for path in listings.files(str(tmp_path))] == ["a/1.png", "b/1.png"]


def test_what_programs_leave_in_folders_is_no_part_of_them(tmp_path: Path) -> None:
    write(tmp_path / "a/1.png")
    before = digest(source="folder", root=str(tmp_path)), checksums.of(tmp_path)
    for name in (".DS_Store", "a/.nfs0001", ".cache/download/1.metadata"):
        write(tmp_path / name)
    assert (digest(source="folder", root=str(tmp_path)), checksums.of(tmp_path)) == before


def test_another_content_behind_a_linked_folder_is_another_checksum(tmp_path: Path) -> None:
    weights = write(tmp_path / "elsewhere/unet.safetensors")
    (tmp_path / "pipeline").mkdir()
    (tmp_path / "pipeline/unet").symlink_to(tmp_path / "elsewhere")
    before = checksums.of(tmp_path / "pipeline")
    weights.write_bytes(b"y")
    assert checksums.of(tmp_path / "pipeline") != before


def test_a_link_to_nothing_is_listed(tmp_path: Path) -> None:
    write(tmp_path / "a/1.png")
    before = digest(source="folder", root=str(tmp_path))
    (tmp_path / "a/2.png").symlink_to(tmp_path / "nowhere")
    assert digest(source="folder", root=str(tmp_path)) != before


@pytest.mark.parametrize("source", ["folder", "parquet"])
@pytest.mark.parametrize("rooted", [True, False])
def test_paths_may_be_absolute(tmp_path: Path, source: str, rooted: bool) -> None:
    path = write(tmp_path / "data/a/1.parquet")
    given = "data" if source == "folder" else "data/*/*.parquet"
    where = {"root": str(tmp_path), "train": given} if rooted else {"train": str(tmp_path / given)}
    before = digest(source=source, **where)
    assert digest(source=source, val=0.1, **where) == before
    write(path, size=2)
    assert digest(source=source, **where) != before
    write(path)
    assert digest(source=source, **where) == before
    write(tmp_path / "data/a/2.parquet")
    assert digest(source=source, **where) != before


def test_what_was_planned_is_read_or_nothing(tmp_path: Path) -> None:
    image = write(tmp_path / "a/1.png")
    own = {"datasets": {"d": {"source": "folder", "train": str(tmp_path)}, "digits": {"source": "embedded"}}}
    own["generators"] = {"g": {"kind": "files", "source": "folder", "path": str(tmp_path)}, "ddpm": {"kind": "ddpm"}}
    planned = listings.listed({"s": own})["s"]
    assert planned["datasets"]["digits"] == own["datasets"]["digits"]
    assert planned["generators"]["ddpm"] == own["generators"]["ddpm"]
    for definition in (planned["datasets"]["d"], planned["generators"]["g"]):
        write(image)
        listings.require_planned(definition, "d")
        write(image, size=2)
        with pytest.raises(
            ValueError, match="^d: files were added, removed or replaced after .*: start snakemake again$"
        ):
            listings.require_planned(definition, "d")


def test_jobs_do_not_look_at_the_disk_for_their_specs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image, study = write(tmp_path / "data/train/a/1.png"), tmp_path / "studies/s.yaml"
    for name in ("a/2.png", "a/3.png", "b/1.png", "b/2.png", "b/3.png"):
        write(tmp_path / "data/train" / name)
    study.parent.mkdir()
    study.write_text(
        "title: t\nquestion: q\n"
        "datasets: {d: {source: folder, root: data, train: train, val: 2, test: 2, resolution: 8}}\n"
        "figures: {f: {kind: class_counts, dataset: d}}\n"
    )
    (tmp_path / "config.yaml").write_text("studies: [s]\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(ENVIRONMENT, "")
    config = read_yaml(tmp_path / "config.yaml")
    first = Specs(Plan.read(config, tmp_path)).data("d")
    write(image, size=2)
    assert Specs(Plan.read(config, tmp_path)).data("d") == first, "a job, which finds the frozen plan"
    monkeypatch.setenv(ENVIRONMENT, "")
    assert Specs(Plan.read(config, tmp_path)).data("d") != first, "the next call of snakemake"


def test_parquet_files_are_inputs_of_their_data_set(tmp_path: Path) -> None:
    path = write(tmp_path / "1.parquet")
    definition = {"source": "parquet", "train": str(tmp_path / "*.parquet"), "test": str(tmp_path / "none.parquet")}
    plan: Any = SimpleNamespace(definitions={"datasets": {"d": definition}})
    assert Products(plan).data_files("d") == [str(path), definition["test"]]
