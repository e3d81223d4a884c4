"""Stages started from the warm server behave as if run by `python script.py`, and end with who started them."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

START = Path(__file__).parents[1] / "workflow_scripts" / "launch" / "start.py"
# The real libraries take 10 s to import; what the server does with them does not depend on which they are.
WRAPPER = f"""
import sys
sys.path.insert(0, {str(START.parent.parent)!r})
from launch import start
start.LIBRARIES = ("decimal",)
sys.exit(start.main())
"""
HOLDER = "import os, sys; print(os.environ['MOE_WARM_SOCKET'], flush=True); sys.stdin.read(); print('held to the end')"
SCRIPT = """
import os, sys
import beside
print("arguments", sys.argv[1:], __name__, beside.VALUE, __file__)
print("folder", os.getcwd(), "variable", os.environ.get("TEST_VARIABLE"), "input", sys.stdin.read())
print("warning", file=sys.stderr)
print("x" * 200_000)
"""
ENDINGS = {
    "falls off the end": "", "exit()": "sys.exit()", "exit(3)": "sys.exit(3)", "exit(True)": "sys.exit(True)",
    "one line": "raise SystemExit('config.yaml: no such model')", "exception": "raise ValueError('broken')",
    "interrupt": "raise KeyboardInterrupt",
}  # fmt: skip


def alive(pid: int) -> bool:
    """Running, and not a zombie that waits for its parent."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_for(condition, seconds: float = 10.0) -> bool:
    end = time.monotonic() + seconds
    while not (done := condition()) and time.monotonic() < end:
        time.sleep(0.02)
    return bool(done)


def children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


class Server:
    """`start.py --warm` around a command that waits until its input is closed."""

    def __init__(self, folder: Path):
        wrapper = folder / "wrapper.py"
        wrapper.write_text(WRAPPER)
        words = [sys.executable, str(wrapper), "--warm", sys.executable, "-c", HOLDER]
        self.holder = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.address = self.holder.stdout.readline().strip()
        (self.pid,) = children(self.holder.pid)

    def end(self) -> str:
        self.holder.stdin.close()
        self.holder.wait()
        return self.holder.stdout.readline()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    running = Server(tmp_path_factory.mktemp("server"))
    yield running
    if running.holder.poll() is None:
        running.end()


def command(*argv: object) -> list[str]:
    return [sys.executable, str(START), *map(str, argv)]


def environment(address: str | None, **variables: str) -> dict:
    kept = {name: value for name, value in os.environ.items() if name != "MOE_WARM_SOCKET"}
    return kept | variables | ({"MOE_WARM_SOCKET": address} if address else {})


def run(address: str | None, *argv: object, variables: dict | None = None, **options) -> subprocess.CompletedProcess:
    """Run `argv` to its end with the server at `address`, or without one."""
    options |= {"env": environment(address, **(variables or {})), "capture_output": True, "text": True, "timeout": 30}
    return subprocess.run(command(*argv), **options)


def write_script(folder: Path, text: str) -> Path:
    (folder / "beside.py").write_text("VALUE = 1\n")
    (folder / "script.py").write_text(text)
    return folder / "script.py"


@pytest.mark.parametrize("ending", ENDINGS)
def test_same_output_and_status_as_without(server, tmp_path, ending):
    script = write_script(tmp_path, SCRIPT + ENDINGS[ending])
    given = {"variables": {"TEST_VARIABLE": "set"}, "cwd": tmp_path, "input": "from outside"}
    cold, warm = (run(address, script, "a b", "ä", "--x=1", **given) for address in (None, server.address))
    assert warm.stdout == cold.stdout
    if ending == "interrupt":  # plain Python dies of the signal; a job reports it
        assert cold.returncode != 0 and warm.returncode != 0
        return
    assert warm.returncode == cold.returncode
    if ending == "exception":  # the traceback has frames of start.py
        assert warm.stderr.splitlines()[-1] == cold.stderr.splitlines()[-1] == "ValueError: broken"
    else:
        assert warm.stderr == cold.stderr


BURN = """
import os, subprocess, sys, time
block = bytearray(os.urandom(1 << 20) * 150)
def burn(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end: pass
burn(0.4)
subprocess.run([sys.executable, "-c", "import time\\nwhile time.process_time() < 0.3: pass"], check=True)
time.sleep(0.3)
sys.exit(int(sys.argv[1]))
"""


@pytest.mark.parametrize("warm", [False, True])
def test_cost_is_that_of_the_process_that_did_the_work(server, tmp_path, warm):
    """0.4 s of CPU here and 0.3 in a child, 0.3 s asleep, 150 MB; a job that fails leaves none."""
    script, place = write_script(tmp_path, BURN), tmp_path / "job.log.cost"
    address = server.address if warm else None
    grown = bytearray(os.urandom(1 << 20) * 500)  # the process that starts the job is larger than the job
    assert run(address, script, 1, variables={"MOE_COST": str(place)}).returncode == 1 and not place.exists()
    assert run(address, script, 0, variables={"MOE_COST": str(place)}).returncode == 0
    cost = json.loads(place.read_text())
    assert 0.7 <= cost["cpu_seconds"] < 1.3 and 1.0 <= cost["seconds"] < 6.0  # others may share the core
    assert 150 <= cost["peak_mb"] < 400 < len(grown) / 1e6
    assert [path.name for path in tmp_path.glob("job*")] == ["job.log.cost"]


