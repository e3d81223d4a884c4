"""Each loss and its gradients against computations that share no function with the code under test.

The independent side starts from a model's public outputs (logits, hidden states, router logits) and goes on in plain
loops with its own masking. All in float64, with padding in the batch.
"""

import math

import pytest
import torch
from tiny_models import random_tokens, tiny

from methods import ga, gdiff, npo, rmu
from moe.forward import Batch

LENGTHS = (12, 7, 10)  # tokens of each row that are no padding
FAMILIES = ["qwen2moe", "deepseek", "mixtral", "gptoss", "llama"]
NPO_SETTINGS = [{"beta": 0.1, "per_token": False}, {"beta": 0.7, "per_token": True}]


def padded(side: str = "right", seed: int = 3) -> Batch:
    """Three rows of different length, padded with id 0 on one side."""
    ids, mask = random_tokens(3, max(LENGTHS), seed), torch.zeros(3, max(LENGTHS), dtype=torch.bool)
    for row, length in enumerate(LENGTHS):
        mask[row, slice(0, length) if side == "right" else slice(max(LENGTHS) - length, None)] = True
    return Batch(torch.tensor([2, 0, 1]), ids.masked_fill(~mask, 0), mask)


@pytest.fixture(scope="module", params=FAMILIES)
def model(request) -> torch.nn.Module:
    built = tiny(request.param, seed=1).double()
    if request.param != "llama":
        built.set_experts_implementation("eager")  # the grouped kernel knows no float64
    return built


def own_nll(model, batch: Batch) -> list[torch.Tensor]:
    """For every row the list of -log p of its real tokens behind the first, by explicit log-sum-exp."""
    scores = model(input_ids=batch.input_ids, attention_mask=batch.mask.long()).logits
    rows = []
    for row in range(len(scores)):
        places = [t for t in range(batch.mask.shape[1]) if batch.mask[row, t]]
        terms = []
        for place in places[1:]:
            z = scores[row, place - 1]
            highest = z.max()
            terms.append(highest + (z - highest).exp().sum().log() - z[batch.input_ids[row, place]])
        rows.append(torch.stack(terms))
    return rows


def own_ce(model, batch: Batch) -> torch.Tensor:
    return torch.cat(own_nll(model, batch)).mean()


def own_npo(model, batch: Batch, reference: list[float], beta: float, per_token: bool) -> torch.Tensor:
    """log pi/pi_ref from log-probabilities, then -(2/beta) log sigmoid(-beta log pi/pi_ref), averaged over rows."""
    total = 0.0
    for terms, ref in zip(own_nll(model, batch), reference, strict=True):
        log_pi = -terms.mean() if per_token else -terms.sum()
        total = total + 2.0 / beta * (1.0 + (beta * (log_pi - (-ref))).exp()).log()
    return total / len(reference)


def own_hidden(model, batch: Batch, layer: int) -> torch.Tensor:
    out = model(input_ids=batch.input_ids, attention_mask=batch.mask.long(), output_hidden_states=True)
    return out.hidden_states[layer + 1]


def gradients(loss: torch.Tensor, model) -> dict[str, torch.Tensor]:
    names, parameters = zip(*model.named_parameters(), strict=True)
    computed = torch.autograd.grad(loss, parameters, allow_unused=True, materialize_grads=True)
    return dict(zip(names, computed, strict=True))


def assert_same(ours: torch.Tensor, independent: torch.Tensor, model, tolerance: float = 1e-6) -> None:
    """Value and every gradient agree as far as losses in fp32 allow; the gradient is not zero everywhere."""
    assert ours.item() == pytest.approx(independent.item(), rel=tolerance)
    mine, theirs = gradients(ours, model), gradients(independent, model)
    size = max(gradient.abs().max().item() for gradient in theirs.values())
    assert size > 1e-4
    for name in theirs:
        error = (mine[name] - theirs[name]).abs().max().item()
        assert error <= 10 * tolerance * size, f"{name}: {error:.2g} of {size:.2g}"


