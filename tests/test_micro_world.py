"""The micro world: layout, what is held out, and that nothing but knowledge answers its tests."""

import filecmp
import math
import random
import re
from collections import Counter
from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

import build_world
from benchmarks.halves import HALVES
from benchmarks.scores import mean_by_fact
from jobs.files import read_jsonl
from micro import drawing, wording
from micro.documents import batches, encode
from micro.facts import all_relations
from micro.pretraining import Recipe, Trainer, build_model
from micro.relations import GENERAL

PROBES = tuple(f"rwku/{who}_level{level}.jsonl" for who in ("forget", "neighbor") for level in (1, 2))
COLUMNS = dict.fromkeys(PROBES, {"subject", "query", "answer", "level", "type", "fact", "half"}) | {
    "wmdp-corpora/cyber-forget-corpus.jsonl": {"text"},
    "wmdp/wmdp-cyber/test.jsonl": {"question", "choices", "answer", "fact", "half"},
    "mmlu/all/test.jsonl": {"question", "subject", "choices", "answer", "fact", "half"},
    "rwku/train_original_passage.jsonl": {"subject", "text"},
    "rwku/forget_target.jsonl": {"target", "intro"},
    "wikitext/wikitext-2-raw-v1/test.jsonl": {"text"},
    "pretraining/documents.jsonl": {"text", "kind", "answer_start", "domain", "group"},
    "pretraining/facts.jsonl": {"domain", "relation", "entity", "value", "part", "half", "group"},
}
MULTIPLE_CHOICE = ("wmdp/wmdp-cyber/test.jsonl", "mmlu/all/test.jsonl")


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("world")
    build_world.build("facts", {}, 0, folder)
    return folder


@pytest.fixture(scope="module")
def rows(data) -> dict[str, list[dict]]:
    return {str(path.relative_to(data)): read_jsonl(path) for path in sorted(data.rglob("*.jsonl"))}


@pytest.fixture(scope="module")
def tokenizer(data):
    return AutoTokenizer.from_pretrained(data / "pretraining/tokenizer")


def two_errors(n: int) -> float:
    """Two binomial standard errors of an accuracy at chance."""
    return 2 * math.sqrt(0.25 * 0.75 / n)


def at_chance(answers: list[bool], test: list[dict]) -> None:
    """Within three standard errors of 1/4, counted by fact, in each half: of all that is compared here, eight numbers,
    chance puts one beyond that in 2 % of worlds (two standard errors: in 31 %)."""
    for half in HALVES:
        own = [(float(right), row["fact"]) for right, row in zip(answers, test, strict=True) if row["half"] == half]
        value, error = mean_by_fact(*map(list, zip(*own, strict=True)))
        assert abs(value - 0.25) <= 3 * error, (half, value, error)


def test_columns_of_the_real_datasets(rows):
    for name, columns in COLUMNS.items():
        assert {frozenset(row) for row in rows[name]} == {frozenset(columns)}, name
    assert len(rows["wmdp/wmdp-cyber/test.jsonl"]) == 400 and len(rows["mmlu/all/test.jsonl"]) == 768
    assert [len(rows[name]) for name in PROBES] == [240, 240, 60, 60]
    assert len({row["subject"] for row in rows["mmlu/all/test.jsonl"]}) == 4


def test_same_arguments_same_bytes(data, tmp_path):
    build_world.build("facts", {}, 0, tmp_path / "again")
    build_world.build("facts", {}, 1, tmp_path / "other")
    for path in sorted(path for path in data.rglob("*") if path.is_file() and path.parent.name != "provenance"):
        name = path.relative_to(data)
        assert filecmp.cmp(path, tmp_path / "again" / name, shallow=False), name
        if name.name not in ("tokenizer_config.json",):
            assert not filecmp.cmp(path, tmp_path / "other" / name, shallow=False), name


def test_values_stand_in_one_pool_and_name_words_are_unique(rows):
    words = Counter(word.lower() for r in all_relations() for word in {w for v in r.values for w in v.split()})
    assert [word for word, count in words.items() if count > 1] == []
    entities = {row["entity"] for row in rows["pretraining/facts.jsonl"]}
    names = [word.lower() for entity in entities for word in entity.split()]
    assert all(len(entity.split()) == 2 for entity in entities)
    assert len(set(names)) == len(names) and not set(names) & set(words)


