"""Scope `hook_mlps`: RMU's own baseline (SEUF, version 2, appendix A).

In an MoE layer the routed experts train; in a dense layer, or a dense model, its MLP.
"""

TRAINS = "the feed-forward blocks of the hook layer and of the two layers below it"
CHOOSES_EXPERTS = False
SELECTION_SETTINGS = ()
OTHER_LAYERS = None


def prepare(model, layers, selection, settings) -> None:
    from moe.layers import decoder_layers

    experts = {layer.index: layer.experts for layer in layers}
    prefix, blocks = decoder_layers(model)
    hook = settings["hook_layer"]
    if not 2 <= hook < len(blocks):
        raise SystemExit(f"hook layer {hook}: needs two layers below it and must be under {len(blocks)}")
    for index in range(hook - 2, hook + 1):
        model.get_submodule(experts.get(index, f"{prefix}.{index}.mlp")).requires_grad_(True)
