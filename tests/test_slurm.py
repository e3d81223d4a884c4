"""`snakemake --profile slurm` on a real Slurm of this machine: what jobs ask for, and what is lost when things die.

One story, told once for all tests (`story`): a build is sent to the cluster, and five of its cells, and Snakemake
itself, are struck while they are at work. A cell that is to be struck is first stopped (SIGSTOP) when it has saved a
state, so that it is hit at a known point; what then happens to it is Slurm's and Snakemake's doing. All cells have the
same settings, so that their checkpoints have to be equal byte by byte, whatever happened on the way.
"""

import hashlib
import json
import os
import re
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
import slurm_cluster
import slurm_project
import yaml
from slurm_project import SCOPES, STATE_EVERY, STEPS, cell

STRUCK = [scope for scope in SCOPES if scope != "uoe"]


@pytest.fixture(scope="module")
def cluster():
    missing = slurm_cluster.install()
    if missing:
        pytest.skip(missing)
    with slurm_cluster.Cluster() as cluster:
        yield cluster


@pytest.fixture(scope="module")
def story(cluster, tmp_path_factory):
    folder = tmp_path_factory.mktemp("slurm")
    slurm_project.copy(folder)
    slurm_project.build(folder)
    project = slurm_project.Project(folder, cluster)
    try:
        yield tell(cluster, project)
    finally:
        project.end()


def tell(cluster, project) -> SimpleNamespace:
    """Start, strike, wait for the end; returns what was seen."""
    seconds, began = {}, time.monotonic()

    def finished(scope: str) -> bool:
        return (project.folder / cell(scope) / "manifest.json").exists()

    def strike(scope: str, blow) -> None:
        pid = project.hold(scope)
        struck = time.monotonic()
        blow(pid, project.jobs(scope)[-1])
        cluster.wait(lambda: finished(scope), f"{scope} to be complete", 300)
        seconds[scope] = time.monotonic() - struck

    def kill(pid: int, job: dict) -> None:
        os.kill(pid, signal.SIGKILL)

    def wait_for_the_limit(pid: int, job: dict) -> None:
        cluster.wait(lambda: project.jobs("uoe-limit")[0]["State"] == "TIMEOUT", "the time limit", 150)

    def cancel(pid: int, job: dict) -> None:
        cluster.run("scancel", job["JobID"])

    def crash(pid: int, job: dict) -> None:
        cluster.crash(job["NodeList"])
        cluster.wait(lambda: not slurm_cluster.running(pid, "python"), "the node's processes to be gone", 20)
        cluster.wait(lambda: project.jobs("uoe-node")[-1]["RestartCnt"] == "1", "the node to be missed", 90)
        cluster.boot(job["NodeList"])

    def preempt(pid: int, job: dict) -> None:
        options = ("-p", "urgent", "-w", job["NodeList"], "--gpus=h100:1", "-o", "/dev/null")
        cluster.run("sbatch", *options, "--wrap", "sleep 1")

    # Snakemake is killed while its job works; the job lives on. All that is typed after that is what its users type.
    first = project.start(f"{cell('uoe')}/manifest.json")
    living = project.hold("uoe")
    first.kill()
    first.wait()
    killed = time.monotonic()
    [before] = project.jobs("uoe")
    locked = project.refused(f"{cell('uoe')}/manifest.json", "--configfile", "config/config.yaml", "--cores", "1")
    project.snakemake("--unlock", "--configfile", "config/config.yaml")
    second = project.start("all_tables", *(f"{cell(scope)}/manifest.json" for scope in STRUCK))
    cluster.wait(lambda: project.jobs("uoe")[0]["Name"] != before["Name"], "the living job to be found", 120)
    assert slurm_cluster.running(living, "python")
    os.kill(living, signal.SIGCONT)

    blows = dict(zip(STRUCK, (kill, wait_for_the_limit, cancel, crash, preempt), strict=True))
    with ThreadPoolExecutor() as threads:
        at_work = [threads.submit(strike, scope, blow) for scope, blow in blows.items()]
        cluster.wait(lambda: finished("uoe"), "the cell of the killed run", 120)
        seconds["uoe"] = time.monotonic() - killed
        for strikes in at_work:
            strikes.result()
    cluster.wait(lambda: second.poll() is not None, "Snakemake to end", 150)
    assert second.returncode == 0, project.log()[-5000:]
    took = time.monotonic() - began
    return SimpleNamespace(
        project=project, cluster=cluster, seconds=seconds, took=took, locked=locked, job_of_the_killed_run=before
    )


