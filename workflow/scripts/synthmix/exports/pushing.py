"""Uploading an export to the Hugging Face hub: everything that can be wrong is looked at before anything is written."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from huggingface_hub import get_token
from huggingface_hub.utils import HFValidationError, validate_repo_id

from synthmix.exports.exporting import ExportError

LOGIN = "log in with `hf auth login`, or give a token with write access in HF_TOKEN; nothing was written or uploaded"
EMPTY = {".gitattributes"}  # what the hub itself puts into a new repository


def require(repository: str, kind: str, api: Any, token: Callable[[], str | None] = get_token) -> None:
    """Raise ExportError where a push would fail or overwrite: name, credentials, name space, what is there already.

    Args:
        repository: "owner/name".
        kind: "dataset" or "model".
        api: a huggingface_hub.HfApi.
        token: gives the credentials of this machine.
    """
    try:
        validate_repo_id(repository)
    except HFValidationError as error:
        raise ExportError(f"{repository} is no name of a repository ({str(error).splitlines()[0]})") from error
    if "/" not in repository:
        raise ExportError(f"{repository} is no name of a repository: write owner/name")
    if not token():
        raise ExportError(f"there are no credentials for the hub: {LOGIN}")
    try:
        who = api.whoami()
    except Exception as error:  # noqa: BLE001 (network, hub or token)
        reason = type(error).__name__
        raise ExportError(f"the hub does not say whose the credentials are ({reason}): {LOGIN}") from error
    owners = [who["name"], *(each["name"] for each in who.get("orgs") or [])]
    owner = repository.partition("/")[0]
    if owner not in owners:
        problem = f"the credentials are those of {who['name']}, who cannot push to {repository}"
        raise ExportError(f"{problem}: choose an owner among {', '.join(owners)}; nothing was written or uploaded")
    require_empty(repository, kind, api)


def require_empty(repository: str, kind: str, api: Any) -> None:
    """Raise ExportError where a repository exists and holds anything, or cannot be looked at."""
    try:
        exists = api.repo_exists(repository, repo_type=kind)
        held = set(api.list_repo_files(repository, repo_type=kind)) - EMPTY if exists else set()
    except Exception as error:  # noqa: BLE001 (network or hub)
        reason = type(error).__name__
        raise ExportError(f"the hub does not say what {repository} holds ({reason}): nothing was uploaded") from error
    if held:
        shown = ", ".join(sorted(held)[:3])
        raise ExportError(
            f"the {kind} {repository} holds files already ({shown}): nothing is overwritten; give another name"
        )


def push(folder: Path, repository: str, kind: str, api: Any) -> str:
    """Upload a folder into a new, private repository, or one that is empty; returns its address.

    Raises ExportError where something has been put there meanwhile, or the upload fails; the folder stays.
    """
    require_empty(repository, kind, api)
    try:
        url = api.create_repo(repository, repo_type=kind, private=True, exist_ok=True)
        api.upload_folder(repo_id=repository, repo_type=kind, folder_path=folder, commit_message="Export of synthmix")
    except Exception as error:  # noqa: BLE001 (network, hub, refused names of licences)
        reason = " ".join(str(error).split()) or type(error).__name__
        again = f"the export is whole in {folder}: upload it with `hf upload {repository} {folder} --repo-type {kind}`"
        raise ExportError(f"the upload to {repository} failed ({reason}); {again}") from error
    return str(url)
