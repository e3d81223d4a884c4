# ruff: noqa: F811 (a fixture of test_unlearn)
"""A job that is stopped at any moment goes on and ends in the same bits; what else can befall its working state.

Real processes really killed. They are forked (forks.py), so that a start costs no 7 s.
"""

import os
import resource
import shutil
import signal
import sys
import time
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
import transformers
from forks import FORKS
from small_disk import SmallDisk, enter
from test_unlearn import TRAINING, arguments, bytes_of, place  # noqa: F401 (a fixture)

import unlearn
from jobs.state import State, stamp_of
from planning.cell_files import checkpoint_steps

LONG = TRAINING | {"steps": 60, "checkpoint_growth": 2, "probe_every": 20}
CELLS = {
    "npo-uoe": {"method": "npo"},
    "rmu-baseline": {"method": "rmu", "scope": {"kind": "baseline"}, "selection": "nothing"},
    "gdiff-lora": {"method": "gdiff", "scope": {"kind": "lora", "rank": 2}, "selection": "nothing"},
    "ga-routers": {"method": "ga", "scope": {"kind": "routers"}, "selection": "nothing"},
}
MUST_STOP = 90  # s; a start takes about 2


class Job:
    """One run of the stage in a process of its own."""

    def __init__(self, place: Path, output: Path, state: Path, limit: int = 0, disk: SmallDisk | None = None, **cell):
        given = {"training": LONG, "state": state, "state-every": 7} | cell
        self.state = disk.seen(state) if disk else state
        self.stderr_file = output.with_name(f"{output.name}-{time.monotonic_ns()}.txt")
        words, holder = arguments(place, output, **given), disk.holder.pid if disk else None
        self.process = FORKS.Process(target=stage, args=(words, self.stderr_file, limit, holder))
        self.process.start()

    def signalled(self, number: signal.Signals, newer_than: int = 0) -> "Job":
        """Send `number` as soon as a state newer than `newer_than` (ns) is there, and wait for the end."""
        saved, end = self.state / "state.pt", time.monotonic() + MUST_STOP
        while not (saved.exists() and saved.stat().st_mtime_ns > newer_than):
            assert self.process.is_alive() and time.monotonic() < end, self.words()
            time.sleep(0.001)
        os.kill(self.process.pid, number)
        self.words()
        assert self.process.exitcode != 0, "it was complete before the signal came"
        return self

    def words(self) -> str:
        """Its stderr, once it has ended."""
        self.process.join(MUST_STOP)
        return self.stderr_file.read_text()


def stage(argv: list[str], stderr_file: Path, limit: int = 0, holder: int | None = None) -> None:
    """limit: bytes that a file may have; holder: of the small disk on which the state lies."""
    if holder:
        enter(holder)
    os.dup2(os.open(stderr_file, os.O_WRONLY | os.O_CREAT), 2)
    if limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    torch.set_num_threads(1)
    transformers.utils.logging.disable_progress_bar()
    sys.argv = ["unlearn.py", *argv]
    unlearn.main()


@pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS)
def test_killed_and_stopped_runs_end_in_the_same_bits(place, tmp_path, cell):
    """SIGKILL, then SIGTERM or SIGUSR1; Snakemake deletes the outputs of each before the next start."""
    whole, cut, state = tmp_path / "whole", tmp_path / "cut", tmp_path / "state"
    assert "resuming" not in Job(place, whole, tmp_path / "other-state", **cell).words()
    Job(place, cut, state, **cell).signalled(signal.SIGKILL)
    first = (state / "state.pt").stat().st_mtime_ns
    assert not (cut / "manifest.json").exists()
    shutil.rmtree(cut, ignore_errors=True)
    number = signal.SIGUSR1 if cell["method"] == "rmu" else signal.SIGTERM
    messages = Job(place, cut, state, **cell).signalled(number, newer_than=first).words()
    assert "resuming from step" in messages
    assert f"stopped by {number.name} at step" in messages and "Traceback" not in messages
    shutil.rmtree(cut, ignore_errors=True)
    assert "resuming from step" in Job(place, cut, state, **cell).words() and bytes_of(cut) == bytes_of(whole)
    assert [name for name in bytes_of(cut) if name.startswith("checkpoints")] == [
        f"checkpoints/step-{step:04d}.safetensors" for step in checkpoint_steps(LONG)
    ]
    assert not state.exists()


def test_other_settings_replace_the_state(place, tmp_path):
    """A learning rate, a text or the code of the method: each starts anew, and ends as if nothing had been there."""
    output, state = tmp_path / "cell", tmp_path / "state"
    Job(place, output, state).signalled(signal.SIGKILL)
    messages = Job(place, output, state, learning_rate=2e-2).words()
    assert "state of other settings, inputs or code; starting over" in messages and "resuming" not in messages
    Job(place, tmp_path / "fresh", tmp_path / "fresh-state", learning_rate=2e-2).words()
    assert bytes_of(output) == bytes_of(tmp_path / "fresh")


