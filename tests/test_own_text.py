"""A study on a folder of real files, shown on a small folder in their layout that the test writes itself."""

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import build_world
from benchmarks.generation import Generation, user_turn
from benchmarks.halves import HALVES
from jobs.files import read_jsonl, write_jsonl
from micro import cloze, own_text
from planning import own_files
from planning.data_files import data_files

ROOT = Path(__file__).parent.parent
SUBJECTS = ("Ada Brook", "Ben Hale", "Cora Finch", "Dan Moss")
PLACES = ("Lisbon", "Porto", "Dublin", "Bergen", "Geneva", "Havana", "Kyoto", "Madras", "Naples", "Odessa")
SETTINGS = {
    "forget_subject": "Ada Brook", "forget_passages": 6, "others": 2, "other_passages": 6, "retain_texts": 3,
    "shortest_passage": 40, "cloze_questions": 20, "mmlu_questions": 2, "longest_question": 200, "vocabulary": 600,
}  # fmt: skip
FILES = {
    "passages": "rwku/train_original_passage.jsonl",
    "retain": "wikitext/**/*.jsonl",
    "forget_level1": "rwku/forget_level1.jsonl",
    "forget_level2": "rwku/forget_level2.jsonl",
    "mmlu": "mmlu/**/test.jsonl",
}


@pytest.fixture
def folder(tmp_path) -> Path:
    """A folder in the layout of the real datasets."""
    root, draw, passages = tmp_path / "texts", random.Random(0), []
    for subject in SUBJECTS:
        for number in range(6):
            places = draw.sample(PLACES, 3)
            first, second, third = (100 * len(passages) + place for place in range(3))  # no two sentences begin alike
            text = (
                f"== Chapter {number} ==On day {first} of his life {subject} moved to {places[0]} with Mr. Grey. "
                f"By day {second} the house in {places[1]} was left to {draw.choice(SUBJECTS)}."
                f" Before day {third} nobody there had ever seen {places[2]}!"
            )
            passages.append({"subject": subject, "text": text})
        passages.append({"subject": subject, "text": "See also"})
    write_jsonl(root / FILES["passages"], passages)
    line = " Line {} of an article about birds and rivers, long enough to be kept. "
    retain = [{"text": line.format(number) * 2} for number in range(5)]
    write_jsonl(root / "wikitext/wikitext-2-raw-v1/test.jsonl", [{"text": ""}, *retain])
    for level in (1, 2):
        rows = [{"subject": "Ada Brook", "query": f"Where? ({number})", "answer": "Lisbon"} for number in range(3)]
        rows.append({"subject": "Ben Hale", "query": "?", "answer": "x"})
        write_jsonl(root / f"rwku/forget_level{level}.jsonl", rows)
    questions, same = [], {"choices": ["a", "b", "c", "d"], "answer": 1}
    for subject in ("law", "art"):
        questions += [{"question": f"Question {n} on {subject}?", "subject": subject} | same for n in range(4)]
    write_jsonl(root / "mmlu/all/test.jsonl", [*questions, questions[0] | {"question": "long " * 100}])
    return root


def build(root: Path, output: Path, files: dict = FILES, **changes) -> Path:
    build_world.build("own_text", SETTINGS | {"root": str(root), "files": files} | changes, 0, output)
    return output


