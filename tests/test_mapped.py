"""Images on the disk: the same pixels as in memory, of which none is held, in this process and in others."""

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from synthmix import data
from synthmix.data import Split
from synthmix.files import DamagedFileError, write_arrays
from synthmix.images import draws, mapped, pools
from synthmix.images.mapped import Mapped, Rows
from synthmix.images.pools import Pool

SCRIPTS = Path(__file__).parents[1] / "workflow/scripts"
RANDOM = np.random.default_rng(0)
SPLIT = Split(RANDOM.integers(0, 256, (60, 5, 4, 3), dtype=np.uint8), np.arange(60) % 3, np.arange(60) * 2)
# two shards; an image of each seed is flagged
SHARDS = [
    Pool(
        RANDOM.integers(0, 256, (24, 5, 4, 3), dtype=np.uint8),
        np.arange(24) % 3,
        np.arange(24) // 3,
        np.full(24, seed),
        np.arange(24) == 5,
    )
    for seed in (0, 1)
]


@pytest.fixture
def split(tmp_path: Path) -> Path:
    write_arrays(tmp_path / "train.safetensors", vars(SPLIT))
    return tmp_path / "train.safetensors"


@pytest.fixture
def shards(tmp_path: Path) -> list[Path]:
    for shard in SHARDS:
        path = tmp_path / f"pool/shard-{shard.seed[0]}.parquet"
        pools.write_shard(path, shard.images, shard.labels, shard.index, shard.seed, flagged=shard.flagged)
    return sorted((tmp_path / "pool").iterdir())


def assert_equal(one: Split | Pool, other: Split | Pool) -> None:
    for name, values in vars(other).items():
        np.testing.assert_array_equal(getattr(one, name), values, err_msg=name)


# ---- files -----------------------------------------------------------------------------------------------------------


def test_a_split_is_the_same_and_its_images_stay_in_the_file(split: Path) -> None:
    found = data.read_mapped(split)
    assert_equal(found, data.read(split))
    assert isinstance(found.images, Mapped)
    assert not found.images.flags.writeable
    assert (found.labels.dtype, found.index.dtype) == (np.int64, np.int64)


def test_a_damaged_split_is_refused(split: Path) -> None:
    whole = split.read_bytes()
    for content in (whole[:-1], whole[:-7] + b"x" + whole[-6:], b"", b"not a file of tensors"):
        split.write_bytes(content)
        with pytest.raises(DamagedFileError, match=r"train.safetensors is damaged .*: delete it and run snakemake"):
            data.read_mapped(split)
    write_arrays(split, {"images": SPLIT.images})
    with pytest.raises(DamagedFileError, match="not a split"):
        data.read_mapped(split)


def test_a_pool_is_the_same_and_leaves_no_file(shards: list[Path]) -> None:
    found = pools.read_mapped(shards, shards[0].parent)
    assert_equal(found, pools.read(shards))
    assert isinstance(found.images, Mapped)
    assert sorted(shards[0].parent.iterdir()) == shards, "the decoded images have no name"
    assert list(map(pools.count, shards)) == [24, 24]


def test_shards_that_do_not_fit_are_refused_as_they_are_in_memory(shards: list[Path], tmp_path: Path) -> None:
    pools.write_shard(tmp_path / "other.parquet", SPLIT.images[:2, :4], SPLIT.labels[:2], np.arange(2), None)
    paths = [*shards, tmp_path / "other.parquet"]
    messages = []
    for read in (pools.read, lambda paths: pools.read_mapped(paths, tmp_path)):
        with pytest.raises(ValueError, match="a pool has one shape") as error:
            read(paths)
        messages.append(str(error.value))
    assert messages[0] == messages[1]
    with pytest.raises(ValueError, match="at least one shard"):
        pools.read_mapped([], tmp_path)
    shards[0].write_bytes(shards[0].read_bytes()[:-9])
    with pytest.raises(DamagedFileError):
        pools.count(shards[0])


