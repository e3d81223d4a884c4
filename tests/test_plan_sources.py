"""What another revision of one real dataset or model costs: a study of config/paper.yaml, built by stand-ins, one
entry of its sources file changed, and the exact jobs that this plans."""

from pathlib import Path

import pytest
import stub_project
import yaml
from test_plan import planned

STUDY = ("--configfile", "config/small.yaml")
QWEN = "qwen1.5-moe-a2.7b-chat"
LEVELS = [f"{kind}_level{level}" for kind in ("forget", "neighbor") for level in (1, 2)]
RWKU = ("train_original_passage", "forget_target", *LEVELS)
SCOPES = ("baseline", "uoe")


def revised(folder: Path, kind: str, name: str, **changes: object) -> set[str]:
    """Jobs planned with this entry of the sources file changed; it is put back afterwards."""
    path = folder / "config/sources.yaml"
    before = path.read_text()
    sources = yaml.safe_load(before)
    sources[kind][name] |= changes
    path.write_text(yaml.safe_dump(sources))
    jobs = {"/".join(sorted(job.replace(" ", "/").split("/"))) for job in planned(folder, *STUDY)}
    path.write_text(before)
    return jobs


def jobs(*named: str) -> set[str]:
    """As `revised` names jobs: the order of wildcards differs with the output that asked for them."""
    return {"/".join(sorted(job.replace(" ", "/").split("/"))) for job in named}


def downloads(dataset: str, *files: str) -> set[str]:
    return jobs(*(f"download_dataset {dataset}/{file}" for file in files))


def asked(benchmark: str) -> set[str]:
    """What follows from another test: scores, choices, the table; nothing is trained."""
    cells = [f"{QWEN}/{benchmark}/ga/{scope}/0" for scope in SCOPES]
    own = [f"{rule} {cell}" for cell in cells for rule in ("evaluate", "choose_checkpoint")]
    return jobs(f"evaluate_original {QWEN}/{benchmark}/0", "render_table table2", *own)


def trained(benchmark: str) -> set[str]:
    """What follows from another retain text."""
    cells = [f"unlearn {QWEN}/{benchmark}/ga/{scope}/0" for scope in SCOPES]
    original = jobs(f"evaluate_original {QWEN}/{benchmark}/0")
    return jobs(f"cache_prefix {QWEN}/{benchmark}/0", *cells) | asked(benchmark) - original


def attributed(benchmark: str) -> set[str]:
    """What follows from another forget text."""
    own = (f"attribute_experts {QWEN}/{benchmark}/0", f"select_experts {QWEN}/{benchmark}/uoe/0")
    return jobs(*own) | trained(benchmark)


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """One model, both benchmarks, one method: built, nothing left to do."""
    folder = tmp_path_factory.mktemp("sources")
    stub_project.copy(folder)
    config = yaml.safe_load((folder / "config/paper.yaml").read_text())
    table = {"models": [QWEN], "benchmarks": ["wmdp-cyber", "rwku"], "methods": ["ga"], "scopes": [*SCOPES]}
    config |= {"tables": {"table2": table}, "figures": {}, "extras": [], "threads": 1}
    config["scopes"]["baseline"].pop("processes")  # the stand-in is one process
    (folder / "config/small.yaml").write_text(yaml.safe_dump(config))
    result = stub_project.snakemake(folder, "--quiet", "all", *STUDY)
    assert result.returncode == 0, result.stdout + result.stderr
    assert planned(folder, *STUDY) == set()
    return folder


def test_a_new_revision_of_one_dataset_rebuilds_what_reads_it(project):
    """Each by itself: a test, a forget text, a set that is both, the retain text that both benchmarks share."""
    other = {"revision": "0" * 40}
    assert revised(project, "datasets", "wmdp", **other) == downloads("wmdp", "wmdp-cyber/test") | asked("wmdp-cyber")
    corpus = downloads("wmdp-corpora", "cyber-forget-corpus")
    assert revised(project, "datasets", "wmdp-corpora", **other) == corpus | attributed("wmdp-cyber")
    rwku = downloads("rwku", *RWKU) | attributed("rwku") | asked("rwku")
    assert revised(project, "datasets", "rwku", **other) == rwku
    retain = downloads("wikitext", "wikitext-2-raw-v1/test")
    assert revised(project, "datasets", "wikitext", **other) == retain | trained("wmdp-cyber") | trained("rwku")


def test_a_new_revision_of_a_model_rebuilds_all_but_the_data(project):
    rebuilt = revised(project, "models", QWEN, revision="0" * 40)
    wanted = jobs(f"download_model {QWEN}") | attributed("wmdp-cyber") | attributed("rwku")
    assert rebuilt == wanted | asked("wmdp-cyber") | asked("rwku")


def test_where_a_dataset_lies_and_what_is_said_of_it_plans_nothing(project):
    (project / "hub").mkdir()
    assert revised(project, "datasets", "wmdp", path="hub", licence="another", size_gb=9) == set()
