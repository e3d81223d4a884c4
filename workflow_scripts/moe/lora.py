"""LoRA on every linear layer and every routed expert, through peft.

peft adapts `nn.Linear` modules by name and fused expert tensors through `target_parameters`; `all-linear` alone skips
the experts silently, so the experts are named here. The router and the language-model head are left alone
(UOE, Table 3: rank 8 on all linear layers is the reading that matches the published share of parameters).
"""

from torch import nn

from moe.layers import find_moe_layers


def attach_lora(model: nn.Module, rank: int):
    """Insert zero-initialised adapters of `rank` in place and return peft's handle (`.unload()`, `.merge_and_unload()`).

    Only the adapters require gradients afterwards. alpha = 2 * rank, dropout 0 (peft allows no other on parameters).
    """
    from peft import LoraConfig, get_peft_model

    head = model.get_output_embeddings()
    linear = [name for name, module in model.named_modules() if isinstance(module, nn.Linear) and module is not head]
    experts = [
        f"{layer.experts}.{name}"
        for layer in find_moe_layers(model)
        for name, parameter in model.get_submodule(layer.experts).named_parameters(recurse=False)
        if parameter.dim() == 3
    ]
    settings = LoraConfig(
        r=rank, lora_alpha=2 * rank, lora_dropout=0.0, target_modules=linear, target_parameters=experts or None
    )
    return get_peft_model(model, settings)
