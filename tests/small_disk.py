"""A file system of a few megabytes that processes can fill, mounted where only they see it.

A holder process has a mount namespace of its own with a tmpfs in it; `enter` joins that, and from outside its files lie
below `seen`. Where this machine gives an ordinary user no namespaces the holder says why.
"""

import ctypes
import os
import shutil
import subprocess
from pathlib import Path


class SmallDisk:
    """`folder`, with `kilobytes` of room, for processes that `enter`; a context manager."""

    def __init__(self, folder: Path, kilobytes: int):
        self.folder, self.kilobytes = folder, kilobytes

    def __enter__(self) -> "SmallDisk":
        self.folder.mkdir()
        mapped = [] if os.geteuid() == 0 else ["--map-root-user"]
        mount = f"mount -t tmpfs -o size={self.kilobytes}k tmpfs '{self.folder}' && echo mounted && read line"
        command = ["unshare", *mapped, "--mount", "sh", "-c", mount]
        streams = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        self.holder = subprocess.Popen(command, text=True, **streams)
        answer = self.holder.stdout.readline()
        self.refused = "" if answer == "mounted\n" else self.holder.stderr.read().strip() or "unshare failed"
        return self

    def __exit__(self, *error: object) -> None:
        self.holder.communicate("\n")  # the holder ends, and the tmpfs with it

    def seen(self, path: Path) -> Path:
        """Where a file of the disk lies for this process."""
        return Path(f"/proc/{self.holder.pid}/root") / path.relative_to("/")

    def fill(self) -> None:
        """Leave no room."""
        with open(self.seen(self.folder) / "filler", "wb", buffering=0) as file:
            try:
                while file.write(bytes(1024)):
                    pass
            except OSError:
                pass
        assert shutil.disk_usage(self.seen(self.folder)).free == 0

    def free(self) -> None:
        (self.seen(self.folder) / "filler").unlink()


def enter(holder: int) -> None:
    """Have this process, which must have one thread, see the disk that `holder` holds."""
    libc = ctypes.CDLL(None, use_errno=True)
    for kind in ("user", "mnt"):
        own, theirs = (os.stat(f"/proc/{process}/ns/{kind}").st_ino for process in ("self", holder))
        if own == theirs:
            continue
        namespace = os.open(f"/proc/{holder}/ns/{kind}", os.O_RDONLY)
        if libc.setns(namespace, 0):
            raise OSError(ctypes.get_errno(), f"setns {kind}")
        os.close(namespace)
