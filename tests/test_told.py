"""What a call of Snakemake says where it cannot begin, or a job of it fails: one line with file, key and remedy."""

import re

import pytest
from PIL import Image
from workspace import Workspace

pytestmark = pytest.mark.workflow


def told(workspace: Workspace, *arguments: str) -> str:
    """What Snakemake prints for arguments with which it must fail."""
    workspace.failing(*arguments)
    return workspace.read("snakemake.log")


def test_a_misspelt_study_is_told_in_one_line(sources: Workspace) -> None:
    line = "studies/tinny.yaml: no such file, and tinny is no rule either; did you mean tiny? (known: tiny)"
    for arguments in (["tinny"], ["-n", "--until", "train", "--", "tinny"]):
        output = told(sources, *arguments)
        assert line in output
        assert "MissingRuleException" not in output
    sources.write("studies/flowers.yml", "title: Flowers\n")
    assert "and flowers is no rule either; rename flowers.yml to flowers.yaml" in told(sources, "flowers")
    assert "either; write tiny, without .yaml" in told(sources, "tiny.yaml")
    assert "no such file; did you mean tiny? (known: tiny)" in sources.command("so_far", "tinny", status=1)


def test_values_of_options_rules_and_files_are_no_misspelt_studies(sources: Workspace) -> None:
    sources.snakemake("-n", "--quiet", "rules", "--until", "train", "--rerun-triggers", "mtime", "--", "tiny")
    sources.snakemake("-n", "all", "results/data/digits/meta.json")
    for target in ("results/nothing.txt", "config.yaml"):
        assert "MissingRuleException" in told(sources, "-n", target)


def test_config_yaml_is_read_strictly_and_may_be_empty(sources: Workspace) -> None:
    for text, line in {
        "studies: [tiny]\nkeep:\n\tpools: false\n": "config.yaml: line 3: a tab; indent with spaces",
        "studies: [tiny]\ndevice: cpu\nstudies: [tiny]\n": 'config.yaml: line 3: key "studies" given twice',
        "- tiny\n": 'config.yaml: must be a mapping of keys to values, not ["tiny"]',
        "studies: [tiny.yaml]\n": "names the study; write tiny, without .yaml",
    }.items():
        sources.write("config.yaml", text)
        assert line in told(sources, "-n")
    for text in ("", "# nothing\n"):
        sources.write("config.yaml", text)
        sources.snakemake("-n", "tiny", "--config", "studies=tiny")
    assert "studies/digits.yaml: no such file, but studies of config.yaml names the study" in told(sources, "-n")


def test_a_job_that_fails_is_told_with_its_log_and_why_however_quiet(sources: Workspace) -> None:
    for name in ("train", "test"):
        for label in ("a", "b"):
            (sources / f"photos/{name}/{label}").mkdir(parents=True)
            for number in range(6):
                Image.new("L", (8, 8), 40 * number).save(sources / f"photos/{name}/{label}/{number}.png")
    sources.write("photos/train/a/0.png", "no image")
    photos = "{source: folder, root: photos, train: train, val: 0.5, test: test, resolution: 8}"
    figure = "{kind: class_counts, dataset: photos}"
    study = f"title: Photos\nquestion: Why?\ndatasets:\n  photos: {photos}\nfigures:\n  counts: {figure}\n"
    sources.write("studies/photos.yaml", study)
    output = told(sources, "--quiet", "rules", "--", "photos")
    (line,) = re.findall("^prepare_data failed: .*", output, re.MULTILINE)
    assert line.startswith("prepare_data failed: logs/prepare_data/photos.log: ")
    assert "photos/train/a/0.png" in line
    assert line.endswith(sources.read("logs/prepare_data/photos.log").strip().rpartition("\n")[2])
