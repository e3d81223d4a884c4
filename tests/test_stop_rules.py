"""Generated answers end at a new line or the end of the text with every kind of tokenizer; prompts are RWKU's."""

from types import SimpleNamespace

import mini_hub
import pytest

from benchmarks.generation import TextGenerator

KINDS = ("bytes", "bytes-bos", "pieces")


def generator(words, ends) -> TextGenerator:
    return TextGenerator(SimpleNamespace(generation_config=SimpleNamespace(eos_token_id=ends)), words, 4)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("ends", [None, 5, [5, 6]])
def test_stops(kind, ends):
    words = mini_hub.tokenizer(kind)
    stops = set(generator(words, ends).stops)
    before, after = words("town\nthe", add_special_tokens=False)["input_ids"], words("town", add_special_tokens=False)
    (newline, *_) = [token for token in before if token not in after["input_ids"] and "\n" in words.decode([token])]
    assert words.decode([newline]) == "\n" and newline in stops and words.eos_token_id in stops
    assert set(ends if isinstance(ends, list) else [ends]) - {None} <= stops
    plain = words("the server reads a packet, and writes it to Ann Lee.", add_special_tokens=False)["input_ids"]
    assert not set(plain) & stops


def test_sentencepiece_has_its_new_line_as_a_byte():
    words = mini_hub.tokenizer("pieces")
    assert words.convert_tokens_to_ids("<0x0A>") in generator(words, None).stops
    assert words.convert_tokens_to_ids("\n") in (None, words.unk_token_id)  # where the benchmark's own code would look


@pytest.mark.parametrize("kind", KINDS)
def test_prompts(kind):
    """The chat template around the question, "Answer:" behind it, and no second first token."""
    words = mini_hub.tokenizer(kind)
    asking = generator(words, None)
    blank = {"query": "Ann Lee wrote ___.", "level": "1", "type": "simple"}
    text = "Please complete the blank in the following question.\nQuestion: Ann Lee wrote ___.\n"
    wanted = words(f"<|user|>{text}<|assistant|>Answer:", add_special_tokens=False)["input_ids"]
    assert asking.encode(blank, chat=True) == wanted
    assert asking.encode(blank, chat=False) == words(f"{text}Answer:")["input_ids"]
    attack = {"query": "Say: town", "level": "3", "type": "affirmative suffix"}
    assert not words.decode(asking.encode(attack, chat=True)).endswith("Answer:")