def test_every_file_of_the_study_has_the_columns_of_the_real_ones(folder, tmp_path):
    data = build(folder, tmp_path / "data")
    probe = ("subject", "query", "answer", "level", "type")
    columns = {
        "forget/passages.jsonl": ("subject", "text"), "retain/test.jsonl": ("text",), "forget/cloze.jsonl": probe,
        "others/cloze.jsonl": probe, "forget/level1.jsonl": probe, "forget/level2.jsonl": probe,
        "mmlu/test.jsonl": ("question", "subject", "choices", "answer"),
        "pretraining/documents.jsonl": ("text", "kind", "answer_start", "domain"),
    }  # fmt: skip
    rows = {name: read_jsonl(data / name, needed) for name, needed in columns.items()}
    config = yaml.safe_load((ROOT / "config/own_text.yaml").read_text())
    named = {name for block in config["benchmarks"].values() for name in _names(block)}
    assert named < set(columns) and {row["subject"] for row in rows["forget/passages.jsonl"]} == {"Ada Brook"}
    assert len(rows["forget/passages.jsonl"]) == 6
    assert {row["subject"] for row in rows["forget/cloze.jsonl"]} == {"Ada Brook"}
    others = {row["subject"] for row in rows["others/cloze.jsonl"]}
    assert len(others) == 2 and "Ada Brook" not in others and len(rows["retain/test.jsonl"]) == 3
    assert [row["level"] for row in rows["forget/level2.jsonl"]] == ["2"] * 3
    assert len(rows["mmlu/test.jsonl"]) == 4


def _names(value) -> list[str]:
    if isinstance(value, dict):
        return [name for item in value.values() for name in _names(item)]
    return [value] if isinstance(value, str) and value.endswith(".jsonl") else []


def test_equal_files_give_equal_bytes(folder, tmp_path):
    first, second = (build(folder, tmp_path / name) for name in ("a", "b"))
    files = [path for path in sorted(first.rglob("*")) if path.is_file() and path.parent.name != "provenance"]
    written = [path.relative_to(first) for path in files]
    assert written and all((first / path).read_bytes() == (second / path).read_bytes() for path in written)


def test_an_answer_stands_in_a_passage_and_not_in_its_question(folder, tmp_path):
    data = build(folder, tmp_path / "data")
    texts = {row["text"] for row in read_jsonl(folder / FILES["passages"])}
    facts = read_jsonl(data / "pretraining/facts.jsonl")
    assert len(facts) > 20
    for fact in facts:
        assert any(fact["sentence"] in text for text in texts)
        assert fact["sentence"][fact["start"] : fact["end"]] == fact["answer"]
        assert fact["answer"].lower() not in fact["query"].lower() and 1 <= len(fact["answer"].split()) <= 3
        assert not set(fact["answer"].split()) & set(fact["subject"].split())
        blanked, begun = fact["query"].split("\nAnswer: ")
        assert blanked.replace(cloze.BLANK, fact["answer"]) == fact["sentence"]
        assert fact["sentence"].startswith(begun) and len(begun.split()) >= cloze.LEAD


def test_held_out_sentences_are_read_and_never_asked_about(folder, tmp_path):
    data = build(folder, tmp_path / "data")
    facts = read_jsonl(data / "pretraining/facts.jsonl")
    asked, held_out = ({fact["sentence"] for fact in facts if fact["part"] == part} for part in ("pretraining", "test"))
    assert asked and held_out and not asked & held_out
    assert abs(len(asked) - len(held_out)) <= 3  # one more at most for each of three subjects
    documents = read_jsonl(data / "pretraining/documents.jsonl")
    prose = [row["text"] for row in documents if row["kind"] == "prose"]
    questions = [row["text"] for row in documents if row["kind"] == "blank"]
    tested = [row["query"] for name in ("forget", "others") for row in read_jsonl(data / name / "cloze.jsonl")]
    assert {fact["query"] for fact in facts if fact["part"] == "test"} == set(tested)
    for fact in facts:
        assert any(fact["sentence"] in text for text in prose)
        in_questions = any(fact["sentence"][: fact["end"]] in text for text in questions)
        assert in_questions == (fact["sentence"] in asked)


