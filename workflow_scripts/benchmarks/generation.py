"""Tests answered in free text, as RWKU's: greedy generation, scored by ROUGE-L recall against the answer."""

import math
from functools import cached_property
from os.path import commonprefix
from pathlib import Path

import torch

from benchmarks.answered import Answered, kind_of, shares
from benchmarks.collapse import generation_collapse
from benchmarks.halves import placed
from benchmarks.rouge import RECALLS
from benchmarks.scores import by_half, mean_recall
from benchmarks.texts import of_targets
from jobs.files import read_jsonl

BEGINNING = 8  # tokens; a shorter common beginning of prompts isn't worth a pass of its own
BLANK, BRIEF = "Please complete the blank in the following question.", "Please briefly answer the following question."


def user_turn(probe: dict) -> str:
    """RWKU's prompt before "Answer:": a blank to fill in at level 1, a question at the other levels.

    Two of its attack types are worded differently: the type "affirmative suffix" contains the start of the answer, and
    in-context learning its own "Question:".
    """
    if str(probe["level"]) == "1":
        return f"{BLANK}\nQuestion: {probe['query']}\n"
    if probe.get("type") == "affirmative suffix":
        return f"{BRIEF}\nQuestion: {probe['query']}"
    if probe.get("type") == "incontext learning":
        return f"{BRIEF}\n{probe['query']}\n"
    return f"{BRIEF}\nQuestion: {probe['query']}\n"


class TextGenerator:
    """Greedy decoding with a KV cache in left-padded batches, up to a new line or the end of the text."""

    def __init__(self, model, tokenizer, batch_size: int):
        self.model, self.tokenizer, self.batch_size = model, tokenizer, batch_size

    @cached_property
    def ends(self) -> list[int]:
        """End-of-text ids."""
        configured = self.model.generation_config.eos_token_id
        ends = configured if isinstance(configured, list) else [configured]
        return sorted({end for end in [*ends, self.tokenizer.eos_token_id] if end is not None})

    @cached_property
    def stops(self) -> list[int]:
        """End-of-text ids and every token with a new line in it: " \\n" or ".\\n" end an answer as "\\n" does."""
        texts = self.tokenizer.batch_decode([[token] for token in range(len(self.tokenizer))])
        return sorted({*self.ends, *(i for i, text in enumerate(texts) if "\n" in text)})

    def encode(self, probe: dict, chat: bool) -> list[int]:
        """Token ids of the prompt, which ends in "Answer:" (except for RWKU's type "affirmative suffix")."""
        turn, answer = user_turn(probe), "" if probe.get("type") == "affirmative suffix" else "Answer:"
        if not chat:
            return self.tokenizer(turn + answer)["input_ids"]
        if not self.tokenizer.chat_template:
            raise SystemExit("chat_template: true, but this model's tokenizer has no chat template; set it to false")
        turns = [{"role": "user", "content": turn}]
        text = self.tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
        return self.tokenizer(text + answer, add_special_tokens=False)["input_ids"]

    def complete(self, prompts: list[list[int]], max_new_tokens: int, lines: bool = False) -> list[list[int]]:
        """New token ids for every prompt, without the stop token. Batched by beginning, then length, so there is little
        padding.

        lines: continue over line breaks; only the end of the text stops.
        """
        stops = set(self.ends if lines else self.stops)
        order = sorted(range(len(prompts)), key=lambda index: (prompts[index][:BEGINNING], len(prompts[index])))
        new: list[list[int]] = [[] for _ in prompts]
        for start in range(0, len(order), self.batch_size):
            batch = order[start : start + self.batch_size]
            decoded = self._greedy([prompts[index] for index in batch], max_new_tokens, stops)
            for index, tokens in zip(batch, decoded, strict=True):
                new[index] = tokens
        return new

    @torch.no_grad()
    def _greedy(self, prompts: list[list[int]], max_new_tokens: int, stops: set[int]) -> list[list[int]]:
        """The tokens of `generate(do_sample=False)` up to a stop. What all prompts begin with is run once, for one row;
        answered rows leave the batch."""
        device, shared = self.model.device, self._shared(prompts)
        rest = [prompt[shared:] for prompt in prompts]
        padding = [max(map(len, rest)) - len(own) for own in rest]
        ids = torch.tensor([[0] * pad + own for pad, own in zip(padding, rest, strict=True)], device=device)
        seen = [[1] * shared + [0] * pad + [1] * len(own) for pad, own in zip(padding, rest, strict=True)]
        mask, cache = torch.tensor(seen, device=device), None
        if shared:
            start = torch.tensor([prompts[0][:shared]], device=device)
            cache = self.model(input_ids=start, use_cache=True, logits_to_keep=1).past_key_values
            cache.batch_repeat_interleave(len(prompts))
        new: list[list[int]] = [[] for _ in prompts]
        running = list(range(len(prompts)))
        for number in range(max_new_tokens):
            places = (mask.cumsum(-1) - 1).clamp(min=0)[:, -ids.shape[1] :]
            out = self.model(
                input_ids=ids,
                attention_mask=mask,
                position_ids=places,
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            )
            best = out.logits[:, -1].argmax(-1)
            kept = [row for row, token in enumerate(best.tolist()) if token not in stops]
            running = [running[row] for row in kept]
            for row, token in zip(running, best[kept].tolist(), strict=True):
                new[row].append(token)
            if not running or number == max_new_tokens - 1:
                break
            cache = out.past_key_values
            if len(kept) < len(best):
                cache.batch_select_indices(torch.tensor(kept, device=device))
            ids, mask = best[kept, None], torch.nn.functional.pad(mask[kept], (0, 1), value=1)
        return new

    def _shared(self, prompts: list[list[int]]) -> int:
        """How many tokens all prompts begin with; 0 if few, or if the model has a window, in which padding counts."""
        if getattr(self.model.config, "sliding_window", None):
            return 0
        common = min(len(commonprefix(prompts)), min(map(len, prompts)) - 1)
        return common if common >= BEGINNING else 0


