"""Real models and datasets from local folders in the hub's layout: what is fetched, recorded and refused."""

import json
import subprocess
import sys
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
import yaml
from stub_project import ROOT

from jobs import files
from planning import sources

COMMIT = "7125571f22f032c56415e7980f48d877dd830ff8"
QUESTIONS = [{"question": f"Question {n}?", "choices": ["a", "b", "c", "d"], "answer": n % 4} for n in range(6)]


def parquet(path: Path, rows: list[dict]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)


def run(script: str, *arguments: object) -> subprocess.CompletedProcess:
    command = [sys.executable, ROOT / "workflow_scripts" / script, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


def stopped(result: subprocess.CompletedProcess) -> str:
    """The one line that a refused call prints."""
    assert result.returncode == 1 and result.stderr.count("\n") == 1, result.stderr
    return result.stderr


@pytest.fixture
def hub(tmp_path) -> Path:
    """A sources file and the folders that it names: WMDP in two parquet shards, RWKU as JSON arrays."""
    half = len(QUESTIONS) // 2
    parquet(tmp_path / "wmdp/wmdp-cyber/test-00000-of-00002.parquet", QUESTIONS[:half])
    parquet(tmp_path / "wmdp/wmdp-cyber/test-00001-of-00002.parquet", QUESTIONS[half:])
    (tmp_path / "rwku/All").mkdir(parents=True)
    (tmp_path / "rwku/All/intro.json").write_text(json.dumps([{"target": "Ann Lee", "intro": "A painter.\u2028"}]))
    write_sources(tmp_path)
    return tmp_path


def write_sources(folder: Path, **changes: object) -> None:
    wmdp = {"repo": "cais/wmdp", "revision": COMMIT, "path": str(folder / "wmdp")}
    wmdp |= {"files": {"wmdp-cyber/test.jsonl": "wmdp-cyber/test-*.parquet"}, "columns": ["question", "answer"]}
    rwku = {"repo": "jinzhuoran/RWKU", "revision": "main", "path": str(folder / "rwku")}
    rwku |= {"files": {"forget_target.jsonl": "All/intro.json"}}
    content = {"datasets": {"wmdp": wmdp | changes, "rwku": rwku}, "models": {}}
    (folder / "sources.yaml").write_text(yaml.safe_dump(content))


def fetch(hub: Path, dataset: str = "wmdp", file: str = "wmdp-cyber/test.jsonl") -> subprocess.CompletedProcess:
    output = hub / "data" / dataset / file
    options = ["--sources", hub / "sources.yaml", "--dataset", dataset, "--file", file, "--output", output]
    return run("download_dataset.py", *options)


def test_a_dataset_from_a_local_folder(hub):
    for dataset, file, expected in (
        ("wmdp", "wmdp-cyber/test.jsonl", QUESTIONS),
        ("rwku", "forget_target.jsonl", [{"target": "Ann Lee", "intro": "A painter.\u2028"}]),
    ):
        result = fetch(hub, dataset, file)
        assert result.returncode == 0, result.stderr
        assert files.read_jsonl(hub / "data" / dataset / file) == expected
    record = json.loads((hub / "data/wmdp/wmdp-cyber/test.source.json").read_text())
    assert record["commit"] is None and record["local"] and record["rows"] == len(QUESTIONS)
    shards = [f"wmdp-cyber/test-0000{n}-of-00002.parquet" for n in (0, 1)]
    assert record["files"] == {shard: files.sha256(hub / "wmdp" / shard) for shard in shards}


def test_what_was_fetched_must_stay_as_it_was(hub):
    fetch(hub)
    path = hub / "data/wmdp/wmdp-cyber/test.jsonl"
    path.write_text(path.read_text().replace("Question 3", "Question 4"))
    with pytest.raises(SystemExit, match=r"test\.jsonl: is not the file that was fetched"):
        files.read_jsonl(path)


def test_another_file_than_the_pinned_one_is_refused_by_name(hub):
    write_sources(hub, sha256={"wmdp-cyber/test-00001-of-00002.parquet": "0" * 64})
    message = stopped(fetch(hub))
    assert "datasets: wmdp: wmdp-cyber/test-00001-of-00002.parquet: sha256" in message
    assert not (hub / "data").exists()


def test_a_copy_of_another_commit_is_refused(hub):
    note = hub / "wmdp/.cache/huggingface/download/wmdp-cyber/test-00000-of-00002.parquet.metadata"
    note.parent.mkdir(parents=True)
    note.write_text(f"{COMMIT}\netag\n1.0\n")
    assert fetch(hub).returncode == 0
    assert json.loads((hub / "data/wmdp/wmdp-cyber/test.source.json").read_text())["commit"] == COMMIT
    note.write_text("b" * 40 + "\netag\n1.0\n")
    assert f"asks for {COMMIT}" in stopped(fetch(hub))


@pytest.mark.parametrize(("changes", "words"), [
    ({"path": "nowhere"}, ("wmdp: path nowhere: no such folder",)),
    ({"files": {"wmdp-cyber/test.jsonl": "wmdp-bio/*"}}, ("no file wmdp-bio/*",)),
    ({"columns": ["text"]}, ("column 'text' is missing", "question")),
    ({"gate": True}, ("unknown key 'gate'", "gated")),
])  # fmt: skip
def test_bad_sources_end_with_one_line(hub, changes, words):
    write_sources(hub, **changes)
    message = stopped(fetch(hub))
    assert all(word in message for word in words), message


def test_missing_sources_are_named_once(hub):
    write_sources(hub)
    entries = yaml.safe_load((hub / "sources.yaml").read_text())
    del entries["datasets"]["wmdp"]["path"]
    entries["models"]["big"] = {"repo": "some/big", "revision": "main", "gated": True, "size_gb": 28.6}
    (hub / "sources.yaml").write_text(yaml.safe_dump(entries))
    read = sources.read_sources(hub / "sources.yaml")
    asked = ["wmdp/wmdp-cyber/test.jsonl", "rwku/forget_target.jsonl"]
    lines = sources.report(read, {"one": "big", "two": "big"}, asked, hub / "results")
    assert [line.split(",")[0] for line in lines[:-1]] == [
        "missing source: model big: some/big@main",
        "missing source: dataset wmdp: cais/wmdp@7125571f22f0",  # rwku has a path
    ]
    with pytest.raises(SystemExit, match=r"no dataset 'mmlu' in the sources file \(there: rwku, wmdp\)"):
        sources.report(read, {}, ["mmlu/all/test.jsonl"], hub / "results")


def test_the_projects_sources_file_serves_the_papers_study():
    config = yaml.safe_load((ROOT / "config/paper.yaml").read_text())
    read = sources.read_sources(ROOT / config["sources"])
    for block in config["models"].values():
        sources.entry_of(read, "models", block["source"], "paper.yaml")
    for benchmark in config["benchmarks"].values():
        for name in json.dumps(benchmark).split('"'):
            if name.endswith(".jsonl"):
                sources.dataset_file(read, name)
