"""The store: what is saved is what is loaded, damage costs only time, and one process works on an entry."""

import errno
import fcntl
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from synthmix import store
from synthmix.store import Entry
from synthmix.training import arrays, tensors

DIGEST = "ab12cd34ef567890"
TREE = {
    "step": 120,
    "done": False,
    "best": None,
    "seconds": 1.5,
    "history": [{"step": 1, "loss": float("inf")}, {"step": 2, "loss": 0.25}],
    "optimizer": {"state": {0: {"step": np.array(3.0, dtype=np.float32), "exp_avg": np.eye(2)}, 1: {}}, "groups": []},
    "model": {
        "a.weight": np.arange(6, dtype=np.float16).reshape(2, 3).T,
        "a.count": np.array(7),
        "empty": np.zeros((0, 4)),
    },
    "flags": np.array([True, False]),
    "text": "naïve",
}


@pytest.fixture
def entry(tmp_path):
    return Entry(DIGEST, tmp_path)


def assert_same(one, other):
    assert type(one) is type(other)
    if isinstance(one, dict):
        assert list(one) == list(other)
        for key in one:
            assert_same(one[key], other[key])
    elif isinstance(one, list):
        assert len(one) == len(other)
        for mine, its in zip(one, other, strict=True):
            assert_same(mine, its)
    elif isinstance(one, np.ndarray):
        assert (one.dtype, one.shape) == (other.dtype, other.shape)
        np.testing.assert_array_equal(one, other)
    else:
        assert one == other


# ---- round trips -----------------------------------------------------------------------------------------------------


def test_a_tree_comes_back_as_it_was(entry):
    entry.save(TREE)
    assert_same(entry.load(), TREE)


def test_work_is_begun_until_it_is_finished(tmp_path):
    assert not Entry.begun(DIGEST, tmp_path)
    entry = Entry(DIGEST, tmp_path)
    assert not Entry.begun(DIGEST, tmp_path)
    entry.save({"step": 1})
    assert (Entry.begun(DIGEST, tmp_path), Entry.finished(DIGEST, tmp_path)) == (True, False)
    entry.save({"done": True})
    assert (Entry.begun(DIGEST, tmp_path), Entry.finished(DIGEST, tmp_path)) == (False, True)


@pytest.mark.parametrize("tree", [np.arange(3), 5, None, [], {}, [np.array(1), [np.array(2)]]])
def test_any_tree_may_be_the_root(entry, tree):
    entry.save(tree)
    assert_same(entry.load(), tree)


def test_tuples_come_back_as_lists(entry):
    entry.save({"betas": (0.9, np.array(0.999))})
    assert_same(entry.load(), {"betas": [0.9, np.array(0.999)]})


def test_keys_that_look_alike_keep_their_arrays_apart(entry):
    tree = {0: np.zeros(2), "0": np.ones(2), "a": {"b": np.full(2, 2)}, "a/b": np.full(2, 3), "outline": np.full(2, 4)}
    entry.save(tree)
    assert_same(entry.load(), tree)


@pytest.mark.parametrize("kind", [torch.optim.AdamW, torch.optim.SGD])
def test_an_optimiser_comes_back_to_the_bit(entry, kind):
    torch.manual_seed(0)
    model = torch.nn.Linear(3, 2)
    optimizer = kind(model.parameters(), 0.1, **({"momentum": 0.9} if kind is torch.optim.SGD else {}))
    x = torch.randn(8, 3)

    def step(network, its_optimizer):
        its_optimizer.zero_grad()
        network(x).square().sum().backward()
        its_optimizer.step()

    step(model, optimizer)
    entry.save({"model": arrays(model.state_dict()), "optimizer": arrays(optimizer.state_dict())})
    state = entry.load()
    other = torch.nn.Linear(3, 2)
    again = kind(other.parameters(), 0.5, **({"momentum": 0.9} if kind is torch.optim.SGD else {}))
    other.load_state_dict(tensors(state["model"]))
    again.load_state_dict(tensors(state["optimizer"]))
    for network, its_optimizer in ((model, optimizer), (other, again)):
        step(network, its_optimizer)
    assert torch.equal(model.weight, other.weight)
    assert torch.equal(model.bias, other.bias)


def test_a_new_state_replaces_the_old_one_whole(entry):
    entry.save({"a": np.zeros(3), "b": 1})
    entry.save({"a": np.ones(2)})
    assert_same(entry.load(), {"a": np.ones(2)})
    assert {path.name for path in entry.folder.iterdir()} == {"state.safetensors"}


