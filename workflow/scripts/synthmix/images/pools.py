"""Shards of generated images: Parquet in the Hugging Face image layout, complete and unaltered or refused."""

import hashlib
import io
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from synthmix import files
from synthmix.images import mapped

_SCHEMA = pa.schema(
    {
        "image": pa.struct({"bytes": pa.binary(), "path": pa.string()}),
        "label": pa.int64(),
        "index": pa.int64(),
        "prompt": pa.string(),
        "seed": pa.int64(),
        "flagged": pa.bool_(),
        "generator": pa.string(),
    }
)
# The file's own SHA-256 stands in its footer; it is taken with zeros in that place.
_UNSEALED = b"0" * 64
_SEAL = re.compile(rb"synthmix\.file_sha256[^0-9a-f]{1,8}([0-9a-f]{64})")


_AS_FLAGGED = np.empty(0, dtype=bool)


@dataclass(frozen=True)
class Pool:
    """Generated images in file order.

    images uint8 (N, H, W, C); labels, index (in the class) and seed (-1: none) int64 (N,); flagged bool (N,): a safety
    checker objected; left_out bool (N,): neither trained on nor scored, by default where flagged.
    """

    images: np.ndarray
    labels: np.ndarray
    index: np.ndarray
    seed: np.ndarray
    flagged: np.ndarray
    left_out: np.ndarray = field(default_factory=lambda: _AS_FLAGGED)

    def __post_init__(self) -> None:
        if self.left_out is _AS_FLAGGED:
            object.__setattr__(self, "left_out", self.flagged)

    def select(self, rows: np.ndarray) -> "Pool":
        """The images of a boolean mask (N,) or of indices, in their order."""
        return Pool(**{name: values[rows] for name, values in vars(self).items()})


def write_shard(
    path: str | Path,
    images: np.ndarray,
    labels: np.ndarray,
    index: np.ndarray,
    seed: int | np.ndarray | None,
    prompts: Sequence[str] | None = None,
    flagged: np.ndarray | None = None,
    generator: str | Sequence[str] = "",
    classes: Sequence[str] | None = None,
    keeps_flagged: bool = False,
) -> None:
    """Write one shard, atomically. The same arguments give the same bytes (with the same pyarrow and Pillow).

    Args:
        path: the Parquet file; `datasets.load_dataset("parquet", data_files=...)` decodes its images.
        images: uint8 (N, H, W, C), C 1 or 3, N at least 1; kept as PNG, which loses nothing.
        labels: int (N,).
        index: int (N,), number of the image in its class.
        seed: the classifier seed whose generator drew the images: one, one per image (-1: none), or None.
        prompts: N texts, where the generator had any.
        flagged: bool (N,), true where a safety checker objected; default: none.
        generator: digest of the generator's spec: one, or one per image.
        classes: names of the classes 0, 1, ...; with them the label column is a ClassLabel.
        keeps_flagged: whether flagged images are used like the others, and not left out.

    Raises:
        ValueError: arrays of another dtype, shape or length.
    """
    n = len(images)
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] not in (1, 3) or n == 0:
        raise ValueError(f"{path}: images are {images.dtype} {images.shape}, not uint8 (N, H, W, 1 or 3)")
    seeds = np.broadcast_to(np.asarray(-1 if seed is None else seed, dtype=np.int64), n)
    columns: dict[str, Sequence[object]] = {
        "image": [{"bytes": _encode(image), "path": None} for image in images],
        "label": np.asarray(labels).tolist(),
        "index": np.asarray(index).tolist(),
        "prompt": [None] * n if prompts is None else list(prompts),
        "seed": [None if each < 0 else each for each in seeds.tolist()],
        "flagged": [False] * n if flagged is None else np.asarray(flagged, dtype=bool).tolist(),
        "generator": [generator] * n if isinstance(generator, str) else list(generator),
    }
    for name, column in columns.items():
        if len(column) != n:
            raise ValueError(f"{path}: {len(column)} values of {name} for {n} images")
    metadata = {
        "huggingface": _features(classes),
        "synthmix.rows": str(n),
        "synthmix.pixels_sha256": files.checksum({"images": images}),
        **({"synthmix.flagged": "used"} if keeps_flagged else {}),
    }
    _write(path, pa.table(columns, _SCHEMA), metadata)


def _write(path: str | Path, table: pa.Table, metadata: dict[str, str]) -> None:
    buffer = io.BytesIO()
    # no compression: PNG does not compress further. store_schema would repeat what the column types say already
    with pq.ParquetWriter(
        buffer, table.schema, compression="none", store_schema=False, write_page_checksum=True
    ) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata(metadata | {"synthmix.file_sha256": _UNSEALED.decode()})
    content = buffer.getvalue()
    seal = hashlib.sha256(content).hexdigest().encode()
    start, end = _last_seal(content)
    with files.atomic(path) as temporary:
        temporary.write_bytes(content[:start] + seal + content[end:])


def _last_seal(content: bytes) -> tuple[int, int]:
    """Where the file's own checksum stands; (0, 0) where it has none."""
    match = _SEAL.search(content, max(0, content.rfind(b"synthmix.file_sha256")))
    return match.span(1) if match else (0, 0)


