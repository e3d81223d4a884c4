"""Log-likelihoods without all logits at once."""

import pytest
import torch
from test_upper_layers import blocks
from tiny_models import tiny

from moe.forward import CHUNK, IGNORED, nll, sequence_nll
from moe.packing import batches


@pytest.mark.parametrize("family", ["qwen2moe", "granite"])
@pytest.mark.parametrize("head_trains", [False, True])
def test_likelihoods_in_chunks(family, head_trains, monkeypatch):
    """Values and gradients as from whole logits, and never more of them than one chunk."""
    monkeypatch.setattr("moe.forward.CHUNK", 7)
    model = tiny(family, 1).double()
    model.set_experts_implementation("eager")
    model.config.logits_scaling = 3.0
    model.lm_head.requires_grad_(head_trains)
    sizes = []
    model.lm_head.register_forward_hook(lambda module, args, output: sizes.append(output[..., 0].numel()))
    batch = batches(blocks(0), 3)[0]
    nll, counted = sequence_nll(model, batch)
    assert max(sizes) == 7 and counted.tolist() == [15.0] * 3
    weights = torch.tensor([0.3, -1.0, 2.0], dtype=torch.float64)
    named = {n: p for n, p in model.named_parameters() if p.requires_grad}
    gradients = torch.autograd.grad((nll * weights).sum(), list(named.values()), allow_unused=True)
    scores = model(input_ids=batch.input_ids).logits[:, :-1].log_softmax(-1)
    expected = -scores.gather(-1, batch.input_ids[:, 1:, None]).squeeze(-1).sum(-1)
    wanted = torch.autograd.grad((expected * weights).sum(), list(named.values()), allow_unused=True)
    assert torch.allclose(nll.double(), expected, rtol=1e-6)  # cross-entropy is taken in fp32
    size = max(w.abs().max() for w in wanted if w is not None)
    for ours, theirs in zip(gradients, wanted, strict=True):
        assert (ours is None) == (theirs is None) and (ours is None or (ours - theirs).abs().max() < 1e-5 * size)
    assert CHUNK == 512


@pytest.mark.parametrize("scale", [1.0, 60.0])
def test_nll_is_cross_entropy(scale):
    """Values and gradients as torch's, in fp32 against fp64; at scale 60 most labels' probabilities underflow, as after
    gradient ascent, and others are 1 to the last bit."""
    logits = scale * torch.randn(40, 50, generator=torch.Generator().manual_seed(0))
    labels = torch.randint(0, 50, (40,), generator=torch.Generator().manual_seed(1))
    labels[:8] = logits[:8].argmax(-1)
    labels[8:12] = IGNORED
    outer = torch.randn(40, generator=torch.Generator().manual_seed(2))
    ours, theirs = logits.clone().requires_grad_(), logits.double().requires_grad_()
    values = nll(ours, labels)
    expected = torch.nn.functional.cross_entropy(theirs, labels, reduction="none", ignore_index=IGNORED)
    assert torch.allclose(values.double(), expected, rtol=1e-6, atol=2e-6 * scale) and (values[8:12] == 0).all()
    values.backward(outer)
    expected.backward(outer.double())
    assert torch.allclose(ours.grad.double(), theirs.grad, atol=1e-5) and not ours.grad[8:12].any()


def test_nll_of_broken_logits_is_not_a_number():
    assert nll(torch.tensor([[0.0, float("nan")]]), torch.tensor([0])).isnan().all()
