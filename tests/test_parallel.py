"""A training shared by several processes: it gives what one gives, ends when it is asked to, and goes on."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import slow_training
import test_small_pipeline as pipeline
import torch
from test_diffusion import GENERATOR, IMAGES, LABELS
from torch.multiprocessing import ProcessExitedException

from synthmix import code, job, training
from synthmix.generation import diffusion
from synthmix.images.draws import TrainingSet
from synthmix.interruption import SIGNALS, Interruption
from synthmix.models import cnn_block
from synthmix.networks import measuring, parallel
from synthmix.networks.parallel import Team
from synthmix.store import Entry
from synthmix.trainers import train_from_scratch

SCRIPTS = Path(__file__).parents[1] / "workflow/scripts"
UNEVEN = {**GENERATOR, "steps": 60, "batch_size": 33}  # 16 and 17 images
# Started as Snakemake starts a script: under a name that is not its own.
JOB = """
import sys; sys.path[:0] = [{scripts!r}, {tests!r}]
__file__ = {scripts!r} + "/train.py"
from pathlib import Path
from slow_training import fit
from synthmix.interruption import Interruption
fit(Path({folder!r}), 2, Interruption(1000))
"""


@pytest.fixture(autouse=True)
def _the_usual_signals():
    handlers = {each: signal.getsignal(each) for each in SIGNALS}
    yield
    for each, handler in handlers.items():
        signal.signal(each, handler)


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    return slow_training.fit(tmp_path_factory.mktemp("one"), 1)


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    return slow_training.fit(tmp_path_factory.mktemp("two"), 2, Interruption(1000))


@pytest.fixture
def started(tmp_path):
    """A job of two processes that has begun to train."""
    (tmp_path / "job.py").write_text(
        JOB.format(scripts=str(SCRIPTS), tests=str(Path(__file__).parent), folder=str(tmp_path / "store"))
    )
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, tmp_path / "job.py"], stdout=log, stderr=log, start_new_session=True
        )
    try:
        while (tmp_path / "log").read_text().count(slow_training.BEGUN) < 2 * 4:  # three steps are done
            assert process.poll() is None, (tmp_path / "log").read_text()
            time.sleep(0.02)
        yield process
    finally:
        for pid in members(process):
            os.kill(pid, signal.SIGKILL)
        process.kill()
        process.wait()


def members(process):
    """The ids of the processes that share a job's training, the first one first."""
    command = ["ps", "-A", "-ww", "-o", "pid=,pgid=,args="]
    listed = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    found = [line.split(maxsplit=2) for line in listed.splitlines()]
    return sorted(int(pid) for pid, group, what in found if int(group) == process.pid and "spawn_main" in what)


def assert_close(state, other, loss="train_loss"):
    """Equal up to what rounding makes of sixty steps."""
    losses, others = ([row[loss] for row in each["history"]] for each in (state, other))
    np.testing.assert_allclose(losses, others, rtol=1e-4)
    for name, value in state["model"].items():
        np.testing.assert_allclose(value, other["model"][name], rtol=0, atol=1e-3)


# ---- what is computed ------------------------------------------------------------------------------------------------


def test_two_processes_give_what_one_gives(tmp_path):
    one, two = (
        diffusion.fit(UNEVEN, IMAGES, LABELS, 2, 0, Entry(f"{n:016x}", tmp_path), Interruption(1000), "cpu", n)
        for n in (1, 2)
    )
    assert_close(two, one, "loss")
    assert [row["step"] for row in two["history"]] == [row["step"] for row in one["history"]]
    assert two["facts"].items() >= {"steps": 60, "real_images": 40, "parameters": one["facts"]["parameters"]}.items()


def test_two_processes_train_a_text_to_image_pipeline_as_one_does(tmp_path):
    def run(processes):
        recipe = {**pipeline.RECIPE, "steps": 4, "batch_size": 5}
        return train_from_scratch.fit(
            {"kind": "text2image", "train_from_scratch": recipe},
            *(pipeline.IMAGES, pipeline.LABELS, pipeline.NAMES, 0, Entry(f"{processes:016x}", tmp_path)),
            *(Interruption(1000), "cpu", {}, processes),
        )

    assert_close(run(2), run(1), "loss")


class Remembering(Entry):
    """An entry that keeps each of its states."""

    def save(self, tree):
        super().save(tree)
        if not tree.get("done"):
            shutil.copy(self.state, self.folder / f"after-{tree['step']}")


