"""Working state of a job that may be stopped at any moment: a folder outside all declared outputs.

Snakemake deletes the outputs of a job that did not finish, so what a job needs to go on lies elsewhere, below
results/<study>/state/. The folder holds
    lock       held with flock while a job works here; a second job ends with one line
    stamp      hash of settings, inputs, code and library versions; under another hash nothing here is used
    state.pt   what the job gave to `save`, written by rename: weights, optimizer, position, random state
and files that belong to the state (checkpoints already written). It is removed when the job is complete.

A job of several processes (moe/group.py) has one such folder. The first process holds the lock; each of the others
writes its own part-<step>-<rank>.pt, and state.pt, which names the step, is written last, once all parts are on the
disk: a state is there whole or not at all. All processes stop at the same step, whichever of them was told to.
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

from jobs.files import sha256
from jobs.group import Group

SCRIPTS = Path(__file__).resolve().parents[1]
SIGNALS = (signal.SIGTERM, signal.SIGUSR1)  # batch systems send them before a time limit or a pre-emption


def stamp_of(**parts: object) -> str:
    """Hash of `parts` (JSON values), of the project's modules that are loaded now and of the libraries that compute."""
    modules = {str(getattr(module, "__file__", None)) for module in list(sys.modules.values())}
    loaded = sorted({path for path in map(Path, modules) if path.resolve().is_relative_to(SCRIPTS) and path.is_file()})
    code = {path.resolve().relative_to(SCRIPTS).as_posix(): sha256(path) for path in loaded}
    versions = {"torch": torch.__version__, "transformers": transformers.__version__}
    text = json.dumps({"parts": parts, "code": code, "versions": versions}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _gpus() -> list[int]:
    """The GPUs that this process computes on: its own one in a job of several processes, else all of them."""
    several = torch.distributed.is_available() and torch.distributed.is_initialized()
    every = range(torch.cuda.device_count())
    return [torch.cuda.current_device()] if several and every else list(every)


def random_state() -> dict:
    """State of every generator that is not rebuilt from a seed."""
    cuda = [torch.cuda.get_rng_state(gpu) for gpu in _gpus()]
    return {"torch": torch.get_rng_state(), "cuda": cuda, "python": list(random.getstate())}


def set_random_state(state: dict) -> None:
    torch.set_rng_state(state["torch"])
    if len(state["cuda"]) == len(_gpus()):
        for gpu, numbers in zip(_gpus(), state["cuda"], strict=True):
            torch.cuda.set_rng_state(numbers, gpu)
    version, numbers, following = state["python"]
    random.setstate((version, tuple(numbers), following))


class State:
    """The state folder of one job, a context manager: holds the lock and listens for SIGTERM and SIGUSR1.

    stamp: from `stamp_of`; every: steps between two saved states; group: the processes of the job, each of which makes
    the same calls (left out: this one alone). `__enter__` ends with one line if another job holds the folder. What a
    job of another stamp left behind is deleted.
    """

    def __init__(self, folder: Path, stamp: str, every: int, group: Group | None = None):
        self.folder, self.stamp, self.every, self.group = Path(folder), stamp, every, group or Group()
        self.saved = self.folder / "state.pt"
        self.told = 0  # signal that this process got
        self.stopped_by = 0  # signal that one of the processes got, as all of them know
        self.step = 0  # of the last state saved
        self.files: dict[str, str] = {}  # finished files that belong to the state, by hash

    def __enter__(self) -> "State":
        with self.group.together():
            if not self.group.rank:
                self._take()
        self._handlers = {number: signal.signal(number, self._stop) for number in SIGNALS}
        return self

    def _take(self) -> None:
        """Lock the folder, and clear it of what another job left."""
        self._lock = _locked(self.folder)
        mark = self.folder / "stamp"
        if not mark.is_file() or mark.read_text() != self.stamp:
            if self.saved.exists():
                print(f"{self.folder}: state of other settings, inputs or code; it is replaced", file=sys.stderr)
            for old in self.folder.iterdir():  # the stamp is written last: until then the next job clears again
                if old.name != "lock":
                    shutil.rmtree(old) if old.is_dir() else old.unlink()
            with self.writing(mark):
                _write(mark, lambda file: file.write(self.stamp.encode()))

    def __exit__(self, *error: object) -> None:
        if self.group.size == 1:  # of several, those that end first have the launcher send SIGTERM to the rest
            for number, handler in self._handlers.items():
                signal.signal(number, handler)
        if not self.group.rank:
            os.close(self._lock)

    def _stop(self, number: int, frame: object) -> None:
        self.told = number

    def _part(self, step: int) -> Path:
        """The file with this process's part of a state."""
        return self.folder / f"part-{step}-{self.group.rank}.pt" if self.group.rank else self.saved

    def load(self) -> dict | None:
        """What was saved last, on the CPU; None at a first start. One line on a damaged file, which stays."""
        with self.group.together():
            payload = self._read(self.saved) if not self.group.rank and self.saved.exists() else None
        step = self.group.said(payload and payload["step"])[0]
        if step is None:
            return None
        with self.group.together():
            if self.group.rank:
                payload = self._read(self._part(step))
        if not self.group.rank:
            print(f"going on from step {step} ({self.saved})", file=sys.stderr)
        self.step = step
        return payload

    def _read(self, path: Path) -> dict:
        """One process's part, and whether the finished files that belong to it are whole."""
        try:
            payload = torch.load(path, map_location="cpu", weights_only=True)
            self.files = payload["files"]
        except Exception as error:
            reason = " ".join(str(error).split())[:200]
            raise SystemExit(f"{path}: damaged ({reason}); delete {self.saved} to start this job anew") from None
        for name, digest in self.files.items():
            file = self.folder / name
            if not file.is_file() or sha256(file) != digest:
                raise SystemExit(f"{file}: missing or damaged; delete {self.saved} to start this job anew")
        return payload

    def due(self, step: int) -> bool:
        """Whether the state is to be saved now: every so many steps, and when a signal asked one of the processes for
        it. To be asked after every step."""
        self.stopped_by = self.group.largest(self.told)
        return bool(self.stopped_by) or step % self.every == 0

    def keep(self, path: Path) -> None:
        """A finished file in the folder: a resumed job does not write it again, and checks that it is whole."""
        self.files[path.relative_to(self.folder).as_posix()] = sha256(path)

    def save(self, step: int, payload: dict) -> None:
        """Write the state of `step` (tensors, numbers, texts, lists, dicts), then stop if a signal asked for it."""
        part = self._part(step)
        for first in (False, True):  # the first process's last: from then on this state counts
            with self.group.together():
                if first == (not self.group.rank):
                    with self.writing(part):
                        _write(part, lambda file: torch.save(payload | {"step": step, "files": self.files}, file))
        self.step = step
        for old in self.folder.glob(f"part-*-{self.group.rank}.pt"):
            if old != part:
                old.unlink()
        if self.stopped_by:
            name = signal.Signals(self.stopped_by).name
            raise SystemExit(f"stopped by {name} at step {step}; the same command goes on from there")

    @contextmanager
    def writing(self, path: Path) -> Iterator[None]:
        """Turn a failed write (a full disk, a quota, a missing permission) into one line; the state stays."""
        try:
            yield
        except Exception as error:  # torch and safetensors raise classes of their own, with texts of many lines
            path.with_suffix(".part").unlink(missing_ok=True)
            kept = f"the state of step {self.step} is kept" if self.saved.exists() else "no state was saved yet"
            reason = " ".join(str(error).split())[:200]
            raise SystemExit(f"{path} could not be written ({reason}); {kept} in {self.folder}") from None

    def complete(self) -> None:
        """Remove the folder, the lock last."""
        if self.group.rank:
            return
        for path in self.folder.iterdir():
            if path.name != "lock":
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        (self.folder / "lock").unlink()
        with suppress(OSError):  # the next job is here already
            self.folder.rmdir()


def _locked(folder: Path) -> int:
    """File descriptor of the folder's lock, held by this process until it ends or closes it."""
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "lock"
        try:
            lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except FileNotFoundError:  # a job that was complete removed the folder just now
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                raise SystemExit(f"{path}: this file system gives no locks ({error.strerror})") from None
            holder = os.pread(lock, 200, 0).decode() or "another process"
            raise SystemExit(f"{folder}: {holder} is writing this; two must not, so this one ends") from None
        try:
            ours = os.fstat(lock).st_ino == path.stat().st_ino
        except FileNotFoundError:
            ours = False
        if ours:  # else the lock of a folder that is gone: its name may be held by another process by now
            with suppress(OSError):  # the disk may be full; whose lock it is is said for people alone
                os.ftruncate(lock, 0)
                os.pwrite(lock, f"process {os.getpid()} on {socket.gethostname()}".encode(), 0)
            return lock
        os.close(lock)


def _write(path: Path, write) -> None:
    """Through a temporary file, flushed to the disk, and a rename: a crash leaves the old file or the new one."""
    part = path.with_suffix(".part")
    try:
        with open(part, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)  # half a state is of no use, and the disk may be full
        raise


def publish(source: Path, target: Path) -> None:
    """Fill folder `target` with the checkpoints of `source`, and nothing else: second names of the files, or copies."""
    target.mkdir(parents=True, exist_ok=True)
    for old in target.iterdir():
        old.unlink()
    for path in sorted(source.glob("*.safetensors")):
        try:
            os.link(path, target / path.name)
        except OSError:  # another file system, or one without links
            part = target / f"{path.name}.part"
            shutil.copyfile(path, part)
            os.replace(part, target / path.name)
