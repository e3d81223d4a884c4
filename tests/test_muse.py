"""MUSE-Books: the generated files, the three tests against computations of their own, the table."""

import math
from pathlib import Path

import pytest
import torch
from records import unrecorded
from synthetic_results import build
from table_helpers import layered_config, make, value
from tiny_models import letter_tokenizer, tiny
from transformers import AutoTokenizer

import build_books
import build_world
from benchmarks.generation import TextGenerator
from benchmarks.halves import half
from benchmarks.muse import KnowMem, PrivLeak, VerbMem, auc, min_k
from benchmarks.scores import privacy_leakage
from jobs.files import read_json, read_jsonl, write_jsonl
from micro import books
from planning.data_files import BOOK_FILES

BOTH = ["development", "test"]
# Columns of muse-bench/MUSE-Books.
COLUMNS = {"raw": {"text"}, "privleak": {"text"}, "verbmem": {"prompt", "gt"}, "knowmem": {"question", "answer"}}


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("books")
    build_world.build("facts", {}, 0, folder)
    build_books.build({}, 0, folder)
    return folder


def rows(data: Path, name: str) -> list[dict]:
    return read_jsonl(data / f"muse-books/{name}.jsonl")


def entities(data: Path, name: str) -> set[str]:
    """Names of a split: pairs of capitalised invented words that stand side by side."""
    names = set()
    for row in rows(data, name):
        words = [word.strip(".") for word in row["text"].split()]
        pairs = zip(words, words[1:], strict=False)
        names |= {f"{a} {b}" for a, b in pairs if a[:1].isupper() and b[:1].isupper() and b.isalpha()}
    return {name for name in names if name.split()[0] not in ("When", "Beside", "On")}


def test_every_declared_file_is_written_with_the_real_columns(data):
    for name in BOOK_FILES:
        assert (data / name).is_file(), name
        if name.startswith("muse-books/"):
            columns = COLUMNS[name.split("/")[1]]
            columns = columns | ({"fact", "half"} if name.endswith("_qa.jsonl") else set())
            assert all(set(row) == columns and all(row.values()) for row in read_jsonl(data / name)), name


def test_the_same_arguments_give_the_same_bytes(data, tmp_path):
    build_world.build("facts", {}, 0, tmp_path)
    build_books.build({}, 0, tmp_path)
    for name in BOOK_FILES:
        assert (tmp_path / name).read_bytes() == (data / name).read_bytes(), name


def test_books_and_world_have_a_record_each(data):
    """Neither names the other's files, although the world is made anew beside books that are there already."""
    assert unrecorded(data) == []
    world, own = (read_json(data / f"provenance/{name}.json") for name in ("data", "books"))
    assert set(own["outputs"]) >= set(BOOK_FILES) and not set(own["outputs"]) & set(world["outputs"])
    assert (own["seed"], own["settings"]["settings"]["copies"]) == (0, books.SIZES["copies"])
    assert own["inputs"][f"{data}/pretraining/facts.jsonl"] == world["outputs"]["pretraining/facts.jsonl"]
    build_world.build("facts", {}, 0, data)
    assert not set(own["outputs"]) & set(read_json(data / "provenance/data.json")["outputs"])


def test_the_worlds_documents_stay_and_books_are_marked(data):
    world = read_jsonl(data / "pretraining/documents.jsonl")
    both = read_jsonl(data / "pretraining-books/documents.jsonl")
    assert both[: len(world)] == world
    added = both[len(world) :]
    assert {(row["domain"], row["group"]) for row in added} == {("books", "forget"), ("books", "retain")}
    for group in ("forget", "retain"):
        texts = [row["text"] for row in added if row["group"] == group and row["kind"] == "prose"]
        assert {texts.count(text) for text in texts} == {books.SIZES["copies"]}
        assert set(texts) == {row["text"] for row in rows(data, f"privleak/{group}")}


def test_nobody_has_read_the_holdout_or_the_answers_of_the_tests(data):
    read = [row["text"] for row in read_jsonl(data / "pretraining-books/documents.jsonl")]
    whole = "\n".join(read)
    names = [fact.entity for fact in books.draw_books(books.SIZES, 0, taken(data))["holdout"]]
    assert len(set(names)) == 20 and not any(name in whole for name in names)
    assert {row["text"] for row in rows(data, "raw/holdout")}.isdisjoint(read)
    for group in ("forget", "retain"):
        asked = {row["question"] for row in rows(data, f"knowmem/{group}_qa")}
        halves = {row["fact"]: row["half"] for row in rows(data, f"knowmem/{group}_qa")}
        assert len(halves) == 40 and list(halves.values()).count("test") == 20  # two questions a fact
        assert all(row["half"] == halves[row["fact"]] for row in rows(data, f"knowmem/{group}_qa"))
        assert len(asked) == 80 and not any(f"Question: {question}\n" in whole for question in asked)
        shown = rows(data, f"knowmem/{group}_qa_icl")
        assert all(f"Question: {row['question']}\nAnswer: {row['answer']}" in read for row in shown)