def _encode(image: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image[..., 0] if image.shape[2] == 1 else image).save(buffer, "PNG")
    return buffer.getvalue()


def _decode(png: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(png)) as image:
        pixels = np.asarray(image)
    return pixels[..., np.newaxis] if pixels.ndim == 2 else pixels


def _features(classes: Sequence[str] | None) -> str:
    """The schema's metadata from which `datasets` knows what the columns mean."""
    features: dict[str, dict[str, object]] = {"image": {"_type": "Image"}}
    for column in list(_SCHEMA)[1:]:
        features[column.name] = {"dtype": str(column.type), "_type": "Value"}
    if classes is not None:
        features["label"] = {"names": list(classes), "_type": "ClassLabel"}
    return json.dumps({"info": {"features": features}}, sort_keys=True)


def read(paths: Sequence[str | Path]) -> Pool:
    """Read shards, in the order given.

    Raises:
        files.DamagedFileError: a shard was truncated or altered, be it by one byte.
        ValueError: a shard has fewer rows than it says, shards differ in image size, or `paths` is empty.
    """
    if not paths:
        raise ValueError("a pool needs at least one shard")
    shards = [_read(path) for path in paths]
    for path, shard in zip(paths, shards, strict=True):
        shape, first = shard.images.shape[1:], shards[0].images.shape[1:]
        if shape != first:
            raise ValueError(f"{path} holds images of shape {shape}, {paths[0]} of {first}: a pool has one shape")
    return Pool(*(np.concatenate([getattr(shard, name) for shard in shards]) for name in vars(shards[0])))


def count(path: str | Path) -> int:
    """Number of images in a shard, of which only the footer is read; raises files.DamagedFileError."""
    try:
        return int(pq.read_metadata(path).num_rows)
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise files.DamagedFileError(path, str(error).splitlines()[0]) from error


def read_mapped(paths: Sequence[str | Path], folder: str | Path) -> Pool:
    """As `read`, but the images, once decoded, are in a file of a folder (`mapped.written`): one shard is in memory."""
    if not paths:
        raise ValueError("a pool needs at least one shard")
    light: list[Pool] = []

    def pixels() -> Iterator[np.ndarray]:
        for path in paths:
            shard = _read(path)
            light.append(replace(shard, images=shard.images[:0].copy()))  # a view would keep all
            shape, first = shard.images.shape[1:], light[0].images.shape[1:]
            if shape != first:
                raise ValueError(f"{path} holds images of shape {shape}, {paths[0]} of {first}: a pool has one shape")
            yield shard.images

    images = mapped.written(pixels(), folder)
    names = [name for name in vars(light[0]) if name != "images"]
    return Pool(images=images, **{name: np.concatenate([getattr(shard, name) for shard in light]) for name in names})


def positions(pool: Pool) -> Pool:
    """A pool whose `images` are their rows in it, int64 (N,): what selections then keep of it without its pixels."""
    return replace(pool, images=np.arange(len(pool.labels)))


def read_prompts(paths: Sequence[str | Path]) -> list[str | None]:
    """The prompts of the images that `read` returns, in its order; None for an image that was made without one."""
    return _column(paths, "prompt")


def read_generators(paths: Sequence[str | Path]) -> list[str]:
    """The digests of the generators' specs, of the images that `read` returns, in its order."""
    return _column(paths, "generator")


def _column(paths: Sequence[str | Path], name: str) -> list[Any]:
    return [value for path in paths for value in pq.read_table(path, columns=[name])[name].to_pylist()]


def _read(path: str | Path) -> Pool:
    content = Path(path).read_bytes()
    start, end = _last_seal(content)
    # before pyarrow sees the file: a footer has no checksum of its own, and an altered one can crash its reader
    if hashlib.sha256(content[:start] + _UNSEALED + content[end:]).hexdigest().encode() != content[start:end]:
        raise files.DamagedFileError(path, "its checksum does not match")
    try:
        table = pq.read_table(pa.BufferReader(content), page_checksum_verification=True)
    except (pa.ArrowException, OSError) as error:
        raise files.DamagedFileError(path, str(error).splitlines()[0]) from error
    metadata = table.schema.metadata
    rows = int(metadata[b"synthmix.rows"])
    if len(table) != rows:
        raise ValueError(f"{path} holds {len(table)} rows and says {rows}: delete it and run snakemake again")
    images = np.stack([_decode(cell["bytes"]) for cell in table["image"].to_pylist()])
    if files.checksum({"images": images}).encode() != metadata[b"synthmix.pixels_sha256"]:
        raise files.DamagedFileError(path, "its pixels are not those that were written")
    flagged = table["flagged"].to_numpy(zero_copy_only=False)
    return Pool(
        images=images,
        labels=table["label"].to_numpy(),
        index=table["index"].to_numpy(),
        seed=table["seed"].fill_null(-1).to_numpy(),
        flagged=flagged,
        left_out=np.zeros_like(flagged) if metadata.get(b"synthmix.flagged") == b"used" else flagged,
    )
