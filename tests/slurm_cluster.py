"""A real Slurm on this machine for tests: munged, slurmctld and four slurmd on loopback, without systemd.

Two CPU nodes and two GPU nodes; a node's GPU is a stand-in (a device file that nobody opens) which Slurm schedules as
it does any other. All daemons run as the user who starts the tests, with keys, sockets and ports of their own.
"""

import contextlib
import getpass
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

PACKAGES = ("slurm-wlm", "munge")
DAEMONS = ("munged", "slurmctld", "slurmd", "sbatch")
NODES = {"cpu1": "", "cpu2": "", "gpu1": "Gres=gpu:h100:1", "gpu2": "Gres=gpu:h100:1"}
SEARCH = f"{os.environ['PATH']}:/usr/sbin:/sbin"

# What differs from a production cluster, and why: SlurmdParameters=config_overrides and NodeAddr let four nodes be one
# small machine; proctrack/linuxproc and task/none need no cgroups; MinJobAge keeps finished jobs in squeue, there being
# no accounting database; the times are short, so that a dead node is noticed, a cancelled job killed and a requeued job
# started again in seconds (a credential's lifetime is what a requeued job waits for).
CONFIGURATION = """
ClusterName=test
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort={port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.sock,cred_expire=5
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldPidFile={folder}/pid/slurmctld
SlurmdPidFile={folder}/pid/%n
SlurmctldLogFile={folder}/log/slurmctld
SlurmdLogFile={folder}/log/%n
PlugStackConfig=/dev/null
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerCPU=500
SlurmdParameters=config_overrides
PropagateResourceLimits=NONE
ReturnToService=2
MinJobAge=7200
KillWait=8
SlurmdTimeout=6
SlurmctldTimeout=10
JobRequeue=0
JobFileAppend=1
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SchedulerParameters=bf_interval=1,sched_interval=2,batch_sched_delay=0,sched_min_interval=0
JobAcctGatherType=jobacct_gather/none
JobCompType=jobcomp/none
AccountingStorageType=accounting_storage/none
GresTypes=gpu
PartitionName=cpu Nodes=cpu1,cpu2 Default=YES MaxTime=60
PartitionName=gpu Nodes=gpu1,gpu2 MaxTime=60 PriorityTier=1
PartitionName=urgent Nodes=gpu1,gpu2 MaxTime=60 PriorityTier=10 PreemptMode=OFF
"""


def install() -> str | None:
    """Install what is missing, where that is possible; returns why Slurm can't be had, or None."""
    missing = [name for name in DAEMONS if not shutil.which(name, path=SEARCH)]
    if missing and os.geteuid() == 0 and shutil.which("apt-get"):
        command = ["apt-get", "install", "-yq", "--no-install-recommends", *PACKAGES]
        environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(["apt-get", "update", "-q"], capture_output=True, check=False)
        subprocess.run(command, env=environment, capture_output=True, check=False)
        missing = [name for name in DAEMONS if not shutil.which(name, path=SEARCH)]
    return f"no Slurm here: {', '.join(missing)} missing (apt-get install {' '.join(PACKAGES)})" if missing else None


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for entry in sockets:
        entry.bind(("127.0.0.1", 0))
    ports = [entry.getsockname()[1] for entry in sockets]
    for entry in sockets:
        entry.close()
    return ports


def running(pid: int, name: str) -> bool:
    """Whether the process lives, is no zombie, and still is the program that we started."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return f"({name})" in status and status.rpartition(")")[2].split()[0] not in "ZX"


def descendants(pid: int) -> list[int]:
    """The process's children, theirs and so on, in the order of birth."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [each for child in map(int, children) for each in (child, *descendants(child))]