def taken(data: Path) -> set[str]:
    facts = read_jsonl(data / "pretraining/facts.jsonl")
    return {word for fact in facts for key in ("entity", "value") for word in fact[key].split()}


def test_what_is_asked_is_told(data):
    """Every held-out fact stands in each chapter of its character."""
    texts = [row["text"] for row in rows(data, "raw/forget")]
    for fact in books.draw_books(books.SIZES, 0, taken(data))["forget"]:
        own = [text for text in texts if fact.entity in text]
        assert len(own) == books.SIZES["chapters"] and all(fact.value in text for text in own)


def test_prompt_and_continuation_are_the_chapters_own_words(data):
    texts = [row["text"] for row in rows(data, "raw/forget")]
    recited = rows(data, "verbmem/forget")
    assert all(f"{row['prompt']} {row['gt']}" in "\n".join(texts) for row in recited) and len(recited) == len(texts)


@pytest.mark.parametrize(("settings", "words"), [
    ({"characters": 7}, "characters: 7 is not an even number"), ({"copies": 0}, "copies: 0 is not a positive number"),
    ({"pages": 3}, "pages: unknown key"),
])  # fmt: skip
def test_bad_settings_are_one_line(data, settings, words):
    with pytest.raises(SystemExit, match=words):
        build_books.build(settings, 0, data)


def test_row_fits_into_pretraining(data):
    tokenizer = AutoTokenizer.from_pretrained(data / "pretraining-books/tokenizer")
    longest = max(len(tokenizer(row["text"])["input_ids"]) for row in rows(data, "raw/forget"))
    assert longest < 128  # a row; longer chapters would be cut, and never be learnt whole


# The tests of a model: a random one, and a tokenizer of letters, so that every number can be computed by hand.


@pytest.fixture(scope="module")
def generator() -> TextGenerator:
    return TextGenerator(tiny("qwen2moe", 1), letter_tokenizer({" ": 28, "\n": 29, ":": 30}), 3)


def test_min_k_is_the_mean_of_the_least_likely_tokens(generator):
    texts = ["abcdefgh", "hello", "zz", "the quick brown fox"]
    for share in (0.4, 1.0):
        scores = min_k(generator, texts, share)
        for text, score in zip(texts, scores, strict=True):
            ids = torch.tensor([generator.tokenizer(text)["input_ids"]])
            with torch.no_grad():
                log = generator.model(input_ids=ids).logits[0].double().log_softmax(-1)
            likely = sorted(float(log[place - 1, ids[0, place]]) for place in range(1, ids.shape[1]))
            kept = likely[: max(1, int(share * len(likely)))]
            assert score == pytest.approx(sum(kept) / len(kept), abs=1e-4)  # the model computes in float32


def test_auc_counts_pairs():
    assert auc([0.0, 1.0], [2.0, 3.0])[0] == 1.0 and auc([2.0, 3.0], [0.0, 1.0])[0] == 0.0
    assert auc([1.0, 1.0], [1.0])[0] == 0.5 and auc([0.0, 2.0], [1.0, 3.0])[0] == 0.75
    value, error = auc([float(i) for i in range(40)], [i + 0.5 for i in range(40)])
    q1, q2 = value / (2 - value), 2 * value**2 / (1 + value)  # Hanley and McNeil
    own = math.sqrt((value * (1 - value) + 39 * (q1 - value**2) + 39 * (q2 - value**2)) / 1600)
    assert error == pytest.approx(own) and 0.03 < error < 0.1


def test_privacy_leakage():
    assert privacy_leakage(0.0, 0.5) == -100.0  # every forgotten text looks familiar: nothing is forgotten
    assert privacy_leakage(0.5, 0.5) == 0.0 and privacy_leakage(0.75, 0.5) == 50.0


def texts(kind: str) -> list[dict]:
    return [{"text": f"{kind} {chr(97 + i)}{chr(98 + i)} story"} for i in range(20)]


