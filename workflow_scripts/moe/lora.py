"""LoRA on every linear layer and every routed expert, through peft.

peft adapts `nn.Linear` modules by name and fused expert tensors through `target_parameters`; `all-linear` silently
skips the experts, so they are named here. The router and the language-model head get no adapters (UOE, Table 3: rank 8
on all linear layers is the reading that matches the published share of parameters).
"""

from torch import nn

from moe.layers import decoder_layers, find_moe_layers


def attach_lora(model: nn.Module, rank: int):
    """Insert zero-initialised adapters of `rank` in place and return peft's handle (`unload`, `merge_and_unload`).

    Only the adapters require gradients afterwards. alpha = 2 * rank, dropout 0 (peft allows no other on parameters).
    """
    from peft import LoraConfig, LoraModel

    # peft gets the list of decoder layers, not the model: with a configuration it mistakes names that end in gate_proj,
    # up_proj or down_proj for unfused experts, drops those layers' adapters and doubles the experts' rank (DeepSeek-V2
    # and others, peft 0.21).
    prefix, blocks = decoder_layers(model)
    linear = [name for name, module in blocks.named_modules() if isinstance(module, nn.Linear)]
    experts = [
        f"{layer.experts.removeprefix(f'{prefix}.')}.{name}"
        for layer in find_moe_layers(model)
        for name, parameter in model.get_submodule(layer.experts).named_parameters(recurse=False)
        if parameter.dim() == 3
    ]
    settings = LoraConfig(
        r=rank, lora_alpha=2 * rank, lora_dropout=0.0, target_modules=linear, target_parameters=experts or None
    )
    model.requires_grad_(False)
    return LoraModel(blocks, {"default": settings}, "default")