def test_another_process_opens_the_files_itself(split: Path, shards: list[Path]) -> None:
    """The pickle holds no pixels; the pool's file is found though it has no name."""
    rows = mapped.joined(
        [
            (data.read_mapped(split).images, np.arange(59, 9, -1)),
            (pools.read_mapped(shards, split.parent).images, np.arange(40)),
        ]
    )
    sent = pickle.dumps((rows, data.read_mapped(split).images))
    assert len(sent) < SPLIT.images.nbytes
    script = "import pickle, sys\nfor each in pickle.load(sys.stdin.buffer): sys.stdout.buffer.write(each[:].tobytes())"
    environment = {"PYTHONPATH": str(SCRIPTS)}
    done = subprocess.run([sys.executable, "-c", script], input=sent, capture_output=True, check=True, env=environment)
    assert done.stdout == rows[:].tobytes() + SPLIT.images.tobytes()


def test_a_part_of_a_file_is_sent_as_what_it_is(split: Path) -> None:
    part = data.read_mapped(split).images[7:9]
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(part)), SPLIT.images[7:9])


# ---- rows ------------------------------------------------------------------------------------------------------------


def test_rows_are_what_an_array_would_give(split: Path) -> None:
    parts = [(data.read_mapped(split).images, np.array([5, 3, 3, 59])), (SHARDS[0].images, np.array([0, 23, 7]))]
    rows, expected = mapped.joined(parts), np.concatenate([images[row] for images, row in parts])
    assert isinstance(rows, Rows)
    assert (rows.shape, len(rows)) == (expected.shape, 7)
    for index in (
        slice(None),
        slice(2, 6),
        slice(5, 0, -2),
        np.array([6, 0, 4, 0]),
        [1, 5],
        expected[:, 0, 0, 0] > 99,
        4,
    ):
        found = rows[index]
        assert type(found) is np.ndarray, "in memory"
        assert found.dtype == np.uint8
        np.testing.assert_array_equal(found, expected[index])
        if not isinstance(index, int):
            np.testing.assert_array_equal(rows.take(index)[:], expected[index])
    np.testing.assert_array_equal(list(rows), expected)
    np.testing.assert_array_equal(mapped.chosen(rows, np.array([6, 2]))[:], expected[[6, 2]])


def test_what_is_read_of_a_file_is_in_memory(split: Path) -> None:
    images = data.read_mapped(split).images
    assert type(images[np.array([1, 2])]) is np.ndarray
    assert isinstance(mapped.chosen(images, np.array([1, 2])), Rows)
    assert isinstance(mapped.chosen(SPLIT.images, np.array([1, 2])), np.ndarray)


SETS = {
    "few": {"real": 3},
    "repeated": {"real": {"total": 40}, "rebalance": True},
    "mixed": {"real": 3, "synthetic": 4, "pool": "own", "draw_from": 7, "label_noise": 0.4},
    "held-back": {"real": 3, "held_back": 4, "monitor": {"pool": "own", "first": 1, "per_class": 5}},
    "generated": {"synthetic": 5, "pool": "own", "draw_from": 7, "shuffle_synthetic_labels": True},
}


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("seed", [0, 1])
def test_a_training_set_has_the_same_images_in_the_same_order(
    name: str, seed: int, split: Path, shards: list[Path]
) -> None:
    """Of a pool with images for each seed, whose flagged ones are left out."""
    one, other = (
        draws.assemble(SETS[name], seed, train, {"own": pool}, 3, "train")
        for train, pool in (
            (data.read(split), pools.read(shards)),
            (data.read_mapped(split), pools.read_mapped(shards, split.parent)),
        )
    )
    assert isinstance(other.images, Rows)
    np.testing.assert_array_equal(other.images[:], one.images)
    np.testing.assert_array_equal(other.labels, one.labels)
    assert (other.real, other.repeated) == (one.real, one.repeated)
    if one.monitor:
        np.testing.assert_array_equal(other.monitor[0][:], one.monitor[0])
        np.testing.assert_array_equal(other.monitor[1], one.monitor[1])
