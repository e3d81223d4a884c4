"""What each scope really trains: after some steps of the stage itself, the tensors that differ from the start."""

import copy
from pathlib import Path

import pytest
import torch
from tiny_models import HIDDEN, LetterTokenizer, random_texts, tiny
from torch import nn

from moe.delta import applied, save_delta
from moe.layers import find_moe_layers
from moe.selection import NOTHING
from unlearning.run import unlearn
from unlearning.texts import pack_texts

TRAINING = {
    "batch_size": 4,
    "block_length": 24,
    "steps": 3,
    "checkpoint_growth": 2,
    "probe_every": 3,
    "probe_blocks": 2,
}
FORGET, RETAIN = random_texts(20, 60, seed=1), random_texts(20, 60, seed=2)
MOE = ["qwen2moe", "deepseek", "mixtral", "gptoss"]
RANK = 2
RMU = {"hook_layer": 2, "steering": 4.0, "seed": 0, "retain_weight": 1.0}


def train(family: str, scope: dict, selection: dict, path: Path, method: str = "ga", settings: dict | None = None):
    """(original model, the same with the saved delta applied, parameters.json, trajectory)."""
    original = tiny(family, seed=1)
    trained = copy.deepcopy(original)
    torch.manual_seed(0)  # LoRA draws its first matrices
    rank = scope.get("rank")
    given = {"method": {"name": method} | (settings or {}), "scope": scope, "training": TRAINING, "learning_rate": 1e-2}
    texts = pack_texts(LetterTokenizer(), FORGET, RETAIN, given)
    trajectory, parameters = unlearn(
        trained, texts, given, selection, 0, lambda step: save_delta(trained, path / "delta.safetensors", "base", rank)
    )
    after = copy.deepcopy(original)
    with applied(after, path / "delta.safetensors", "base"):
        changed = copy.deepcopy(after)
    return original, changed, parameters, trajectory


def differing(original: nn.Module, changed: nn.Module) -> set[str]:
    """Names of parameters with any difference; `name[e]` where the tensor holds E experts and slice e differs."""
    names = set()
    fused = {layer.experts: layer.num_experts for layer in find_moe_layers(original)}
    for name, before in original.named_parameters():
        different = before != changed.get_parameter(name)
        if name.rpartition(".")[0] in fused:
            names |= {f"{name}[{e}]" for e in range(before.shape[0]) if different[e].any()}
        elif different.any():
            names.add(name)
    return names


def elements(model: nn.Module, names: set[str]) -> int:
    """Number of elements of the named tensors and slices."""
    sizes = {name: parameter for name, parameter in model.named_parameters()}
    return sum(sizes[n.partition("[")[0]][0].numel() if "[" in n else sizes[n].numel() for n in names)


def slices(model: nn.Module, chosen: dict[int, list[int]]) -> set[str]:
    """Every slice of the chosen experts: {layer: experts}."""
    names = set()
    for layer in find_moe_layers(model):
        fields = [field for field, _ in model.get_submodule(layer.experts).named_parameters()]
        names |= {f"{layer.experts}.{field}[{expert}]" for expert in chosen.get(layer.index, []) for field in fields}
    return names


def routers(model: nn.Module, indices: list[int]) -> set[str]:
    chosen = [layer.router for layer in find_moe_layers(model) if layer.index in indices]
    return {f"{router}.{field}" for router in chosen for field, _ in model.get_submodule(router).named_parameters()}


def everything(model: nn.Module) -> dict[int, list[int]]:
    return {layer.index: list(range(layer.num_experts)) for layer in find_moe_layers(model)}