def test_there_is_nothing_at_first(entry):
    assert entry.load() is None


def test_entries_do_not_meet(tmp_path):
    Entry("ab00", tmp_path).save({"a": 1})
    Entry("ab01", tmp_path).save({"a": 2})
    assert Entry("ab00", tmp_path).load() == {"a": 1}
    assert Entry("ab02", tmp_path).load() is None


@pytest.mark.parametrize("value", [object(), np.int64(3), torch.zeros(1)])
def test_what_cannot_be_kept_is_refused_and_the_old_state_stays(entry, value):
    entry.save({"a": 1})
    with pytest.raises(TypeError, match="not JSON serializable"):
        entry.save({"a": value})
    assert entry.load() == {"a": 1}


# ---- damage ----------------------------------------------------------------------------------------------------------


def discarded(entry, capsys):
    """Whether the state was discarded, with one line that says so."""
    loaded = entry.load()
    printed = capsys.readouterr().out
    if loaded is not None:
        return False
    assert printed.count("\n") == 1
    assert str(entry.state) in printed
    assert "damaged" in printed
    assert "starting again from nothing" in printed
    assert not entry.state.exists()
    return True


@pytest.mark.parametrize("kept", [0, 1, 8, 100, -1])
def test_a_truncated_state_is_discarded(entry, capsys, kept):
    entry.save(TREE)
    entry.state.write_bytes(entry.state.read_bytes()[:kept])
    assert discarded(entry, capsys)


def test_a_flipped_bit_anywhere_is_noticed(entry, capsys):
    entry.save({"step": 120, "w": np.arange(4.0), "history": [{"loss": 1.5}]})
    good = entry.state.read_bytes()
    for place in range(len(good)):
        altered = bytearray(good)
        altered[place] ^= 1
        entry.state.write_bytes(altered)
        assert discarded(entry, capsys), place


def test_work_goes_on_after_damage(entry, capsys):
    entry.save({"a": 1})
    entry.state.write_bytes(b"not safetensors")
    assert discarded(entry, capsys)
    entry.save({"a": 2})
    assert entry.load() == {"a": 2}


# ---- locks -----------------------------------------------------------------------------------------------------------

SCRIPTS = str(Path(store.__file__).parents[1])
CHILD = """
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from synthmix.store import Entry
entry = Entry(sys.argv[3], Path(sys.argv[2]))
print("waiting", flush=True)
with entry.locked():
    with open(sys.argv[4], "a") as file:
        file.write("child\\n")
    print("inside", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def child(tmp_path):
    """Starts a process that takes the entry's lock, notes it in `order`, and keeps it until its input ends."""
    started = []

    def start():
        arguments = [sys.executable, "-c", CHILD, SCRIPTS, str(tmp_path), DIGEST, str(tmp_path / "order")]
        process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout.readline() == "waiting\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def is_locked(entry):
    with (entry.folder / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def test_a_process_that_holds_an_entry_keeps_others_out(entry, child):
    process = child()
    assert process.stdout.readline() == "inside\n"
    assert is_locked(entry)
    process.communicate("")
    assert process.returncode == 0
    assert not is_locked(entry)


def test_a_second_process_waits_for_the_first(entry, child, tmp_path):
    order = tmp_path / "order"
    with entry.locked():
        process = child()
        time.sleep(0.3)  # a child that did not wait would have been here
        with order.open("a") as file:
            file.write("parent\n")
    assert process.stdout.readline() == "inside\n"
    assert order.read_text() == "parent\nchild\n"


def test_a_killed_process_leaves_no_lock(entry, child):
    process = child()
    assert process.stdout.readline() == "inside\n"
    assert is_locked(entry)
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=60)
    with entry.locked():
        assert is_locked(entry)
    assert not is_locked(entry)


def test_an_error_releases_the_lock(entry):
    with pytest.raises(RuntimeError, match="boom"), entry.locked():
        raise RuntimeError("boom")
    assert not is_locked(entry)


def test_a_file_system_without_locks_is_no_obstacle(entry, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOLCK, "no locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with entry.locked():
        entry.save({"a": 1})
    assert entry.load() == {"a": 1}


def test_other_errors_of_locking_are_errors(entry, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EIO, "input/output error")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(OSError, match="input/output"), entry.locked():
        pass
