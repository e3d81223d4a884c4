"""Token weights that make experts as frequent as wanted: closed form, an independent solution, what has none."""

import json

import pytest
import torch
from safetensors.torch import load_file
from scipy import optimize
from test_unlearn import METHODS, SELECTION, TRAINING, options
from tiny_models import LetterTokenizer, random_texts, random_tokens, tiny
from transformers import AutoTokenizer

import weigh_retain_tokens
from jobs.files import write_jsonl
from methods import gdiff, rmu
from moe.forward import Batch
from moe.layers import find_moe_layers
from moe.packing import pack, shuffled
from moe.raking import forget_critical, rake
from moe.routing import record_routing
from unlearning.run import unlearn
from unlearning.texts import pack_texts
from weigh_retain_tokens import weigh

EIGHT = {"experts": 8, "over": 1.2, "clip": 10.0}


def frequencies(weights: torch.Tensor, uses: torch.Tensor) -> torch.Tensor:
    return (weights[:, None] * uses).mean(0)


def random_uses(tokens: int, shares: list[float], seed: int = 0) -> torch.Tensor:
    draws = torch.rand(tokens, len(shares), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return (draws < torch.tensor(shares, dtype=torch.float64)).double()


@pytest.mark.parametrize(("used", "wanted"), [(10, 0.4), (25, 0.25), (60, 0.2), (1, 0.09)])
def test_one_expert_has_a_closed_form(used, wanted):
    """w = f/r on the expert's tokens, (1 - f)/(1 - r) on the others: their ratio is the odds ratio."""
    uses = torch.zeros(100, 1)
    uses[:used] = 1.0
    weights = rake(uses, torch.tensor([wanted]), 10.0)
    rate = used / 100
    assert weights[:used] == pytest.approx(wanted / rate, rel=1e-4)  # the softness moves the frequency by about 1e-6
    assert weights[used:] == pytest.approx((1 - wanted) / (1 - rate), rel=1e-4)
    assert float(weights[0] / weights[-1]) == pytest.approx(wanted * (1 - rate) / (rate * (1 - wanted)), rel=1e-4)


@pytest.mark.parametrize(("clip", "clipped"), [(10.0, False), (6.0, True)])
def test_many_experts_equal_an_independent_solution(clip, clipped):
    """The same problem over all 60 weights at once, by scipy's SLSQP: no dual, no kinds of tokens, no intercept."""
    uses = random_uses(60, [0.3, 0.5, 0.2], seed=3)
    targets = torch.tensor([0.45, 0.4, 0.35], dtype=torch.float64)
    ours = rake(uses, targets, clip)
    solution = optimize.minimize(
        lambda w: float((w * torch.from_numpy(w).log().numpy()).sum()),
        torch.ones(60).double().numpy(),
        jac=lambda w: torch.from_numpy(w).log().numpy() + 1.0,
        method="SLSQP",
        bounds=[(1 / clip, clip)] * 60,
        constraints=[
            {"type": "eq", "fun": lambda w: w.mean() - 1.0},
            {"type": "eq", "fun": lambda w: (w[:, None] * uses.numpy()).mean(0) - targets.numpy()},
        ],
        options={"maxiter": 500, "ftol": 1e-14},
    )
    assert solution.success, solution.message
    assert bool(((ours > clip - 1e-6) | (ours < 1 / clip + 1e-6)).any()) == clipped
    assert ours.numpy() == pytest.approx(solution.x, abs=1e-3)
    assert frequencies(ours, uses).tolist() == pytest.approx(targets.tolist(), abs=1e-4)


@pytest.mark.parametrize("seed", range(4))
def test_where_a_solution_exists_frequencies_match(seed):
    """Targets made by weights that lie within the clip have a solution; the result must find one, with mean one."""
    shares = torch.linspace(0.05, 0.6, 12).tolist()
    uses = random_uses(5000, shares, seed)
    tilt = torch.randn(12, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 0.4
    made = (uses @ tilt).exp().clamp(0.2, 5.0)
    made = (made / made.mean()).clamp(1 / 7, 7.0)
    made = made / made.mean()
    weights = rake(uses, frequencies(made, uses), 8.0)
    assert (frequencies(weights, uses) - frequencies(made, uses)).abs().max() < 1e-4
    assert float(weights.mean()) == pytest.approx(1.0, abs=1e-9)
    assert float(weights.min()) >= 1 / 8 - 1e-12 and float(weights.max()) <= 8 + 1e-12


def test_without_a_solution_the_nearest_is_found_and_the_residual_is_known():
    """One expert on one token of 100 can't reach .5 within a clip of 4: its weight is 4, its frequency .04."""
    uses = torch.zeros(100, 1)
    uses[0] = 1.0
    weights = rake(uses, torch.tensor([0.5]), 4.0)
    assert float(weights[0]) == pytest.approx(4.0) and float(weights.mean()) == pytest.approx(1.0)
    assert frequencies(weights, uses).tolist() == pytest.approx([0.04])


def test_contradicting_targets_meet_in_the_middle():
    """Two experts with the same tokens and different targets: least squares is their mean."""
    uses = torch.zeros(100, 2)
    uses[:30] = 1.0
    weights = rake(uses, torch.tensor([0.4, 0.6]), 10.0)
    assert frequencies(weights, uses).tolist() == pytest.approx([0.5, 0.5], abs=1e-4)


def test_an_expert_that_no_retain_token_uses_stays_at_zero():
    uses = torch.zeros(50, 2)
    uses[:10, 0] = 1.0
    weights = rake(uses, torch.tensor([0.3, 0.2]), 10.0)
    assert frequencies(weights, uses).tolist() == pytest.approx([0.3, 0.0], abs=1e-4)


class TestForgetCritical:
    forget = {0: [0.5, 0.3, 0.1, 0.1], 1: [0.7, 0.1, 0.1, 0.1]}
    retain = {0: [0.1, 0.25, 0.35, 0.3], 1: [0.2, 0.0, 0.4, 0.4]}

    def test_often_on_forget_text_and_much_less_on_retain_text(self):
        assert forget_critical(self.forget, self.retain, 0.25, experts=8, over=1.1) == [(0, 0), (0, 1), (1, 0)]
        assert forget_critical(self.forget, self.retain, 0.25, experts=8, over=1.5) == [(0, 0), (1, 0)]
        assert forget_critical(self.forget, self.retain, 0.55, experts=8, over=1.5) == [(1, 0)]

    def test_the_largest_differences_are_kept(self):
        assert forget_critical(self.forget, self.retain, 0.1, experts=2, over=1.1) == [(0, 0), (1, 0)]
        assert forget_critical(self.forget, self.retain, 0.1, experts=1, over=1.1) == [(1, 0)]

    def test_none(self):
        assert forget_critical(self.retain, self.retain, 0.25, experts=8, over=1.5) == []


@pytest.mark.parametrize("family", ["qwen2moe", "deepseek", "gptoss"])
def test_the_stage_on_a_model(family):
    """Frequencies counted here from each token's own choices, one by one."""
    model = tiny(family, 1)
    layers = find_moe_layers(model)
    forget = random_tokens(6, 16, seed=1) % 20 + 2  # a third of the vocabulary, so that routing differs
    retain = random_tokens(10, 16, seed=2)
    weights, record = weigh(model, layers, forget, retain, 4, EIGHT)
    assert weights.shape == retain.shape and float(weights.mean()) == pytest.approx(1.0, abs=1e-5)
    assert record["experts"], "no critical expert: the test shows nothing"

    def uses(ids: torch.Tensor, layer: int, expert: int) -> torch.Tensor:
        with torch.no_grad(), record_routing(model, layers) as routing:
            model(input_ids=ids)
        return torch.tensor([[float(expert in choice)] for choice in routing.top_k[layer].tolist()]).view(ids.shape)

    for row in record["experts"]:
        on_retain = uses(retain, row["layer"], row["expert"])
        assert row["forget"] == pytest.approx(float(uses(forget, row["layer"], row["expert"]).mean()))
        assert row["retain"] == pytest.approx(float(on_retain.mean()))
        assert row["weighted"] == pytest.approx(float((on_retain * weights).mean()), abs=1e-6)
        assert row["residual"] == pytest.approx(row["weighted"] - row["forget"], abs=1e-9)
        assert row["matched"] == (abs(row["residual"]) <= 1e-3)
    json.dumps(record)


def test_no_critical_expert_weighs_nothing():
    model = tiny("qwen2moe", 1)
    ids = random_tokens(6, 16, seed=1)
    weights, record = weigh(model, find_moe_layers(model), ids, ids, 4, EIGHT)
    assert record["experts"] == [] and bool((weights == 1.0).all())


def test_weights_follow_their_blocks_through_the_shuffling():
    blocks = pack(random_texts(12, 40), LetterTokenizer(), 16)
    weights = torch.arange(blocks.numel(), dtype=torch.float32).view_as(blocks)
    stream = shuffled(blocks, 4, 0, weights)
    for _ in range(20):
        batch = next(stream)
        assert torch.equal(batch.weights, weights[batch.rows])


def test_weighted_retain_losses():
    """Against sums over single predictions, in float64; weights that are all 1 change nothing."""
    model = tiny("qwen2moe", 1).double()
    model.set_experts_implementation("eager")  # the grouped kernel knows no float64
    ids, rows = random_tokens(3, 12, seed=5), torch.tensor([2, 0, 1])
    weights = torch.rand(3, 12, dtype=torch.float64) * 2
    mask = torch.ones(3, 12, dtype=torch.bool)
    plain, weighted, ones = (Batch(rows, ids, mask, w) for w in (None, weights, torch.ones(3, 12)))
    with torch.no_grad():
        probabilities = model(input_ids=ids).logits.softmax(-1)
        places = [(row, t) for row in range(3) for t in range(11)]
        terms = [-float(weights[row, t] * probabilities[row, t, ids[row, t + 1]].log()) for row, t in places]
        assert gdiff.retain_loss(model, weighted, None, {}).item() == pytest.approx(sum(terms) / 33)
        assert gdiff.retain_loss(model, ones, None, {}).item() == gdiff.retain_loss(model, plain, None, {}).item()
        settings = {"hook_layer": 1}
        reference = torch.randn(3, 12, model.config.hidden_size, dtype=torch.float64)
        hidden = model(input_ids=ids, output_hidden_states=True).hidden_states[2]
        errors = (hidden.float() - reference[rows].float()).square().mean(-1)
        by_hand = sum(float(weights[row, t] * errors[row, t]) for row in range(3) for t in range(12)) / 36
        assert rmu.retain_loss(model, weighted, reference, settings).item() == pytest.approx(by_hand)
        unweighted = rmu.retain_loss(model, plain, reference, settings).item()
        assert rmu.retain_loss(model, ones, reference, settings).item() == pytest.approx(unweighted)


def test_the_script(tmp_path, monkeypatch):
    model = tiny("qwen2moe", 1)
    model.save_pretrained(tmp_path / "model")
    monkeypatch.setattr(AutoTokenizer, "from_pretrained", lambda folder: LetterTokenizer())
    for seed, name in enumerate(("forget", "retain")):
        write_jsonl(tmp_path / f"{name}.jsonl", [{"text": text} for text in random_texts(6, 150, seed)])
    settings = {"benchmark": {"forget": "forget.jsonl", "retain": "retain.jsonl"}, "precision": "float32"}
    settings |= EIGHT | {"over": 1.0} | {key: TRAINING[key] for key in ("batch_size", "block_length")}
    given = {"model": tmp_path / "model", "data": tmp_path, "settings": json.dumps(settings)}
    words = options(given | {"output": tmp_path / "weights.json"})
    monkeypatch.setattr("sys.argv", ["weigh_retain_tokens.py", *words])
    weigh_retain_tokens.main()
    record = json.loads((tmp_path / "weights.json").read_text())
    weights = load_file(tmp_path / "weights.safetensors")["weights"]
    assert weights.shape[1] == TRAINING["block_length"] and record["tokens"]["retain"] == weights.numel()
    assert record["experts"] and all(row["matched"] for row in record["experts"])


def test_training_under_weights():
    """Weights of one change nothing, others change what is learnt; a loss without retain term and a wrong shape are
    refused."""

    def run(method: str, weights: torch.Tensor | None) -> list[dict]:
        texts = random_texts(12, 40, seed=1), random_texts(12, 40, seed=2)
        settings = {"method": {"name": method} | METHODS[method], "scope": {"kind": "uoe", "alpha": 1.0}}
        settings |= {"training": TRAINING, "learning_rate": 1e-2}
        blocks = pack_texts(LetterTokenizer(), *texts, settings, weights)
        return unlearn(tiny("qwen2moe", 1), blocks, settings, SELECTION, 0, lambda step: None)[0]["steps"]

    shape = pack(random_texts(12, 40, seed=2), LetterTokenizer(), TRAINING["block_length"]).shape
    uneven = torch.rand(shape, generator=torch.Generator().manual_seed(0)) * 2
    for method in ("gdiff", "rmu"):
        plain, ones, other = (run(method, weights) for weights in (None, torch.ones(shape), uneven))
        assert [row["retain_loss"] for row in ones] == pytest.approx([row["retain_loss"] for row in plain], rel=1e-4)
        assert other[0]["forget_loss"] == plain[0]["forget_loss"]
        assert other[-1]["retain_loss"] != pytest.approx(plain[-1]["retain_loss"], rel=1e-3)
    with pytest.raises(SystemExit, match="ga has no retain term"):
        run("ga", torch.ones(shape))
    with pytest.raises(SystemExit, match=r"token weights \(2, 3\): gdiff has"):
        run("gdiff", torch.ones(2, 3))
