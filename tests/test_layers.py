"""MoE layers are found by their shapes, in any family, also without weights."""

import pytest
import torch
import transformers
from tiny_models import MOE_FAMILIES, tiny
from torch import nn

from moe.layers import decoder_layers, find_moe_layers
from moe.selected import select_experts_

ROUTERS = {"granite": "block_sparse_moe.router", "gptoss": "mlp.router"}


@pytest.mark.parametrize("family", MOE_FAMILIES)
def test_every_family(family):
    model = tiny(family)
    layers = find_moe_layers(model)
    first = 1 if family == "deepseek" else 0  # its first layer is dense
    assert [layer.index for layer in layers] == list(range(first, 3))
    for layer in layers:
        assert layer.router == f"model.layers.{layer.index}.{ROUTERS.get(family, 'mlp.gate')}"
        assert layer.num_experts == (4 if family == "mixtral" else 8)
        name, weight = layer.router_weight(model)
        assert weight.shape == (layer.num_experts, 32) and model.get_parameter(name) is weight
        assert {p.shape[0] for p in model.get_submodule(layer.experts).parameters()} == {layer.num_experts}


@pytest.mark.parametrize("family", MOE_FAMILIES)
def test_the_same_layers_while_one_expert_trains(family):
    """A loss may look for layers when some of their experts are wrapped already."""
    model = tiny(family)
    layers = find_moe_layers(model)
    select_experts_(model, layers[-1].experts, [1])
    assert find_moe_layers(model) == layers


def test_a_dense_model_has_none():
    assert find_moe_layers(tiny("llama")) == []


def test_the_meta_device_is_enough():
    config = tiny("deepseek").config
    with torch.device("meta"):
        empty = transformers.DeepseekV2ForCausalLM(config)
    assert find_moe_layers(empty) == find_moe_layers(tiny("deepseek"))


def test_two_candidates_for_the_router():
    model = tiny("olmoe")
    model.get_submodule("model.layers.2.mlp").other = nn.Linear(32, 8)
    with pytest.raises(SystemExit, match="layer 2: 2 candidates") as stop:
        find_moe_layers(model)
    assert "\n" not in stop.value.code


def test_no_decoder_layers():
    with pytest.raises(SystemExit, match="no list of decoder layers"):
        decoder_layers(nn.Linear(2, 2))
