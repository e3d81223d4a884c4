"""Bad input ends with one line that says what is wrong, where, and what is allowed, before any job is planned."""

import copy

import pytest
import yaml
from snakemake.utils import validate
from stub_project import ROOT, snakemake

from planning import checks

CONFIG = yaml.safe_load((ROOT / "config/config.yaml").read_text())
validate(CONFIG, str(ROOT / "config/schema.yaml"))  # fills in the defaults
SCHEMA = yaml.safe_load((ROOT / "config/schema.yaml").read_text())


def changed(path: str, value: object) -> dict:
    """The default config with the value at `path` ("a/b/c") set."""
    config = copy.deepcopy(CONFIG)
    *parents, last = path.split("/")
    place = config
    for key in parents:
        place = place[key]
    place[last] = value
    return config


@pytest.mark.parametrize(("path", "value", "words"), [
    ("training/block_length", "abc", ("training: block_length", "'abc'", "integer")),
    ("training/blok_length", 1, ("training", "blok_length", "allowed", "block_length")), ("seeds", [], ("seeds", "[]")),
    ("models/micro-qwen/moe", "yes", ("models: micro-qwen: moe", "boolean")),
    ("benchmarks/rwku/forget_test/kind", "essay", ("forget_test: kind", "essay", "multiple_choice")),
    ("methods/npo/beta", 0, ("methods: npo: beta", "0")),
    ("tables/table2/choice", "best", ("tables: table2: choice", "balance")),
])  # fmt: skip
def test_the_schema_names_place_and_value(path, value, words):
    with pytest.raises(SystemExit) as stop:
        checks.check_schema(changed(path, value), SCHEMA)
    message = str(stop.value)
    assert "\n" not in message and all(word in message for word in words), message


@pytest.mark.parametrize(("path", "value", "words"), [
    ("tables/table2/methods", ["ga", "gdif"], ("tables: table2: methods", "'gdif'", "gdiff")),
    ("tables/table2/models", ["micro-qwem"], ("tables: table2: models", "'micro-qwem'", "micro-qwen")),
    ("figures/figure4/scopes", ["uoe-all"], ("figures: figure4: scopes", "'uoe-all'", "uoe-all-layers")),
    ("jobs", {"unlearn/uo": {}}, ("jobs: unlearn/uo", "'uo'", "uoe-rank-2")),
    ("jobs", {"unlearn/gdif/uoe": {}}, ("jobs: unlearn/gdif/uoe", "'gdif'", "gdiff")),
    ("methods/simnpo", {}, ("methods: simnpo", "workflow_scripts/methods/simnpo.py")),
    ("scopes/uoe/kind", "seuf", ("scopes: uoe: kind", "workflow_scripts/scopes/seuf.py")),
    ("scopes/uoe-rank-2/tuned_as", "uo", ("learning_rates", "'uo'")), ("tuning/seed", 0, ("tuning: seed", "0")),
    ("tuning/settings", {"npo": ["steering"]}, ("tuning: settings: npo", "steering")),
    ("checkpoints/keep", 4, ("checkpoints: keep: 4", "baseline makes 39", "checkpoint_growth")),
    ("methods/rmu/steering", {"micro-qwem": 1.0}, ("methods: rmu: steering", "'micro-qwem'", "micro-qwen")),
])  # fmt: skip
def test_names_that_the_config_does_not_have(path, value, words):
    with pytest.raises(SystemExit) as stop:
        checks.check(changed(path, value))
    message = str(stop.value)
    assert "\n" not in message and all(word in message for word in words), message


def test_the_default_config_is_accepted():
    checks.check_schema(CONFIG, SCHEMA)
    checks.check(CONFIG)


def test_an_unknown_scope_in_a_target_is_one_line_and_plans_nothing():
    target = "results/micro/cells/micro-qwen/wmdp-cyber/npo/uo/seed-0/metrics.json"
    result = snakemake(ROOT, "-n", target=target)
    assert result.returncode != 0
    [line] = [line for line in result.stderr.splitlines() if "'uo'" in line]
    assert "Traceback" not in result.stderr and line.startswith(target) and "uoe" in line
