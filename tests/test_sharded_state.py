# ruff: noqa: F811 (a fixture of test_unlearn)
"""A cell sharded over two processes that is stopped at any moment goes on and ends in the same bits; and shard.py.

Real processes (gloo), forked so that a start costs no 7 s, and really killed.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from forks import FORKS
from stub_project import ROOT
from test_state import MUST_STOP, stage
from test_unlearn import TRAINING, arguments, bytes_of, place  # noqa: F401 (a fixture)

from planning.cell_files import checkpoint_steps

LONG = TRAINING | {"batch_size": 4, "steps": 12, "checkpoint_growth": 2, "probe_every": 6}
EVERY = 3
CELL = {"method": "gdiff", "training": LONG}


def member(rank: int, port: int, *given: object) -> None:
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2"}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    stage(*given)


class Job:
    """Two processes that run the stage on one cell."""

    def __init__(self, place: Path, output: Path, state: Path, cell: dict, limits: tuple = (None, None)):
        given = cell | {"state": state, "state-every": EVERY}
        words = arguments(place, output, scope={"kind": "baseline"}, selection="nothing", **given)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.state, name = state, f"{state.name}-{time.monotonic_ns()}"
        self.stderr_files = [state.with_name(f"{name}-{rank}.txt") for rank in (0, 1)]
        self.processes = [
            FORKS.Process(target=member, args=(rank, port, words, self.stderr_files[rank], limits[rank]))
            for rank in (0, 1)
        ]
        for process in self.processes:
            process.start()

    def signalled(self, number: signal.Signals, rank: int, newer_than: int = 0) -> "Job":
        """Send `number` to one process as soon as a state newer than `newer_than` (ns) is there; both have to end."""
        saved, end = self.state / "state.pt", time.monotonic() + MUST_STOP
        while not (saved.exists() and saved.stat().st_mtime_ns > newer_than):
            alive = all(process.is_alive() for process in self.processes)
            assert alive and time.monotonic() < end, self.words()
            time.sleep(0.001)
        os.kill(self.processes[rank].pid, number)
        self.words()
        assert all(process.exitcode for process in self.processes), "it was complete before the signal came"
        return self

    def words(self) -> tuple[str, str]:
        """The stderr of each without its progress, once they have ended."""
        for process in self.processes:
            process.join(MUST_STOP)
            assert process.exitcode is not None, "still running"
        lines = [path.read_text().splitlines(True) for path in self.stderr_files]
        return tuple("".join(line for line in text if not line.startswith("unlearning ")) for text in lines)


def ended(cell: dict, place: Path, folder: Path, *numbers: signal.Signals) -> list[tuple[str, str]]:
    """One run left alone, and one that each of `numbers` ends, sent to its second process: equal files. Returns the
    stderr of the latter's processes, start by start."""
    whole, cut, state, messages = folder / "whole", folder / "cut", folder / "state", []
    assert Job(place, whole, folder / "other-state", cell).words() == ("", "")
    newest = 0
    for number in numbers:
        messages.append(Job(place, cut, state, cell).signalled(number, 1, newest).words())
        newest = (state / "state.pt").stat().st_mtime_ns
        assert not (cut / "manifest.json").exists()
    assert len(list(state.glob("part-*-1.pt"))) == 1
    messages.append(Job(place, cut, state, cell).words())
    assert bytes_of(cut) == bytes_of(whole) and not state.exists()
    names = [name for name in bytes_of(cut) if name.startswith("checkpoints")]
    assert names == [f"checkpoints/step-{step:04d}.safetensors" for step in checkpoint_steps(LONG)]
    return messages


def test_a_killed_and_a_stopped_run_end_in_the_same_bits(place, tmp_path):
    """SIGKILL of one process, which the other cannot outlive; then SIGTERM to one, which both obey."""
    _, stopped, last = ended(CELL, place, tmp_path, signal.SIGKILL, signal.SIGTERM)
    for messages, silent in (stopped, last):
        assert messages.startswith("resuming from step") and silent == ""
    first, end = stopped[0].splitlines()
    assert end.startswith("stopped by SIGTERM at step ") and last[0].count("\n") == 1
    assert last[0].split()[3] == end.split()[5].rstrip(";")  # from the very step


def test_fp32_copies_of_bf16_weights_are_saved_too(place, tmp_path):
    training = LONG | {"precision": "bfloat16", "gradient_checkpointing": True}
    ended({"method": "npo", "training": training}, place, tmp_path, signal.SIGUSR1)