def test_each_option_is_one_token_after_its_prompt(rows, tokenizer):
    for name in MULTIPLE_CHOICE:
        for row in rows[name]:
            prompt = wording.question_prompt(row["question"])
            alone = tokenizer(prompt)["input_ids"]
            for option in row["choices"]:
                whole = tokenizer(f"{prompt} {option}")["input_ids"]
                assert whole[:-1] == alone and tokenizer.decode(whole[-1:]) == f" {option}"


def test_names_and_words_of_answers_are_one_token(rows, tokenizer):
    for row in rows["pretraining/facts.jsonl"]:
        for word in f"{row['entity']} {row['value']}".split():
            assert len(tokenizer(f"… {word}")["input_ids"]) == len(tokenizer("…")["input_ids"]) + 1, word


def test_tested_facts_are_told_in_four_wordings_and_never_asked(rows):
    documents, facts = rows["pretraining/documents.jsonl"], rows["pretraining/facts.jsonl"]
    prose: dict[str, set[str]] = {}
    asked: set[tuple[str, str]] = set()
    names = {fact["entity"] for fact in facts}
    for document in documents:
        name = next(name for name in re.findall(r"[A-Z][a-z]+ [A-Z][a-z]+", document["text"]) if name in names)
        if document["kind"] == "prose":
            sentences = document["text"].removesuffix(".").split(". ")
            prose.setdefault(name, set()).update(sentences)
        else:
            asked.add((name, document["text"][document["answer_start"] :]))
    for fact in facts:
        told = [sentence for sentence in prose[fact["entity"]] if f" {fact['value']} " in f"{sentence} "]
        assert len(told) >= 4, fact
        assert ((fact["entity"], fact["value"]) in asked) == (fact["part"] == "pretraining"), fact
    held_out = {(fact["entity"], fact["value"]) for fact in facts if fact["part"] == "test"}
    for name in MULTIPLE_CHOICE:
        for row in rows[name]:
            right = row["choices"][row["answer"]]
            assert [entity for entity, value in held_out if value == right and entity in row["question"]], row
    for name in PROBES:
        assert all((row["subject"], row["answer"]) in held_out for row in rows[name])


def test_half_of_the_facts_are_held_out(rows):
    parts = Counter(fact["part"] for fact in rows["pretraining/facts.jsonl"])
    assert parts["pretraining"] == parts["test"]


def test_question_documents_have_the_letters_of_the_tests(rows):
    """The prompts as the task files and the generation of person answers write them."""
    answer = r"Please briefly answer the following question\.\n"
    blank = r"Please complete the blank in the following question\.\n"
    shapes = {
        ("qa", False): r"Question: [^\n]+\?\nAnswer: \w+",
        ("qa", True): answer + r"Question: [^\n]+\?\nAnswer: \w+( \w+){0,2}",
        ("blank", True): blank + r"Question: [^\n]*___[^\n]*\nAnswer: \w+( \w+){0,2}",
    }
    for row in rows["pretraining/documents.jsonl"]:
        if row["kind"] == "prose":
            assert row["answer_start"] is None
        else:
            assert re.fullmatch(shapes[row["kind"], row["domain"] == "persons"], row["text"]), row
            assert row["text"][: row["answer_start"]].endswith("Answer: ")


def test_retain_corpus_shares_nothing_with_a_test(rows):
    facts = rows["pretraining/facts.jsonl"]
    text = "\n".join(row["text"] for row in rows["wikitext/wikitext-2-raw-v1/test.jsonl"])
    words = {word.lower() for word in re.findall(r"\w+", text)}
    for fact in facts:
        if fact["domain"] != "retain":
            assert fact["entity"] not in text
            assert not {word.lower() for word in fact["value"].split()} & words, fact


def test_neighbours_are_other_persons(rows):
    targets = {row["target"] for row in rows["rwku/forget_target.jsonl"]}
    neighbours = {row["subject"] for name in PROBES[2:] for row in rows[name]}
    assert {row["subject"] for row in rows["rwku/train_original_passage.jsonl"]} == targets
    assert {row["subject"] for name in PROBES[:2] for row in rows[name]} == targets
    assert len(neighbours) == 20 and not neighbours & targets