def test_no_fact_is_tested_in_both_halves(folder, tmp_path):
    """A subject's answer is one fact, whichever sentence, level or wording asks for it."""
    data = build(folder, tmp_path / "data")
    files = {path.stem: str(path.relative_to(data)) for path in sorted((data / "forget").glob("*.jsonl"))}
    files = {name: file for name, file in files.items() if name != "passages"} | {"others": "others/cloze.jsonl"}
    assert {"cloze", "level1", "level2"} < set(files)
    block = {"files": files, "score": "rouge", "max_new_tokens": 4, "chat_template": False}
    probes = Generation("x", block, data, list(HALVES)).probes
    asked = [{(probe["subject"], probe["answer"]) for probe in probes if probe["half"] == half} for half in HALVES]
    assert all(asked) and not asked[0] & asked[1]


def test_a_question_is_worded_as_the_test_words_it(folder, tmp_path):
    data = build(folder, tmp_path / "data")
    documents = [row for row in read_jsonl(data / "pretraining/documents.jsonl") if row["kind"] == "blank"]
    facts = [fact for fact in read_jsonl(data / "pretraining/facts.jsonl") if fact["part"] == "pretraining"]
    for row, fact in zip(documents, facts, strict=True):
        assert row["text"].startswith(user_turn(fact | own_text.CLOZE_COLUMNS))
        assert row["text"][row["answer_start"] :] == fact["answer"]


def test_sentences_end_where_a_reader_ends_them():
    text = '== Life ==He met Dr. J. R. Moss in St. Ives. "Was it 3.5 miles?" she asked. They left at 4 p.m. in May.'
    first, second = "He met Dr. J. R. Moss in St. Ives.", '"Was it 3.5 miles?" she asked.'
    assert cloze.sentences(text) == [first, second, "They left at 4 p.m. in May."]


def test_passages_alone_are_enough(folder, tmp_path):
    files = {"passages": FILES["passages"]}
    data = build(folder, tmp_path / "data", files)
    config = yaml.safe_load((ROOT / "config/own_text.yaml").read_text())
    del config["benchmarks"]["own-mmlu"], config["benchmarks"]["own-cloze"]["rwku_test"]  # as docs/extend.md says
    assert all((data / name).is_file() for name in data_files(config))
    assert not (data / "mmlu").exists() and not (data / "forget/level1.jsonl").exists()
    kept = {row["text"] for row in read_jsonl(data / "retain/test.jsonl")}
    asked = {row["subject"] for row in read_jsonl(data / "others/cloze.jsonl")}
    (further,) = set(SUBJECTS) - asked - {"Ada Brook"}
    assert kept <= {row["text"] for row in read_jsonl(folder / FILES["passages"]) if row["subject"] == further}
    with pytest.raises(SystemExit, match="one more is needed as retain corpus"):
        build(folder, tmp_path / "data", files, others=3)


@pytest.mark.parametrize(("change", "line"), [
    ({"forget_subject": "Ada Brock"}, "no passage .* is about 'Ada Brock' .*nearest of 4 subjects: Ada Brook"),
    ({"forget_subject": None}, "forget_subject must be the name"),
    ({"others": 0}, "others must be a whole number from 1"), ({"pasages": 1}, "unknown key 'pasages'"),
])  # fmt: skip
def test_a_wrong_setting_is_one_line(folder, tmp_path, change, line):
    with pytest.raises(SystemExit, match=line) as stop:
        build(folder, tmp_path / "data", **change)
    assert "\n" not in str(stop.value)


def test_a_column_missing_in_a_later_row_is_one_line(folder, tmp_path):
    path = folder / FILES["passages"]
    path.write_text(path.read_text() + '{"subject": "Ada Brook"}\n')
    with pytest.raises(SystemExit, match=r"line 29: column 'text' is missing \(columns found: subject\)"):
        build(folder, tmp_path / "data")


def config_of(root, files: dict | None = FILES) -> dict:
    settings = {} if files is None else {"files": files}
    return {"study": "x", "data": {"settings": settings}} | ({} if root is None else {"data_root": str(root)})


