"""Shards: what is written is what is read, or an error."""

import datasets
import numpy as np
import pyarrow.parquet as pq
import pytest

from synthmix.files import DamagedFileError
from synthmix.images import pools, shards


def arrays(n=12, shape=(8, 8, 1), seed=0):
    rng = np.random.default_rng(seed)
    return {
        "images": rng.integers(0, 256, (n, *shape), dtype=np.uint8),
        "labels": np.arange(n) % 3,
        "index": np.arange(n) // 3,
    }


@pytest.mark.parametrize("shape", [(8, 8, 1), (8, 6, 3), (32, 32, 3)])
def test_reads_what_was_written(tmp_path, shape):
    given = arrays(shape=shape)
    flagged = np.arange(12) % 5 == 0
    pools.write_shard(tmp_path / "a.parquet", **given, seed=np.arange(12) - 1, flagged=flagged, generator="abc")
    pool = pools.read([tmp_path / "a.parquet"])
    for name, array in given.items():
        np.testing.assert_array_equal(getattr(pool, name), array)
    np.testing.assert_array_equal(pool.seed, np.arange(12) - 1)
    np.testing.assert_array_equal(pool.flagged, flagged)
    assert (pool.images.dtype, pool.labels.dtype, pool.index.dtype, pool.seed.dtype, pool.flagged.dtype) == (
        np.uint8,
        np.int64,
        np.int64,
        np.int64,
        np.bool_,
    )


def test_shards_follow_in_the_order_given(tmp_path):
    first, second = arrays(seed=1), arrays(seed=2)
    pools.write_shard(tmp_path / "a.parquet", **first, seed=None)
    pools.write_shard(tmp_path / "b.parquet", **second, seed=4)
    pool = pools.read([tmp_path / "b.parquet", tmp_path / "a.parquet"])
    np.testing.assert_array_equal(pool.images, np.concatenate([second["images"], first["images"]]))
    assert pool.seed.tolist() == [4] * 12 + [-1] * 12
    assert not pool.flagged.any()


def test_columns_of_the_file(tmp_path):
    prompts = [f"a photo of {k}" for k in range(12)]
    pools.write_shard(tmp_path / "a.parquet", **arrays(), seed=None, prompts=prompts, generator="abc")
    table = pq.read_table(tmp_path / "a.parquet")
    assert table.column_names == ["image", "label", "index", "prompt", "seed", "flagged", "generator"]
    assert table["prompt"].to_pylist() == prompts
    assert table["seed"].null_count == 12
    assert set(table["generator"].to_pylist()) == {"abc"}
    pools.write_shard(tmp_path / "b.parquet", **arrays(), seed=3)
    table = pq.read_table(tmp_path / "b.parquet")
    assert (table["prompt"].null_count, table["seed"].to_pylist()) == (12, [3] * 12)


def test_a_shard_of_several_seeds_says_which_generator_drew_an_image(tmp_path):
    parts = [tmp_path / "0", tmp_path / "1"]
    for seed, part in enumerate(parts):
        pools.write_shard(part, **arrays(n=3, seed=seed), seed=seed, generator=f"generator-{seed}")
    shards.publish_shard(parts, tmp_path / "both", ["cat", "dog", "fox"])
    table = pq.read_table(tmp_path / "both")
    assert table["seed"].to_pylist() == [0] * 3 + [1] * 3
    assert table["generator"].to_pylist() == ["generator-0"] * 3 + ["generator-1"] * 3


@pytest.mark.parametrize("classes", [None, ["cat", "dog", "fox"]])
def test_the_datasets_library_decodes_a_shard(tmp_path, classes):
    given = arrays(shape=(8, 8, 3))
    pools.write_shard(tmp_path / "a.parquet", **given, seed=None, classes=classes)
    table = datasets.load_dataset(
        "parquet", data_files={"train": str(tmp_path / "a.parquet")}, split="train", cache_dir=str(tmp_path / "cache")
    )
    np.testing.assert_array_equal(np.asarray(table[5]["image"]), given["images"][5])
    assert getattr(table.features["label"], "names", None) == classes
    assert table[5]["label"] == given["labels"][5]


