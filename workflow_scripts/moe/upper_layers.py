"""Run a model from its lowest trained layer on, on hidden states that are computed once a text.

Layers below the lowest trained one never change, so what enters that layer is the same at every step, for every
checkpoint and every method. `reuse_prefix_` makes a model remember it: a forward pass over known rows of tokens starts
at the trained layer. Embedding scales, positions, masks and rotary tables stay the business of the family's own
forward: it runs as always, but the lower layers hand their input on, and the trained layer is given what was kept.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from jobs.files import replacing
from moe.forward import Batch, hidden_states
from moe.layers import base_model, decoder_layers
from moe.loading import first_device


def lowest_trained(model: nn.Module) -> int:
    """Index of the lowest decoder layer that anything trained can change; 0 if something outside the layers trains."""
    prefix, blocks = decoder_layers(model)
    names = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    return lowest_layer(names, prefix, len(blocks))


def lowest_layer(names: set[str], prefix: str, layers: int) -> int:
    """The same from names of parameters: 0 if one lies outside `prefix`.<index>, `layers` if there are none."""
    inside = [name.removeprefix(f"{prefix}.").split(".")[0] for name in names if name.startswith(f"{prefix}.")]
    return 0 if len(inside) < len(names) else min(map(int, inside), default=layers)


def _key(row: Tensor) -> bytes:
    return row.numpy().tobytes()


class Kept:
    """What enters layer `layer` for the rows of one set of texts, `[rows, T, H]`; filled group by group at first use.

    A group is computed as a whole: sums depend in their last digits on what else is in a batch, and a run that is
    stopped and resumed must see the same digits as one that was not.
    """

    def __init__(self, ids: Tensor, size: int, hidden: Tensor | None = None):
        """ids: `[rows, T]`; size: rows a group; hidden: where it is known already (a file's memory map)."""
        self.ids, self.size, self.hidden = ids, size, hidden
        self.missing = set() if hidden is not None else set(range(0, len(ids), size))

    def rows(self, wanted: list[int], compute) -> Tensor:
        for start in sorted({row // self.size * self.size for row in wanted} & self.missing):
            found = compute(self.ids[start : start + self.size])
            if self.hidden is None:
                self.hidden = torch.empty(*self.ids.shape, found.shape[-1], dtype=found.dtype)
            self.hidden[start : start + self.size] = found.cpu()
            self.missing.remove(start)
        return self.hidden[wanted]


class Prefix:
    """The memory of a model whose layers from `layer` on may change. Made by `reuse_prefix_`.

    Rows that were never announced by `keep` are computed on the fly. Passes with a KV cache or with padding that an
    attention mask names run the whole model.
    """

    def __init__(self, model: nn.Module, layer: int, limit: float):
        """limit: bytes of hidden states that may be kept."""
        self.model, self.layer, self.limit = model, layer, limit
        self.known: dict[bytes, tuple[Kept, int]] = {}
        self.current: Tensor | None = None  # what the running pass is to find at the trained layer
        self.computing = False
        self.base, self.blocks = base_model(model), decoder_layers(model)[1]
        self.handles = [
            self.base.register_forward_pre_hook(self._start, with_kwargs=True),
            self.blocks[layer].register_forward_pre_hook(self._enter, with_kwargs=True),
        ]
        self.forwards = [vars(block).get("forward") for block in self.blocks[:layer]]  # accelerate's, where it is used
        for block in self.blocks[:layer]:
            block.forward = self._skipping(block.forward)

    def keep(self, sets: list[Tensor], size: int) -> bool:
        """Announce texts, each set `[rows, T]`, to be computed `size` rows at a time when they are first needed.

        Where all of them together are over the limit none is kept, and one line says so; False then.
        """
        new = [ids.cpu() for ids in sets if any(_key(row) not in self.known for row in ids.cpu())]
        width, dtype = self.model.config.hidden_size, self._dtype()
        tokens = sum(ids.numel() for ids in new)
        needed = tokens * width * dtype.itemsize
        if needed > self.limit:
            print(
                f"below layer {self.layer}: {tokens} tokens x {width} in {dtype} are {needed / 1e9:.3g} GB, over the "
                f"limit of {self.limit / 1e9:.3g} GB; computed on the fly",
                file=sys.stderr,
            )
            return False
        self.limit -= needed
        for ids in new:
            self._add(Kept(ids, size))
        return True

    def load(self, path: str | Path, base: str) -> None:
        """Take over what cache_prefix.py wrote, memory-mapped; `base` is the hash of the model's weights.

        A file for another layer or dtype is of no use and is passed over; one made from other weights ends with one
        line.
        """
        with safe_open(path, "pt") as file:
            metadata = json.loads((file.metadata() or {}).get("prefix", "{}"))
            if metadata.get("base") != base:
                raise SystemExit(f"{path}: made from other weights than those of the model; delete it")
            for name in metadata["sets"]:
                hidden = file.get_tensor(f"{name}.hidden")
                if metadata["layer"] == self.layer and hidden.dtype == self._dtype():
                    self._add(Kept(file.get_tensor(f"{name}.ids"), len(hidden), hidden))

    def save(self, path: str | Path, sets: dict[str, Tensor], base: str) -> None:
        """Compute what is announced of `sets` and write it for `load`; texts over the limit are left out."""
        kept = {name: self.known[_key(ids[0])][0] for name, ids in sets.items() if _key(ids[0]) in self.known}
        tensors = {}
        for name, found in kept.items():
            for start in range(0, len(found.ids), found.size):
                found.rows([start], self.compute)
            tensors |= {f"{name}.ids": found.ids, f"{name}.hidden": found.hidden}
        metadata = {"base": base, "layer": self.layer, "sets": sorted(kept)}
        with replacing(path) as temporary:
            save_file(tensors, temporary, {"prefix": json.dumps(metadata, sort_keys=True)})

    def _dtype(self) -> torch.dtype:
        return next(self.blocks[self.layer - 1].parameters()).dtype

    def _add(self, kept: Kept) -> None:
        for row, ids in enumerate(kept.ids):
            self.known.setdefault(_key(ids), (kept, row))

    @torch.no_grad()
    def compute(self, ids: Tensor) -> Tensor:
        """What enters the trained layer, `[B, T, H]`, by running the layers below it."""
        ids = ids.to(first_device(self.model))
        batch = Batch(torch.arange(len(ids)), ids, torch.ones_like(ids, dtype=torch.bool))
        self.computing = True
        try:
            return hidden_states(self.model, batch, self.layer - 1)
        finally:
            self.computing = False

    def _start(self, module: nn.Module, args: tuple, kwargs: dict) -> tuple | None:
        """Before the base model runs: find the batch's hidden states, and let the embeddings alone."""
        self.current = None
        ids, mask = kwargs.get("input_ids"), kwargs.get("attention_mask")
        if self.computing or ids is None or kwargs.get("use_cache") is not False:
            return None
        if mask is not None and not bool(mask.all()):
            return None
        found = [self.known.get(_key(row)) for row in ids.cpu()]
        if None in found:
            hidden = self.compute(ids)
        elif len({id(kept) for kept, _ in found}) == 1:
            hidden = found[0][0].rows([row for _, row in found], self.compute)
        else:
            hidden = torch.cat([kept.rows([row], self.compute) for kept, row in found])
        self.current = hidden.to(ids.device)
        return args, kwargs | {"input_ids": None, "inputs_embeds": self.current}

    def _enter(self, module: nn.Module, args: tuple, kwargs: dict) -> tuple | None:
        if self.current is None:
            return None
        return ((self.current, *args[1:]), kwargs) if args else (args, kwargs | {"hidden_states": self.current})

    def fill(self) -> None:
        """Compute all that is announced, now."""
        for kept in {id(kept): kept for kept, _ in self.known.values()}.values():
            for start in sorted(kept.missing):
                kept.rows([start], self.compute)

    def release(self, device: str = "cpu") -> None:
        """Fill, and move the embeddings and all lower layers away: they are needed no more.

        A text that was not announced can't be run after that.
        """
        self.fill()
        embeddings, head = self.model.get_input_embeddings(), self.model.get_output_embeddings()
        tied = head is not None and embeddings.weight is head.weight
        for module in [*self.blocks[: self.layer], *([] if tied else [embeddings])]:
            module.to(device)

    def _skipping(self, forward):
        def run(hidden_states: Tensor, *args, **kwargs):
            return forward(hidden_states, *args, **kwargs) if self.current is None else self.current

        return run

    def remove(self) -> None:
        """Make the model an ordinary one again."""
        for handle in self.handles:
            handle.remove()
        for block, own in zip(self.blocks[: self.layer], self.forwards, strict=True):
            del block.forward
            if own:
                block.forward = own


@dataclass(frozen=True)
class Reuse:
    """What a run may keep: `limit` bytes of hidden states in memory; `file`: written by cache_prefix.py for `base`."""

    limit: float = 8e9
    file: Path | None = None
    base: str = ""

    def complete(self) -> bool:
        """Whether the file holds all texts, so that no layer below the target layer has to be at hand."""
        if not self.file:
            return False
        with safe_open(self.file, "pt") as file:
            return json.loads(file.metadata()["prefix"])["sets"] == ["forget", "retain"]


def reuse_prefix_(model: nn.Module, layer: int, reuse: Reuse, sets: list[Tensor], size: int) -> Prefix | None:
    """Let `model` start at `layer` on `sets` of texts; None where there is nothing below it to be saved.

    size: rows that are computed at a time. The layers below must not change any more, and dropout must be off.
    """
    if not 0 < layer < len(decoder_layers(model)[1]):
        return None
    prefix = Prefix(model, layer, reuse.limit)
    if reuse.file:
        prefix.load(reuse.file, reuse.base)
    device = next(model.parameters()).device
    if prefix.keep(sets, size) and sets and device.type == "cuda" and len({p.device for p in model.parameters()}) == 1:
        prefix.release()
    return prefix
