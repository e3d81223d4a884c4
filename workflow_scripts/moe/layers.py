"""Find the mixture-of-experts layers of a causal language model, for any family.

In transformers 5 an MoE block holds a *router*, whose forward returns (logits over E, top-k weights, top-k indices),
and a *fused experts* module whose parameters carry the expert as their first axis (`gate_up_proj [E, 2I, H]`,
`down_proj [E, H, I]`; some families transpose them or add biases `[E, ...]`). Names differ between families, so both
are found by the shapes of their parameters; moe/routing.py checks what the router returns.
"""

from dataclasses import dataclass

from torch import nn


@dataclass(frozen=True)
class MoELayer:
    """One MoE block of a model.

    index: position of its decoder layer, 0-based, as in `model.layers.{index}`.
    router, experts: dotted module names, for `model.get_submodule`.
    num_experts: routed experts E.
    """

    index: int
    router: str
    experts: str
    num_experts: int

    def router_weight(self, model: nn.Module) -> tuple[str, nn.Parameter]:
        """Name and matrix `[E, H]` of the router."""
        for name, parameter in model.get_submodule(self.router).named_parameters():
            if parameter.dim() == 2 and parameter.shape[0] == self.num_experts:
                return f"{self.router}.{name}", parameter
        raise ValueError(f"{self.router}: no [{self.num_experts}, hidden] matrix")


def decoder_layers(model: nn.Module) -> tuple[str, nn.ModuleList]:
    """Dotted name and list of the decoder layers: the longest ModuleList of the base model."""
    lists = [(name, module) for name, module in model.named_modules() if isinstance(module, nn.ModuleList)]
    if not lists:
        raise SystemExit(f"{type(model).__name__}: no list of decoder layers found")
    depth = min(name.count(".") for name, _ in lists)
    return max(((n, m) for n, m in lists if n.count(".") == depth), key=lambda pair: len(pair[1]))


def base_model(model: nn.Module) -> nn.Module:
    """The part of a causal language model below its head: the module that holds the decoder layers."""
    return model.get_submodule(decoder_layers(model)[0].rpartition(".")[0])


def _fused_experts(module: nn.Module) -> int:
    """E if `module` holds at least two own 3-D parameters that share their first axis, or wraps such a module
    (`wrapped_experts` of moe/selected.py), else 0."""
    if hasattr(module, "wrapped_experts"):
        return module.wrapped_experts
    own = [parameter for _, parameter in module.named_parameters(recurse=False)]
    firsts = {parameter.shape[0] for parameter in own if parameter.dim() == 3}
    return firsts.pop() if len(firsts) == 1 and sum(p.dim() == 3 for p in own) >= 2 else 0


def find_moe_layers(model: nn.Module) -> list[MoELayer]:
    """MoE layers in order of depth; empty for a dense model.

    Works on the meta device too: only shapes are read. Ends with one line if a block has fused experts but not
    exactly one router beside them, since guessing would attribute and train the wrong thing.
    """
    moe_layers = []
    prefix, layers = decoder_layers(model)
    for index, layer in enumerate(layers):
        modules, wrapper = dict(layer.named_modules()), None
        for name, module in modules.items():
            num_experts = 0 if wrapper and name.startswith(f"{wrapper}.") else _fused_experts(module)
            if not num_experts:
                continue
            wrapper = name
            parent = name.rpartition(".")[0]
            inside = f"{parent}." if parent else ""
            routers = [
                other
                for other, candidate in modules.items()
                if other.startswith(inside)
                and other != parent
                and "." not in other[len(inside) :]
                and other != name
                and any(p.dim() == 2 and p.shape[0] == num_experts for p in candidate.parameters())
            ]
            if len(routers) != 1:
                raise SystemExit(
                    f"{type(model).__name__}, layer {index}: {len(routers)} candidates for the router of "
                    f"{name!r} ({', '.join(routers) or 'none'}); "
                    f"exactly one module with an [{num_experts}, hidden] matrix is needed"
                )
            moe_layers.append(
                MoELayer(index, f"{prefix}.{index}.{routers[0]}", f"{prefix}.{index}.{name}", num_experts)
            )
    return moe_layers