def test_same_arrays_same_bytes(tmp_path):
    for name in "ab":
        pools.write_shard(tmp_path / name, **arrays(), seed=3, prompts=["x"] * 12, generator="abc")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    pools.write_shard(tmp_path / "b", **arrays(), seed=2, prompts=["x"] * 12, generator="abc")
    assert (tmp_path / "a").read_bytes() != (tmp_path / "b").read_bytes()


def test_any_altered_byte_is_noticed(tmp_path):
    path = tmp_path / "shard.parquet"
    pools.write_shard(path, **arrays(n=3), seed=None, prompts=["0" * 64] * 3, classes=["cat", "dog", "fox"])
    assert len(pools.read([path]).images) == 3
    content = path.read_bytes()
    for position in range(len(content)):
        for bit in (0x01, 0x80):
            path.write_bytes(content[:position] + bytes([content[position] ^ bit]) + content[position + 1 :])
            with pytest.raises(DamagedFileError, match=r"shard\.parquet is damaged"):
                pools.read([path])


def test_any_cut_is_noticed(tmp_path):
    path = tmp_path / "shard.parquet"
    pools.write_shard(path, **arrays(n=3), seed=None)
    content = path.read_bytes()
    for length in range(0, len(content), 7):
        path.write_bytes(content[:length])
        with pytest.raises(DamagedFileError, match=r"shard\.parquet is damaged"):
            pools.read([path])
    path.write_bytes(content + b"\0")
    with pytest.raises(DamagedFileError):
        pools.read([path])


def test_a_sealed_file_that_is_no_shard_or_lacks_rows_or_has_other_pixels(tmp_path):
    pools.write_shard(tmp_path / "a", **arrays(seed=1), seed=None)
    pools.write_shard(tmp_path / "b", **arrays(seed=2), seed=None)
    first, second = pq.read_table(tmp_path / "a"), pq.read_table(tmp_path / "b")
    metadata = {key.decode(): value.decode() for key, value in first.schema.metadata.items()}
    pools._write(tmp_path / "c", first.slice(0, 9), metadata)
    with pytest.raises(ValueError, match="c holds 9 rows and says 12") as error:
        pools.read([tmp_path / "c"])
    assert not isinstance(error.value, DamagedFileError)
    pools._write(tmp_path / "c", second, metadata)
    with pytest.raises(DamagedFileError, match="its pixels"):
        pools.read([tmp_path / "c"])


def test_page_checksums_are_in_the_file(tmp_path):
    path = tmp_path / "a.parquet"
    pools.write_shard(path, **arrays(), seed=None)
    content = path.read_bytes()
    png = content.index(b"\x89PNG")
    path.write_bytes(content[: png + 40] + bytes([content[png + 40] ^ 1]) + content[png + 41 :])
    with pytest.raises(OSError, match="CRC"):
        pq.read_table(path, page_checksum_verification=True)


def test_refused_arguments(tmp_path):
    given = arrays()
    path = tmp_path / "a.parquet"
    with pytest.raises(ValueError, match="not uint8"):
        pools.write_shard(path, **{**given, "images": given["images"].astype(np.float32)}, seed=None)
    with pytest.raises(ValueError, match="not uint8"):
        pools.write_shard(path, **{**given, "images": given["images"][..., 0]}, seed=None)
    with pytest.raises(ValueError, match="11 values of label for 12 images"):
        pools.write_shard(path, **{**given, "labels": given["labels"][:11]}, seed=None)
    assert not path.exists()
    with pytest.raises(ValueError, match="at least one shard"):
        pools.read([])
    pools.write_shard(path, **given, seed=None)
    pools.write_shard(tmp_path / "b.parquet", **arrays(shape=(8, 8, 3)), seed=None)
    with pytest.raises(ValueError, match="a pool has one shape"):
        pools.read([path, tmp_path / "b.parquet"])
