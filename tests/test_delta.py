"""Deltas: what was trained, exactly; put back exactly; refused with one line where they don't belong."""

import copy
import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from tiny_models import random_tokens, tiny

from moe.delta import applied, base_hash, save_delta, trained_tensors
from moe.layers import find_moe_layers
from moe.lora import attach_lora
from moe.selected import select_experts_

RANK = 3


def prepare(model: torch.nn.Module, kind: str) -> None:
    """Make `model` trainable as a scope of this kind would."""
    model.requires_grad_(False)
    if kind == "full":
        model.requires_grad_(True)
    elif kind == "lora":
        attach_lora(model, RANK)
    else:
        for layer, chosen in zip(find_moe_layers(model)[-2:], ([1], [0, 3]), strict=True):
            select_experts_(model, layer.experts, chosen)
            model.get_submodule(layer.router).requires_grad_(True)


def disturbed(family: str, kind: str, path: Path) -> tuple[torch.nn.Module, torch.nn.Module, Path]:
    """(original, trained model, its delta): every trained tensor gets noise instead of training."""
    original = tiny(family)
    trained = copy.deepcopy(original)
    prepare(trained, kind)
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in trained.parameters():
            if parameter.requires_grad:
                parameter += 0.05 * torch.randn_like(parameter)
    save_delta(trained, path / "delta.safetensors", "base", RANK if kind == "lora" else None)
    return original, trained, path / "delta.safetensors"


def state(model: torch.nn.Module) -> dict:
    return {name: (p.detach().clone(), p.requires_grad) for name, p in model.named_parameters()}


def assert_untouched(model: torch.nn.Module, before: dict) -> None:
    after = state(model)
    assert list(after) == list(before)
    for name, (tensor, flag) in before.items():
        assert torch.equal(after[name][0], tensor), name
        assert after[name][1] == flag, name


@pytest.mark.parametrize("kind", ["full", "sliced", "lora"])
@pytest.mark.parametrize("family", ["qwen2moe", "deepseek", "mixtral", "gptoss"])
def test_apply_and_restore(family, kind, tmp_path):
    original, trained, path = disturbed(family, kind, tmp_path)
    model, ids = copy.deepcopy(original), random_tokens(2, 10)
    before = state(model)
    with torch.no_grad(), applied(model, path, "base") as changed:
        assert changed is model
        difference = (model(input_ids=ids).logits - trained(input_ids=ids).logits).abs().max()
        assert difference < 1e-5
        assert (model(input_ids=ids).logits - original(input_ids=ids).logits).abs().max() > 1e-2
        inside = copy.deepcopy(model)
    assert_untouched(model, before)
    with torch.no_grad():
        assert torch.equal(model(input_ids=ids).logits, original(input_ids=ids).logits)
    with applied(model, path, "base"):  # a second time gives the same bits
        assert all(torch.equal(p, inside.get_parameter(name)) for name, p in model.named_parameters())
    if kind != "lora":  # in full precision nothing is computed, so not a bit may differ
        for name, tensor in trained_tensors(trained).items():
            stem, _, expert = name.removesuffix("]").partition("[")
            got = inside.get_parameter(stem)
            assert torch.equal(got[int(expert)] if expert else got, tensor)


@pytest.mark.parametrize("kind", ["full", "sliced", "lora"])
def test_holds_what_was_trained_and_no_more(kind, tmp_path):
    _, trained, path = disturbed("deepseek", kind, tmp_path)
    with safe_open(path, "pt") as file:
        sizes = {name: file.get_tensor(name).numel() for name in file.keys()}  # noqa: SIM118 (not a dict)
        assert json.loads(file.metadata()["delta"])["base"] == "base"
    assert sum(sizes.values()) == sum(p.numel() for p in trained.parameters() if p.requires_grad)
    if kind == "sliced":
        sliced = {f"{field}[{expert}]" for field in ("gate_up_proj", "down_proj") for expert in (0, 1, 3)}
        assert {name.rpartition(".")[2] for name in sizes if "[" in name} == sliced
    assert [file.name for file in tmp_path.iterdir()] == ["delta.safetensors"]


