"""Where the weights of a published network are found, and what to say when they are not."""

import contextlib
import re
from pathlib import Path

from huggingface_hub import hf_hub_download, hf_hub_url
from huggingface_hub.errors import HfHubHTTPError


class MissingWeightsError(RuntimeError):
    """Weights that are neither on the disk nor to be had by download; the message says which file goes where."""

    def __init__(self, network: str, source: str, target: Path, reason: object) -> None:
        why = " ".join(str(reason).split())
        super().__init__(f"no weights for {network} ({why}): download {source} and put it at {target}")


def given_file(weights: Path, file_name: str, network: str, source: str) -> Path:
    """The file that a configured path means: itself, or `file_name` in it where it is a folder."""
    path = weights / file_name if weights.is_dir() else weights
    if not path.is_file():
        raise MissingWeightsError(network, source, path, f"{path} does not exist")
    return path


def hub_file(repository: str, file_name: str, weights: Path | None, folder: Path, offline: bool) -> Path:
    """A file of a Hugging Face hub repository, as a local path.

    Looked for at `weights` (a file, or a folder that holds it) if given; else in `folder`/{repository's last name},
    then in the hub's own cache, then downloaded into `folder` unless `offline`. Raises MissingWeightsError.
    """
    source = hf_hub_url(repository, file_name)
    if weights is not None:
        return given_file(weights, file_name, repository, source)
    local = folder / repository.rsplit("/", 1)[-1] / file_name
    if local.is_file():
        return local
    with contextlib.suppress(OSError):  # not in the cache
        return Path(hf_hub_download(repository, file_name, local_files_only=True))
    if offline:
        raise MissingWeightsError(repository, source, local, "offline: true")
    try:
        return Path(hf_hub_download(repository, file_name, local_dir=local.parent))
    except (OSError, ValueError, HfHubHTTPError) as error:
        reason = f"the download failed, {type(error).__name__}"
        raise MissingWeightsError(repository, source, local, reason) from error


def timm_file(variant: str, weights: Path | None, folder: Path, offline: bool) -> Path:
    """The file of weights of a pretrained network of timm, looked for as `hub_file` says.

    Raises ValueError where timm knows no such pretrained network, and MissingWeightsError.
    """
    import timm

    configuration = timm.get_pretrained_cfg(variant) if timm.is_model(variant.split(".")[0]) else None
    if configuration is None or not configuration.hf_hub_id:
        raise ValueError(f"{variant!r} is not a pretrained timm network: see timm.list_pretrained()")
    return hub_file(configuration.hf_hub_id, "model.safetensors", weights, folder, offline)


def torch_file(url: str, network: str, weights: Path | None, folder: Path, offline: bool) -> Path:
    """A file of weights behind an address, whose name holds the first digits of its SHA-256.

    Looked for at `weights` (a file, or a folder that holds it) if given; else in `folder`, where it is downloaded to
    unless `offline`. Raises MissingWeightsError.
    """
    import torch

    name = url.rsplit("/", 1)[-1]
    if weights is not None:
        return given_file(weights, name, network, url)
    path = folder / name
    if path.is_file():
        return path
    if offline:
        raise MissingWeightsError(network, url, path, "offline: true")
    folder.mkdir(parents=True, exist_ok=True)
    digest = re.search(r"-([0-9a-f]+)\.", name)
    try:
        torch.hub.download_url_to_file(url, str(path), digest and digest[1], progress=False)
    except (OSError, RuntimeError) as error:
        raise MissingWeightsError(network, url, path, f"the download failed, {error}") from error
    return path