class Generation:
    """One test; its prompts are built once and answered by any number of checkpoints."""

    def __init__(self, name: str, block: dict, data: Path, halves: list[str]):
        """name: of the test, for messages; block: see the config; halves: which probes to ask."""
        self.name, self.block, self.halves = name, block, halves
        if block["score"] not in RECALLS:
            raise SystemExit(f"{name}: score {block['score']!r} is none of {', '.join(RECALLS)}")
        self.probes = []
        for part, file in block["files"].items():
            rows = read_jsonl(data / file, ("subject", "query", "answer", "level"))
            for row, probe in enumerate(of_targets(rows, block.get("targets"), data, file)):
                fact = f"{probe['subject']} {probe['answer']}"  # asked at every level
                self.probes.append(placed(probe, fact, data / file) | {"part": part, "row": row})
        self.probes = [probe for probe in self.probes if probe["half"] in halves]
        for wanted in halves:
            if not any(probe["half"] == wanted for probe in self.probes):
                raise SystemExit(
                    f"{name}: no probe of {', '.join(block['files'].values())} falls into the {wanted} half"
                )
        self.prompts: list[list[int]] = []

    def answer(self, generator: TextGenerator) -> Answered:
        """Recall by the test's own definition; among the parts the other recall, and each file's score."""
        if not self.prompts:
            self.prompts = [generator.encode(probe, self.block["chat_template"]) for probe in self.probes]
        tokens = generator.complete(self.prompts, self.block["max_new_tokens"])
        texts = [
            text.split("\n")[0].strip() for text in generator.tokenizer.batch_decode(tokens, skip_special_tokens=True)
        ]
        rows = [
            {key: probe[key] for key in ("part", "row", "fact", "half")}
            | {"text": text}
            | {name: recall(probe["answer"], text) for name, recall in RECALLS.items()}
            for probe, text in zip(self.probes, texts, strict=True)
        ]
        own = self.block["score"]
        (other,) = set(RECALLS) - {own}
        parts = {part: self._score([row for row in rows if row["part"] == part], own) for part in self.block["files"]}
        parts[f"{other}_recall"] = self._average(rows, other)
        if self.block.get("average") == "levels":
            named = [row | {"subject": probe["subject"]} for row, probe in zip(rows, self.probes, strict=True)]
            parts["mean_over_probes"] = self._score(rows, own)
            parts["mean_over_subjects"] = by_half(named, self.halves, lambda some: _mean_over_subjects(some, own))
        measures, reasons = generation_collapse(texts, tokens)
        kinds = map(kind_of, texts, tokens, [row[own] for row in rows])
        return Answered(self._average(rows, own), rows, parts, measures, reasons, shares(kinds))

    def _average(self, rows: list[dict], recall: str) -> dict:
        """The test's score: the mean over probes or, with `average: levels`, the mean of its files' means."""
        if self.block.get("average", "probes") == "probes":
            return self._score(rows, recall)

        def mean(some: list[dict]) -> dict | None:
            parts = [row["part"] for row in some]
            complete = set(parts) == set(self.block["files"])
            return mean_recall(*_columns(some, recall), parts) if complete else None

        return by_half(rows, self.halves, mean)

    def _score(self, rows: list[dict], recall: str) -> dict:
        return by_half(rows, self.halves, lambda some: mean_recall(*_columns(some, recall)))


def _columns(rows: list[dict], recall: str) -> tuple[list[float], list[str]]:
    """Recalls and facts."""
    return [row[recall] for row in rows], [row["fact"] for row in rows]


def _mean_over_subjects(rows: list[dict], recall: str) -> dict | None:
    """Every person has the same weight; the standard error is over persons, who are counted as `facts`."""
    subjects: dict[str, list[float]] = {}
    for row in rows:
        subjects.setdefault(row["subject"], []).append(row[recall])
    return mean_recall([math.fsum(values) / len(values) for values in subjects.values()], list(subjects))