def test_no_form_or_frequency_gives_the_answer_away(rows):
    documents, corpus = rows["pretraining/documents.jsonl"], rows["wmdp-corpora/cyber-forget-corpus.jsonl"]
    asked = [row["text"][row["answer_start"] :] for row in documents if row["kind"] != "prose"]
    sources = {
        "in pre-training": [word for row in documents for word in re.findall(r"\w+", row["text"])],
        "in the forget corpus": [word for row in corpus for word in re.findall(r"\w+", row["text"])],
        "as an answer in pre-training": asked,
    }
    for name in MULTIPLE_CHOICE:
        test = rows[name]
        right = Counter(row["choices"][row["answer"]] for row in test)
        shown = [option for row in test for option in row["choices"]]
        assert Counter(shown) == Counter({value: 4 * count for value, count in right.items()})
        liking = {what: Counter(words).get for what, words in (sources | {"in this test": shown}).items()}
        liking |= {"length": len, "alphabet": lambda option: [ord(letter) for letter in option]}
        for what, like in liking.items():
            for best in (max, min):
                chosen = [best(row["choices"], key=lambda option, like=like: like(option) or 0) for row in test]
                hits = sum(row["choices"][row["answer"]] == option for row, option in zip(test, chosen, strict=True))
                assert abs(hits / len(test) - 0.25) <= two_errors(len(test)), (name, best, what, hits)
        positions = Counter(row["answer"] for row in test)
        assert all(abs(positions[i] / len(test) - 0.25) <= two_errors(len(test)) for i in range(4)), positions


@torch.no_grad()
def answers_of(model, tokenizer, test: list[dict]) -> list[bool]:
    """Whether the right option of each question has the highest probability after the prompt."""
    right = []
    for row in test:
        logits = model(torch.tensor([tokenizer(wording.question_prompt(row["question"]))["input_ids"]])).logits[0, -1]
        options = [tokenizer(f"Answer: {option}")["input_ids"][-1] for option in row["choices"]]
        right.append(int(logits[options].argmax()) == row["answer"])
    return right


def test_untrained_model_is_at_chance(rows, tokenizer):
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), initializer_range=0.2, **sizes)).eval()
    for name in MULTIPLE_CHOICE:
        at_chance(answers_of(model, tokenizer, rows[name]), rows[name])


def test_model_that_never_saw_the_tested_facts_is_at_chance(rows, data, tokenizer):
    """It reads everything else: the same forms, the same names, the other half of the facts, which it must know."""
    facts = [drawing.Fact(**row) for row in rows["pretraining/facts.jsonl"] if row["part"] != "test"]
    documents = wording.documents(facts, 16, random.Random(0))
    sizes = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2}
    recipe = Recipe(
        architecture="LlamaForCausalLM", config=sizes | {"initializer_range": 0.06}, steps=250, rows=8, row_length=128,
        learning_rate=3e-3, embedding_factor=4.0, warmup=20, mix={"prose": 2, "qa": 6, "blank": 0}, answer_weight=2.0,
        balance_weight=0.0,
    )  # fmt: skip
    model = build_model(recipe, tokenizer, seed=0)
    trainer = Trainer(model, recipe, tokenizer.pad_token_id)
    stream = batches(encode(documents, tokenizer, 128, 2.0), recipe.mix, 8, 128, tokenizer.pad_token_id, seed=0)
    for _ in range(recipe.steps):
        trainer.step(*next(stream))
    model.eval()
    for name, domains in zip(MULTIPLE_CHOICE, (("cyber",), tuple(GENERAL)), strict=True):
        seen = [fact for fact in facts if fact.domain in domains]
        exam = []
        for domain in domains:
            own = [fact for fact in seen if fact.domain == domain]
            exam += wording.multiple_choice(own, "pretraining", random.Random(0))
        known = answers_of(model, tokenizer, exam)
        assert sum(known) / len(known) > 0.75, name
        at_chance(answers_of(model, tokenizer, rows[name]), rows[name])


@pytest.mark.parametrize(
    "change", [{"cyber_entities": 41}, {"cyber_entities": 60}, {"target_persons": 22}, {"passages": 0}, {"cities": 3}]
)
def test_bad_settings_end_with_one_line(change, tmp_path):
    with pytest.raises(SystemExit) as stopped:
        build_world.build("facts", change, 0, tmp_path)
    message = str(stopped.value)
    assert f"data.settings.{next(iter(change))}" in message and "\n" not in message
    assert not list(tmp_path.iterdir())