def classify(folder, processes, state=None):
    """Train a classifier without batch norm in a store of its own, from the beginning or from a state.

    An epoch of 17 images is two batches of 8 and one image, of which each process takes the whole.
    """
    random = np.random.default_rng(0)
    images, labels = random.integers(0, 256, (31, 8, 8, 1), dtype=np.uint8), np.arange(31) % 3
    data = training.Data(TrainingSet(images[:17], labels[:17], 11, None), images[17:], labels[17:], 3)
    recipe = {"optimizer": "adamw", "learning_rate": 0.01, "batch_size": 8, "epochs": 4, "schedule": "plateau"}
    recipe |= {"plateau": {"factor": 0.5, "patience": 0}, "accumulate": 3, "clip": 1.0, "precision": "float32"}
    recipe |= {"checkpoint": "best-val", "stop": {"train_error_constant_epochs": 4, "max_seconds": 1e9}}
    spec, entry = {"model": {"width": 2}, "recipe": recipe}, Remembering("1" * 16, folder)
    if state:
        shutil.copy(state, entry.state)
    return training.fit(cnn_block.build, spec, 0, data, entry, Interruption(0.0), "cpu", processes)


def assert_same_training(state, other):
    rows, others = state["history"], other["history"]
    assert [row["step"] for row in rows] == [row["step"] for row in others] == [3, 6, 9, 12]
    for row, another in zip(rows, others, strict=True):
        assert {name: row[name] for name in row if name != "seconds"} == pytest.approx(
            {name: another[name] for name in another if name != "seconds"}, rel=1e-4
        )
    for name, value in state["model"].items():
        np.testing.assert_allclose(value, other["model"][name], rtol=0, atol=1e-4)
    for name in ("kept_step", "selection_images", "stopped_by", "images"):
        assert state["facts"][name] == other["facts"][name]
    assert state["facts"]["train_error"] == pytest.approx(other["facts"]["train_error"])


def test_two_processes_train_a_classifier_as_one_does_and_go_on_where_any_number_was(tmp_path):
    one, two = classify(tmp_path / "one", 1), classify(tmp_path / "two", 2)
    assert_same_training(two, one)
    where = Entry.folder_of("1" * 16, tmp_path / "two") / "after-5"
    assert_same_training(classify(tmp_path / "three", 1, where), one)


def test_processes_share_the_gradients_of_a_batch_once_however_many_parts_it_has(tmp_path, monkeypatch):
    """The 8, 8 and 1 images of each step come in 3, 3 and 1 parts."""
    apart, passes = [], []

    @contextlib.contextmanager
    def no_sync(network):
        apart.append(network)
        yield
        apart.clear()

    def look(network, _):
        if network.training:
            passes.append(bool(apart))

    def watched(network):
        network.register_forward_pre_hook(look)
        return network

    alone = SimpleNamespace(process_index=0, num_processes=1, reduce=lambda value, _: value)
    alone.prepare_model, alone.no_sync = watched, no_sync
    monkeypatch.setattr(parallel, "run", lambda work, processes, device, *rest: work(Team(device, alone), *rest))
    classify(tmp_path, 1)
    assert passes == [True, True, False, True, True, False, False] * 4


@pytest.mark.parametrize("processes", [1, 2, 5, 12])
def test_some_of_the_images_are_measured_as_by_themselves(monkeypatch, processes):
    """11 images, of which the last processes have none that count."""
    random = torch.Generator().manual_seed(0)
    rows, labels = torch.rand(11, 3, generator=random), torch.arange(11) % 3
    among, network = torch.arange(11) < 4, torch.nn.Identity()
    parts = []
    for rank in range(processes):
        team = Team("cpu", SimpleNamespace(process_index=rank, num_processes=processes))
        monkeypatch.setattr(team, "mean", lambda value: parts.append(value) or value)
        measuring.measure(network, rows, labels, team, among)
    expected = [measuring.measure(network, rows[own], labels[own], Team("cpu"))[0] for own in (slice(None), among)]
    np.testing.assert_allclose(torch.stack(parts).mean(0), expected)


