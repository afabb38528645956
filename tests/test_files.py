"""Files that are whole or absent, and reads that notice damage."""

import os
import resource
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from synthmix import files, job

ARRAYS = {"a": np.arange(12, dtype=np.int64).reshape(3, 4), "b": np.zeros((0, 2), dtype=np.float32)}


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def python(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {"PYTHONPATH": str(Path(files.__file__).parents[1])}
    command = [sys.executable, "-c", textwrap.dedent(program), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True)


def write_half(path: Path) -> None:
    with files.atomic(path) as temporary:
        temporary.write_text("half")
        raise OSError("broken")


# ---- writing ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("old", [None, "old"])
def test_an_exception_leaves_what_was_there(tmp_path, old):
    path = tmp_path / "file.txt"
    if old:
        path.write_text(old)
    with pytest.raises(OSError, match="broken"):
        write_half(path)
    assert left(tmp_path) == (["file.txt"] if old else [])
    assert not old or path.read_text() == old


@pytest.mark.parametrize("old", [None, "old"])
def test_a_killed_process_leaves_what_was_there(tmp_path, old):
    path = tmp_path / "file.txt"
    if old:
        path.write_text(old)
    program = """
        import os, signal, sys
        from synthmix import files
        with files.atomic(sys.argv[1]) as temporary:
            temporary.write_text("half")
            os.kill(os.getpid(), signal.SIGKILL)
    """
    assert python(program, str(path)).returncode == -signal.SIGKILL
    assert path.exists() == bool(old)
    assert not old or path.read_text() == old


def test_a_full_disk_leaves_what_was_there(tmp_path):
    path = tmp_path / "arrays.safetensors"
    files.write_arrays(path, ARRAYS)
    program = f"""
        import resource, sys
        import numpy as np
        from synthmix import files
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, {resource.RLIM_INFINITY}))
        files.write_arrays(sys.argv[1], {{"large": np.zeros(1_000_000)}})
    """
    ended = python(program, str(path))
    assert ended.returncode != 0
    assert "Error" in ended.stderr
    assert left(tmp_path) == [path.name]
    np.testing.assert_array_equal(files.read_arrays(path)[0]["a"], ARRAYS["a"])


def test_a_finished_block_replaces_the_file(tmp_path):
    path = tmp_path / "new" / "file.txt"
    for text in ("one", "two"):
        files.write_text(path, text)
        assert path.read_text() == text
    assert left(path.parent) == ["file.txt"]


def test_values_that_are_not_json_are_refused(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        files.write_json(tmp_path / "a.json", {"value": float("nan")})
    assert left(tmp_path) == []


def test_missing_values_are_empty_cells(tmp_path):
    files.write_rows(tmp_path / "a.csv", ["x", "y"], [{"x": 1}, {"x": None, "y": "z"}])
    assert (tmp_path / "a.csv").read_text() == "x,y\n1,\n,z\n"


def test_a_linked_file_is_the_same_and_new(tmp_path):
    source, path = tmp_path / "source", tmp_path / "path"
    source.write_text("content")
    os.utime(source, (1, 1))
    files.link(source, path)
    assert path.read_text() == "content"
    assert path.stat().st_mtime > 1
    assert path.samefile(source)


def test_a_third_name_leaves_the_second_as_old_as_it_was(tmp_path):
    source, second, third = (tmp_path / name for name in ("source", "second", "third"))
    source.write_text("content")
    files.link(source, second)
    os.utime(second, (1, 1))
    files.link(source, third)
    assert third.read_text() == "content"
    assert third.stat().st_mtime > second.stat().st_mtime == 1


# ---- reading ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def written(tmp_path):
    path = tmp_path / "arrays.safetensors"
    files.write_arrays(path, ARRAYS, {"note": "text"})
    return path


def test_arrays_come_back(written):
    arrays, metadata = files.read_arrays(written)
    assert metadata == {"note": "text"}
    for name, value in ARRAYS.items():
        assert arrays[name].dtype == value.dtype
        np.testing.assert_array_equal(arrays[name], value)


def test_equal_content_gives_equal_bytes(tmp_path):
    metadata = {name: f'"{name}\\ \n\x01\x7f é😀' for name in "hgfedcba"}
    contents = set()
    for number in range(10):
        path = tmp_path / f"{number}.safetensors"
        files.write_arrays(path, ARRAYS, metadata)
        contents.add(path.read_bytes())
        assert files.read_arrays(path)[1] == metadata
    assert len(contents) == 1


@pytest.mark.parametrize("kept", [0, 7, 100, -1])
def test_a_truncated_file_is_named(written, kept):
    written.write_bytes(written.read_bytes()[:kept])
    with pytest.raises(files.DamagedFileError) as error:
        files.read_arrays(written)
    assert str(error.value).startswith(f"{written} is damaged")
    assert str(error.value).endswith("delete it and run snakemake again")
    assert "\n" not in str(error.value)


def test_an_altered_file_is_named(written):
    content = bytearray(written.read_bytes())
    content[-1] ^= 1
    written.write_bytes(content)
    with pytest.raises(files.DamagedFileError, match="checksum does not match"):
        files.read_arrays(written)


def test_a_missing_file_is_not_called_damaged(tmp_path):
    with pytest.raises(FileNotFoundError):
        files.read_arrays(tmp_path / "none.safetensors")


def test_damaged_json_is_named(tmp_path):
    (tmp_path / "a.json").write_text('{"a": ')
    with pytest.raises(files.DamagedFileError, match=r"a\.json is damaged"):
        files.read_json(tmp_path / "a.json")


def test_the_checksum_depends_on_names_types_shapes_and_values():
    values = np.arange(6, dtype=np.int32)
    checksums = [
        files.checksum(arrays)
        for arrays in (
            {"a": values},
            {"b": values},
            {"a": values.astype(np.int64)},
            {"a": values.reshape(2, 3)},
            {"a": values[::-1]},
        )
    ]
    assert len(set(checksums)) == len(checksums)
    assert files.checksum({"a": values, "b": values}) == files.checksum({"b": values, "a": values})


# ---- copies on a node's own disk -------------------------------------------------------------------------------------


def test_a_scratch_folder_that_is_not_set_is_told_and_done_without(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(job, "settings", lambda: {"scratch": "$NOT_SET_ANYWHERE"})
    assert job.local("results/data/digits/train.safetensors") == "results/data/digits/train.safetensors"
    told = "scratch: $NOT_SET_ANYWHERE is not set here: results/data/digits/train.safetensors is read where it lies\n"
    assert capsys.readouterr().out == told


def test_a_file_is_copied_to_the_scratch_folder_once_for_each_of_its_contents(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("NODE_DISK", str(tmp_path / "disk"))
    monkeypatch.setattr(job, "settings", lambda: {"scratch": "$NODE_DISK"})
    path = tmp_path / "train.safetensors"
    path.write_bytes(b"images")
    copy = Path(job.local(str(path)))
    assert copy.is_relative_to(tmp_path / "disk")
    assert copy.read_bytes() == b"images"
    written = copy.stat().st_mtime_ns
    assert job.local(str(path)) == str(copy)
    assert copy.stat().st_mtime_ns == written
    path.write_bytes(b"other images")
    assert Path(job.local(str(path))).read_bytes() == b"other images"
