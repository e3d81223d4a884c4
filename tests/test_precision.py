"""What makes sizes fit must not change results: fp32 copies of bf16 weights, batches in parts, recomputed layers."""

import copy

import pytest
import torch
from test_unlearn import NOTHING, TRAINING, run
from tiny_models import tiny

from moe.precision import copy_gradients_to_masters, make_masters, write_back

STEP = 1e-4


def losses(trajectory: dict) -> list[list[float]]:
    keys = ("forget_loss", "retain_loss", "anchor_loss", "gradient_norm")
    return [[step[key] or 0.0 for key in keys] for step in trajectory["steps"]]


def test_fp32_copies_take_steps_that_bf16_loses():
    """Ten Adam steps of 1e-4 on weights of about 1: an fp32 twin fed with the same gradients says where they end."""
    torch.manual_seed(0)
    model = torch.nn.Linear(8, 4, bias=False).to(torch.bfloat16)
    torch.nn.init.normal_(model.weight, 1.0, 0.1)
    twin = model.weight.detach().float().requires_grad_()
    masters = make_masters([model.weight])
    ours, theirs = (torch.optim.AdamW(p, lr=STEP, weight_decay=0.0) for p in (masters, [twin]))
    start = model.weight.detach().clone()
    for _ in range(10):
        model(torch.ones(1, 8, dtype=torch.bfloat16)).sum().backward()
        twin.grad = model.weight.grad.float()
        copy_gradients_to_masters([model.weight])
        ours.step(), theirs.step()
        write_back([model.weight])
        assert model.weight.grad is None
    assert torch.equal(masters[0], twin) and torch.equal(model.weight, twin.to(torch.bfloat16))
    assert torch.allclose(twin, start.float() - 10 * STEP, atol=1e-6)
    # a step is under half of bf16's spacing near 1 (2**-8): without the copies nothing would have moved
    assert torch.equal((start.float() - STEP).to(torch.bfloat16), start)


def test_an_fp32_parameter_is_its_own_copy():
    parameter = torch.nn.Parameter(torch.ones(2))
    assert make_masters([parameter])[0] is parameter
    copy_gradients_to_masters([parameter])  # no token came by
    assert torch.equal(parameter.grad, torch.zeros(2))


@pytest.mark.parametrize("method", ["ga", "gdiff", "npo", "rmu"])
@pytest.mark.parametrize("rows", [1, 2])
def test_a_batch_in_parts_is_the_batch(method, rows):
    """Same losses, anchor and gradient norms at every step; sums in another order differ in fp32's last digits."""
    whole, _ = run(tiny("qwen2moe", 1), method=method)
    parts, _ = run(tiny("qwen2moe", 1), method=method, training=TRAINING | {"rows_at_once": rows})
    assert torch.allclose(torch.tensor(losses(whole)), torch.tensor(losses(parts)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("family", ["qwen2moe", "mixtral", "deepseek", "llama"])
@pytest.mark.parametrize("method", ["ga", "rmu"])
def test_recomputed_activations_are_the_same(family, method):
    """Also the anchor's gradient, which the authors' reentrant checkpointing cuts off."""
    if family == "llama":
        how = {"scope": {"kind": "baseline"}, "selection": NOTHING}
    else:
        how = {"scope": {"kind": "uoe", "alpha": 100.0}, "training": TRAINING | {"steps": 2}}
    model = tiny(family, 1)
    twin = copy.deepcopy(model)
    passes = {}
    for name, each in (("kept", model), ("again", twin)):
        attention = each.get_submodule("model.layers.2.self_attn")
        attention.register_forward_hook(lambda *_, name=name: passes.update({name: passes.get(name, 0) + 1}))
    kept, _ = run(model, method=method, **how | {"training": TRAINING | {"steps": 2}})
    again, _ = run(twin, method=method, **how | {"training": TRAINING | {"steps": 2, "gradient_checkpointing": True}})
    assert passes["again"] > passes["kept"]  # it did recompute
    steps = len(again["steps"])
    assert torch.allclose(torch.tensor(losses(kept)[:steps]), torch.tensor(losses(again)), rtol=1e-5, atol=1e-6)
    assert not any(twin.get_submodule(f"model.layers.{n}.self_attn").training for n in range(3))  # no dropout comes on


def test_bf16_models_train_in_every_scope():
    for scope, selection in (
        ({"kind": "baseline"}, NOTHING),
        ({"kind": "routers"}, NOTHING),
        ({"kind": "lora", "rank": 2}, NOTHING),
        ({"kind": "uoe", "alpha": 1.0}, {"experts": {"2": [1]}, "routers": [2], "anchor": {"2": [1]}}),
    ):
        trajectory, parameters = run(tiny("qwen2moe", 1).to(torch.bfloat16), scope=scope, selection=selection)
        first, *_, last = (probe["forget_loss"] for probe in trajectory["probes"])
        assert last > first, scope  # on the same text
        assert 0 < parameters["trained"] < parameters["total"] or scope["kind"] == "baseline"
