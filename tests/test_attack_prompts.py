"""Attacks by prompts: what is asked and measured, on a tiny model; tables and figure; what the config may ask for."""

import json
import signal
import sys
from types import SimpleNamespace

import mini_hub
import pytest
import torch
from synthetic_results import build
from table_helpers import layered_config, make, study_of, value
from transformers import Qwen2MoeConfig, Qwen2MoeForCausalLM

import attack_prompts
import search_suffixes
from attack_prompts import affinity, summary
from benchmarks.attacked import question_of
from benchmarks.generation import TextGenerator, user_turn
from benchmarks.halves import half
from benchmarks.rouge import rouge_recall
from figures.v2_figure4 import figure, rank
from micro.tokenizer import train_tokenizer
from moe.delta import applied, base_hash, save_delta
from moe.gcg import target_losses
from moe.layers import find_moe_layers
from moe.routing import record_routing
from planning import checks
from planning.code import code_of
from search_suffixes import allowed_tokens

NAMES = ["Abel Tor", "Bora Lun", "Cleo Mar", "Dian Sel", "Egon Rix", "Fara Nol", "Gero Pim", "Hedi Vas"]
PLACES = ["Oslo", "Riga", "Turin", "Ghent"]
PROBES = [
    {"subject": name, "query": f"Where was {name} born?", "answer": PLACES[i % 4], "level": "2", "type": "simple"}
    for i, name in enumerate(NAMES)
]
SETTINGS = {"kind": "gcg", "target": "Answer:", "word": "answer", "start": "x x x x x", "probes": 3}
SETTINGS |= {"parts": 1, "steps": 4, "width": 12, "top_k": 20}
BLOCK = {"kind": "generation", "files": {"level2": "level2.jsonl"}, "score": "rouge", "max_new_tokens": 5}
BLOCK |= {"chat_template": False}


@pytest.fixture(scope="module")
def words():
    """As the micro world's: a space is put before every text, so that pieces can't be encoded apart."""
    texts = [f"{user_turn(probe)}Answer: {probe['answer']}" for probe in PROBES]
    return train_tokenizer(texts * 3, [*PLACES, "x", "y"], 360)


@pytest.fixture(scope="module")
def cell(words, tmp_path_factory):
    """A cell with one checkpoint, in which layer 1's router and one expert differ from the untouched model's."""
    folder = tmp_path_factory.mktemp("cell")
    torch.manual_seed(0)
    config = Qwen2MoeConfig(
        vocab_size=len(words) + 8, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=4,
        num_experts=4, num_experts_per_tok=2, moe_intermediate_size=16, shared_expert_intermediate_size=16,
        intermediate_size=16, max_position_embeddings=128, initializer_range=0.1, bos_token_id=None, eos_token_id=0,
        pad_token_id=1,
    )  # fmt: skip
    model = Qwen2MoeForCausalLM(config).eval()
    model.save_pretrained(folder / "model")
    words.save_pretrained(folder / "model")
    model.requires_grad_(False)
    (folder / "cell/checkpoints").mkdir(parents=True)
    router = find_moe_layers(model)[1].router_weight(model)[1]
    with torch.no_grad():
        router.neg_()
    router.requires_grad_(True)
    save_delta(model, folder / "cell/checkpoints/step-0020.safetensors", base_hash(folder / "model"))
    (folder / "cell/chosen.json").write_text(json.dumps({"balance": {"step": 20, "collapsed": False}}))
    (folder / "selection.json").write_text(json.dumps({"experts": {"1": [2]}, "routers": [1]}))
    (folder / "level2.jsonl").write_text("".join(json.dumps(probe) + "\n" for probe in PROBES))
    return folder


def call(monkeypatch, script, cell, output, block, settings, **more) -> dict:
    settings = {"benchmark": {"name": "rwku", "forget_test": block}, "attack": settings, "batch_size": 5}
    given = {"settings": json.dumps(settings | {"precision": "float32"}), "output": output}
    given |= {"model": cell / "model", "data": cell, "cell": cell / "cell"} | more
    lists = {f"--{name}": value if type(value) is list else [value] for name, value in given.items()}
    words = [str(word) for name, values in lists.items() for word in (name, *values)]
    monkeypatch.setattr(sys, "argv", ["x", *words])
    script.main()
    return json.loads(output.read_text())


