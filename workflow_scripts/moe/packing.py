"""Pack texts into training blocks; batches in a seeded order."""

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import nn
from transformers import AutoTokenizer

from moe.forward import Batch
from moe.loading import first_device


def pack(texts: list[str], tokenizer, block_length: int, bos: bool = False) -> torch.Tensor:
    """`[blocks, block_length]` token ids: eos after each text, all concatenated, cut into blocks, the rest dropped.

    bos: begin each text as the tokenizer begins the tests' prompts, with its BOS if it adds one; else no other special
    token is added (as in the published code). Ends with one line if no block is full.
    """
    if tokenizer.eos_token_id is None:
        raise SystemExit("the tokenizer has no end-of-sequence token; packing needs one")
    start = first_tokens(tokenizer) if bos else []
    stream: list[int] = []
    for ids in tokenizer(texts, add_special_tokens=False)["input_ids"]:
        stream += [*start, *ids, tokenizer.eos_token_id]
    blocks = len(stream) // block_length
    if not blocks:
        raise SystemExit(f"{len(texts)} texts give {len(stream)} tokens, less than one block of {block_length}")
    return torch.tensor(stream[: blocks * block_length]).view(blocks, block_length)


def first_tokens(tokenizer) -> list[int]:
    """What the tokenizer puts before a text by default: its BOS, or nothing."""
    begun = tokenizer("a")["input_ids"][:1]
    return begun if begun == [tokenizer.bos_token_id] else []


def pack_for(model: nn.Module, folder: str | Path, settings: dict, *texts: list[str]) -> list[torch.Tensor]:
    """Several texts packed with the model folder's tokenizer, on the device where the model takes token ids.

    settings: `block_length`, and `bos` as in `pack`."""
    tokenizer, length, bos = AutoTokenizer.from_pretrained(folder), settings["block_length"], settings.get("bos", False)
    return [pack(text, tokenizer, length, bos).to(first_device(model)) for text in texts]


def batch_of(blocks: torch.Tensor, rows: torch.Tensor, weights: torch.Tensor | None = None) -> Batch:
    """The blocks numbered `rows`: `blocks` is `[B, T]` token ids, all of them real; weights: `[B, T]`."""
    mask = torch.ones(len(rows), blocks.shape[1], dtype=torch.bool, device=blocks.device)
    return Batch(rows, blocks[rows], mask, None if weights is None else weights[rows])


def batches(blocks: torch.Tensor, size: int) -> list[Batch]:
    """All blocks in order, `size` at a time."""
    return [batch_of(blocks, rows) for rows in torch.arange(len(blocks)).split(size)]


def shuffled(blocks: torch.Tensor, size: int, seed: int, weights: torch.Tensor | None = None) -> Iterator[Batch]:
    """Endless batches; a new permutation per epoch, fixed by `seed`. The last batch of an epoch is completed from the
    next epoch, so every batch has `size` rows. weights: of the tokens, in the shape of `blocks`."""
    generator, waiting = torch.Generator().manual_seed(seed), torch.empty(0, dtype=torch.long)
    while True:
        while len(waiting) < size:
            waiting = torch.cat([waiting, torch.randperm(len(blocks), generator=generator)])
        yield batch_of(blocks, waiting[:size], weights)
        waiting = waiting[size:]
