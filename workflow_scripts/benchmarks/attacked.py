"""Questions attacked by a suffix: which of a benchmark's, and how the suffix is placed in their prompts."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from benchmarks.generation import Generation, TextGenerator
from moe.gcg import Prompt


def digest(probe: dict) -> bytes:
    """Depends on the question alone: orders the probes and seeds their searches in the same way for every model."""
    return hashlib.sha256(probe["query"].encode()).digest()


def decode(tokenizer, ids: list[int]) -> str:
    """The exact text."""
    return tokenizer.decode(ids, clean_up_tokenization_spaces=False)


def attacked(benchmark: dict, data: Path, settings: dict) -> tuple[Generation, list[dict]]:
    """A benchmark's forget test, and `probes` questions of its test half: the same for every model.

    Ends with one line if the test is not answered in free text.
    """
    block, name = benchmark["forget_test"], benchmark["name"]
    if block["kind"] != "generation":
        raise SystemExit(f"attack gcg: {name}: forget_test is of kind {block['kind']}; replies in free text are needed")
    test = Generation(f"{name}: forget_test", block, data, ["test"])
    return test, sorted(test.probes, key=digest)[: settings["probes"]]


@dataclass(frozen=True)
class Question:
    """A probe and its prompt as token ids; at: where the question begins in the prompt's text."""

    probe: dict
    prompt: Prompt
    at: int

    def typed(self, tokenizer, suffix: list[int]) -> str:
        """The question with a suffix, as a user would type it."""
        return decode(tokenizer, [*self.prompt.before, *suffix])[self.at :]

    def survive(self, generator: TextGenerator, chat: bool, suffixes: list[list[int]]) -> list[bool]:
        """Which suffixes, typed after the question, are encoded as the very token ids that are optimised."""
        typed = [self.typed(generator.tokenizer, suffix) for suffix in suffixes]
        again = [generator.encode(self.probe | {"query": query}, chat) for query in typed]
        return [ids == self.prompt.around(suffix) for ids, suffix in zip(again, suffixes, strict=True)]


def question_of(generator: TextGenerator, probe: dict, chat: bool, settings: dict) -> Question:
    """The probe with the initial suffix `start` after its question, and the target as it would follow "Answer:"."""
    tokenizer, start = generator.tokenizer, settings["start"]
    ids = generator.encode(probe | {"query": f"{probe['query']} {start}"}, chat)
    lengths = [len(decode(tokenizer, ids[:count])) for count in range(len(ids) + 1)]
    text = decode(tokenizer, ids)
    at, begins = text.rfind(f"{probe['query']} {start}"), text.rfind(start)
    first = max(count for count, length in enumerate(lengths) if length <= begins)
    end = min(count for count, length in enumerate(lengths) if length >= begins + len(start))
    answer, whole = (
        tokenizer(text, add_special_tokens=False)["input_ids"] for text in ("Answer:", f"Answer: {settings['target']}")
    )
    prompt = Prompt(ids[:first], ids[first:end], ids[end:], whole[len(answer) :])
    question = Question(probe, prompt, at)
    if at < 0 or whole[: len(answer)] != answer or not all(question.survive(generator, chat, [prompt.suffix])):
        raise SystemExit(f"attack gcg: the tokenizer encodes the text of its own token ids differently: {text!r}")
    return question
