"""Pre-training documents as rows of tokens with a weight for every token that is to be predicted."""

import random
from collections.abc import Iterator
from dataclasses import dataclass

import torch

KINDS = ("prose", "qa", "blank")


@dataclass(frozen=True)
class Encoded:
    """One document: token ids, closed by the end token, and for each the weight of its loss (0: not learnt)."""

    ids: list[int]
    weights: list[float]


def left_over(rows: list[dict], without: dict[str, str]) -> list[dict]:
    """The documents but for those that have every value of `without` (column: value); all where it is empty.

    Ends with one line if no document has them, since the model would then be the ordinary one under another name.
    """
    kept = [row for row in rows if not without or any(row.get(column) != value for column, value in without.items())]
    if without and len(kept) == len(rows):
        described = ", ".join(f"{column} {value!r}" for column, value in without.items())
        raise SystemExit(f"documents.jsonl: no document has {described}; forget_documents would leave nothing out")
    return kept


def encode(rows: list[dict], tokenizer, row_length: int, answer_weight: float) -> dict[str, list[Encoded]]:
    """Documents {text, kind, answer_start} by kind; the end token follows each.

    Every token of prose is learnt, with weight 1; of "qa" and "blank" documents only what follows `answer_start`, with
    `answer_weight`. Texts are encoded whole and the answer is located by character offsets, since encoding the parts
    separately would give other tokens. Prose longer than a row is split; a longer question ends with one line.
    """
    by_kind: dict[str, list[Encoded]] = {kind: [] for kind in KINDS}
    encodings = tokenizer([row["text"] for row in rows], add_special_tokens=False, return_offsets_mapping=True)
    for row, ids, offsets in zip(rows, encodings["input_ids"], encodings["offset_mapping"], strict=True):
        if row["kind"] not in by_kind:
            raise SystemExit(f"documents.jsonl: kind {row['kind']!r} is not one of {', '.join(KINDS)}")
        ids = [*ids, tokenizer.eos_token_id]
        if row["kind"] == "prose":
            for start in range(0, len(ids), row_length):
                piece = ids[start : start + row_length]
                by_kind["prose"].append(Encoded(piece, [1.0] * len(piece)))
            continue
        if len(ids) > row_length:
            start = row["text"][:60]
            raise SystemExit(f"documents.jsonl: {start!r}… has {len(ids)} tokens, a row holds {row_length}")
        weights = [answer_weight if end > row["answer_start"] else 0.0 for _, end in offsets]
        by_kind[row["kind"]].append(Encoded(ids, [*weights, 1.0]))
    return by_kind


def endless(documents: list[Encoded], rng: random.Random) -> Iterator[Encoded]:
    """Every document once in random order, then again in another order, and so on."""
    while True:
        yield from rng.sample(documents, len(documents))


def batches(
    by_kind: dict[str, list[Encoded]], mix: dict[str, float], rows: int, row_length: int, pad: int, seed: int
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Endless batches (ids, weights), each `[rows, row_length]`.

    The kind of each next document is drawn by `mix`. No document is split over rows: it goes to the fullest row with
    room for it; when none has room the batch is complete (the rest is `pad`, weight 0). The first document of a row
    therefore begins at position 0, as a test's prompt does.
    """
    rng = random.Random(seed)
    kinds = [kind for kind in KINDS if by_kind[kind] and mix[kind] > 0]
    if not kinds:
        raise SystemExit("documents.jsonl: no document of a kind that `mix` asks for")
    streams = {kind: endless(by_kind[kind], rng) for kind in kinds}
    shares = [mix[kind] for kind in kinds]
    waiting: Encoded | None = None
    while True:
        ids: list[list[int]] = [[] for _ in range(rows)]
        weights: list[list[float]] = [[] for _ in range(rows)]
        while True:
            document = waiting or next(streams[rng.choices(kinds, shares)[0]])
            fitting = [row for row in range(rows) if len(ids[row]) + len(document.ids) <= row_length]
            if not fitting:
                waiting = document
                break
            waiting = None
            row = max(fitting, key=lambda row: len(ids[row]))
            ids[row] += document.ids
            weights[row] += document.weights
        for row in range(rows):
            room = row_length - len(ids[row])
            ids[row] += [pad] * room
            weights[row] += [0.0] * room
        yield torch.tensor(ids), torch.tensor(weights)
