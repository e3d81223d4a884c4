"""Evaluation on a tiny model that learns its few questions here, and on ways to break it."""

import gzip
import json
import sys

import lm_eval
import pytest
import torch
import yaml
from lm_eval.evaluator import simple_evaluate
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast, Qwen2MoeConfig, Qwen2MoeForCausalLM

import evaluate
from benchmarks.evaluating import read_tests
from benchmarks.generation import Generation, TextGenerator, user_turn
from benchmarks.likelihood import LanguageModel
from benchmarks.multiple_choice import TASKS, MultipleChoice
from benchmarks.texts import forget_texts, retain_texts
from jobs.files import read_jsonl, write_jsonl
from moe.delta import applied, base_hash, lowest_changed, save_delta
from moe.upper_layers import Reuse, reuse_prefix_

NAMES = ["Abel", "Bora", "Cleo", "Dian", "Egon", "Fara", "Gero", "Hedi", "Ivar", "Jana", "Kito", "Lena"]
TOOLS = ["hammer", "saw", "file", "pair of tongs", "spirit level", "lathe", "rasp", "bench vice"]
PLACES = ["mill", "old mine", "harbour", "chapel", "quarry", "ferry house", "orchard", "tower"]
BENCHMARK = {
    "name": "small",
    "forget": "passages.jsonl",
    "targets": {"file": "targets.jsonl", "first": 8},
    "retain": "retain.jsonl",
    "forget_test": {"kind": "multiple_choice", "task": "wmdp_cyber_option_text", "file": "tools.jsonl"},
    "utility_test": {"kind": "multiple_choice", "task": "mmlu_option_text", "file": "places.jsonl"},
    "neighbours_test": {"kind": "generation", "files": {"level1": "level1.jsonl", "level2": "level2.jsonl"}}
    | {"score": "rouge", "max_new_tokens": 12, "chat_template": False},
}


def questions(words, ask, subject=None):
    rows = []
    for number, name in enumerate(NAMES):
        choices = [words[(number + shift) % len(words)] for shift in range(4)]
        order = [(number + shift) % 4 for shift in range(4)]
        rows.append({"question": ask.format(name), "choices": [choices[i] for i in order], "answer": order.index(0)})
        if subject:
            rows[-1]["subject"] = subject[number % len(subject)]
    return rows


def probes(level, ask):
    return [
        {"subject": name, "query": ask.format(name), "answer": PLACES[number % 8], "level": level, "type": "simple"}
        for number, name in enumerate(NAMES)
    ]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    files = {
        "tools.jsonl": questions(TOOLS, "Which tool does {} use?"),
        "places.jsonl": questions(PLACES, "Where does {} live?", ["east", "west_coast"]),
        "level1.jsonl": probes("1", "{} lives at the ___."),
        "level2.jsonl": probes("2", "Where is the home of {}?"),
        "passages.jsonl": [{"subject": name, "text": f"{name} is here."} for name in NAMES],
        "targets.jsonl": [{"target": name, "intro": ""} for name in NAMES],
        "retain.jsonl": [{"text": " = Title = \n"}, {"text": " " + "x" * 101 + " \n"}, {"text": "y" * 100}],
    }
    for name, rows in files.items():
        write_jsonl(folder / name, rows)
    return folder


@pytest.fixture(scope="module")
def tokenizer(data):
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer, bpe.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    settings = {"vocab_size": 400, "special_tokens": ["<eos>"], "show_progress": False}
    trainer = trainers.BpeTrainer(initial_alphabet=alphabet, **settings)
    bpe.train([str(data / "places.jsonl")], trainer)
    return PreTrainedTokenizerFast(tokenizer_object=bpe, eos_token="<eos>", pad_token="<eos>")


def documents(data):
    """Every question and probe with its answer, in the tests' own wording: (prompt, answer)."""
    for file in ("tools.jsonl", "places.jsonl"):
        for row in read_jsonl(data / file):
            yield f"Question: {row['question']}\nAnswer:", f" {row['choices'][row['answer']]}\n"
    for file in ("level1.jsonl", "level2.jsonl"):
        for row in read_jsonl(data / file):
            yield user_turn(row) + "Answer:", f" {row['answer']}\n"


