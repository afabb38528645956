"""Uploads to the hub, with a hub that stands in for it: what is looked at before anything is written or uploaded."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from synthmix.exports import pushing
from synthmix.exports.exporting import ExportError

USER = {"name": "somebody", "orgs": [{"name": "group"}]}


class Hub:
    """A hub with some repositories, which notes what it is told to write."""

    def __init__(self, held: dict[str, Iterable[str]] | None = None, user: Any = USER) -> None:
        self.held, self.user, self.written = held or {}, user, list[tuple[str, str]]()

    def whoami(self) -> Any:
        if isinstance(self.user, Exception):
            raise self.user
        return self.user

    def repo_exists(self, repository: str, *, repo_type: str) -> bool:
        return f"{repo_type} {repository}" in self.held

    def list_repo_files(self, repository: str, *, repo_type: str) -> list[str]:
        return list(self.held[f"{repo_type} {repository}"])

    def create_repo(self, repository: str, *, repo_type: str, private: bool, exist_ok: bool) -> str:
        assert private
        self.written.append(("create", f"{repo_type} {repository}"))
        return f"https://hub.example/{repository}"

    def upload_folder(self, *, repo_id: str, repo_type: str, folder_path: Path, commit_message: str) -> None:
        self.written.append(("upload", f"{repo_type} {repo_id} {sorted(path.name for path in folder_path.iterdir())}"))


def token() -> str:
    return "a token"


@pytest.mark.parametrize(
    ("repository", "hub", "told"),
    [
        ("just-a-name", Hub(), "just-a-name is no name of a repository: write owner/name"),
        ("some body/name", Hub(), "some body/name is no name of a repository ("),
        ("a/b/c", Hub(), "a/b/c is no name of a repository ("),
        (
            "somebody/x",
            Hub(user=OSError("offline")),
            "the hub does not say whose the credentials are (OSError): log in",
        ),
        ("stranger/x", Hub(), "the credentials are those of somebody, who cannot push to stranger/x: choose an owner"),
        (
            "group/x",
            Hub({"dataset group/x": [".gitattributes", "data.csv"]}),
            "the dataset group/x holds files already",
        ),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_written(repository: str, hub: Hub, told: str) -> None:
    with pytest.raises(ExportError) as caught:
        pushing.require(repository, "dataset", hub, token)
    assert str(caught.value).startswith(told)
    assert len(str(caught.value).splitlines()) == 1
    assert hub.written == []


def test_without_credentials_the_hub_is_not_asked() -> None:
    hub = Hub(user=AssertionError("the hub was asked"))
    with pytest.raises(ExportError, match=r"^there are no credentials for the hub: log in with `hf auth login`"):
        pushing.require("somebody/x", "dataset", hub, lambda: None)


@pytest.mark.parametrize("held", [{}, {"model group/x": [".gitattributes"], "dataset group/x": ["data.csv"]}])
def test_a_folder_goes_into_a_new_or_empty_repository(held: dict[str, list[str]], tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("A card.")
    hub = Hub(held)
    pushing.require("group/x", "model", hub, token)
    assert hub.written == []
    assert pushing.push(tmp_path, "group/x", "model", hub) == "https://hub.example/group/x"
    assert hub.written == [("create", "model group/x"), ("upload", "model group/x ['README.md']")]


def test_what_was_put_there_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    hub = Hub()
    pushing.require("group/x", "model", hub, token)
    hub.held["model group/x"] = ["model.safetensors"]
    with pytest.raises(ExportError, match="holds files already"):
        pushing.push(tmp_path, "group/x", "model", hub)
    assert hub.written == []


def test_a_failed_upload_says_how_to_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = Hub()

    def upload_folder(**_: Any) -> None:
        raise OSError("the network\nis gone")

    monkeypatch.setattr(hub, "upload_folder", upload_folder)
    with pytest.raises(ExportError) as caught:
        pushing.push(tmp_path, "group/x", "model", hub)
    text = str(caught.value)
    assert "failed (the network is gone)" in text
    assert f"hf upload group/x {tmp_path} --repo-type model" in text
    assert (tmp_path).is_dir()