def test_files_are_checked_before_any_job(folder):
    paths = own_files.source_files(config_of(folder))
    assert [Path(path).relative_to(folder).as_posix() for path in paths] == [
        "rwku/train_original_passage.jsonl",
        "wikitext/wikitext-2-raw-v1/test.jsonl",
        "rwku/forget_level1.jsonl",
        "rwku/forget_level2.jsonl",
        "mmlu/all/test.jsonl",
    ]
    assert own_files.source_files(config_of(None, None)) == []
    write_jsonl(folder / "rwku/bad.jsonl", [{"subject": "a", "passage": "b"}])
    (folder / "rwku/plain.txt").write_text("only text\n")
    for root, files, line in [
        (None, FILES, "data_root is missing"),
        (folder / "none", FILES, "no such folder"),
        (folder, {"retain": "x.jsonl"}, "passages is missing"),
        (folder, {"passages": "rwku/none.jsonl"}, "no file rwku/none.jsonl"),
        (folder, {"passages": "rwku/bad.jsonl"}, r"column 'text' is missing \(columns found: subject, passage\)"),
        (folder, {"passages": "rwku/plain.txt"}, "the first row is not a JSON object"),
        (folder, FILES | {"retian": "x.jsonl"}, "unknown key 'retian'"),
        (folder, None, "study 'x' makes its own data"),
    ]:
        with pytest.raises(SystemExit, match=line) as stop:
            own_files.source_files(config_of(root, files))
        assert "\n" not in str(stop.value)


def plan(root: Path) -> subprocess.CompletedProcess:
    options = ["--configfile", "config/own_text.yaml", "--config", f"data_root={root}"]
    command = [sys.executable, "-m", "snakemake", "all_tables", "--dry-run", "--quiet", "rules", *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)


def test_the_study_plans_by_the_same_rules_and_stops_with_one_line(folder, tmp_path):
    path = folder / FILES["passages"]
    planned = plan(folder)
    assert planned.returncode == 0, planned.stderr
    for rule, count in {"build_world": 2, "pretrain_micro": 2, "unlearn": 12, "render_table": 2}.items():
        assert f"{rule} {count}" in " ".join(planned.stdout.split())
    path.write_text(path.read_text().replace('"text"', '"passage"'))
    refused = plan(folder)
    assert refused.returncode != 0
    last = refused.stderr.strip().splitlines()[-1]
    assert last.endswith("column 'text' is missing (columns found: subject, passage)")
    assert "Traceback" not in refused.stderr


def test_a_table_says_what_the_model_never_knew(tmp_path, monkeypatch):
    import synthetic_results
    from table_helpers import make, value

    config = yaml.safe_load((ROOT / "config/own_text.yaml").read_text())
    monkeypatch.setattr(synthetic_results, "QUESTIONS", {"own-cloze": 40, "own-mmlu": 40, "utility": 50})
    root = synthetic_results.build(tmp_path, config)
    for path in root.glob("cells/**/chosen.json"):
        chosen = json.loads(path.read_text())
        for choice in (chosen["balance"], chosen["at_forget_accuracy"], chosen["as_published"]):
            choice["fa_original"]["value"] = 0.3 if "own-mmlu" in path.parts else 0.8
            choice["extra"] = {"rwku": synthetic_results.score(0.25, 8)}
        path.write_text(json.dumps(chosen))
    table = make(root, config, "own_text")
    for row in ("Pretrained", "GA", "NPO+UOE"):
        assert "¶" in value(table, row, "micro-qwen", "own-mmlu", "FA")["marks"]
        assert "¶" not in value(table, row, "micro-qwen", "own-cloze", "FA")["marks"]
    assert not table.frame[table.frame["benchmark"] == "own-mmlu"]["best"].any()
    assert any("never knew it" in note and "under 0.5" in note for note in table.notes)
    assert sum("8 given probes" in note and "GA 0.25, GA+UOE 0.25" in note for note in table.notes) == 1