def test_a_second_writer_ends_with_one_line(place, tmp_path):
    output, state = tmp_path / "cell", tmp_path / "state"
    with State(state, stamp_of(), 1):
        messages = Job(place, output, state).words()
    assert messages.strip().endswith(
        f"{state}: process {os.getpid()} on {os.uname().nodename} is writing here; a second job must not"
    )
    assert len(messages.strip().splitlines()) == 1 and not output.exists()


@pytest.mark.parametrize("full", ["a disk", "the size that a file may have"])
def test_a_full_disk_gives_one_line_and_keeps_the_state(place, tmp_path, full):
    """A tmpfs with no room left; and, where none can be mounted too, a limit that makes the same calls fail."""
    output = tmp_path / "cell"
    with SmallDisk(tmp_path / "disk", 4096) if full == "a disk" else nullcontext() as disk:
        if disk and disk.refused:
            pytest.skip(f"no file system can be mounted here: {disk.refused}")
        state = tmp_path / ("disk/state" if disk else "state")
        seen = disk.seen(state) if disk else state
        Job(place, output, state, disk=disk).signalled(signal.SIGKILL)
        kept = (seen / "state.pt").read_bytes()
        if disk:
            disk.fill()
        job = Job(place, output, state, limit=0 if disk else 3000, disk=disk)  # bytes: room for a log, not a state
        messages = job.words().strip().splitlines()
        assert job.process.exitcode == 1
        assert len(messages) == 2 and messages[0].startswith("resuming from step 7 ")
        assert "could not be written" in messages[1] and "the state of step 7 is kept" in messages[1]
        assert (seen / "state.pt").read_bytes() == kept and not list(seen.rglob("*.part"))
        if disk:
            disk.free()
        assert Job(place, output, state, disk=disk).words().startswith("resuming from step 7 ")
        assert not seen.exists()
    Job(place, tmp_path / "fresh", tmp_path / "fresh-state").words()
    assert bytes_of(output) == bytes_of(tmp_path / "fresh")


@pytest.mark.parametrize("which", ["state.pt", "checkpoints/step-0016.safetensors"])
def test_a_truncated_file_gives_one_line_and_stays(place, tmp_path, which):
    output, state = tmp_path / "cell", tmp_path / "state"
    Job(place, output, state, **{"state-every": 21}).signalled(signal.SIGKILL)
    whole = (state / which).read_bytes()
    (state / which).write_bytes(whole[: len(whole) * 2 // 3])
    job = Job(place, output, state, **{"state-every": 21})
    messages = job.words().strip()
    assert job.process.exitcode == 1 and len(messages.splitlines()) == 1
    assert messages.startswith(f"{state / which}: ") and "damaged" in messages and "to start this job over" in messages
    assert (state / which).stat().st_size == len(whole) * 2 // 3 and not (output / "manifest.json").exists()


def test_a_nan_loss_keeps_the_state(place, tmp_path):
    """A learning rate that is too high for the rest of the run, after some steps were saved."""
    output, state = tmp_path / "cell", tmp_path / "state"
    given = {"learning_rate": 1e30, "state-every": 1}
    job = Job(place, output, state, scope={"kind": "baseline"}, selection="nothing", **given)
    messages = job.words().strip()
    assert job.process.exitcode == 1
    assert "lower the learning rate of this cell" in messages and len(messages.splitlines()) == 1
    assert (state / "state.pt").exists() and not (output / "manifest.json").exists()


def test_a_half_written_state_is_not_taken(tmp_path):
    """Killed between writing and rename: the part is no state, and the next job writes over it."""
    with State(tmp_path / "state", "stamp", 1) as state:
        state.save(3, {"value": 1})
        (state.folder / "state.part").write_bytes(b"half")
    with State(tmp_path / "state", "stamp", 1) as state:
        assert state.load()["value"] == 1
        state.save(4, {"value": 2})
        assert state.load()["step"] == 4
        state.complete()
    assert not (tmp_path / "state").exists()


def test_the_lock_of_a_removed_folder_locks_nothing(tmp_path):
    """A job that waited for its turn at opening must not hold a lock that nobody else can see."""
    with State(tmp_path / "state", "stamp", 1) as first:
        first.complete()
        with State(tmp_path / "state", "stamp", 1) as second:
            with pytest.raises(SystemExit, match="a second job must not"), State(tmp_path / "state", "stamp", 1):
                pass
            second.complete()


def test_the_stamp_follows_code_settings_and_inputs(monkeypatch):
    monkeypatch.delitem(sys.modules, "tune", raising=False)  # any project module; other tests may have loaded it
    assert stamp_of(seed=0) == stamp_of(seed=0) != stamp_of(seed=1)
    before = stamp_of(seed=0)
    import tune  # noqa: F401

    assert stamp_of(seed=0) != before