@pytest.mark.parametrize("side", ["right", "left"])
def test_ga_and_gdiff(model, side):
    forget, retain = padded(side), padded(side, seed=4)
    assert_same(ga.forget_loss(model, forget, None, {}), -own_ce(model, forget), model)
    assert_same(gdiff.forget_loss(model, forget, None, {}), -own_ce(model, forget), model)
    assert_same(gdiff.retain_loss(model, retain, None, {}), own_ce(model, retain), model)


def test_nothing_padded(model):
    ids = random_tokens(2, 9)
    batch = Batch(torch.arange(2), ids, torch.ones_like(ids, dtype=torch.bool))
    assert_same(ga.forget_loss(model, batch, None, {}), -own_ce(model, batch), model)


@pytest.mark.parametrize("settings", NPO_SETTINGS, ids=["summed", "per_token"])
def test_npo(model, settings):
    batch = padded()
    reference = torch.tensor([40.0, 20.0, 45.0], dtype=torch.float64) / (9 if settings["per_token"] else 1)
    of_rows = [reference[row].item() for row in batch.rows]
    ours = npo.forget_loss(model, batch, reference, settings)
    assert_same(ours, own_npo(model, batch, of_rows, **settings), model)
    assert_same(npo.retain_loss(model, batch, None, settings), own_ce(model, batch), model)


@pytest.mark.parametrize("settings", NPO_SETTINGS, ids=["summed", "per_token"])
def test_npo_reference_is_the_rows_likelihood(model, settings):
    first, second = padded(), padded(seed=4)
    ours = npo.forget_reference(model, [first, second], settings)
    rows = [*own_nll(model, first), *own_nll(model, second)]
    expected = [(row.mean() if settings["per_token"] else row.sum()).item() for row in rows]
    assert ours.tolist() == pytest.approx(expected, rel=1e-6) and not ours.requires_grad


@pytest.mark.parametrize("settings", NPO_SETTINGS, ids=["summed", "per_token"])
def test_npo_at_ratio_zero(model, settings):
    """Untouched model: the loss is 2 ln 2 / beta and the gradient that of ascent on the same (summed) likelihood."""
    batch = padded()
    in_order = Batch(torch.arange(3), batch.input_ids, batch.mask)
    reference = npo.forget_reference(model, [in_order], settings)
    loss = npo.forget_loss(model, in_order, reference, settings)
    assert loss.item() == pytest.approx(2 * math.log(2) / settings["beta"], rel=1e-7)
    rows = own_nll(model, in_order)
    ascent = -sum(row.mean() if settings["per_token"] else row.sum() for row in rows) / len(rows)
    mine, theirs = gradients(loss, model), gradients(ascent, model)
    for name in theirs:
        assert torch.allclose(mine[name], theirs[name], rtol=1e-5, atol=1e-6 * theirs[name].abs().max().item()), name


def test_npo_approaches_ga_as_beta_falls(model):
    """-(2/beta) log sigmoid(beta r) = 2 ln 2 / beta - r + beta r^2 / 4 - ...: the gradient tends to GA's."""
    batch = padded()
    reference = torch.zeros(3, dtype=torch.float64)  # far from ratio 0
    rows = own_nll(model, batch)
    ascent = gradients(-sum(row.sum() for row in rows) / len(rows), model)
    size = max(gradient.abs().max().item() for gradient in ascent.values())
    errors = []
    for beta in (1e-1, 1e-3, 1e-5):
        loss = npo.forget_loss(model, batch, reference, {"beta": beta, "per_token": False})
        mine = gradients(loss, model)
        errors.append(max((mine[name] - ascent[name]).abs().max().item() for name in ascent) / size)
    assert errors[0] > 0.1 and errors[1] < 0.1 and errors[2] < 1e-3


def test_npo_forgotten_rows_count_less(model):
    """The weight of a row is 2 sigmoid(-beta (L - L_ref)): 1 at the start, falling to 0 as the row is forgotten."""
    batch = padded()
    row = own_nll(model, batch)
    total = torch.stack([terms.sum() for terms in row]).detach()
    settings = {"beta": 0.1, "per_token": False}
    reference = torch.empty(3, dtype=torch.float64)
    reference[batch.rows] = total - torch.tensor([0.0, 10.0, 200.0], dtype=torch.float64)
    weights = [1.0, 2 / (1 + math.e), 2 / (1 + math.exp(20))]
    expected = gradients(-sum(w * terms.sum() for w, terms in zip(weights, row, strict=True)) / 3, model)
    mine = gradients(npo.forget_loss(model, batch, reference, settings), model)
    size = max(gradient.abs().max().item() for gradient in expected.values())
    assert all((mine[name] - expected[name]).abs().max().item() < 1e-5 * size for name in expected)