def test_a_state_counts_whole_or_not_at_all(place, tmp_path):
    """A part that is cut short or gone: one line, and nothing is deleted. A part of a later step that was never
    finished: not taken. Another number of processes: replaced."""
    output, state = tmp_path / "cell", tmp_path / "state"
    Job(place, output, state, CELL).signalled(signal.SIGTERM, rank=0)
    [part] = state.glob("part-*-1.pt")
    whole = part.read_bytes()
    for content in (whole[: len(whole) // 2], None):
        part.unlink() if content is None else part.write_bytes(content)
        job = Job(place, output, state, CELL)
        messages, silent = job.words()
        assert [process.exitcode for process in job.processes] == [1, 1] and silent == ""
        assert messages.startswith(f"{part}: damaged (") and messages.count("\n") == 1
        assert f"delete {state / 'state.pt'} to start this job over" in messages
    part.write_bytes(whole)
    before = {path.name: path.read_bytes() for path in state.glob("*.pt")}
    messages, silent = Job(place, output, state, CELL, limits=(None, 3000)).words()  # a full disk for one of them
    assert "-1.pt could not be written (" in messages.splitlines()[-1] and silent == ""
    assert f"the state of step {part.name.split('-')[1]} is kept in {state}" in messages.splitlines()[-1]
    assert {path.name: path.read_bytes() for path in state.glob("*.pt")} == before
    (state / "part-99-1.pt").write_bytes(whole[:100])
    step = part.name.split("-")[1]
    saved = (state / "state.pt").stat().st_mtime_ns
    messages, _ = Job(place, output, state, CELL).signalled(signal.SIGTERM, 1, newer_than=saved).words()
    assert f"resuming from step {step} " in messages
    [part] = state.glob("part-*")  # the unfinished one is gone with the next state

    words = arguments(place, output, method="gdiff", scope={"kind": "baseline"}, selection="nothing", training=LONG)
    process = FORKS.Process(target=stage, args=([*words, "--state", str(state)], tmp_path / "alone.txt", None))
    process.start()
    process.join(MUST_STOP)
    messages = (tmp_path / "alone.txt").read_text()
    assert process.exitcode == 0 and "state of other settings, inputs or code; starting over" in messages
    assert "resuming" not in messages and not state.exists()
    assert json.loads((output / "manifest.json").read_text())["processes"] == 1


def test_a_second_job_of_several_processes_ends_with_one_line(place, tmp_path):
    output, state = tmp_path / "cell", tmp_path / "state"
    first = Job(place, output, state, CELL)
    while not (state / "stamp").exists():
        assert all(process.is_alive() for process in first.processes)
        time.sleep(0.001)
    messages, silent = Job(place, output, state, CELL).words()
    assert "a second job must not" in messages and messages.count("\n") == 1 and silent == ""
    for process in first.processes:
        process.kill()
        process.join()


WORKER = """
import os, signal, sys, time
rank = os.environ["RANK"]
def say(text):
    os.write(1, text.encode())  # as one, for two write at a time
def stop(number, frame):
    say(f"heard {rank} {signal.Signals(number).name}\\n")
    sys.exit(1)
signal.signal(signal.SIGTERM, stop)
signal.signal(signal.SIGUSR1, stop)
say(f"pid {rank} {os.getpid()}\\n")
if "end" not in sys.argv:
    time.sleep(60)
"""


class TestLauncher:
    """shard.py with a script that waits; signals sent to the launcher alone, as a batch system may."""

    @pytest.fixture
    def start(self, tmp_path):
        (tmp_path / "worker.py").write_text(WORKER)
        command = [sys.executable, ROOT / "workflow_scripts/launch/shard.py", "2", tmp_path / "worker.py"]
        started = []

        def run(*words: str) -> tuple[subprocess.Popen, dict[str, int]]:
            process = subprocess.Popen(
                list(map(str, [*command, *words])), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
            started.append(process)
            lines = [process.stdout.readline().split() for _ in range(2)]
            return process, {rank: int(pid) for _, rank, pid in lines}

        yield run
        for process in started:
            process.kill()

    @pytest.mark.parametrize("name", ["SIGTERM", "SIGUSR1"])
    def test_signals_reach_every_process(self, start, name):
        process, _ = start()
        process.send_signal(signal.Signals[name])
        out, error = process.communicate(timeout=MUST_STOP)
        assert sorted(out.splitlines()) == [f"heard 0 {name}", f"heard 1 {name}"]
        assert process.returncode == 1 and error == ""

    def test_a_killed_process_is_named_and_ends_the_others(self, start):
        process, pids = start()
        os.kill(pids["1"], signal.SIGKILL)
        out, error = process.communicate(timeout=MUST_STOP)
        assert out == "heard 0 SIGTERM\n"
        assert error == "process 1 of 2 was ended by SIGKILL; the others were stopped\n"
        assert process.returncode == 1

    def test_nothing_is_said_of_a_good_end(self, start):
        process, _ = start("end")
        assert process.communicate(timeout=MUST_STOP) == ("", "") and process.returncode == 0