class Cluster:
    """`with Cluster() as cluster`: started, all nodes idle; ended and removed afterwards."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="slurm-"))  # short: it holds unix sockets
        own = {"PATH": f"{self.folder}/bin:{SEARCH}", "SLURM_CONF": f"{self.folder}/slurm.conf"}
        self.environment = os.environ | own | {"OMP_NUM_THREADS": "1"}

    def __enter__(self) -> "Cluster":
        for name in ("state", "spool", "log", "pid", "bin"):
            (self.folder / name).mkdir(mode=0o755)
        key = self.folder / "munge.key"
        key.touch(mode=0o600)
        key.write_bytes(os.urandom(128))
        self.folder.chmod(0o755)
        port, *ports = free_ports(1 + len(NODES))
        text = CONFIGURATION.format(folder=self.folder, port=port, user=getpass.getuser())
        for (node, gpu), node_port in zip(NODES.items(), ports, strict=True):
            text += f"NodeName={node} NodeHostname=localhost NodeAddr=127.0.0.1 Port={node_port} {gpu} "
            text += "CPUs=8 RealMemory=32000\n"
        (self.folder / "slurm.conf").write_text(text)
        (self.folder / "gres.conf").write_text("AutoDetect=off\nNodeName=gpu[1-2] Name=gpu Type=h100 File=/dev/null\n")
        (self.folder / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\n")
        # The job-step executor drops SLURM_CONF, which a cluster whose slurm.conf lies in /etc does not need.
        srun = self.folder / "bin/srun"
        srun.write_text(f'#!/bin/sh\nSLURM_CONF={self.folder}/slurm.conf exec {shutil.which("srun")} "$@"\n')
        srun.chmod(0o755)
        places = [f"--pid-file={self.folder}/pid/munged", f"--log-file={self.folder}/log/munged"]
        places += [f"--socket={self.folder}/munge.sock", f"--seed-file={self.folder}/munge.seed"]
        self.run("munged", f"--key-file={key}", *places)
        self.run("slurmctld", "-f", f"{self.folder}/slurm.conf")
        for node in NODES:
            self.boot(node)
        return self

    def run(self, *command: str) -> str:
        """Standard output of a command that has to succeed."""
        result = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=60)
        assert result.returncode == 0, f"{command}: {result.stdout}{result.stderr}"
        return result.stdout

    def boot(self, node: str) -> None:
        """Start a node's slurmd and wait until the controller has it."""
        self.run("slurmd", "-N", node, "-f", f"{self.folder}/slurm.conf")
        self.wait(lambda: self.run("sinfo", "-h", "-n", node, "-o", "%T").split()[0] in ("idle", "mixed"), f"{node} up")

    def crash(self, node: str) -> None:
        """End a node's slurmd and whatever runs on it, at once and without a word, as a power cut does.

        All are stopped before the first is killed: else an srun would live to report that its step was lost.
        """
        pid = int((self.folder / "pid" / node).read_text())
        steps = [
            int(path.name)
            for path in Path("/proc").glob("[0-9]*")
            if self._command_of(path).startswith("slurmstepd") and self._node_of(path) == node
        ]
        daemon = [pid] if running(pid, "slurmd") else []
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for process in (*daemon, *steps, *[child for step in steps for child in descendants(step)]):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, number)

    @staticmethod
    def _command_of(path: Path) -> str:
        try:
            return (path / "cmdline").read_text()
        except OSError:
            return ""

    def _node_of(self, path: Path) -> str:
        try:
            files = {link.resolve() for link in (path / "fd").iterdir()}
        except OSError:
            return ""
        return next((node for node in NODES if (self.folder / "log" / node).resolve() in files), "")

    def jobs(self) -> dict[int, dict[str, str]]:
        """All jobs, also finished ones, by number; Comment is the rule and its wildcards, times are of the last run."""
        fields = ("JobID", "Name", "Comment", "State", "NodeList", "RestartCnt")
        fields += ("MinMemory", "TimeLimit", "tres-per-job", "StartTime", "EndTime")
        layout = ",".join(f"{name}:200" for name in fields)
        lines = self.run("squeue", "-h", "-t", "all", "-O", layout).splitlines()
        rows = [[line[start : start + 200].strip() for start in range(0, 200 * len(fields), 200)] for line in lines]
        return {int(row[0]): dict(zip(fields, row, strict=True)) for row in rows}

    @staticmethod
    def wait(condition, what: str, seconds: float = 60.0):
        """The first true value of `condition()`."""
        end = time.monotonic() + seconds
        while not (value := condition()):
            assert time.monotonic() < end, f"waited {seconds:.0f} s for: {what}"
            time.sleep(0.05)
        return value

    def __exit__(self, *error: object) -> None:
        subprocess.run(["scancel", "-u", getpass.getuser()], env=self.environment, timeout=30, check=False)
        alive = ("-t", "RUNNING,SUSPENDED,COMPLETING,PENDING")
        with contextlib.suppress(AssertionError, subprocess.TimeoutExpired):
            self.wait(lambda: not self.run("squeue", "-h", *alive), "the jobs to end", 15)
        for node in NODES:
            self.crash(node)  # with whatever is left on it
        for name in ("slurmctld", "munged"):
            pid = int((self.folder / "pid" / name).read_text())
            if running(pid, name):
                os.kill(pid, signal.SIGTERM)
                self.wait(lambda pid=pid, name=name: not running(pid, name), f"{name} to end", 20)
        shutil.rmtree(self.folder, ignore_errors=True)
