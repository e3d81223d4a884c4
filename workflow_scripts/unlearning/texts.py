"""The forget and retain text of a run, as blocks of tokens."""

from dataclasses import dataclass

from torch import Tensor, device

from jobs.stage import load
from moe.packing import pack


@dataclass(frozen=True)
class Texts:
    """forget, retain: `[blocks, T]`; retain is None for a method without a retain loss. weights: of the retain tokens,
    in the shape of `retain`; None if all are 1."""

    forget: Tensor
    retain: Tensor | None
    weights: Tensor | None = None

    def to(self, where: device) -> "Texts":
        return Texts(*(part if part is None else part.to(where) for part in (self.forget, self.retain, self.weights)))


def pack_texts(tokenizer, forget: list[str], retain: list[str], settings: dict, weights: Tensor | None = None) -> Texts:
    """Pack what the method of `settings` reads; ends with one line if the token weights do not fit the retain text."""
    method, length = settings["method"]["name"], settings["training"]["block_length"]
    bos = settings["training"].get("bos", False)
    forget_blocks, retain_blocks = pack(forget, tokenizer, length, bos), None
    if hasattr(load("methods", method), "retain_loss"):
        retain_blocks = pack(retain, tokenizer, length, bos)
    if weights is not None and (retain_blocks is None or weights.shape != retain_blocks.shape):
        text = "no retain term" if retain_blocks is None else f"{tuple(retain_blocks.shape)} tokens of retain text"
        raise SystemExit(f"token weights {tuple(weights.shape)}: {method} has {text}")
    return Texts(forget_blocks, retain_blocks, weights)