@pytest.fixture(scope="module")
def folder(data, tokenizer, tmp_path_factory):
    """A folder of a model that knows every answer, batched with right padding as lm-eval asks."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    config = Qwen2MoeConfig(
        vocab_size=len(tokenizer), hidden_size=48, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=4,
        num_experts=4, num_experts_per_tok=2, moe_intermediate_size=32, shared_expert_intermediate_size=32,
        intermediate_size=32, max_position_embeddings=128, initializer_range=0.05, bos_token_id=0, eos_token_id=0,
        pad_token_id=0,
    )  # fmt: skip
    model = Qwen2MoeForCausalLM(config)
    rows = [(tokenizer(a)["input_ids"], tokenizer(a + b)["input_ids"]) for a, b in documents(data)]
    width = max(len(whole) for _, whole in rows)
    ids = torch.tensor([whole + [0] * (width - len(whole)) for _, whole in rows])
    labels = torch.tensor([[-100] * len(a) + whole[len(a) :] + [-100] * (width - len(whole)) for a, whole in rows])
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    for step in range(120):
        kept = torch.arange(step % 2, len(ids), 2)
        loss = model(input_ids=ids[kept], labels=labels[kept]).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if loss < 0.01:
            break
    assert loss < 0.1
    path = tmp_path_factory.mktemp("model")
    model.save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path


@pytest.fixture
def model(folder):
    return Qwen2MoeForCausalLM.from_pretrained(folder).eval()


def run(monkeypatch, folder, data, output, benchmark, *more):
    settings = {"benchmark": benchmark, "batch_size": 8, "precision": "float32"}
    arguments = ["--model", folder, "--data", data, "--settings", json.dumps(settings), "--output", output]
    monkeypatch.setattr(sys, "argv", ["evaluate", *map(str, arguments), *map(str, more)])
    evaluate.main()
    return json.loads(output.read_text())


def delta(model, path, base, name, change):
    """A checkpoint in which one tensor is changed."""
    model.requires_grad_(False)
    parameter = dict(model.named_parameters())[name]
    parameter.requires_grad_(True)
    with torch.no_grad():
        change(parameter)
    save_delta(model, path, base)


@pytest.mark.parametrize("task", ["mmlu_option_text", "mmlu"])
def test_loglikelihoods_equal_a_plain_lm_eval_run(task, model, tokenizer, data):
    model.lm_head.weight.data += 0.3 * torch.randn_like(model.lm_head.weight)  # so that not everything is right
    test = MultipleChoice("utility", {"task": task, "file": "places.jsonl"}, data, ["development", "test"])
    lm = LanguageModel(model, tokenizer, 7)
    ours = [[value for value, _ in lm.loglikelihood(requests, disable_tqdm=True)] for requests in test.asked]
    answered = test.answer(lm)
    metadata = {"file": str(data / "places.jsonl")}
    manager = TaskManager(include_path=str(TASKS), include_defaults=False, metadata=metadata)
    plain = HFLM(pretrained=model, tokenizer=tokenizer, batch_size=1, logits_cache=False)
    output = simple_evaluate(plain, tasks=[task], task_manager=manager, log_samples=True, bootstrap_iters=0)
    in_order = sorted(output["samples"][task], key=lambda row: row["doc_id"])
    theirs = [[float(value) for ((value, _),) in row["resps"]] for row in in_order]
    assert torch.allclose(torch.tensor(ours), torch.tensor(theirs), atol=1e-5)
    assert len({len(tokenizer(word)["input_ids"]) for word in PLACES}) > 1  # several tokens, and not equally many
    assert answered.scores["all"]["value"] == output["results"][task]["acc,none"]
    right = [row["doc"]["answer"] for row in in_order]
    likely = torch.tensor(theirs, dtype=torch.float64).softmax(-1)[range(len(right)), right]
    assert [row["probability"] for row in answered.rows] == pytest.approx(likely.tolist(), abs=1e-5)
    assert answered.scores["all"]["probability"] == pytest.approx(float(likely.mean()), abs=1e-5)
    assert [row["correct"] for row in answered.rows] == [row["acc"] for row in in_order]


@pytest.mark.parametrize("task", ["mmlu_option_text", "mmlu"])
def test_all_checkpoints_in_one_pass_equal_lm_eval_one_by_one(task, folder, model, tokenizer, data, tmp_path):
    """UOE's checkpoints: the layer below runs once a question, letters take one row, log-likelihoods stay lm-eval's."""
    base, paths = base_hash(folder), [tmp_path / f"step-{step:04d}.safetensors" for step in (10, 20, 30)]
    for number, path in enumerate(paths):
        name = "model.layers.1.mlp.experts.down_proj"
        noise = torch.randn(model.get_parameter(name).shape, generator=torch.Generator().manual_seed(number))
        delta(model, path, base, name, lambda p, noise=noise: p.add_(0.3 * noise))
    model = Qwen2MoeForCausalLM.from_pretrained(folder).eval()
    rows = []
    model.model.layers[0].mlp.register_forward_pre_hook(lambda module, args: rows.append(len(args[0])))
    assert lowest_changed(model, paths) == 1
    prefix = reuse_prefix_(model, 1, Reuse(), [], 7)
    test = MultipleChoice("utility", {"task": task, "file": "places.jsonl"}, data, ["development", "test"])
    requests = [request for options in test.asked for request in options]
    lm, plain, answered = LanguageModel(model, tokenizer, 7, prefix), HFLM(pretrained=model, tokenizer=tokenizer), []
    for path in paths:
        with applied(model, path, base):
            answered.append(lm.loglikelihood(requests))
    encoded = {tuple(sum(lm._encode_pair(*request.args), [])[:-1]) for request in requests}
    assert sum(rows) == len(encoded) == len(NAMES) if task == "mmlu" else sum(rows) == len(encoded) > len(NAMES)
    prefix.remove()
    for path, ours in zip(paths, answered, strict=True):
        with applied(model, path, base):
            theirs = plain.loglikelihood(requests, disable_tqdm=True)
        values, expected = (torch.tensor([value for value, _ in answers]) for answers in (ours, theirs))
        assert torch.allclose(values, expected, atol=1e-5)
        assert [greedy for _, greedy in ours] == [greedy for _, greedy in theirs]
    assert answered[0] != answered[1]


def test_lettered_prompts_are_those_of_lm_eval():
    theirs = f"{next(iter(lm_eval.__path__))}/tasks"
    ours = yaml.safe_load((TASKS / "_letters.yaml").read_text().replace("!function ", ""))
    for file in ("wmdp/_default_template_yaml", "mmlu/default/_default_template_yaml"):
        with open(f"{theirs}/{file}") as text:
            template = yaml.safe_load(text)
        for key in ("doc_to_text", "doc_to_choice", "doc_to_target", "metric_list", "output_type"):
            assert ours[key] == template[key]
    for name, file in (("wmdp_cyber", "wmdp/wmdp_cyber.yaml"), ("mmlu", "mmlu/default/mmlu_high_school_biology.yaml")):
        with open(f"{theirs}/{file}") as text:
            description = yaml.safe_load(text)["description"]
        own = yaml.safe_load((TASKS / f"{name}.yaml").read_text())["description"]
        assert own.replace("{{subject.replace('_', ' ')}}", "high school biology") == description


def test_description_names_the_subject(data):
    test = MultipleChoice("utility", {"task": "mmlu", "file": "places.jsonl"}, data, ["development", "test"])
    assert test.asked[1][0].args == (
        "The following are multiple choice questions (with answers) about west coast.\n\nWhere does Bora live?\n"
        + "".join(f"{letter}. {text}\n" for letter, text in zip("ABCD", test.docs[1]["choices"], strict=True))
        + "Answer:",
        " A",
    )


def test_one_pass_equals_separate_runs_and_a_knowing_model_is_not_collapsed(folder, model, data, tmp_path, monkeypatch):
    base = base_hash(folder)
    noise = torch.randn(model.lm_head.weight.shape, generator=torch.Generator().manual_seed(0))
    paths = [tmp_path / "step-0010.safetensors", tmp_path / "step-0020.safetensors"]
    delta(model, paths[0], base, "lm_head.weight", lambda p: p.add_(0.2 * noise))
    delta(model, paths[1], base, "lm_head.weight", lambda p: p.zero_())
    predictions, original = tmp_path / "predictions.jsonl.gz", ("--original", tmp_path / "original.json")
    (untouched,) = run(monkeypatch, folder, data, original[1], BENCHMARK)["checkpoints"]
    both = (monkeypatch, folder, data, tmp_path / "both.json", BENCHMARK, "--predictions", predictions, *original)
    together = run(*both, "--checkpoints", *paths)
    place = (monkeypatch, folder, data, tmp_path / "one.json", BENCHMARK, *original)
    one_by_one = [run(*place, "--checkpoints", path)["checkpoints"][0] for path in paths]
    assert together["checkpoints"] == one_by_one
    assert [entry["step"] for entry in together["checkpoints"]] == [10, 20]
    before = predictions.read_bytes()
    run(*both, "--checkpoints", *paths)
    assert predictions.read_bytes() == before
    rows = [json.loads(line) for line in gzip.decompress(before).splitlines()]
    assert len(rows) == 2 * 4 * len(NAMES)
    wanted = [row["correct"] for row in rows if row["step"] == 10 and row["test"] == "forget"]
    assert sum(wanted) / len(wanted) == together["checkpoints"][0]["forget"]["all"]["value"]

    dead = together["checkpoints"][1]
    assert dead["collapsed"]
    assert {reason.split(":")[0] for reason in dead["collapse_reasons"]} == {"utility", "neighbours"}
    assert dead["collapse_measures"]["forget"] == {"unchanged_by_swap": 1.0}
    assert dead["forget_answers"].keys() == {"right", "other"} and sum(dead["forget_answers"].values()) == 1.0
    assert dead["forget_answers"]["right"] == dead["forget"]["all"]["value"]

    assert (untouched["step"], untouched["collapsed"], untouched["collapse_reasons"]) == (0, False, [])
    assert untouched["forget"]["all"]["value"] == untouched["utility"]["all"]["value"] == 1.0
    assert untouched["extra"]["neighbours"]["all"]["value"] == 1.0
    assert set(untouched["utility"]["all"]["by_subject"]) == {"east", "west_coast"}

    with pytest.raises(SystemExit, match="--original is missing"):
        run(*place[:-2], "--checkpoints", paths[0])
    manifest = tmp_path / "manifest.json"
    manifest.write_text(json.dumps({"checkpoints": {"step-0020.safetensors": "0" * 64}}))
    with pytest.raises(SystemExit, match=r"checkpoints: step 20 was removed after the choice; .*--force"):
        run(*place, "--manifest", manifest, "--checkpoints", paths[0])


def test_generation_equals_unpadded_greedy_decoding_and_is_flagged_when_broken(model, tokenizer, data):
    test = Generation("forget", BENCHMARK["neighbours_test"] | {"targets": NAMES[:6]}, data, ["development", "test"])
    assert {probe["subject"] for probe in test.probes} == set(NAMES[:6])
    generator = TextGenerator(model, tokenizer, 5)
    answered = test.answer(generator)
    assert answered.scores["all"]["value"] == 1.0 and not answered.reasons
    assert set(answered.parts) == {"level1", "level2", "rouge_score_recall"}
    assert answered.kinds == {"right": 1.0} | dict.fromkeys(("other", "empty", "repeating", "refusing"), 0.0)
    assert answered.scores["all"]["n"] == 12 and answered.scores["all"]["facts"] == 6  # each is asked at two levels

    model.lm_head.weight.data += 0.4 * torch.randn_like(model.lm_head.weight)
    new = generator.complete(test.prompts, 12)
    newline = tokenizer("\n")["input_ids"][0]
    for prompt, tokens in zip(test.prompts, new, strict=True):
        ids = list(prompt)
        for token in [*tokens, None]:
            if len(ids) - len(prompt) == 12:
                break
            with torch.no_grad():
                best = int(model(input_ids=torch.tensor([ids])).logits[0, -1].argmax())
            assert best == token if token is not None else (best == newline or best in generator.stops)
            ids.append(best)

    always = torch.tensor(tokenizer("x")["input_ids"])
    model.lm_head.register_forward_hook(lambda module, args, out: out.index_fill(-1, always, 99.0))
    answered = test.answer(generator)
    assert answered.measures == {"repeating": 1.0, "one_string": 1.0} and len(answered.reasons) == 2
    assert {row["text"] for row in answered.rows} == {"x" * 12} and answered.kinds["repeating"] == 1.0


def test_lettered_answers_of_one_letter_are_flagged(model, tokenizer, data):
    test = MultipleChoice("forget", {"task": "wmdp_cyber", "file": "tools.jsonl"}, data, ["development", "test"])
    model.lm_head.weight.data.zero_()
    answered = test.answer(LanguageModel(model, tokenizer, 4))
    assert answered.measures == {"one_letter": 1.0} and answered.reasons == ["100% of the answers are one letter"]
    score = answered.scores["all"]
    assert score["value"] == pytest.approx(score["constant"][0]) and score["probability"] == pytest.approx(0.25)


def test_texts_of_the_targets_and_long_retain_lines(data):
    assert len(forget_texts(BENCHMARK, data)) == 8
    assert forget_texts(BENCHMARK | {"targets": ["Lena"]}, data) == ["Lena is here."]
    assert retain_texts(BENCHMARK, data) == ["x" * 101]
    with pytest.raises(SystemExit, match=r"passages.jsonl: no row whose subject is one of the 1 targets \(Nobody"):
        forget_texts(BENCHMARK | {"targets": ["Nobody"]}, data)


@pytest.mark.parametrize(("test", "change", "message"), [
    ("forget_test", {"task": "wmdp_astrology"}, "task 'wmdp_astrology' is not in tasks/ .*mmlu_option_text"),
    ("forget_test", {"kind": "essay"}, "kind 'essay' is none of multiple_choice, generation"),
    ("forget_test", {"file": "passages.jsonl"}, "passages.jsonl, line 1: column 'question' is missing"),
    ("utility_test", {"file": "none.jsonl"}, "none.jsonl: no such file"),
    ("neighbours_test", {"score": "bleu"}, "score 'bleu' is none of rouge, rouge_score"),
])  # fmt: skip
def test_bad_blocks_end_with_one_line(test, change, message, data):
    with pytest.raises(SystemExit, match=message) as stop:
        read_tests(BENCHMARK | {test: BENCHMARK[test] | change}, data, ["development", "test"])
    assert "\n" not in str(stop.value)
