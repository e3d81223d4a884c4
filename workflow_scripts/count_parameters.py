"""What a scope trains of a real architecture, counted on the meta device: no weights are needed.

Reads the architectures file and, where given, selections made by select_experts.py; writes counts.json.
    python workflow_scripts/count_parameters.py --architectures config/architectures.yaml --model deepseek-v2-lite \\
        --lora-rank 8 --selection esft-token=selection.json --output results/paper/architectures/deepseek-v2-lite.json
"""

import argparse
from pathlib import Path

import torch
import transformers
from torch import nn

from jobs import provenance
from jobs.files import read_json, write_json
from moe.cost import cost_of_model
from moe.delta import trained_tensors
from moe.layers import MoELayer, decoder_layers, find_moe_layers
from moe.lora import attach_lora
from moe.selection import with_routers
from planning.sources import architecture
from scopes import baseline, experts, experts_routers, routers, uoe

SIMPLE = {"baseline": baseline, "experts": experts, "routers": routers, "experts-routers": experts_routers}


def empty_model(architecture: dict) -> nn.Module:
    """The architecture without weights (on the meta device)."""
    family = getattr(transformers, architecture["class"])
    config = family.config_class(**architecture["config"])
    with torch.device("meta"):
        return family(config)


def trained(model: nn.Module) -> int:
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
    attach_lora(model, rank)
    return trained(model)


def count(architecture: dict, rank: int, selections: dict[str, dict]) -> dict:
    """Totals and, by scope, trained parameters; a MoE scope is left out for a dense model."""
    model = empty_model(architecture)
    layers = find_moe_layers(model)
    total = sum(parameter.numel() for parameter in model.parameters())
    if total != architecture["total"]:
        raise SystemExit(f"architectures: total is {architecture['total']:,}, the model has {total:,} parameters")
    scopes = {"lora": counted(architecture, lambda model, layers: lora(model, rank))}
    scopes["lora-separate"] = separate_lora(model, layers, rank)
    for name, module in SIMPLE.items() if layers else [("baseline", baseline)]:
        model.requires_grad_(False)
        module.prepare(model, layers, {}, {})
        scopes[name] = trained(model)
    if layers:
        selections = {"uoe": with_routers({layers[-1].index: [0]})} | selections
    for name, selection in selections.items():
        unknown = set(map(int, selection["experts"])) - {layer.index for layer in layers}
        if unknown:
            raise SystemExit(f"selection {name}: layer {min(unknown)} is no MoE layer of this architecture")
        scopes[name] = counted(architecture, lambda model, layers, s=selection: uoe.prepare(model, layers, s, {}))
    top_k = getattr(model.config, "num_experts_per_tok", 0) if layers else 0
    sizes = {"moe_layers": len(layers), "experts": layers[0].num_experts if layers else 0, "top_k": top_k}
    sizes |= {"hidden": model.config.hidden_size, "layers": model.config.num_hidden_layers}
    idle = sum(
        tensor.numel() * (layer.num_experts - top_k) // layer.num_experts
        for layer in layers
        for tensor in model.get_submodule(layer.experts).parameters()
    )
    sizes |= {"vocabulary": model.config.vocab_size, "active": total - idle}
    sizes |= {"kept": max(cost_of_model(model, 1).kept)}
    sizes |= {"expert": sum(t[0].numel() for t in model.get_submodule(layers[0].experts).parameters()) if layers else 0}
    trainable = {name: {"trained": n, "percent": 100.0 * n / total} for name, n in scopes.items()}
    chosen = {name: sum(map(len, s["experts"].values())) for name, s in selections.items()}
    return {"total": total, "sizes": sizes, "lora_rank": rank, "scopes": trainable, "selected_experts": chosen}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--architectures", type=Path, required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--lora-rank", type=int, default=8)
    parser.add_argument("--selection", nargs="*", default=[], metavar="NAME=FILE")
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args()
    known = architecture(args.model, args.architectures)
    selections = {}
    for word in args.selection:
        name, equals, path = word.partition("=")
        if not equals:
            raise SystemExit(f"--selection {word}: NAME=FILE is expected")
        selections[name] = read_json(path)
    write_json(args.output, count(known, args.lora_rank, selections))
    provenance.record(args.output, vars(args), [args.architectures], [args.output])


if __name__ == "__main__":
    main()