def total(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def selection_of(experts: dict[int, list[int]], with_routers: bool = True) -> dict:
    named = {str(layer): chosen for layer, chosen in experts.items()}
    return {"experts": named, "routers": list(experts) if with_routers else [], "anchor": named if with_routers else {}}


def check(original, changed, parameters, expected: set[str]) -> None:
    assert differing(original, changed) == expected
    assert parameters["trained"] == elements(original, expected) == sum(parameters["tensors"].values())
    assert set(parameters["tensors"]) == expected and parameters["total"] == total(original)
    assert parameters["percent"] == pytest.approx(100 * parameters["trained"] / total(original))


@pytest.mark.parametrize("family", MOE)
@pytest.mark.parametrize("kind", ["uoe", "random"])
def test_one_expert_and_its_router(family, kind, tmp_path):
    original = tiny(family, seed=1)
    for experts in ({2: [1]}, {1: [0, 3]}, {1: [2], 2: [0]}):
        chosen = selection_of(experts)
        original, changed, parameters, _ = train(family, {"kind": kind, "alpha": 1.0}, chosen, tmp_path)
        check(original, changed, parameters, slices(original, experts) | routers(original, list(experts)))


@pytest.mark.parametrize("family", ["qwen2moe", "deepseek", "mixtral"])
def test_share_of_one_expert_and_its_router(family, tmp_path):
    """(3 H I + E H) / total, as Table 3 counts it."""
    original, _, parameters, _ = train(family, {"kind": "uoe", "alpha": 1.0}, selection_of({1: [2]}), tmp_path)
    inner, count = 16, find_moe_layers(original)[0].num_experts
    assert parameters["trained"] == 3 * HIDDEN * inner + count * HIDDEN
    assert parameters["percent"] == pytest.approx(100 * (3 * HIDDEN * inner + count * HIDDEN) / total(original))


@pytest.mark.parametrize("family", MOE)
def test_esft_trains_the_chosen_experts_alone(family, tmp_path):
    experts = {1: [0, 2], 2: [1]}
    chosen = selection_of(experts, with_routers=False)
    original, changed, parameters, trajectory = train(family, {"kind": "esft"}, chosen, tmp_path)
    check(original, changed, parameters, slices(original, experts))
    assert [step["anchor_loss"] for step in trajectory["steps"]] == [None] * 3


@pytest.mark.parametrize("family", MOE)
@pytest.mark.parametrize("kind", ["routers", "experts", "experts_routers"])
def test_whole_modules(family, kind, tmp_path):
    """Slices of experts that never get a token can't change, so the changed ones are a subset of what trains."""
    original, changed, parameters, _ = train(family, {"kind": kind}, NOTHING, tmp_path)
    of_experts, of_routers = slices(original, everything(original)), routers(original, list(everything(original)))
    expected = {"routers": of_routers, "experts": of_experts, "experts_routers": of_experts | of_routers}[kind]
    got = differing(original, changed)
    assert got <= expected and len(got) > 0.8 * len(expected)
    assert parameters["trained"] == elements(original, expected) and parameters["total"] == total(original)


@pytest.mark.parametrize("family", [*MOE, "llama"])
def test_baseline_trains_everything(family, tmp_path):
    original, changed, parameters, _ = train(family, {"kind": "baseline"}, NOTHING, tmp_path)
    got, all_slices = differing(original, changed), slices(original, everything(original))
    sliced = {name.partition("[")[0] for name in all_slices}
    assert got - all_slices == {name for name, _ in original.named_parameters()} - sliced
    assert len(got & all_slices) >= 0.8 * len(all_slices)
    assert parameters["trained"] == parameters["total"] == total(original) and parameters["percent"] == 100.0


@pytest.mark.parametrize("family", [*MOE, "llama"])
def test_lora(family, tmp_path):
    """Every linear layer but the head, every routed expert, nothing else: nor routers, norms or embeddings."""
    original, changed, parameters, _ = train(family, {"kind": "lora", "rank": RANK}, NOTHING, tmp_path)
    head = original.get_output_embeddings()
    linear = {name: m for name, m in original.named_modules() if isinstance(m, nn.Linear) and m is not head}
    all_slices = slices(original, everything(original))
    weights = {name for name in all_slices if original.get_parameter(name.split("[")[0]).dim() == 3}
    got = differing(original, changed)
    assert got == {f"{name}.weight" for name in linear} | weights
    assert not any(name.startswith(tuple(layer.router for layer in find_moe_layers(original))) for name in got)
    count = sum(RANK * (m.in_features + m.out_features) for m in linear.values())
    fused = {name.split("[")[0] for name in weights}
    count += sum(p.shape[0] * RANK * sum(p.shape[1:]) for p in map(original.get_parameter, fused))
    assert parameters["trained"] == count and parameters["total"] == total(original)


@pytest.mark.parametrize("family", ["qwen2moe", "deepseek", "mixtral", "llama"])
def test_hook_mlps(family, tmp_path):
    """RMU's own baseline: feed-forward blocks of layers 0 to 2 for hook layer 2; layer 0 of deepseek is dense."""
    scope = {"kind": "hook_mlps", "hook_layer": 2}
    original, changed, parameters, _ = train(family, scope, NOTHING, tmp_path, "rmu", RMU)
    dense = {name for name, _ in original.named_parameters() if name.startswith("model.layers.0.mlp.")}
    if family == "llama":
        expected = {name for name, _ in original.named_parameters() if ".mlp." in name}
    else:
        expected = slices(original, everything(original)) | (dense if family == "deepseek" else set())
    got = differing(original, changed)
    assert got <= expected and len(got) > 0.8 * len(expected)
    assert parameters["trained"] == elements(original, expected)


def test_hook_mlps_needs_two_layers_below(tmp_path):
    with pytest.raises(SystemExit, match="hook layer 1"):
        train("mixtral", {"kind": "hook_mlps", "hook_layer": 1}, NOTHING, tmp_path, "rmu", RMU | {"hook_layer": 1})


@pytest.mark.parametrize("kind", ["routers", "experts", "experts_routers"])
def test_scopes_of_moe_modules_on_a_dense_model(kind, tmp_path):
    with pytest.raises(SystemExit, match="nothing to train"):
        train("llama", {"kind": kind}, NOTHING, tmp_path)


@pytest.mark.parametrize("method", ["ga", "gdiff", "npo", "rmu"])
def test_every_method_keeps_to_the_scope(method, tmp_path):
    settings = RMU | {"beta": 0.1, "per_token": True}
    chosen = selection_of({2: [1]})
    scope = {"kind": "uoe", "alpha": 1.0}
    original, changed, parameters, trajectory = train("qwen2moe", scope, chosen, tmp_path, method, settings)
    check(original, changed, parameters, slices(original, {2: [1]}) | routers(original, [2]))
    first = trajectory["steps"][0]
    assert (first["retain_loss"] is None) == (method == "ga") and first["anchor_loss"] > 0


@pytest.mark.parametrize("family", ["qwen2moe", "deepseek"])
def test_rmu_with_everything_trained(family, tmp_path):
    """What lies above the hook layer gets no gradient and stays; embeddings, attention and experts below it move."""
    scope, settings = {"kind": "baseline", "hook_layer": 1}, RMU | {"hook_layer": 1}
    original, changed, parameters, _ = train(family, scope, NOTHING, tmp_path, "rmu", settings)
    got = differing(original, changed)
    assert not {name for name in got if name.startswith(("model.layers.2.", "lm_head", "model.norm"))}
    assert {"model.embed_tokens.weight", "model.layers.0.input_layernorm.weight"} <= got
    assert any(name.startswith("model.layers.1.mlp.") for name in got) and parameters["percent"] == 100.0