RMU = {"hook_layer": 1, "steering": 4.0, "seed": 7}


def test_rmu_control_vector(model):
    batches = [padded(), padded(seed=4)]
    control = rmu.forget_reference(model, batches, RMU)
    norms = []
    for batch in batches:
        hidden = own_hidden(model, batch, RMU["hook_layer"])
        for row in range(len(hidden)):
            for t in range(hidden.shape[1]):
                if batch.mask[row, t]:
                    norms.append(math.sqrt(sum(x * x for x in hidden[row, t].tolist())))
    assert len(norms) == 2 * sum(LENGTHS)
    assert control.norm().item() == pytest.approx(RMU["steering"] * sum(norms) / len(norms), rel=1e-5)
    assert (control >= 0).all()  # drawn from [0, 1)^H, not from a Gaussian
    assert torch.equal(control, rmu.forget_reference(model, batches, RMU))
    assert not torch.allclose(control, rmu.forget_reference(model, batches, RMU | {"seed": 8}))


@pytest.mark.parametrize("hook_layer", [0, 1, 2])
def test_rmu(model, hook_layer):
    settings = RMU | {"hook_layer": hook_layer}
    forget, retain = padded(), padded(seed=4)
    control = torch.linspace(0.0, 2.0, 32)
    hidden = own_hidden(model, forget, hook_layer) if hook_layer < 2 else last_layer(model, forget)
    terms = [(hidden[row, t] - control.double()).pow(2) for row, t in forget.mask.nonzero().tolist()]
    assert_same(rmu.forget_loss(model, forget, control, settings), torch.cat(terms).mean(), model, 2e-6)
    reference = torch.randn(3, max(LENGTHS), 32, generator=torch.Generator().manual_seed(0))
    hidden = own_hidden(model, retain, hook_layer) if hook_layer < 2 else last_layer(model, retain)
    of_batch = reference[retain.rows].double()
    terms = [(hidden[row, t] - of_batch[row, t]).pow(2) for row, t in retain.mask.nonzero().tolist()]
    assert_same(rmu.retain_loss(model, retain, reference, settings), torch.cat(terms).mean(), model, 2e-6)


def last_layer(model, batch: Batch) -> torch.Tensor:
    """The last entry of `hidden_states` lies behind the final norm, so the norm's input is caught instead."""
    caught = []
    handle = model.model.norm.register_forward_pre_hook(lambda module, args: caught.append(args[0]))
    model(input_ids=batch.input_ids, attention_mask=batch.mask.long())
    handle.remove()
    return caught[0]


def test_rmu_retain_reference_is_the_untouched_state(model):
    ids = random_tokens(3, 9)
    whole = torch.ones_like(ids, dtype=torch.bool)
    parts = [Batch(torch.arange(2), ids[:2], whole[:2]), Batch(torch.tensor([2]), ids[2:], whole[2:])]
    reference = rmu.retain_reference(model, parts, RMU)
    assert torch.allclose(reference, own_hidden(model, Batch(torch.arange(3), ids, whole), RMU["hook_layer"]))
    shuffled = Batch(torch.tensor([2, 0]), ids[[2, 0]], whole[:2])
    assert rmu.retain_loss(model, shuffled, reference, RMU).item() == pytest.approx(0.0, abs=1e-12)


def test_rmu_runs_no_layer_above_its_own(model):
    ran = []
    handles = [
        layer.register_forward_hook(lambda module, args, output, index=index: ran.append(index))
        for index, layer in enumerate(model.model.layers)
    ]
    rmu.forget_loss(model, padded(), torch.zeros(32), RMU)
    for handle in handles:
        handle.remove()
    assert ran == [0, 1]
