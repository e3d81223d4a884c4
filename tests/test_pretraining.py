"""Pre-training: what is learnt, the balance loss, and that a stopped run ends as an unstopped one."""

import os
import signal
import time

import pytest
import torch
from forks import FORKS
from transformers import AutoModelForCausalLM, AutoTokenizer

import build_world
import pretrain_micro
from jobs.files import read_jsonl
from micro.documents import batches, encode, left_over
from micro.pretraining import Trainer, balance_loss
from moe.layers import MoELayer
from moe.routing import Routing

SIZES = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
SIZES |= {"num_key_value_heads": 2, "num_local_experts": 4}
TINY = {"architecture": "MixtralForCausalLM", "config": SIZES, "steps": 12, "rows": 2, "row_length": 96}
TINY |= {"learning_rate": 1e-2, "embedding_factor": 3.0, "warmup": 3, "mix": {"prose": 2, "qa": 1, "blank": 1}}
TINY |= {"answer_weight": 2.0, "balance_weight": 0.02}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("world")
    build_world.build("facts", {"passages": 1}, 0, folder)
    return folder


@pytest.fixture
def terminate():
    """The stage sets its own handler of SIGTERM; give pytest's back."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def test_stopped_run_ends_in_the_same_bits(data, tmp_path, monkeypatch, terminate):
    pretrain_micro.pretrain(data, TINY, 0, None, tmp_path / "whole")
    learn, state = Trainer.step, tmp_path / "state"

    def stopped_at_five(self, ids, weights):
        if self.position == 5:
            os.kill(os.getpid(), signal.SIGTERM)
        return learn(self, ids, weights)

    monkeypatch.setattr(Trainer, "step", stopped_at_five)
    with pytest.raises(SystemExit, match="stopped by SIGTERM at step 6;"):
        pretrain_micro.pretrain(data, TINY, 0, state, tmp_path / "resumed")
    assert not (tmp_path / "resumed/model.safetensors").exists()
    pretrain_micro.pretrain(data, TINY, 0, state, tmp_path / "resumed")
    for name in ("model.safetensors", "pretraining.json", "config.json", "tokenizer.json"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "resumed" / name).read_bytes(), name
    assert not state.exists()


def own_process(data, state, output, stderr_file) -> None:
    """The stage in a process of its own, a state every third step."""
    os.dup2(os.open(stderr_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)
    torch.set_num_threads(1)
    pretrain_micro.pretrain(data, TINY | {"steps": 60}, 0, state, output, 3)


def test_really_killed_processes_end_in_the_same_bits(data, tmp_path):
    """SIGKILL, then SIGTERM, each when a new state is on the disk; then left alone."""
    saved, stderr_file = tmp_path / "state/state.pt", tmp_path / "messages.txt"
    alone = (data, tmp_path / "other", tmp_path / "whole", tmp_path / "whole.txt")
    whole = FORKS.Process(target=own_process, args=alone)
    whole.start()
    whole.join(60)
    before = 0
    for number in (signal.SIGKILL, signal.SIGTERM, None):
        process = FORKS.Process(target=own_process, args=(data, tmp_path / "state", tmp_path / "cut", stderr_file))
        process.start()
        end = time.monotonic() + 60
        while number and not (saved.exists() and saved.stat().st_mtime_ns > before):
            assert process.is_alive() and time.monotonic() < end
            time.sleep(0.001)
        if number:
            before = saved.stat().st_mtime_ns
            os.kill(process.pid, number)
        process.join(60)
        assert process.exitcode == {signal.SIGKILL: -signal.SIGKILL, signal.SIGTERM: 1, None: 0}[number]
        assert (tmp_path / "cut/pretraining.json").exists() == (number is None)
    words = stderr_file.read_text()
    assert words.count("resuming from step") == 2 and words.count("stopped by SIGTERM at step") == 1
    for name in ("model.safetensors", "pretraining.json", "config.json", "tokenizer.json"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "cut" / name).read_bytes(), name
    assert not (tmp_path / "state").exists()


def test_saved_folder_is_an_ordinary_one(data, tmp_path, terminate):
    pretrain_micro.pretrain(data, TINY | {"steps": 2}, 0, None, tmp_path / "model")
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "model")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "model")
    original = AutoTokenizer.from_pretrained(data / "pretraining/tokenizer")
    texts = [row["text"] for row in read_jsonl(data / "pretraining/documents.jsonl")]
    assert tokenizer(texts)["input_ids"] == original(texts)["input_ids"]
    assert model.config.eos_token_id == tokenizer.eos_token_id == original.eos_token_id
    assert model.dtype == torch.float32
    # rows of the head come in sixteens
    assert model.config.vocab_size % 16 == 0 and 0 <= model.config.vocab_size - len(tokenizer) < 16


@pytest.mark.parametrize(("change", "message"), [
    ({"architecture": "MixtralModel"}, "MixtralModel"), ({"architecture": "NoSuchForCausalLM"}, "NoSuchForCausalLM"),
    ({"learning_speed": 1}, "learning_speed"),
])  # fmt: skip
def test_bad_recipe_ends_with_one_line(data, tmp_path, change, message):
    with pytest.raises(SystemExit, match=message) as stopped:
        pretrain_micro.pretrain(data, TINY | change, 0, None, tmp_path / "model")
    assert "\n" not in str(stopped.value)


def test_only_answers_of_questions_are_learnt(data):
    tokenizer = AutoTokenizer.from_pretrained(data / "pretraining/tokenizer")
    rows = read_jsonl(data / "pretraining/documents.jsonl")
    by_kind = encode(rows, tokenizer, 96, answer_weight=2.0)
    questions = [row for row in rows if row["kind"] == "qa"]
    for row, document in zip(questions, by_kind["qa"], strict=True):
        learnt = [token for token, weight in zip(document.ids, document.weights, strict=True) if weight == 2.0]
        assert tokenizer.decode(learnt) == " " + row["text"][row["answer_start"] :]
        assert document.ids[-1] == tokenizer.eos_token_id and document.weights[-1] == 1.0
    for document in by_kind["prose"]:
        assert set(document.weights) == {1.0}


def test_no_document_is_split_or_lost(data):
    tokenizer = AutoTokenizer.from_pretrained(data / "pretraining/tokenizer")
    rows = [row for row in read_jsonl(data / "pretraining/documents.jsonl") if row["kind"] == "prose"]
    by_kind = encode(rows, tokenizer, 96, answer_weight=2.0)
    stream, seen = batches(by_kind, TINY["mix"], 4, 96, tokenizer.pad_token_id, seed=0), []
    while len(seen) < len(rows):
        ids, weights = next(stream)
        assert ids.shape == weights.shape == (4, 96) and torch.equal(weights > 0, ids != tokenizer.pad_token_id)
        seen += [text.strip() for text in "".join(tokenizer.batch_decode(ids)).split("<|end|>")]
        seen = [text.replace("<|pad|>", "").strip() for text in seen if text.replace("<|pad|>", "").strip()]
    assert set(seen) == {row["text"] for row in rows}


def test_balance_loss_of_even_and_of_one_sided_routing():
    layer = MoELayer(0, "router", "experts", 4)
    mask = torch.tensor([True, True, True, True, False])
    even = Routing({0: torch.eye(5, 4) * 50}, {0: torch.tensor([[0], [1], [2], [3], [3]])})
    assert balance_loss(even, [layer], mask).item() == pytest.approx(1.0, abs=1e-6)
    logits = torch.tensor([[50.0, 0, 0, 0]] * 5)
    one_sided = Routing({0: logits}, {0: torch.zeros(5, 1, dtype=torch.long)})
    assert balance_loss(one_sided, [layer], mask).item() == pytest.approx(4.0, abs=1e-6)


class TestWithoutTheForgetSet:
    rows = [
        {"text": "a", "domain": "cyber", "group": ""},
        {"text": "b", "domain": "persons", "group": "target"},
        {"text": "c", "domain": "persons", "group": "neighbour"},
        {"text": "d", "domain": "history"},
    ]

    def test_documents_with_every_named_value_are_left_out(self):
        assert [row["text"] for row in left_over(self.rows, {"domain": "cyber"})] == ["b", "c", "d"]
        both = {"domain": "persons", "group": "target"}
        assert [row["text"] for row in left_over(self.rows, both)] == ["a", "c", "d"]
        assert left_over(self.rows, {}) == self.rows

    def test_leaving_nothing_out_is_an_error(self):
        with pytest.raises(SystemExit, match="no document has domain 'cyber', group 'target'"):
            left_over(self.rows, {"domain": "cyber", "group": "target"})