def suffixes(monkeypatch, cell, folder, block=BLOCK, parts=1) -> list:
    """The search, part by part."""
    paths = [folder / f"suffixes-{part}.json" for part in range(parts)]
    for part, path in enumerate(paths):
        call(monkeypatch, search_suffixes, cell, path, block, SETTINGS | {"parts": parts}, part=part)
    return paths


def run(monkeypatch, cell, output, block=BLOCK) -> dict:
    paths = suffixes(monkeypatch, cell, output.parent / output.stem, block)
    more = {"selection": cell / "selection.json", "suffixes": paths}
    return call(monkeypatch, attack_prompts, cell, output, block, SETTINGS, **more)


@pytest.mark.parametrize("kind", ["bytes", "bytes-bos", "pieces", "micro"])
def test_the_suffix_stands_behind_the_question_and_can_be_typed(kind, words):
    words = words if kind == "micro" else mini_hub.tokenizer(kind)
    generator = TextGenerator(SimpleNamespace(generation_config=SimpleNamespace(eos_token_id=None)), words, 4)
    for chat in (False, True) if kind != "micro" else (False,):
        question = question_of(generator, PROBES[0], chat, SETTINGS)
        prompt, query = question.prompt, PROBES[0]["query"]
        assert prompt.around(prompt.suffix) == generator.encode(PROBES[0] | {"query": f"{query} x x x x x"}, chat)
        assert question.typed(words, prompt.suffix) == f"{query} x x x x x"
        assert words.decode(prompt.suffix).strip() == "x x x x x"
        assert words.decode(prompt.after).strip().endswith("Answer:") and prompt.after
        answered = generator.encode(PROBES[0] | {"query": f"{query} x x x x x"}, chat) + prompt.target
        assert words.decode(answered).endswith("Answer: Answer:")


def test_pieces_that_the_tokenizer_would_join_do_not_survive(words):
    generator = TextGenerator(SimpleNamespace(generation_config=SimpleNamespace(eos_token_id=None)), words, 4)
    question = question_of(generator, PROBES[0], False, SETTINGS)
    (whole,) = words("Oslo")["input_ids"]
    letters = words.convert_tokens_to_ids(["Ġ", *"Oslo"])
    assert question.typed(words, [*question.prompt.suffix, *letters]) == f"{PROBES[0]['query']} x x x x x Oslo"
    suffixes = [[*question.prompt.suffix, whole], [*question.prompt.suffix, *letters]]
    assert question.survive(generator, False, suffixes) == [True, False]


def test_allowed_tokens_are_printable_and_ordinary(cell, words):
    model = Qwen2MoeForCausalLM.from_pretrained(cell / "model")
    allowed = allowed_tokens(model, words)
    assert len(allowed) == len(words) + 8 and not allowed[len(words) :].any() and not allowed[[0, 1]].any()
    for text, fits in (("x", True), (" Oslo", True), ("\n", False)):
        assert bool(allowed[words.convert_tokens_to_ids(words.tokenize(text))].all()) == fits, text
    assert not allowed[words.convert_tokens_to_ids("Ã")]  # stands for a byte that is half a letter


def test_affinity_is_the_mean_masked_gate_score(cell):
    model = Qwen2MoeForCausalLM.from_pretrained(cell / "model").eval()
    prompts = [[5, 6, 7, 8], [9, 10]]
    scores = affinity(model, prompts, {"1": [2]})
    layers, tokens = find_moe_layers(model), []
    for prompt in prompts:
        with torch.no_grad(), record_routing(model, layers) as routing:
            model(input_ids=torch.tensor([prompt]))
        for row in routing.logits[1].softmax(-1).tolist():
            best = sorted(range(4), key=lambda expert, row=row: -row[expert])[:2]
            tokens.append([row[expert] if expert in best else 0.0 for expert in range(4)])
    assert list(scores) == ["1"]
    assert scores["1"] == pytest.approx([sum(column) / 6 for column in zip(*tokens, strict=True)], rel=1e-5)
    assert affinity(model, prompts, {}) == {}


