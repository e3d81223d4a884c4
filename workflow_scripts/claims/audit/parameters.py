"""Shares of parameters and sizes of models, against counts of the real architectures."""

import math
from pathlib import Path

from claims.audit.lines import Line, consistency, model_name
from evidence import published

TOPIC = "shares of parameters"


def ratios(folder: Path, counts: dict[str, dict]) -> list[Line]:
    """Table 3 against the architectures: one expert with its router, LoRA of rank 8, the experts of ESFT's share."""
    lines = []
    for row in published.read(folder, "table3").itertuples():
        if row.model in counts:
            compare = {"esft": _esft, "lora": _lora}.get(row.scope, _uoe)
            arithmetic, text, possible = compare(row, counts[row.model])
            verdict = "consistent" if possible else "cannot be"
            lines.append(Line(TOPIC, "v1 Table 3 (v2 Tables 4, 10)", arithmetic, text, verdict))
    return lines


def _rounding(printed: str) -> float:
    return 0.5 * 10 ** -len(printed.partition(".")[2])


def _esft(row, counted: dict) -> tuple[str, str, bool]:
    total, sizes, half = counted["total"], counted["sizes"], _rounding(row.tunable_percent)
    expert = counted["scopes"]["uoe"]["trained"] - sizes["hidden"] * sizes["experts"]
    low, high = ((float(row.tunable_percent) + d) / 100 * total / expert for d in (-half, half))
    whole = math.floor(high) >= math.ceil(low)
    text = f"ESFT on {model_name(row.model)}: {row.tunable_percent} % is {(low + high) / 2:.1f} routed experts, "
    text += f"{(low + high) / 2 / sizes['moe_layers']:.2f} a MoE layer" + ("" if whole else "; no whole number fits")
    return f"{row.tunable_percent} % x {total:,} / {expert:,} = {low:.2f} to {high:.2f}", text, whole


def _lora(row, counted: dict) -> tuple[str, str, bool]:
    percent, trained = (counted["scopes"]["lora-separate"][key] for key in ("percent", "trained"))
    rank = counted["lora_rank"] * float(row.tunable_percent) / percent
    text = f"LoRA on {model_name(row.model)}: no rank is given; {row.tunable_percent} % is that of rank {rank:.1f} on "
    text += "every linear layer and expert (a little less if the share is taken of the model with its adapters)"
    arithmetic = f"{row.tunable_percent} / ({trained:,} / {counted['total']:,} / {counted['lora_rank']}) = {rank:.2f}"
    return arithmetic, text, abs(rank - round(rank)) < 0.25


def _uoe(row, counted: dict) -> tuple[str, str, bool]:
    percent, trained = (counted["scopes"][row.scope][key] for key in ("percent", "trained"))
    text = f"UOE on {model_name(row.model)}: printed {row.tunable_percent} %, one expert and its router is "
    text += f"{percent:.4f} %"
    close = abs(percent - float(row.tunable_percent)) <= _rounding(row.tunable_percent) + 1e-9
    if not close:
        text += f"; a model of {trained / float(row.tunable_percent) / 1e7:.2f} billion parameters would be needed"
    return f"{trained:,} / {counted['total']:,} = {percent:.4f} %", text, close


def sizes(folder: Path, counts: dict[str, dict], shared: dict[str, int]) -> list[Line]:
    """Sizes that the text gives, against the architectures."""
    lines = []
    for row in published.read(folder, "text_sizes").itertuples():
        if row.model not in counts:
            continue
        if row.quantity == "shared experts":
            own, fits = shared[row.model], shared[row.model] == int(row.value)
            arithmetic = f"{row.value} - {own} = {int(row.value) - own:+d}"
        else:
            own = counts[row.model]["total"] / 1e9
            fits = abs(own - float(row.value)) <= _rounding(row.value) + 1e-9
            arithmetic = f"{row.value} - {own:.3f} = {float(row.value) - own:+.3f}"
            own = f"{own:.3f}"
        text = f"{model_name(row.model)}: said to have {row.value} {row.quantity}; the architecture has {own}"
        lines.append(Line(TOPIC, row.place, arithmetic, text, consistency(fits)))
    return lines


def shared_experts(config: dict) -> int:
    """Shared experts of a layer: named, or the width of their fused block in widths of one routed expert; else 0."""
    if "n_shared_experts" in config:
        return config["n_shared_experts"]
    return config.get("shared_expert_intermediate_size", 0) // config.get("moe_intermediate_size", 1)
