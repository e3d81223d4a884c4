"""Start a stage script without paying for its imports each time.

torch, transformers and lm-eval take about 7 s to import, more than most steps of a micro cell. So `--warm` starts a
server that imports them once and then becomes the given command (Snakemake); each stage script started below that
command runs in a fork of the server. The server imports libraries only, never this project's modules, so a stage sees
the code as it is on disk. Without a server (batch systems, by hand) the script runs in this process.

Where the environment names a file (MOE_COST; the rules do, beside the job's log), it gets what the script cost:
seconds, CPU seconds and peak memory of the process that ran it. Snakemake's own `benchmark:` would see only the client.

    python workflow_scripts/launch/start.py workflow_scripts/unlearn.py ARGUMENTS…
    python workflow_scripts/launch/start.py --warm snakemake --cores 2 all_tables
"""

import contextlib
import ctypes
import importlib
import json
import os
import resource
import runpy
import select
import signal
import socket
import sys
import tempfile
import time
import traceback
from pathlib import Path

ADDRESS, COST = "MOE_WARM_SOCKET", "MOE_COST"
LIBRARIES = (
    "torch",
    "transformers.conversion_mapping",
    "transformers.models.auto.modeling_auto",
    "transformers.models.qwen2_moe.modeling_qwen2_moe",
    "transformers.models.deepseek_v2.modeling_deepseek_v2",
    "transformers.models.mixtral.modeling_mixtral",
    "transformers.models.llama.modeling_llama",
    "transformers.models.phi3.modeling_phi3",
    "peft",
    "lm_eval.models.huggingface",
    "lm_eval.evaluator",
    "lm_eval.tasks",
    "rouge_score.rouge_scorer",
    "pandas",
    "matplotlib.pyplot",
)
FORWARDED = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)


def run_script(argv: list[str]) -> int:
    """Run a script in this process as `python argv…` would; returns its exit status."""
    sys.argv, sys.path[0] = argv, str(Path(argv[0]).resolve().parent)
    try:
        runpy.run_path(argv[0], run_name="__main__")
    except SystemExit as stop:
        if isinstance(stop.code, int) or stop.code is None:
            return stop.code or 0
        print(stop.code, file=sys.stderr)
        return 1
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def write_cost(started: float) -> None:
    """Write what this process and its children took since `started` (time.monotonic) to the file that COST names.

    The peak is the largest of one process, in MB, shared pages of libraries included.
    """
    if COST not in os.environ:
        return
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    used = sum(usage.ru_utime + usage.ru_stime for usage in usages)
    peak = max(own_peak(), usages[1].ru_maxrss) / 1024
    cost = {"seconds": time.monotonic() - started, "cpu_seconds": used, "peak_mb": peak}
    part = Path(f"{os.environ[COST]}.part")
    part.write_text(json.dumps({key: round(value, 2) for key, value in cost.items()}) + "\n")
    part.replace(os.environ[COST])


def own_peak() -> int:
    """Largest memory of this process so far, KiB. ru_maxrss would keep that of the process which started it."""
    status = Path("/proc/self/status")
    if not status.exists():  # not Linux
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM"))


def run_job(argv: list[str]) -> int:
    """`run_script`, and what it cost if it succeeds: a resumed job's record is that of the run that completed it."""
    started = time.monotonic()
    status = run_script(argv)
    if status == 0:
        write_cost(started)
    return status


def client(argv: list[str]) -> int:
    """Have the server run the script with our standard streams, folder and environment; forward signals."""
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(os.environ[ADDRESS])
    except (KeyError, OSError):
        for number in (signal.SIGTERM, signal.SIGUSR1):  # which the shell around us ignores (rules/common.smk)
            signal.signal(number, signal.SIG_DFL)
        return run_job(argv)
    request = json.dumps({"argv": argv, "directory": os.getcwd(), "environment": dict(os.environ)}).encode()
    socket.send_fds(connection, [len(request).to_bytes(8)], [0, 1, 2])
    connection.sendall(request)
    for number in FORWARDED:
        signal.signal(number, lambda number, frame: connection.sendall(bytes([number])))
    status = connection.recv(1)
    if not status:
        print(f"{argv[0]}: the process that ran it ended without a status", file=sys.stderr)
    return status[0] if status else 1


def handle(connection: socket.socket) -> None:
    """Fork the job, pass signals on to it, report its status; end it when the client goes away."""
    head, streams, _, _ = socket.recv_fds(connection, 8, 3)
    size, request = int.from_bytes(head), b""
    while len(request) < size and (part := connection.recv(size - len(request))):
        request += part
    if not size or len(request) < size:  # the client went away while asking
        return
    job = json.loads(request)
    process = os.fork()
    if process == 0:
        connection.close()
        for target, stream in enumerate(streams):
            os.dup2(stream, target)
        os.chdir(job["directory"])
        os.environ.clear()
        os.environ.update(job["environment"])
        for number in (*FORWARDED, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        status = run_job(job["argv"])
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)
    for stream in streams:
        os.close(stream)
    ended = os.pidfd_open(process)
    while True:
        ready, _, _ = select.select([connection, ended], [], [])
        if ended in ready:
            _, status = os.waitpid(process, 0)
            code = os.waitstatus_to_exitcode(status)
            with contextlib.suppress(OSError):
                connection.sendall(bytes([code if code >= 0 else 128 - code]))
            return
        number = connection.recv(1)
        os.kill(process, number[0] if number else signal.SIGTERM)
        if not number:
            os.waitpid(process, 0)
            return


def serve(listener: socket.socket) -> None:
    """Accept jobs until the process that started us ends."""
    address = Path(listener.getsockname())

    def end(number: int, frame) -> None:
        address.unlink(missing_ok=True)
        address.parent.rmdir()
        os._exit(0)

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the jobs through their clients
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for library in LIBRARIES:
        importlib.import_module(library)
    if names := sys.modules.get("transformers.conversion_mapping"):
        names.get_checkpoint_conversion_mapping("llama")  # a thousand patterns, compiled when a model is first loaded
    while True:
        connection, _ = listener.accept()
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            listener.close()
            handle(connection)
            os._exit(0)
        connection.close()


def main() -> int:
    if sys.argv[1:2] != ["--warm"]:
        return client(sys.argv[1:])
    command = sys.argv[2:]
    # Read by the libraries when they are imported, so they must be set here; stages print their own progress.
    os.environ |= {"MPLBACKEND": "agg", "HF_HUB_DISABLE_PROGRESS_BARS": "1", "TRANSFORMERS_VERBOSITY": "error"}
    address = Path(tempfile.mkdtemp(prefix="moe-warm-")) / "socket"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(address))
    listener.listen(64)
    parent = os.getpid()
    if os.fork() == 0:
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG: end with the command that we become
        if os.getppid() == parent:
            serve(listener)
        os._exit(0)
    listener.close()
    os.environ[ADDRESS] = str(address)
    os.execvp(command[0], command)


if __name__ == "__main__":
    sys.exit(main())
