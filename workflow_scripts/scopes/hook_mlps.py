"""RMU's own baseline: the feed-forward blocks of the hook layer and of the two below train (SEUF, v2, appendix A).

In a MoE layer these are the routed experts; in a dense layer, or a dense model, its MLP.
"""

from torch import nn

from moe.layers import MoELayer, decoder_layers


def prepare(model: nn.Module, layers: list[MoELayer], selection: dict, settings: dict) -> None:
    experts = {layer.index: layer.experts for layer in layers}
    prefix, blocks = decoder_layers(model)
    hook = settings["hook_layer"]
    if not 2 <= hook < len(blocks):
        raise SystemExit(f"hook layer {hook}: needs two layers below it and must be under {len(blocks)}")
    for index in range(hook - 2, hook + 1):
        model.get_submodule(experts.get(index, f"{prefix}.{index}.mlp")).requires_grad_(True)
