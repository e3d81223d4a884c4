"""Working state of a job that can be interrupted at any time: a folder outside all declared outputs.

Snakemake deletes the outputs of an unfinished job, so its state lies below results/<study>/state/. The folder holds
    lock       held with flock while a job works here; a second job ends with one line
    stamp      hash of settings, inputs, code and library versions; a state with another stamp is discarded
    state.pt   what the job passed to `save`: weights, optimizer, position, random state
and finished files that belong to the state (checkpoints). It is removed when the job is complete.

A job of several processes (jobs/group.py) has one folder. The first process holds the lock. The others write
part-<step>-<rank>.pt; state.pt, which names the step, is written last, once all parts are on the disk, so a state is
complete or not there. All processes stop at the same step, whichever of them received the signal.
"""

import errno
import fcntl
import hashlib
import json
import os
import random
import shutil
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import torch
import transformers

from jobs.files import replacing, sha256, write_bytes
from jobs.group import Group

SCRIPTS = Path(__file__).resolve().parents[1]
SIGNALS = (signal.SIGTERM, signal.SIGUSR1)  # batch systems send them before a time limit or a pre-emption


def stamp_of(**parts: object) -> str:
    """Hash of `parts` (JSON values), of the project's modules loaded now and of the library versions."""
    modules = {Path(str(getattr(module, "__file__", None))) for module in list(sys.modules.values())}
    # Resolving thousands of modules' paths takes a second; their folders are few.
    ours = {folder for folder in {path.parent for path in modules} if folder.resolve().is_relative_to(SCRIPTS)}
    loaded = sorted(path for path in modules if path.parent in ours and path.is_file())
    code = {path.resolve().relative_to(SCRIPTS).as_posix(): sha256(path) for path in loaded}
    versions = {"torch": torch.__version__, "transformers": transformers.__version__}
    text = json.dumps({"parts": parts, "code": code, "versions": versions}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _gpus() -> list[int]:
    """The GPUs that this process computes on: its own in a group of processes, else all."""
    several = torch.distributed.is_available() and torch.distributed.is_initialized()
    every = range(torch.cuda.device_count())
    return [torch.cuda.current_device()] if several and every else list(every)


def random_state() -> dict:
    """State of all generators that are not seeded anew."""
    cuda = [torch.cuda.get_rng_state(gpu) for gpu in _gpus()]
    return {"torch": torch.get_rng_state(), "cuda": cuda, "python": list(random.getstate())}


def set_random_state(state: dict) -> None:
    """Restore what `random_state` returned."""
    torch.set_rng_state(state["torch"])
    if len(state["cuda"]) == len(_gpus()):
        for gpu, numbers in zip(_gpus(), state["cuda"], strict=True):
            torch.cuda.set_rng_state(numbers, gpu)
    version, numbers, following = state["python"]
    random.setstate((version, tuple(numbers), following))


class State:
    """The state folder of one job, a context manager: holds the lock and handles SIGTERM and SIGUSR1.

    stamp: from `stamp_of`. every: steps between two saved states. group: the processes of the job (default: this one).
    `__enter__` ends with one line if another job holds the folder, and deletes files of another stamp.
    """

    def __init__(self, folder: Path, stamp: str, every: int, group: Group | None = None):
        self.folder, self.stamp, self.every, self.group = Path(folder), stamp, every, group or Group()
        self.saved = self.folder / "state.pt"
        self.received = 0  # signal that this process received
        self.stopped_by = 0  # signal that any of the processes received
        self.step = 0  # of the last state saved
        self.files: dict[str, str] = {}  # finished files that belong to the state, by hash

    def __enter__(self) -> "State":
        with self.group.fail_together():
            if not self.group.rank:
                self._take()
        self._handlers = {number: signal.signal(number, self._stop) for number in SIGNALS}
        return self

    def _take(self) -> None:
        """Lock the folder and delete what another job left in it."""
        self._lock = _locked(self.folder)
        mark = self.folder / "stamp"
        if not mark.is_file() or mark.read_text() != self.stamp:
            if self.saved.exists():
                print(f"{self.folder}: state of other settings, inputs or code; starting over", file=sys.stderr)
            for old in self.folder.iterdir():  # the stamp is written last, so an interrupted clearing is repeated
                if old.name != "lock":
                    shutil.rmtree(old) if old.is_dir() else old.unlink()
            with self.writing(mark):
                write_bytes(mark, self.stamp.encode(), sync=True)
        for old in self.folder.rglob(".*.part"):  # of a process that was killed while it wrote
            old.unlink()

    def __exit__(self, *error: object) -> None:
        if self.group.size == 1:  # in a group the launcher sends SIGTERM to the rest once one has ended
            for number, handler in self._handlers.items():
                signal.signal(number, handler)
        if not self.group.rank:
            os.close(self._lock)

    def _stop(self, number: int, frame: object) -> None:
        self.received = number

    def _part(self, step: int) -> Path:
        """The file with this process's part of a state."""
        return self.folder / f"part-{step}-{self.group.rank}.pt" if self.group.rank else self.saved

    def load(self) -> dict | None:
        """The last saved state, on the CPU; None if there is none. A damaged file is kept and ends the job."""
        with self.group.fail_together():
            payload = self._read(self.saved) if not self.group.rank and self.saved.exists() else None
        step = self.group.gather(payload and payload["step"])[0]
        if step is None:
            return None
        with self.group.fail_together():
            if self.group.rank:
                payload = self._read(self._part(step))
        if not self.group.rank:
            print(f"resuming from step {step} ({self.saved})", file=sys.stderr)
        self.step = step
        return payload

    def _read(self, path: Path) -> dict:
        """One process's part; checks the finished files that belong to it."""
        try:
            payload = torch.load(path, map_location="cpu", weights_only=True)
            self.files = payload["files"]
        except Exception as error:
            reason = " ".join(str(error).split())[:200]
            raise SystemExit(f"{path}: damaged ({reason}); delete {self.saved} to start this job over") from None
        for name, digest in self.files.items():
            file = self.folder / name
            if not file.is_file() or sha256(file) != digest:
                raise SystemExit(f"{file}: missing or damaged; delete {self.saved} to start this job over")
        return payload

    def due(self, step: int) -> bool:
        """Whether to save now: every `every` steps, and after a signal to any process. Call it after every step."""
        self.stopped_by = self.group.max(self.received)
        return bool(self.stopped_by) or step % self.every == 0

    def keep(self, path: Path) -> None:
        """Make a finished file part of the state: a resumed job checks its hash and does not write it again."""
        self.files[path.relative_to(self.folder).as_posix()] = sha256(path)

    def save(self, step: int, payload: dict) -> None:
        """Write the state of `step` (tensors, numbers, strings, lists, dicts); then stop if a signal was received."""
        part = self._part(step)
        for first in (False, True):  # the first process writes last: only then is the state valid
            with self.group.fail_together():
                if first == (not self.group.rank):
                    with self.writing(part), replacing(part, sync=True) as temporary, open(temporary, "wb") as file:
                        torch.save(payload | {"step": step, "files": self.files}, file)
        self.step = step
        for old in self.folder.glob(f"part-*-{self.group.rank}.pt"):
            if old != part:
                old.unlink()
        if self.stopped_by:
            name = signal.Signals(self.stopped_by).name
            raise SystemExit(f"stopped by {name} at step {step}; run the same command again to resume")

    @contextmanager
    def writing(self, path: Path) -> Iterator[None]:
        """Turn a failed write (full disk, quota, permissions) into one line; the saved state is kept."""
        try:
            yield
        except Exception as error:  # torch and safetensors raise their own classes, with messages of many lines
            kept = f"the state of step {self.step} is kept" if self.saved.exists() else "no state was saved yet"
            reason = " ".join(str(error).split())[:200]
            raise SystemExit(f"{path} could not be written ({reason}); {kept} in {self.folder}") from None

    def complete(self) -> None:
        """Delete the folder, the lock last."""
        if self.group.rank:
            return
        for path in self.folder.iterdir():
            if path.name != "lock":
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        (self.folder / "lock").unlink()
        with suppress(OSError):  # the next job already uses it
            self.folder.rmdir()


def _locked(folder: Path) -> int:
    """Take the folder's lock; returns its file descriptor."""
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "lock"
        try:
            lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except FileNotFoundError:  # another job completed and deleted the folder just now
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                raise SystemExit(f"{path}: this file system does not support locks ({error.strerror})") from None
            holder = os.pread(lock, 200, 0).decode() or "another process"
            raise SystemExit(f"{folder}: {holder} is writing here; a second job must not") from None
        try:
            ours = os.fstat(lock).st_ino == path.stat().st_ino
        except FileNotFoundError:
            ours = False
        if ours:  # else the folder was deleted, and another process may hold a new lock of this name
            with suppress(OSError):  # the disk may be full; the text is only informative
                os.ftruncate(lock, 0)
                os.pwrite(lock, f"process {os.getpid()} on {socket.gethostname()}".encode(), 0)
            return lock
        os.close(lock)


def publish(source: Path, target: Path) -> None:
    """Make folder `target` hold exactly the checkpoints of `source`, as hard links or copies."""
    target.mkdir(parents=True, exist_ok=True)
    for old in target.iterdir():
        old.unlink()
    for path in sorted(source.glob("*.safetensors")):
        try:
            os.link(path, target / path.name)
        except OSError:  # another file system, or one without links
            with replacing(target / path.name) as temporary:
                shutil.copyfile(path, temporary)