@pytest.mark.parametrize(("count", "size"), [(8, 3), (3, 3), (2, 3), (1, 2)])
def test_the_shares_of_a_batch_make_up_its_mean(count, size):
    """With fewer images than processes, too."""
    values = np.random.default_rng(0).normal(size=count)
    teams = [Team("cpu", SimpleNamespace(process_index=rank, num_processes=size)) for rank in range(size)]
    shares = [measuring.share(team, count) for team in teams]
    assert np.mean([values[rows].mean() * weight for rows, weight in shares]) == pytest.approx(values.mean())


@pytest.mark.parametrize(("count", "size"), [(33, 2), (8, 4), (7, 3), (3, 3), (5, 1)])
def test_the_parts_of_a_batch_make_up_its_mean(count, size):
    values = np.random.default_rng(0).normal(size=count)
    teams = [Team("cpu", SimpleNamespace(process_index=rank, num_processes=size)) for rank in range(size)]
    assert [row for team in teams for row in range(count)[team.part(count)]] == list(range(count))
    means = [values[team.part(count)].mean() * team.weight(count) for team in teams]
    assert np.mean(means) == pytest.approx(values.mean())
    assert [team.first for team in teams] == [True] + [False] * (size - 1)


def test_alone_nothing_is_changed():
    team, network, value = Team("cpu"), torch.nn.Linear(1, 1), torch.ones(2)
    assert (team.part(7), team.weight(7), team.first) == (slice(0, 7), 1.0, True)
    assert team.shared(network) is network
    assert team.mean(value) is value


# ---- how it ends -----------------------------------------------------------------------------------------------------


def test_a_job_asked_to_stop_saves_and_resumes_with_any_number_of_processes(started, tmp_path, one, two):
    os.kill(started.pid, signal.SIGTERM)
    assert started.wait() == 128 + signal.SIGTERM
    assert members(started) == []
    assert 3 <= Entry("0" * 16, tmp_path / "store").load()["step"] < slow_training.STEPS
    shutil.copytree(tmp_path / "store", tmp_path / "copy")
    assert_close(slow_training.fit(tmp_path / "copy", 1), one)
    resumed = slow_training.fit(tmp_path / "store", 2, Interruption(1000))
    for name, value in resumed["model"].items():
        np.testing.assert_array_equal(value, two["model"][name])


def test_a_signal_to_one_of_the_processes_stops_all_at_the_same_step(started, tmp_path, one):
    os.kill(members(started)[1], signal.SIGUSR1)
    assert started.wait() == 128 + signal.SIGUSR1
    assert_close(slow_training.fit(tmp_path / "store", 1), one)


def test_a_process_that_is_killed_ends_the_job(started, tmp_path):
    os.kill(members(started)[1], signal.SIGKILL)
    assert started.wait() not in (0, 128 + signal.SIGTERM)
    assert members(started) == []
    log = (tmp_path / "log").read_text()
    assert re.search(r"process \d terminated|Process \d terminated", log), log


@pytest.mark.parametrize("number", SIGNALS)
def test_a_process_told_to_stop_before_it_listens_is_no_failure(number):
    def join(**_):
        raise ProcessExitedException("", 0, 0, -number)

    stop = Interruption(1000)
    stop.signal = number
    with pytest.raises(SystemExit) as ending:
        parallel._wait(SimpleNamespace(join=join), stop)
    assert ending.value.code == 128 + number


def test_a_process_with_other_code_than_the_planned_does_not_begin():
    others = ("/nowhere", 1, "synthmix/generation/diffusion.py", "0" * 16, 1.0, None, None, ())
    with pytest.raises(
        code.CodeChangedError, match="synthmix/generation/diffusion.py, or something that it uses, was edited"
    ):
        parallel._join(0, 2, "cpu", *others)


# ---- how many --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("device", "asked", "seen", "number"),
    [("cuda", 2, 2, 2), ("cuda", 2, 4, 2), ("cuda", 2, 1, 1), ("cuda", 0, 1, 1), ("cpu", 2, 0, 1)],
)
def test_a_process_for_each_gpu_that_the_job_asked_for_and_sees(monkeypatch, capsys, device, asked, seen, number):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: seen)
    monkeypatch.setattr(job, "_hardware", "a GPU")
    assert job.processes(SimpleNamespace(resources={"gpu": asked}), device) == number
    assert job._hardware == ("2 x a GPU" if number == 2 else "a GPU")
    assert ("the job asked for 2 GPUs and sees 1" in capsys.readouterr().out) == (asked == 2 and seen == 1)