def stopped_and_resumed(story, scope: str) -> tuple[list[int], list[int]]:
    """Steps at which a cell's process was stopped by a signal that it heard, and from which it went on."""
    log = story.project.job_logs(scope)
    stopped = re.findall(r"^stopped by SIGTERM at step (\d+)", log, re.MULTILINE)
    resumed = re.findall(r"^resuming from step (\d+)", log, re.MULTILINE)
    return list(map(int, stopped)), list(map(int, resumed))


def report(capsys, story, scope: str, what: str, again: str) -> None:
    with capsys.disabled():
        print(f"\n  {what}: computed again {again}; complete {story.seconds[scope]:.0f} s after it", end="")


def test_a_living_job_is_taken_over_or_where_its_inputs_changed_cancelled_and_sent_anew(cluster, tmp_path):
    """slurm/bin/sbatch alone, as Snakemake's plugin calls it; the jobs sleep."""
    read = tmp_path / "input.txt"
    read.touch()
    time.sleep(1.1)  # Slurm tells times of start in whole seconds, the time before

    def send(run: str, target: str) -> int:
        words = f"-m snakemake --target-jobs {target} --wait-for-files {read} --configfiles config.yaml"
        arguments = ("--parsable", "--job-name", run, "-o", "/dev/null", f"--wrap=sleep 100; : {words}")
        command = [slurm_project.ROOT / "slurm/bin/sbatch", *arguments]
        result = subprocess.run(command, cwd=tmp_path, env=cluster.environment, capture_output=True, text=True)
        assert result.returncode == 0, result.stderr
        return int(result.stdout)

    job = send("first-run", "unlearn:scope=uoe")
    cluster.wait(lambda: cluster.jobs()[job]["State"] == "RUNNING", "the job to run")
    assert send("second-run", "unlearn:scope=uoe") == job and cluster.jobs()[job]["Name"] == "second-run"
    other = send("second-run", "unlearn:scope=lora")
    assert other != job

    read.touch()
    anew = send("third-run", "unlearn:scope=uoe")
    states = {number: row["State"] for number, row in cluster.jobs().items()}
    assert anew not in (job, other) and states[job] == "CANCELLED" and states[other] == "RUNNING"
    cluster.run("scancel", str(anew), str(other))


def test_a_job_asks_for_partition_gpu_memory_and_time(story):
    [job] = story.project.jobs("uoe")
    shown = story.cluster.run("scontrol", "show", "job", "-d", job["JobID"])
    assert "Partition=gpu" in shown and "TresPerJob=gres:gpu:h100:1" in shown and "JOB_GRES=gpu:h100:1" in shown
    assert (job["MinMemory"], job["TimeLimit"]) == ("1000M", "5:00")
    used = {job["NodeList"] for scope in SCOPES for job in story.project.jobs(scope)}
    assert used == {"gpu1", "gpu2"}


def test_a_gpu_holds_one_job_at_a_time(story):
    """Start and end of every job that asked for a GPU (of its last run): on one node no two overlap."""
    jobs = [job for job in story.cluster.jobs().values() if "gpu:h100:1" in job["tres-per-job"]]
    spans = sorted((job["NodeList"], job["StartTime"], job["EndTime"]) for job in jobs)
    assert len(spans) >= len(SCOPES)
    for (node, _, end), (following, start, _) in zip(spans, spans[1:], strict=False):
        assert node != following or end <= start, spans


def test_a_job_that_fails_is_sent_again_with_more_memory_and_time_and_goes_on(story, capsys):
    first, second = story.project.jobs("uoe-fails")
    assert (first["State"], second["State"]) == ("FAILED", "COMPLETED")
    assert (first["MinMemory"], second["MinMemory"]) == ("1000M", "2000M")
    assert (first["TimeLimit"], second["TimeLimit"]) == ("5:00", "10:00")
    stopped, [resumed] = stopped_and_resumed(story, "uoe-fails")
    assert not stopped and resumed >= STATE_EVERY and resumed % STATE_EVERY == 0  # SIGKILL: the last state saved before
    report(capsys, story, "uoe-fails", "process killed (SIGKILL)", f"at most {STATE_EVERY} of {STEPS} steps")


