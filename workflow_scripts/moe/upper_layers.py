"""Run only a model's upper layers, from the lowest trained one on, on hidden states that are computed once per text.

Layers below the lowest trained one never change, so the input of that layer is the same at every step, for every
checkpoint and every method. `reuse_prefix_` makes a model cache it: a forward pass over known rows of tokens starts at
the trained layer. Embedding scales, positions, masks and rotary tables are left to the family's own forward, which runs
as always, except that the lower layers pass their input on and the trained layer receives the cached hidden states.
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
    """The same from parameter names: 0 if one is outside `prefix`.<index>, `layers` if there are none."""
    inside = [name.removeprefix(f"{prefix}.").split(".")[0] for name in names if name.startswith(f"{prefix}.")]
    return 0 if len(inside) < len(names) else min(map(int, inside), default=layers)


def _key(row: Tensor) -> bytes:
    return row.numpy().tobytes()


class Kept:
    """The cached input of the trained layer for one set of texts, `[rows, T, H]`; filled in groups of rows at first
    use.

    A group is always computed as a whole: the last digits depend on what else is in a batch, and a resumed run must see
    the same digits as an uninterrupted one.
    """

    def __init__(self, ids: Tensor, size: int, hidden: Tensor | None = None):
        """ids: `[rows, T]`; size: rows per group; hidden: if already computed (a file's memory map)."""
        self.ids, self.size, self.hidden = ids, size, hidden
        self.missing = set() if hidden is not None else set(range(0, len(ids), size))

    def rows(self, wanted: list[int], compute) -> Tensor:
        for start in sorted({row // self.size * self.size for row in wanted} & self.missing):
            hidden = compute(self.ids[start : start + self.size])
            if self.hidden is None:
                self.hidden = torch.empty(*self.ids.shape, hidden.shape[-1], dtype=hidden.dtype)
            self.hidden[start : start + self.size] = hidden.cpu()
            self.missing.remove(start)
        return self.hidden[wanted]


class Prefix:
    """The cache of a model whose layers from `layer` on may change. Made by `reuse_prefix_`.

    Rows that were never announced by `keep` are computed on the fly. Passes with a KV cache or with padding run the
    whole model.
    """

    def __init__(self, model: nn.Module, layer: int, limit: float):
        """limit: bytes of hidden states that may be cached."""
        self.model, self.layer, self.limit = model, layer, limit
        self.known: dict[bytes, tuple[Kept, int]] = {}
        self.current: Tensor | None = None  # input of the trained layer in the running pass
        self.computing = False
        self.base, self.blocks = base_model(model), decoder_layers(model)[1]
        self.handles = [
            self.base.register_forward_pre_hook(self._start, with_kwargs=True),
            self.blocks[layer].register_forward_pre_hook(self._enter, with_kwargs=True),
        ]
        self.forwards = [vars(block).get("forward") for block in self.blocks[:layer]]  # set by accelerate
        for block in self.blocks[:layer]:
            block.forward = self._skipping(block.forward)

    def keep(self, sets: list[Tensor], size: int) -> bool:
        """Announce sets of texts, each `[rows, T]`, to be cached `size` rows at a time when they are first needed.

        If all of them together exceed the limit, none is cached; a line says so, and the result is False.
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
        """Use the file of cache_prefix.py, memory-mapped; `base` is the hash of the model's weights.

        A file for another layer or dtype is ignored; one made from other weights ends with one line.
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
        """Compute the announced ones of `sets` and write them for `load`."""
        kept = {name: self.known[_key(ids[0])][0] for name, ids in sets.items() if _key(ids[0]) in self.known}
        tensors = {}
        for name, rows in kept.items():
            for start in range(0, len(rows.ids), rows.size):
                rows.rows([start], self.compute)
            tensors |= {f"{name}.ids": rows.ids, f"{name}.hidden": rows.hidden}
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
        """Input of the trained layer, `[B, T, H]`, by running the layers below it."""
        ids = ids.to(first_device(self.model))
        batch = Batch(torch.arange(len(ids)), ids, torch.ones_like(ids, dtype=torch.bool))
        self.computing = True
        try:
            return hidden_states(self.model, batch, self.layer - 1)
        finally:
            self.computing = False

    def _start(self, module: nn.Module, args: tuple, kwargs: dict) -> tuple | None:
        """Before the base model runs: look up the batch's hidden states and bypass the embeddings."""
        self.current = None
        ids, mask = kwargs.get("input_ids"), kwargs.get("attention_mask")
        if self.computing or ids is None or kwargs.get("use_cache") is not False:
            return None
        if mask is not None and not bool(mask.all()):
            return None
        places = [self.known.get(_key(row)) for row in ids.cpu()]
        if None in places:
            hidden = self.compute(ids)
        elif len({id(kept) for kept, _ in places}) == 1:
            hidden = places[0][0].rows([row for _, row in places], self.compute)
        else:
            hidden = torch.cat([kept.rows([row], self.compute) for kept, row in places])
        self.current = hidden.to(ids.device)
        return args, kwargs | {"input_ids": None, "inputs_embeds": self.current}

    def _enter(self, module: nn.Module, args: tuple, kwargs: dict) -> tuple | None:
        if self.current is None:
            return None
        return ((self.current, *args[1:]), kwargs) if args else (args, kwargs | {"hidden_states": self.current})

    def fill(self) -> None:
        """Compute everything announced, now."""
        for kept in {id(kept): kept for kept, _ in self.known.values()}.values():
            for start in sorted(kept.missing):
                kept.rows([start], self.compute)

    def release(self, device: str = "cpu") -> None:
        """Fill the cache and move the embeddings and all lower layers to `device`.

        A text that was not announced cannot be run afterwards.
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
        """Undo `reuse_prefix_`."""
        for handle in self.handles:
            handle.remove()
        for block, own in zip(self.blocks[: self.layer], self.forwards, strict=True):
            del block.forward
            if own:
                block.forward = own


@dataclass(frozen=True)
class Reuse:
    """What a run may cache: `limit` bytes of hidden states; `file`: written by cache_prefix.py for weights `base`."""

    limit: float = 8e9
    file: Path | None = None
    base: str = ""

    def complete(self) -> bool:
        """Whether the file holds all texts, so that no layer below the target layer is needed."""
        if not self.file:
            return False
        with safe_open(self.file, "pt") as file:
            return json.loads(file.metadata()["prefix"])["sets"] == ["forget", "retain"]


def reuse_prefix_(model: nn.Module, layer: int, reuse: Reuse, sets: list[Tensor], size: int) -> Prefix | None:
    """Let `model` start at `layer` on `sets` of texts; None if there is no layer below.

    size: rows computed at a time. The layers below must not change, and dropout must be off.
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
