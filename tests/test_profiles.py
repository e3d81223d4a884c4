"""What `snakemake --profile slurm` and `--profile local` ask for, read by Snakemake itself."""

import os
import re
import subprocess
import sys
from types import SimpleNamespace

import pytest
import yaml
from snakemake.profiles import ProfileConfigFileParser
from stub_project import ROOT

from planning.blocks import job_resources

MICRO = ("--configfile", "config/config.yaml")
PAPER = yaml.safe_load((ROOT / "config/paper.yaml").read_text())


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder with the profiles in it, as in a fresh clone; no site settings from outside."""
    for name in ("slurm", "local", "profiles"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith("SITE_"):
            monkeypatch.delenv(name)
    return tmp_path


def profile(name: str) -> dict:
    with open(f"{name}/profile.yaml") as file:
        return dict(ProfileConfigFileParser().parse(file))


def jobs(*arguments: str, env: dict, target: str = "results/micro/tables/quick.csv") -> dict[str, str]:
    """Resources of one planned job of each rule, as a dry run from the project's folder prints them."""
    command = [sys.executable, "-m", "snakemake", "-n", "--forceall", target, *arguments]  # results may be there
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=os.environ | env)
    assert result.returncode == 0, result.stdout + result.stderr
    return dict(re.findall(r"rule (\w+):.*?\n    resources: (.*?)\n", result.stdout + result.stderr, re.DOTALL))


def test_slurm_profile_as_typed_asks_for_partitions_memory_time_and_gpus():
    found = jobs("--profile", "slurm", *MICRO, env={"SITE_PARTITION": "short", "SITE_ACCOUNT": "me"})
    assert "slurm_partition=short" in found["build_world"] and "slurm_account=me" in found["build_world"]
    assert "mem_mb=4000" in found["pretrain_micro"] and "runtime=60" in found["pretrain_micro"]
    for rule in ("attribute_experts", "evaluate_original", "unlearn", "evaluate"):
        assert "slurm_partition=gpu" in found[rule] and "gpu_model=h100" in found[rule], found[rule]


@pytest.mark.parametrize("gres", ["", "gpu:a100"])
def test_a_cells_gpus_are_asked_for_by_count_and_kind_or_as_generic_resources(gres):
    target = "results/paper/cells/deepseek-v2-lite/wmdp-cyber/ga/baseline/seed-0/manifest.json"
    found = jobs("--profile", "slurm", target=target, env={"SITE_GRES": gres, "SITE_GPU_MODEL": "a100"})
    asked = found["unlearn"].split(", ")
    count = job_resources(PAPER, "unlearn", SimpleNamespace(model="deepseek-v2-lite", scope="baseline"))["gpu"]
    assert count > 1
    if gres:
        assert f"gres=gpu:a100:{count}" in asked and not [word for word in asked if word.startswith("gpu")]
    else:
        assert f"gpu={count}" in asked and "gpu_model=a100" in asked and "gres" not in found["unlearn"]


def test_site_settings_come_from_a_file_or_the_environment(folder, monkeypatch):
    asked = profile("slurm")
    assert "slurm_partition='cpu'" in asked["default-resources"]
    assert not [line for line in asked["default-resources"] if "account" in line]
    assert "unlearn:gpu_model='h100'" in asked["set-resources"]

    (folder / "site.yaml").write_text("account: 1234\ngpu_partition: big-gpus\ngpu_model:\n")
    monkeypatch.setenv("SITE_PARTITION", "short")
    asked = profile("slurm")
    assert "slurm_account='1234'" in asked["default-resources"]
    assert "slurm_partition='short'" in asked["default-resources"]
    assert "unlearn:slurm_partition='big-gpus'" in asked["set-resources"]
    assert "gpu_model" not in str(asked["set-resources"])

    monkeypatch.setenv("SITE_GPU_MODEL", "a100")
    assert "unlearn:gpu_model='a100'" in profile("slurm")["set-resources"]
    monkeypatch.setenv("SITE_GRES", "gpu:a100")
    assert "gpu_model" not in str(profile("slurm")["set-resources"])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("acount: me\n", ("site.yaml", "'acount'", "gpu_partition")),
        ("partition: [a, b]\n", ("site.yaml", "partition", "['a', 'b']")),
        ("just words\n", ("site.yaml", "name: value")),
        ("a: b: c\n", ("site.yaml", "YAML")),
    ],
)
def test_a_mistake_in_the_sites_file_is_one_line(folder, text, words):
    (folder / "site.yaml").write_text(text)
    with pytest.raises(SystemExit) as stop:
        profile("slurm")
    message = str(stop.value)
    assert "\n" not in message and all(word in message for word in words), message