def test_scores_of_all_and_of_the_kept_replies():
    def row(reply, **recall):
        return {
            "fact": reply,
            "replies": {"with": reply},
            "recall": recall,
            "loss": {"first": 4.0, "last": 1.0},
            "survived": 0.5,
        }

    rows = [row("Answer: Oslo", without=0.0, **{"with": 1.0}), row("no", without=0.5, **{"with": 0.0})]
    scores = summary(rows, "ANSWER")
    assert scores["forget"]["without"]["value"] == 0.25 and scores["forget"]["with"]["value"] == 0.5
    assert scores["kept"]["probes"] == 1 and scores["kept"]["with"]["value"] == 1.0
    assert scores["kept"]["without"]["value"] == 0.0
    assert (scores["risen"], scores["loss"], scores["survived"]) == (0.5, {"first": 4.0, "last": 1.0}, 0.5)
    nobody = summary(rows, "sure")
    assert nobody["kept"] == {"with": None, "without": None, "probes": 0}


def test_a_run_twice_gives_the_same_bytes_and_says_what_it_did(cell, words, tmp_path, monkeypatch):
    record = run(monkeypatch, cell, tmp_path / "gcg.json")
    run(monkeypatch, cell, tmp_path / "again.json")
    assert (tmp_path / "gcg.json").read_bytes() == (tmp_path / "again.json").read_bytes()
    assert (tmp_path / "provenance/gcg.json").is_file()
    of_test = [probe["query"] for probe in PROBES if half(f"{probe['subject']} {probe['answer']}") == "test"]
    asked = [probe["query"] for probe in record["probes"]]
    assert len(asked) == min(3, len(of_test)) and set(asked) <= set(of_test)
    assert record["loss"]["last"] < record["loss"]["first"] and record["step"] == 20
    assert record["affinity"].keys() == {"1"} and record["affinity"]["1"]["experts"] == [2]
    model = Qwen2MoeForCausalLM.from_pretrained(cell / "model").eval()
    generator = TextGenerator(model, words, 5)
    delta = cell / "cell/checkpoints/step-0020.safetensors"
    for probe in record["probes"]:
        source = next(one for one in PROBES if one["query"] == probe["query"])
        question = question_of(generator, source, False, SETTINGS)
        ids = generator.encode(source | {"query": probe["query"] + probe["suffix"]}, False)  # typed anew
        end = len(ids) - len(question.prompt.after)
        assert ids[: len(question.prompt.before)] == question.prompt.before and ids[end:] == question.prompt.after
        more = BLOCK["max_new_tokens"] + len(question.prompt.target)
        with applied(model, delta, base_hash(cell / "model")):
            suffixes = torch.tensor([question.prompt.suffix, ids[len(question.prompt.before) : end]])
            losses = target_losses(model, question.prompt, suffixes, 5).tolist()
            (reply,) = generator.complete([ids], more)
        assert losses == pytest.approx([probe["loss"]["first"], probe["loss"]["last"]], rel=1e-4)
        text = words.decode(reply, skip_special_tokens=True).split("\n")[0].strip()
        assert probe["replies"]["with"] == text and probe["recall"]["with"] == rouge_recall(probe["answer"], text)


def test_parts_find_what_one_job_finds_and_a_stopped_job_goes_on(cell, tmp_path, monkeypatch):
    (whole,) = suffixes(monkeypatch, cell, tmp_path / "one")
    parts = suffixes(monkeypatch, cell, tmp_path / "two", parts=2)
    written = [json.loads(path.read_text())["suffixes"] for path in (whole, *parts)]
    assert len(written[0]) == 3 and written[1] == written[0][::2] and written[2] == written[0][1::2]
    assert not list(tmp_path.rglob("*.state"))

    searched, really = [], search_suffixes.find_suffix

    def stopped(model, prompt, *rest):
        searched.append(prompt)
        if len(searched) == 1:
            signal.raise_signal(signal.SIGTERM)
        return really(model, prompt, *rest)

    monkeypatch.setattr(search_suffixes, "find_suffix", stopped)
    again = tmp_path / "again"
    with pytest.raises(SystemExit, match="stopped by SIGTERM at step 1"):
        suffixes(monkeypatch, cell, again)
    suffixes(monkeypatch, cell, again)
    assert len(searched) == 3  # the one that was done is not searched again
    assert (again / whole.name).read_bytes() == whole.read_bytes()