def test_runs_in_a_fork_of_the_server_with_the_libraries_there(server, tmp_path):
    text = "import os, sys\nprint('decimal' in sys.modules, 'beside' in sys.modules, os.getppid())"
    script = write_script(tmp_path, text)
    for address, expected in ((None, "False"), (server.address, "True")):
        assert run(address, script).stdout.split()[:2] == [expected, "False"]


def test_sees_the_code_as_it_is_on_disk(server, tmp_path):
    script = write_script(tmp_path, "import beside\nprint('first', beside.VALUE)")
    assert run(server.address, script).stdout == "first 1\n"
    (tmp_path / "beside.py").write_text("VALUE = 'another'\n")
    script.write_text("import beside\nprint('second', beside.VALUE)")
    assert run(server.address, script).stdout == "second another\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
@pytest.mark.parametrize("warm", [True, False], ids=["warm", "cold"])
def test_a_signal_to_the_client_ends_the_job(server, tmp_path, warm, number):
    noted = tmp_path / "pid"
    text = f"import os, time\nopen({str(noted)!r}, 'w').write(str(os.getpid()) + '.')\ntime.sleep(60)"
    script = write_script(tmp_path, text)
    # a shell that started the tests in the background made them ignore Ctrl-C, and that is inherited
    given = {"stderr": subprocess.DEVNULL, "preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}
    client = subprocess.Popen(command(script), env=environment(server.address if warm else None), **given)
    assert wait_for(lambda: noted.exists() and noted.read_text().endswith("."))
    job = int(noted.read_text().rstrip("."))
    assert alive(job) and (job != client.pid) == warm
    client.send_signal(number)
    assert client.wait(10) != 0 and wait_for(lambda: not alive(job))


def test_a_job_may_clean_up_when_terminated(server, tmp_path):
    script = write_script(
        tmp_path,
        "import signal, sys, time\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(7))\n"
        f"open({str(tmp_path / 'ready')!r}, 'w').close()\ntry:\n    time.sleep(60)\n"
        f"finally:\n    open({str(tmp_path / 'cleaned')!r}, 'w').close()",
    )
    client = subprocess.Popen(command(script), env=environment(server.address))
    assert wait_for((tmp_path / "ready").exists)
    client.terminate()
    assert client.wait(10) == 7 and (tmp_path / "cleaned").exists()


def test_a_job_that_is_killed(server, tmp_path):
    script = write_script(tmp_path, "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
    assert run(server.address, script).returncode == 137


def test_jobs_run_side_by_side(server, tmp_path):
    meet = (
        "import sys, time\nfrom pathlib import Path\nmine, other = sys.argv[1:]\nPath(mine).touch()\n"
        "end = time.monotonic() + 10\n"
        "while not Path(other).exists() and time.monotonic() < end:\n    time.sleep(0.02)\n"
        "sys.exit(not Path(other).exists())"
    )
    script = write_script(tmp_path, meet)
    names = [str(tmp_path / name) for name in "ab"]
    jobs = [subprocess.Popen(command(script, *pair), env=environment(server.address)) for pair in (names, names[::-1])]
    assert [job.wait(15) for job in jobs] == [0, 0]


@pytest.mark.parametrize("sent", [b"", b"\0\0\0\0\0\0\0\x09", b"\0\0\0\0\0\0\0\x09{half"])
def test_a_client_that_goes_away_while_asking(server, tmp_path, sent):
    """Leaves nothing behind and does not stop the server."""
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(server.address)
    connection.sendall(sent)
    connection.close()
    assert wait_for(lambda: not [pid for pid in children(server.pid) if alive(pid)], 5)
    script = write_script(tmp_path, "print('still there')")
    assert run(server.address, script).stdout == "still there\n"


def test_without_the_server_that_the_environment_names(tmp_path):
    script = write_script(tmp_path, "print('ran')")
    done = run(str(tmp_path / "no-socket"), script)
    assert (done.stdout, done.stderr, done.returncode) == ("ran\n", "", 0)


def test_a_script_that_is_not_there(server, tmp_path):
    for address in (None, server.address):
        done = run(address, tmp_path / "none.py")
        assert done.returncode != 0 and "none.py" in done.stderr


@pytest.mark.parametrize("how", ["returns", "killed"])
def test_the_server_ends_with_its_command_and_leaves_no_files(tmp_path, how):
    running = Server(tmp_path)
    socket_file = Path(running.address)
    assert alive(running.pid) and socket_file.exists()
    assert socket_file.parent.stat().st_mode & 0o077 == 0  # nobody else may have jobs run
    if how == "returns":
        assert running.end() == "held to the end\n" and running.holder.returncode == 0
    else:
        running.holder.kill()
        running.holder.wait()
    assert wait_for(lambda: not alive(running.pid)) and not socket_file.parent.exists()
    with contextlib.suppress(OSError):
        running.holder.stdin.close()


def test_the_commands_own_status_comes_through(tmp_path):
    (tmp_path / "wrapper.py").write_text(WRAPPER)
    argv = [sys.executable, str(tmp_path / "wrapper.py"), "--warm", sys.executable, "-c", "import sys; sys.exit(5)"]
    assert subprocess.run(argv, timeout=30).returncode == 5