@pytest.mark.parametrize("kind", ["full", "sliced", "lora"])
def test_restored_when_the_work_inside_fails(kind, tmp_path):
    original, _, path = disturbed("mixtral", kind, tmp_path)
    before = state(original)
    with pytest.raises(ZeroDivisionError), applied(original, path, "base"):
        raise ZeroDivisionError
    assert_untouched(original, before)


def refusal(model: torch.nn.Module, path: Path, base: str = "base") -> str:
    """The line that ends an attempt to apply; the model must be as before."""
    before = state(model)
    with pytest.raises(SystemExit) as stop, applied(model, path, base):
        pytest.fail("applied")
    assert_untouched(model, before)
    assert str(path) in stop.value.code and "\n" not in stop.value.code
    return stop.value.code


@pytest.mark.parametrize("kind", ["full", "sliced", "lora"])
def test_refuses_other_weights(kind, tmp_path):
    original, _, path = disturbed("mixtral", kind, tmp_path)
    assert "other weights" in refusal(original, path, "another base")


@pytest.mark.parametrize("kind", ["full", "sliced", "lora"])
@pytest.mark.parametrize("family", ["qwen2moe", "deepseek", "mixtral", "llama"])
def test_refuses_another_architecture(family, kind, tmp_path):
    _, _, path = disturbed("granite", kind, tmp_path)
    assert "another architecture" in refusal(tiny(family), path)


def test_refuses_an_expert_that_is_not_there(tmp_path):
    """Same names and slice shapes, fewer experts: mixtral has 4, olmoe 8."""
    trained = tiny("olmoe").requires_grad_(False)
    select_experts_(trained, find_moe_layers(trained)[0].experts, [2, 6])
    save_delta(trained, tmp_path / "delta.safetensors", "base")
    assert "[6]" in refusal(tiny("mixtral"), tmp_path / "delta.safetensors")


@pytest.mark.parametrize("kind", ["full", "sliced", "lora"])
@pytest.mark.parametrize("kept", [0.0, 0.001, 0.5, 0.999])
def test_refuses_a_truncated_file(kind, kept, tmp_path):
    original, _, path = disturbed("mixtral", kind, tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept * len(whole))])
    assert "not a whole safetensors file" in refusal(original, path)


def test_refuses_what_is_not_there(tmp_path):
    assert "no such file" in refusal(tiny("mixtral"), tmp_path / "nothing.safetensors").lower()


@pytest.mark.parametrize("kind", ["full", "sliced", "lora"])
def test_equal_deltas_are_equal_bytes(kind, tmp_path):
    files = set()
    for name in range(8):
        (tmp_path / str(name)).mkdir()
        files.add(disturbed("mixtral", kind, tmp_path / str(name))[2].read_bytes())
    assert len(files) == 1


def test_base_hash(tmp_path):
    """Follows the weights, not the folder; one line where there are none."""
    first, second, empty = (tmp_path / name for name in ("first", "second", "empty"))
    model = tiny("mixtral")
    model.save_pretrained(first)
    model.save_pretrained(second)
    assert base_hash(first) == base_hash(second)
    with torch.no_grad():
        model.lm_head.weight[0, 0] += 1
    model.save_pretrained(second)
    assert base_hash(first) != base_hash(second)
    empty.mkdir()
    with pytest.raises(SystemExit, match="model folder"):
        base_hash(empty)


def test_survives_the_released_layout(tmp_path):
    """`save_pretrained` writes one tensor an expert; a delta made before still fits the model read back."""
    original, trained, path = disturbed("mixtral", "sliced", tmp_path)
    original.save_pretrained(tmp_path / "model")
    again = type(original).from_pretrained(tmp_path / "model").eval()
    ids = random_tokens(2, 10)
    with torch.no_grad(), applied(again, path, "base"):
        assert torch.allclose(again(input_ids=ids).logits, trained(input_ids=ids).logits, atol=1e-5)