def test_questions_without_a_suffix_are_one_line(cell, tmp_path, monkeypatch):
    first, second = suffixes(monkeypatch, cell, tmp_path, parts=2)
    more = {"selection": cell / "selection.json", "suffixes": [first]}
    with pytest.raises(SystemExit, match="suffixes-0.json: no suffix for .* in it or the other parts"):
        call(monkeypatch, attack_prompts, cell, tmp_path / "x.json", BLOCK, SETTINGS, **more)
    second.write_text(second.read_text().replace('"step": 20', '"step": 40'))
    line = "suffixes-1.json: suffixes for the checkpoint of step 40; the chosen one is 20"
    with pytest.raises(SystemExit, match=line):
        call(monkeypatch, attack_prompts, cell, tmp_path / "x.json", BLOCK, SETTINGS, **more | {"suffixes": [second]})


def test_options_are_no_replies(cell, tmp_path, monkeypatch):
    with pytest.raises(SystemExit, match="rwku: forget_test is of kind multiple_choice; replies in free text"):
        run(monkeypatch, cell, tmp_path / "x.json", {"kind": "multiple_choice"})


@pytest.mark.parametrize(("table", "change", "words"), [
    ("table9", {"benchmarks": ["rwku", "wmdp-cyber"]}, ("table9", "wmdp-cyber", "multiple_choice", "allowed")),
    ("table9", {"attacks": ["4-bit"]}, ("table9", "4-bit", "kind gcg alone")),
    ("attacks", {"attacks": ["8-bit", "gcg"]}, ("tables: attacks", "gcg", "other kinds")),
])  # fmt: skip
def test_pictures_of_attacks_that_cannot_be_are_one_line(table, change, words):
    config = layered_config()
    checks._attacks(config)
    config["tables"][table] |= change
    with pytest.raises(SystemExit) as stop:
        checks._attacks(config)
    assert "\n" not in str(stop.value) and all(word in str(stop.value) for word in words), stop.value


def test_an_edit_of_the_search_touches_attacks_by_prompts_alone():
    search = "workflow_scripts/moe/gcg.py"
    assert search in code_of("search_suffixes.py") and search in code_of("attack_prompts.py")
    for script in ("attack.py", "evaluate.py", "unlearn.py", "render_table.py", "plot_figure.py"):
        assert search not in code_of(script)
    assert not any("multiple_choice" in path for path in code_of("attack_prompts.py"))


def test_the_tables(tmp_path):
    config = layered_config()
    root = build(tmp_path, config)
    table = make(root, config, "table9")
    place = ("micro-deepseek", "rwku")
    assert value(table, "GA+UOE", *place, "FA, attacked")["value"] == 0.3
    assert value(table, "GA+UOE", *place, "FA, attacked, kept")[["value", "published"]].tolist() == [0.5, "0.01"]
    assert value(table, "GA", *place, "FA")["published"] == ""  # the paper prints UOE on DeepSeek alone
    assert value(table, "GA", *place, "Kept %")["value"] == pytest.approx(100 / 3)
    path = root / f"cells/{place[0]}/{place[1]}/ga/uoe/seed-0/attacks/gcg.json"
    record = json.loads(path.read_text())
    record["kept"] = dict.fromkeys(record["kept"]) | {"probes": 0}
    path.write_text(json.dumps(record))
    table = make(root, config, "table9")
    assert value(table, "GA+UOE", *place, "FA, attacked, kept")["text"] == "none kept"
    frame = make(root, config, "table8").frame
    assert len(frame) == 2 * 2 and frame["Suffix"].tolist() == ["x | y"] * 4


def test_the_figure_says_rank_and_score_before_and_after(tmp_path):
    config = layered_config()
    root = build(tmp_path, config)
    drawn = figure(study_of(root, config, "figures", "v2_figure4"))
    assert len(drawn.axes) == 2
    axes = drawn.axes[0]
    assert axes.get_title(loc="left").endswith("layer 3\nexpert 0: rank 1 (0.400) → rank 2 (0.250)")
    without, attacked = (line.get_ydata().tolist() for line in axes.get_lines()[:2])
    assert without[:2] == [0.4, 0.3] and attacked[:2] == [0.25, 0.3] and len(attacked) == 16
    assert rank([0.2, 0.2, 0.1], 1) == 2
    config["figures"]["v2_figure4"]["scopes"] = ["baseline"]
    root = build(tmp_path / "other", config)
    with pytest.raises(SystemExit, match="baseline selects no expert"):
        figure(study_of(root, config, "figures", "v2_figure4"))