def test_no_profile_says_how_software_is_installed_or_hides_the_cluster_settings(folder):
    found = {name: profile(name) for name in ("slurm", "local", "profiles/default")}
    for keys in found.values():
        assert not {"software-deployment-method", "sdm", "use-conda"} & set(keys)
    # The workflow profile wins key by key over the others, so it may hold none of theirs.
    assert set(found["profiles/default"]) == {"rerun-triggers"}
    assert found["profiles/default"]["rerun-triggers"] == ["mtime", "params", "input", "code"]
    # The files of the site's file names would rewrite values of the profile that are equal to them.
    values = [value for value in found["slurm"].values() if isinstance(value, str)]
    assert not [value for value in values if (ROOT / "slurm" / value).exists()]


def test_every_line_of_the_slurm_profile_is_commented():
    for line in (ROOT / "slurm/profile.yaml").read_text().splitlines():
        assert not line or "#" in line, line


def test_the_more_special_block_of_jobs_wins_key_by_key():
    config = {
        "jobs": {
            "unlearn": {"gpu": 1, "mem_mb": 10},
            "unlearn/baseline": {"gpu": 4},
            "unlearn/rmu/baseline": {"gpu": 1},
        },
        "models": {"small": {}, "large": {"jobs": {"unlearn": {"gpu": 2}, "unlearn/baseline": {"runtime": 9}}}},
    }

    def asks(rule, **wildcards):
        return job_resources(config, rule, SimpleNamespace(**wildcards))

    assert asks("evaluate", model="small") == {"gpu": 0, "mem_mb": 4000, "runtime": 60}
    assert asks("unlearn", model="small", scope="uoe") == {"gpu": 1, "mem_mb": 10, "runtime": 60}
    assert asks("unlearn", model="large", scope="uoe") == {"gpu": 2, "mem_mb": 10, "runtime": 60}
    assert asks("unlearn", model="large", scope="baseline") == {"gpu": 4, "mem_mb": 10, "runtime": 9}
    assert asks("unlearn", model="large", method="ga", scope="baseline")["gpu"] == 4
    assert asks("unlearn", model="large", method="rmu", scope="baseline") == {"gpu": 1, "mem_mb": 10, "runtime": 9}
    assert asks("unlearn", model="large", method="rmu", scope="uoe")["gpu"] == 2


def test_every_rule_whose_jobs_may_have_a_gpu_goes_to_the_gpu_partition(folder):
    """A rule with GPUs that the Slurm profile does not know would wait in a queue without any."""
    asked = {}
    for path in sorted((ROOT / "rules").glob("*.smk")):
        for block in re.split(r"\n(?=rule |use rule )", path.read_text())[1:]:
            name = re.match(r"(?:rule|use rule \w+ as) (\w+)", block).group(1)
            origin = re.match(r"use rule (\w+)", block)
            resources = re.search(r'resources_of\("(\w+)"', block)
            asked[name] = asked[origin.group(1)] if origin else resources and resources.group(1)
            assert asked[name] or "threads: config" not in block, f"{name}: several threads, but no resources_of(...)"
    needing = {name for name, rule in asked.items() if rule not in (None, "build_world", "pretrain_micro")}
    assert {line.split(":")[0] for line in profile("slurm")["set-resources"]} == needing


def test_local_profile_runs_one_gpu_job_at_a_time(folder):
    assert profile("local")["resources"] == ["gpu=1"]
    assert yaml.safe_load((ROOT / "local/profile.yaml").read_text())["configfile"] == "config/paper.yaml"
