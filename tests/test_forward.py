"""Log-likelihoods without all logits at once."""

import pytest
import torch
from test_upper_layers import blocks
from tiny_models import tiny

from moe.forward import CHUNK, sequence_nll
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
