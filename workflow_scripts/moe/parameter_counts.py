"""What a scope trains of an architecture, counted on the meta device: no weights are needed."""

import torch
import transformers
from torch import nn

from moe.cost import cost_of_model
from moe.delta import trained_tensors
from moe.layers import MoELayer, decoder_layers, find_moe_layers
from moe.lora import attach_lora
from moe.selected import train_selection_
from moe.selection import with_routers


def empty_model(architecture: dict) -> nn.Module:
    """The architecture without weights (on the meta device)."""
    family = getattr(transformers, architecture["class"])
    config = family.config_class(**architecture["config"])
    with torch.device("meta"):
        return family(config)


def trained(model: nn.Module) -> int:
    """Parameters that train, counted from the tensors or slices of a delta."""
    return sum(tensor.numel() for tensor in trained_tensors(model).values())


def counted(architecture: dict, prepare) -> int:
    """Parameters that train after `prepare(model, MoE layers)` on a fresh empty model."""
    model = empty_model(architecture)
    model.requires_grad_(False)
    prepare(model, find_moe_layers(model))
    return trained(model)


def separate_lora(model: nn.Module, layers: list[MoELayer], rank: int) -> int:
    """LoRA parameters if every expert's matrices were linear layers of their own: r (inputs + outputs) each.

    A fused pair (gate and up in one tensor) is the one that is twice as wide as the matrix that leads back.
    """
    _, blocks = decoder_layers(model)
    linear = [m for m in blocks.modules() if isinstance(m, nn.Linear)]
    total = sum(rank * (m.in_features + m.out_features) for m in linear)
    hidden = model.config.hidden_size
    for layer in layers:
        own = dict(model.get_submodule(layer.experts).named_parameters(recurse=False))
        widths = [
            parameter.numel() // parameter.shape[0] // hidden for parameter in own.values() if parameter.dim() == 3
        ]
        for width in widths:
            matrices = 2 if width == 2 * min(widths) else 1
            total += layer.num_experts * rank * (matrices * hidden + width)
    return total


def lora(model: nn.Module, rank: int) -> int:
    """Parameters of rank-`rank` adapters on every linear layer and routed expert."""
    attach_lora(model, rank)
    return trained(model)


def sizes(model: nn.Module, layers: list[MoELayer]) -> dict[str, int]:
    """The shapes that costs are estimated from (`make plan`)."""
    config, experts = model.config, [model.get_submodule(layer.experts) for layer in layers]
    top_k = getattr(config, "num_experts_per_tok", 0) if layers else 0
    idle = sum(
        tensor.numel() * (layer.num_experts - top_k) // layer.num_experts
        for layer, module in zip(layers, experts, strict=True)
        for tensor in module.parameters()
    )
    return {
        "moe_layers": len(layers),
        "experts": layers[0].num_experts if layers else 0,
        "top_k": top_k,
        "hidden": config.hidden_size,
        "layers": config.num_hidden_layers,
        "vocabulary": config.vocab_size,
        "active": sum(parameter.numel() for parameter in model.parameters()) - idle,
        "kept": max(cost_of_model(model, 1).kept),
        "expert": sum(tensor[0].numel() for tensor in experts[0].parameters()) if layers else 0,
    }


def count(architecture: dict, rank: int, selections: dict[str, dict]) -> dict:
    """Totals and, by scope, trained parameters; a dense model has no MoE scopes. rank: of LoRA."""
    model = empty_model(architecture)
    layers = find_moe_layers(model)
    total = sum(parameter.numel() for parameter in model.parameters())
    if total != architecture["total"]:
        raise SystemExit(f"architectures: total is {architecture['total']:,}, the model has {total:,} parameters")
    scopes = {"lora": counted(architecture, lambda model, layers: lora(model, rank))}
    scopes["lora-separate"] = separate_lora(model, layers, rank)
    scopes["baseline"] = total
    if layers:
        parts = {"experts": [n.experts for n in layers], "routers": [n.router for n in layers]}
        for name, modules in (parts | {"experts-routers": parts["experts"] + parts["routers"]}).items():
            scopes[name] = sum(p.numel() for module in modules for p in model.get_submodule(module).parameters())
        selections = {"uoe": with_routers({layers[-1].index: [0]})} | selections
    for name, selection in selections.items():
        unknown = set(map(int, selection["experts"])) - {layer.index for layer in layers}
        if unknown:
            raise SystemExit(f"selection {name}: layer {min(unknown)} is not an MoE layer of this architecture")
        scopes[name] = counted(architecture, lambda model, layers, s=selection: train_selection_(model, layers, s))
    trainable = {name: {"trained": n, "percent": 100.0 * n / total} for name, n in scopes.items()}
    chosen = {name: sum(map(len, s["experts"].values())) for name, s in selections.items()}
    counts = {"total": total, "sizes": sizes(model, layers), "lora_rank": rank}
    return counts | {"scopes": trainable, "selected_experts": chosen}
