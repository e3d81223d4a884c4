"""Checkpoints as deltas: only the tensors, or expert slices, that were trained.

A delta is a safetensors file. Its keys are parameter names of the untouched model, with `[e]` after the name of a fused
tensor if only expert e was trained, or peft's adapter names for LoRA. Its metadata holds the hash of the weights that
it belongs to; applying it to another model is refused.
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from jobs.files import model_hash, replacing
from moe.layers import decoder_layers
from moe.lora import attach_lora
from moe.selected import SelectedExperts
from moe.sharding import whole
from moe.upper_layers import lowest_layer

SLICE = re.compile(r"^(.*)\[(\d+)\]$")


def base_hash(folder: str | Path) -> str:
    """Hash of a model folder's weights; a downloaded folder is checked against its record."""
    return model_hash(folder)


def trained_tensors(model: nn.Module) -> dict[str, Tensor]:
    """Everything that requires gradients, under the names that a delta uses. Tensors are detached, not copied."""
    tensors = {}
    wrapped = {name: module for name, module in model.named_modules() if isinstance(module, SelectedExperts)}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        owner = next((w for w in wrapped if name.startswith(f"{w}.trained.")), None)
        if owner is None:
            tensors[name] = parameter.detach()
        else:
            field = name.removeprefix(f"{owner}.trained.")
            for row, expert in enumerate(wrapped[owner].chosen):
                tensors[f"{owner}.{field}[{expert}]"] = parameter.detach()[row]
    return tensors


def save_delta(model: nn.Module, path: str | Path | None, base: str, lora_rank: int | None = None) -> None:
    """Write the trained tensors of `model`; `base` is `base_hash` of the folder it was loaded from.

    All processes of a sharded model must call this; those without a path write nothing.
    """
    # One entry, because safetensors writes several in random order and equal deltas must be equal bytes.
    metadata = {"delta": json.dumps({"base": base, "lora_rank": lora_rank}, sort_keys=True)}
    tensors = {name: whole(tensor).contiguous() for name, tensor in trained_tensors(model).items()}
    if path is None:
        return
    with replacing(path) as temporary:
        save_file(tensors, temporary, metadata)


def lowest_changed(model: nn.Module, paths: list[Path]) -> int:
    """Index of the lowest decoder layer that one of the deltas changes; 0 if something outside the layers changes."""
    names = set()
    for path in paths:
        with _opened(path) as file:
            names |= set(file.keys())
    prefix, blocks = decoder_layers(model)
    return lowest_layer(names, prefix, len(blocks))


@contextmanager
def _opened(path: str | Path) -> Iterator:
    """The delta file; ends with one line if it is broken."""
    try:
        file = safe_open(path, "pt")
    except Exception as error:
        raise SystemExit(f"{path}: not a whole safetensors file ({error})") from None
    with file as opened:
        yield opened


@contextmanager
def applied(model: nn.Module, path: str | Path, base: str | None = None) -> Iterator[nn.Module]:
    """The untouched `model` with the delta in `path` applied, in place; restored exactly on leaving.

    base: `base_hash` of the folder that `model` was loaded from; where given, a delta made for other weights is
    refused. Ends with one line on a broken file, another architecture or another base.
    """
    with _opened(path) as file:
        metadata = json.loads((file.metadata() or {}).get("delta", "{}"))
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    if base is not None and metadata.get("base") != base:
        raise SystemExit(f"{path}: this delta belongs to other weights than the model's")
    if metadata.get("lora_rank"):
        with _merged_lora(model, path, tensors, metadata["lora_rank"]):
            yield model
        return
    parameters = dict(model.named_parameters())
    kept = []
    try:
        with torch.no_grad():
            for key, value in tensors.items():
                match = SLICE.match(key)
                name = match.group(1) if match else key
                target = parameters.get(name)
                if target is not None and match:
                    target = target[int(match.group(2))] if int(match.group(2)) < target.shape[0] else None
                if target is None or target.shape != value.shape:
                    own = "no such tensor" if target is None else f"{tuple(target.shape)} in the model"
                    raise SystemExit(f"{path}: {key} {tuple(value.shape)}: {own}; a delta of another architecture")
                kept.append((target, target.detach().to("cpu", copy=True)))  # a second copy may not fit the GPU
                target.copy_(value)
        yield model
    finally:
        with torch.no_grad():
            for target, before in reversed(kept):
                target.copy_(before)


@contextmanager
def _merged_lora(model: nn.Module, path: str | Path, tensors: dict[str, Tensor], rank: int) -> Iterator[None]:
    """Merge the adapters into the weights; on leaving restore copies, since subtracting would round."""
    before = {name: parameter.detach().to("cpu", copy=True) for name, parameter in model.named_parameters()}
    flags = {name: parameter.requires_grad for name, parameter in model.named_parameters()}
    handle = attach_lora(model, rank)
    parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
    fits = {n: p.shape for n, p in parameters.items()} == {n: t.shape for n, t in tensors.items()}
    if fits:
        with torch.no_grad():
            for name, value in tensors.items():
                parameters[name].copy_(value)
        handle.merge_and_unload()
    else:
        handle.unload()
    try:
        if not fits:
            raise SystemExit(f"{path}: adapters of another architecture")
        yield
    finally:
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                parameter.copy_(before[name])
                parameter.requires_grad_(flags[name])