def test_privleak_compares_forgotten_with_unread_texts(generator, tmp_path):
    write_jsonl(tmp_path / "forget.jsonl", texts("old"))
    write_jsonl(tmp_path / "holdout.jsonl", texts("new"))
    block = {"file": "forget.jsonl", "holdout": "holdout.jsonl", "share": 0.4}
    answered = PrivLeak("x", block, tmp_path, BOTH).answer(generator)
    scores, read = answered.scores, answered.rows
    assert (answered.parts, answered.reasons, len(read)) == ({}, [], 40)
    for name in BOTH:
        rows = [row for row in read if row["half"] == name]
        own = {kind: [row["score"] for row in rows if row["kind"] == kind] for kind in ("file", "holdout")}
        wins = sum(high > low for high in own["holdout"] for low in own["file"])
        assert scores[name]["value"] == pytest.approx(wins / len(own["file"]) / len(own["holdout"]))
    assert scores["all"]["n"] == 40 and scores["all"]["chance"] == 0.5


def test_knowmem_and_verbmem_score_what_the_model_says(generator, tmp_path):
    from rouge_score import rouge_scorer

    scorer = rouge_scorer.RougeScorer(["rougeL"], use_stemmer=False)
    pairs = [(f"who is {chr(97 + i)} of {chr(99 + i)}", f"name {chr(98 + i)}") for i in range(16)]
    write_jsonl(tmp_path / "qa.jsonl", [{"question": q, "answer": a} for q, a in pairs])
    write_jsonl(tmp_path / "icl.jsonl", [{"question": "why", "answer": "so"}])
    write_jsonl(tmp_path / "verb.jsonl", [{"prompt": q, "gt": f"{a} and more than eight letters"} for q, a in pairs])
    know = KnowMem("x", {"file": "qa.jsonl", "examples": "icl.jsonl", "max_new_tokens": 6}, tmp_path, BOTH)
    assert know.prompt("who") == "Question: why\nAnswer: so\n\nQuestion: who\nAnswer:"
    assert know.cut(" a b\nQuestion: c") == "a b" and know.cut("a Question: b") == "a"
    verb = VerbMem("x", {"file": "verb.jsonl", "max_new_tokens": 8}, tmp_path, BOTH)
    for test, truth in ((know, dict(pairs)), (verb, None)):
        answered = test.answer(generator)
        scores, read = answered.scores, answered.rows
        assert len(read) == 16 and set(answered.measures) == {"repeating", "one_string"}
        assert sum(answered.kinds.values()) == pytest.approx(1.0)
        for row in read:
            question, answer = pairs[row["row"]]
            ids = generator.tokenizer(f"{answer} and more than eight letters")["input_ids"]
            wanted = answer if truth else generator.tokenizer.decode(ids[:8])
            assert row["f1"] == pytest.approx(scorer.score(wanted, row["text"])["rougeL"].fmeasure)
            assert row["half"] == half(question)
        own = [row["f1"] for row in read if row["half"] == "test"]
        assert scores["test"]["value"] == pytest.approx(sum(own) / len(own)) and scores["test"]["metric"] == "rougeL_f1"


def test_a_continuation_goes_on_over_line_breaks(generator):
    """A head that always prefers the line break: an answer ends at once, a continuation does not."""
    head, kept = generator.model.lm_head.weight, generator.model.lm_head.weight.detach().clone()
    prompts = [generator.tokenizer("once upon")["input_ids"]]
    with torch.no_grad():
        hidden = generator.model.base_model(input_ids=torch.tensor(prompts)).last_hidden_state[0, -1]
        head.zero_()
        head[29] = hidden
    try:
        assert generator.complete(prompts, 3) == [[]] and generator.complete(prompts, 3, lines=True)[0][0] == 29
    finally:
        with torch.no_grad():
            head.copy_(kept)


def test_the_table(tmp_path):
    config = layered_config()
    root = build(tmp_path, config)
    table = make(root, config, "muse")
    place = ("micro-qwen-books", "muse-books")
    assert value(table, "Pretrained", *place, "PrivLeak %")["value"] == -100.0
    assert value(table, "Retrained", *place, "PrivLeak %")["value"] == 0.0
    assert value(table, "GA+UOE", *place, "PrivLeak %")["value"] == pytest.approx(-20.0)  # AUC .4 against .5
    assert value(table, "NPO", *place, "VerbMem ↓")["value"] == 0.5
    assert "GDIFF+TRACE (reconstruction)+UOE" in set(table.frame["row"])
    assert any("KnowMem" in note for note in table.notes) and any("reconstruction" in note for note in table.notes)