def test_a_job_that_hits_its_time_limit_saves_its_state_and_is_sent_again(story, capsys):
    first, second = story.project.jobs("uoe-limit")
    assert (first["State"], second["State"]) == ("TIMEOUT", "COMPLETED")
    assert (first["TimeLimit"], second["TimeLimit"]) == ("1:00", "2:00")
    stopped, resumed = stopped_and_resumed(story, "uoe-limit")
    assert stopped == resumed and len(resumed) == 1
    report(capsys, story, "uoe-limit", "time limit", "nothing")


def test_a_job_that_is_cancelled_saves_its_state_and_is_sent_again(story, capsys):
    first, second = story.project.jobs("uoe-cancelled")
    assert (first["State"], second["State"]) == ("CANCELLED", "COMPLETED")
    stopped, resumed = stopped_and_resumed(story, "uoe-cancelled")
    assert stopped == resumed and len(resumed) == 1
    report(capsys, story, "uoe-cancelled", "scancel", "nothing")


def test_a_job_whose_node_dies_goes_back_into_the_queue_under_its_number(story, capsys):
    [job] = story.project.jobs("uoe-node")
    assert (job["State"], job["RestartCnt"]) == ("COMPLETED", "1")
    stopped, [resumed] = stopped_and_resumed(story, "uoe-node")
    assert not stopped and resumed >= STATE_EVERY and resumed % STATE_EVERY == 0
    report(capsys, story, "uoe-node", "node lost", f"at most {STATE_EVERY} of {STEPS} steps")


def test_a_job_that_is_preempted_saves_its_state_and_goes_on_under_its_number(story, capsys):
    [job] = story.project.jobs("uoe-preempted")
    assert (job["State"], job["RestartCnt"]) == ("COMPLETED", "1")
    stopped, resumed = stopped_and_resumed(story, "uoe-preempted")
    assert stopped == resumed and len(resumed) == 1
    report(capsys, story, "uoe-preempted", "pre-empted and requeued", "nothing")


def test_a_killed_snakemakes_job_is_found_by_the_next_one(story, capsys):
    assert "cannot be locked" in story.locked
    before, [after] = story.job_of_the_killed_run, story.project.jobs("uoe")
    assert before["JobID"] == after["JobID"] and before["Name"] != after["Name"] and after["State"] == "COMPLETED"
    assert stopped_and_resumed(story, "uoe") == ([], [])
    report(capsys, story, "uoe", "Snakemake killed (SIGKILL)", "nothing")


def test_every_cell_ends_with_the_same_bytes_whatever_struck_it(story):
    def digests(scope: str) -> dict[str, str]:
        files = (story.project.folder / cell(scope) / "checkpoints").glob("*.safetensors")
        return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}

    undisturbed = digests("uoe")
    scored = json.loads((story.project.folder / cell("uoe") / "metrics.json").read_text())["checkpoints"]
    assert list(undisturbed) and sorted(undisturbed) == [f"step-{entry['step']:04d}.safetensors" for entry in scored]
    for scope in STRUCK:  # these were not chosen from: all of their checkpoints are there
        own = digests(scope)
        assert {name: own[name] for name in undisturbed} == undisturbed, scope
    assert not list(story.project.folder.glob("results/small/state/cells/**/state.pt"))


def test_the_tables_stand_and_nothing_is_left_to_do(story, capsys):
    assert (story.project.folder / "results/small/tables/quick.md").exists()
    targets = ["all_tables", *(f"{cell(scope)}/manifest.json" for scope in SCOPES)]
    dry = ("--configfile", "config/config.yaml", "-n")
    assert "Nothing to be done" in story.project.snakemake(*targets, *dry)
    with capsys.disabled():
        print(f"\n  the whole story: {story.took:.0f} s", end="")


def test_what_a_cell_was_made_of_is_on_record_though_its_snakemake_was_killed(story):
    """Else a later change of its settings would go unnoticed."""
    path = story.project.folder / "config/config.yaml"
    settings = yaml.safe_load(path.read_text())
    kept = path.read_text()
    settings["scopes"]["uoe"]["alpha"] = 2.0
    path.write_text(yaml.safe_dump(settings))
    try:
        planned = story.project.snakemake(f"{cell('uoe')}/manifest.json", "-n", "--configfile", "config/config.yaml")
    finally:
        path.write_text(kept)
    assert re.search(r"^rule unlearn:", planned, re.MULTILINE)
