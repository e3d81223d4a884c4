"""The search for suffixes, against computations through one-hot rows and whole logits."""

import pytest
import torch
from tiny_models import VOCABULARY, random_tokens, tiny
from torch.nn.functional import cross_entropy, one_hot

from moe.gcg import Prompt, find_suffix, swaps, target_losses, token_gradient

FAMILIES = ["qwen2moe", "deepseek", "mixtral", "granite", "gptoss", "llama"]
IDS = random_tokens(1, 22, seed=3)[0].tolist()
PROMPT = Prompt(IDS[:9], IDS[9:14], IDS[14:18], IDS[18:])
SETTINGS = {"steps": 12, "width": 24, "top_k": 16}
ALLOWED = torch.arange(VOCABULARY) > 1


def everything(suffixes: list[list[int]]) -> list[bool]:
    return [True] * len(suffixes)


def search(model, seed: int = 0, survives=everything, **settings):
    draw = torch.Generator().manual_seed(seed)
    return find_suffix(model, PROMPT, ALLOWED, survives, SETTINGS | settings, draw, 10)


def naive(model, suffix: torch.Tensor) -> tuple[float, torch.Tensor]:
    """Loss and its gradient by the suffix's one-hot rows: the whole sequence as one-hot rows, the whole logits."""
    ids = torch.tensor([*PROMPT.before, *suffix.tolist(), *PROMPT.after, *PROMPT.target])
    rows = one_hot(ids, VOCABULARY).float().requires_grad_()
    logits = model(inputs_embeds=(rows @ model.get_input_embeddings().weight).unsqueeze(0)).logits[0]
    loss = cross_entropy(logits[-len(PROMPT.target) - 1 : -1].float(), torch.tensor(PROMPT.target))
    loss.backward()
    return loss.item(), rows.grad[len(PROMPT.before) : len(PROMPT.before) + len(suffix)]


@pytest.mark.parametrize("family", FAMILIES)
def test_loss_and_gradient_are_the_naive_ones(family):
    model, suffix = tiny(family, 1), torch.tensor(PROMPT.suffix)
    loss, gradient = naive(model, suffix)
    others = random_tokens(6, len(suffix), seed=5)
    losses = target_losses(model, PROMPT, torch.cat([suffix.unsqueeze(0), others]), 3)
    # fp32 sums in another order: logits agree to 1e-6 of their size, some 10
    assert losses[0].item() == pytest.approx(loss, rel=1e-5)
    assert losses[1:].tolist() == pytest.approx([naive(model, other)[0] for other in others], rel=1e-5)
    ours = token_gradient(model, PROMPT, suffix)
    assert ours.shape == (len(suffix), VOCABULARY)
    assert torch.allclose(ours, gradient, rtol=1e-3, atol=1e-5 * float(gradient.abs().max()))


def test_swaps_change_one_token_to_one_of_the_steepest_that_are_allowed():
    suffix = torch.tensor(PROMPT.suffix)
    gradient = torch.randn(len(suffix), VOCABULARY, generator=torch.Generator().manual_seed(0))
    allowed = torch.arange(VOCABULARY) % 2 == 0
    drawn = swaps(suffix, gradient, allowed, 600, 4, torch.Generator().manual_seed(1))
    pairs = set()
    for row in drawn:
        (places,) = torch.nonzero(row != suffix, as_tuple=True)
        assert len(places) <= 1  # none where the token itself was drawn
        pairs |= {(int(place), int(row[place])) for place in places}
    wanted = set()
    for place in range(len(suffix)):
        order = sorted(range(0, VOCABULARY, 2), key=lambda token: float(gradient[place, token]))
        wanted |= {(place, token) for token in order[:4] if token != suffix[place]}
    assert pairs == wanted  # 600 draws of 20: one is missed with a chance of 20 * .95^600 < 1e-11


@pytest.mark.parametrize("family", ["qwen2moe", "gptoss"])
def test_the_suffix_found_makes_the_target_likelier(family):
    model = tiny(family, 1)
    result = search(model)
    assert result.first == pytest.approx(naive(model, torch.tensor(PROMPT.suffix))[0], rel=1e-5)
    assert result.last == pytest.approx(naive(model, torch.tensor(result.suffix))[0], rel=1e-5)
    assert result.last < result.first - 0.1 and result.survived == 1.0
    assert set(result.suffix) <= set(torch.nonzero(ALLOWED).flatten().tolist()) | set(PROMPT.suffix)
    # as many suffixes drawn at random do worse: the gradient is worth something
    drawn = random_tokens(SETTINGS["steps"] * SETTINGS["width"], len(PROMPT.suffix), seed=9)
    assert result.last < target_losses(model, PROMPT, drawn, 64).min().item()


def test_the_same_draws_find_the_same_suffix():
    model = tiny("qwen2moe", 1)
    assert search(model) == search(model) and search(model) != search(model, seed=1)


def test_only_suffixes_that_survive_are_taken():
    model = tiny("qwen2moe", 1)
    unhindered = search(model)
    banned = next(token for token in unhindered.suffix if token not in PROMPT.suffix)
    result = search(model, survives=lambda suffixes: [banned not in suffix for suffix in suffixes])
    assert banned not in result.suffix and result.last < result.first and 0 < result.survived < 1
    none = search(model, survives=lambda suffixes: [False] * len(suffixes))
    assert none.suffix == PROMPT.suffix and none.first == none.last == unhindered.first and none.survived == 0.0
