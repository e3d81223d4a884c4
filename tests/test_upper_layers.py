"""Starting at the trained layer on kept hidden states equals running the whole model, and runs nothing twice."""

import pytest
import torch
from tiny_models import MOE_FAMILIES, LetterTokenizer, random_texts, random_tokens, tiny

from methods import npo
from moe.delta import trained_tensors
from moe.forward import hidden_states, token_nll
from moe.layers import decoder_layers, find_moe_layers
from moe.packing import batch_of, batches, pack
from moe.routing import record_routing
from moe.selection import NOTHING
from moe.upper_layers import Reuse, lowest_trained, reuse_prefix_
from unlearning.run import unlearn
from unlearning.texts import pack_texts

TEXTS = random_texts(10, 40, seed=1), random_texts(8, 40, seed=2)
TRAINING = {
    "batch_size": 3,
    "block_length": 16,
    "steps": 20,
    "checkpoint_growth": 2,
    "probe_every": 10,
    "probe_blocks": 4,
}
METHODS = {
    "ga": {},
    "gdiff": {"retain_weight": 1.0},
    "npo": {"beta": 0.1, "per_token": True, "retain_weight": 1.0},
    "rmu": {"hook_layer": 2, "steering": 4.0, "retain_weight": 10.0, "seed": 0},
}
CASES = [("qwen2moe", method) for method in METHODS]
CASES += zip(MOE_FAMILIES[1:], ["npo", "gdiff", "rmu", "npo", "ga", "rmu"], strict=True)


def blocks(number: int) -> torch.Tensor:
    return pack(TEXTS[number], LetterTokenizer(), 16)


def uoe(model, layers=(2,)) -> dict:
    """Selection of the expert with most tokens in each of `layers`."""
    experts = {}
    with record_routing(model, find_moe_layers(model)) as routing, torch.no_grad():
        model(input_ids=blocks(0))
    for layer in layers:
        experts[str(layer)] = [torch.bincount(routing.top_k[layer].flatten()).argmax().item()]
    return {"experts": experts, "routers": list(layers), "anchor": experts}


def run(model, method="ga", *, selection=None, scope=None, reuse=None, training=TRAINING, whole=False, rate=1e-3):
    """(trajectory, trained tensors); whole: every step runs every layer, as if nothing were kept."""
    selection = uoe(model) if selection is None else selection
    with pytest.MonkeyPatch.context() as patch:
        if whole:
            patch.setattr("unlearning.run.reuse_prefix_", lambda *arguments: None)
        settings = {"method": {"name": method} | METHODS[method], "scope": scope or {"kind": "uoe", "alpha": 1.0}}
        settings |= {"training": training, "learning_rate": rate}
        texts = pack_texts(LetterTokenizer(), *TEXTS, settings)
        trajectory, _ = unlearn(model, texts, settings, selection, 0, lambda step: None, reuse=reuse)
    return trajectory, {name: tensor.clone() for name, tensor in trained_tensors(model).items()}


def assert_same_run(ours, expected, start) -> None:
    """fp32: losses to 1e-5, what training changed to 1e-4 of its size after 20 steps."""
    (trajectory, tensors), (wanted, wanted_tensors) = ours, expected
    for step, other in zip(trajectory["steps"], wanted["steps"], strict=True):
        for name in ("forget_loss", "retain_loss", "anchor_loss"):
            allowed = None if other[name] is None else pytest.approx(other[name], rel=1e-5)
            assert step[name] == allowed, (step["step"], name)
    assert tensors.keys() == wanted_tensors.keys() == start.keys()
    moved = torch.cat([(wanted_tensors[name] - start[name]).flatten() for name in start])
    error = torch.cat([(wanted_tensors[name] - tensors[name]).flatten() for name in start])
    assert moved.abs().max() > 5e-3 and error.norm() <= 1e-4 * moved.norm()


def rows_run(model, layers) -> dict[int, int]:
    """Counts, while the model runs, the rows that pass through each decoder layer's attention or MLP."""
    seen = dict.fromkeys(layers, 0)
    for index in layers:
        inner = next(child for child in decoder_layers(model)[1][index].children())

        def count(module, args, kwargs, index=index):
            seen[index] += (args[0] if args else kwargs["hidden_states"]).shape[0]

        inner.register_forward_pre_hook(count, with_kwargs=True)
    return seen


def at_start(family: str, method: str = "ga") -> tuple[dict, dict]:
    """(selection, what it trains before the first step) of a new model."""
    model = tiny(family, 1)
    selection = uoe(model)
    return selection, run(model, method, selection=selection, training=TRAINING | {"steps": 0})[1]


@pytest.mark.parametrize(("family", "method"), CASES)
def test_equals_the_whole_model(family, method):
    """Seven families, four methods: losses and deltas of 20 steps, routing at every probe."""
    selection, start = at_start(family, method)
    ours = run(tiny(family, 1), method, selection=selection)
    expected = run(tiny(family, 1), method, selection=selection, whole=True)
    assert_same_run(ours, expected, start)
    assert len(ours[0]["probes"]) == 3
    for probe, other in zip(ours[0]["probes"], expected[0]["probes"], strict=True):
        assert probe["token_share"] == other["token_share"] and probe["overlap"] == other["overlap"]
        assert all(probe["overlap"][layer] == 1.0 for layer in probe["overlap"] if int(layer) < 2)


def test_a_loss_that_sees_every_layers_routing_runs_every_layer(monkeypatch):
    """GA with the negated balance loss (as published): its mean is over the tokens of all layers, also lower ones."""
    monkeypatch.setitem(METHODS, "ga", {"negated_balance": 0.5})
    selection, start = at_start("qwen2moe")
    ours = run(tiny("qwen2moe", 1), selection=selection)
    assert_same_run(ours, run(tiny("qwen2moe", 1), selection=selection, whole=True), start)


def test_with_recomputed_activations_and_a_batch_in_parts():
    """What the real models' cells use: layers run again in the backward pass, and a step takes several passes."""
    selection, start = at_start("deepseek", "npo")
    training = TRAINING | {"gradient_checkpointing": True, "rows_at_once": 2}
    ours = run(tiny("deepseek", 1), "npo", selection=selection, training=training)
    assert_same_run(ours, run(tiny("deepseek", 1), "npo", selection=selection, whole=True), start)


def test_embedding_multiplier_and_sliding_windows():
    """What a family does between embeddings and layers is done once, and masks follow the layer's own kind."""
    for family, change in (("granite", {"embedding_multiplier": 12.0}), ("gptoss", {"sliding_window": 4})):
        model = tiny(family, 1)
        for name, value in change.items():
            setattr(model.config, name, value)
            if hasattr(model.model, name):
                setattr(model.model, name, value)
        batch = batches(blocks(0), 4)[0]
        with torch.no_grad():
            expected, hidden = model(batch.input_ids, use_cache=False).logits, hidden_states(model, batch, 2)
            for layer in (1, 2):
                prefix = reuse_prefix_(model, layer, Reuse(), [blocks(0)], 4)
                assert torch.allclose(model(input_ids=batch.input_ids, use_cache=False).logits, expected, atol=2e-6)
                assert torch.allclose(hidden_states(model, batch, 2), hidden, atol=2e-6)
                prefix.remove()


@pytest.mark.parametrize("method", METHODS)
def test_lower_layers_run_once_a_text(method):
    """However many epochs, references and probes: one pass over each set, after the first probe of the whole model."""
    model = tiny("qwen2moe", 1)
    selection, seen = uoe(model), rows_run(model, [0, 1])
    run(model, method, selection=selection, training=TRAINING | {"steps": 30})
    sets = len(blocks(0)) + (len(blocks(1)) if method != "ga" else 0)
    assert 3 * len(blocks(0)) < 30 * 3  # several epochs
    assert seen == {0: 4 + sets, 1: 4 + sets}


def test_rmu_runs_nothing_above_its_layer_and_nothing_below_it_twice():
    model = tiny("qwen2moe", 1)
    selection, seen = uoe(model, [1]), rows_run(model, [0, 1, 2])
    settings = METHODS["rmu"] | {"hook_layer": 1}
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(METHODS, "rmu", settings)
        run(model, "rmu", selection=selection, training=TRAINING | {"checkpoint_growth": 2, "probe_every": 100})
    sets = len(blocks(0)) + len(blocks(1))
    assert seen[0] == 4 + sets  # the first probe, and each text once
    # the references, both losses of every step, and at the end a probe and both terms' gradients on its blocks
    assert seen[1] == 4 + sets + 2 * 20 * 3 + 4 + 2 * 4
    assert seen[2] == 4 + 4  # the two probes alone


def test_npo_starts_at_ratio_zero():
    """Reference and policy take the same path, so before the first step they are equal in every bit."""
    model, settings = tiny("deepseek", 1), METHODS["npo"]
    model.requires_grad_(False)
    reuse_prefix_(model, 2, Reuse(), [blocks(0)], 3)
    batch = batch_of(blocks(0), torch.tensor([5, 0, 7]))
    reference = torch.zeros(len(blocks(0)))
    reference[batch.rows] = npo.forget_reference(model, [batch], settings)
    assert torch.equal(npo._nll(model, batch, settings), reference[batch.rows])
    loss = npo.forget_loss(model, batch, reference, settings)
    assert loss.item() == pytest.approx(2 / settings["beta"] * torch.tensor(2.0).log().item(), rel=1e-7)


def test_first_layer_trained_costs_nothing():
    model = tiny("qwen2moe", 1)
    assert reuse_prefix_(model, 0, Reuse(), [blocks(0)], 3) is None
    assert not any("forward" in vars(block) for block in decoder_layers(model)[1])


def test_over_the_limit_one_line_and_the_same_numbers(capfd):
    selection, start = at_start("mixtral", "gdiff")
    capfd.readouterr()
    model = tiny("mixtral", 1)
    seen = rows_run(model, [0])
    ours = run(model, "gdiff", selection=selection, reuse=Reuse(limit=1000))
    lines = [line for line in capfd.readouterr().err.splitlines() if "over the limit" in line]
    tokens = 16 * (len(blocks(0)) + len(blocks(1)))
    size = f"{tokens} tokens x 32 in torch.float32 are {tokens * 32 * 4 / 1e9:.3g} GB"
    assert lines == [f"below layer 2: {size}, over the limit of 1e-06 GB; computed on the fly"]
    # first probe, 20 steps of forget and retain text, two probes, each with both terms' gradients
    assert seen[0] == 4 + 20 * 6 + 2 * (4 + 2 * 4)
    assert_same_run(ours, run(tiny("mixtral", 1), "gdiff", selection=selection, whole=True), start)


def test_lower_layers_and_embeddings_are_not_needed_once_texts_are_known():
    """They are put where nothing can be computed; only what is above runs."""
    model = tiny("deepseek", 1)
    batch = batches(blocks(0), 4)[1]
    expected = token_nll(model, batch).item()
    reuse_prefix_(model, 2, Reuse(), [blocks(0)], 4).release("meta")
    assert {p.device.type for p in model.model.layers[:2].parameters()} == {model.model.embed_tokens.weight.device.type}
    assert model.model.embed_tokens.weight.is_meta and not next(model.model.layers[2].parameters()).is_meta
    assert token_nll(model, batch).item() == pytest.approx(expected, rel=1e-6)


def test_unknown_texts_padding_and_generation_take_their_own_way():
    model = tiny("qwen3moe", 1)
    ids = random_tokens(2, 16, seed=9)
    mask = torch.ones_like(ids)
    mask[0, :5] = 0
    with torch.no_grad():
        expected = model(input_ids=ids, use_cache=False).logits
        padded = model(input_ids=ids, attention_mask=mask, use_cache=False).logits
        written = model.generate(ids, max_new_tokens=4, do_sample=False)
        prefix = reuse_prefix_(model, 2, Reuse(), [blocks(0)], 4)
        assert torch.allclose(model(input_ids=ids, use_cache=False).logits, expected, atol=2e-6)
        assert torch.equal(model(input_ids=ids, attention_mask=mask, use_cache=False).logits, padded)
        assert torch.equal(model.generate(ids, max_new_tokens=4, do_sample=False), written)
        prefix.remove()
        assert torch.equal(model(input_ids=ids, use_cache=False).logits, expected)


def test_a_groups_digits_do_not_depend_on_the_order_of_use():
    """A resumed run starts elsewhere in the order; what it keeps must be the same in every bit."""
    computed = []
    for order in ([0, 9, 4, 13], [13, 4, 9, 0]):
        prefix = reuse_prefix_(tiny("qwen2moe", 1), 2, Reuse(), [blocks(0)], 3)
        kept = prefix.known[blocks(0)[0].numpy().tobytes()][0]
        computed.append({row: kept.rows([row], prefix.compute)[0] for row in order})
    assert all(torch.equal(computed[0][row], computed[1][row]) for row in computed[0])


def test_lowest_trained():
    model = tiny("deepseek", 1).requires_grad_(False)
    assert lowest_trained(model) == 3  # nothing trains: nothing has to run
    model.get_submodule("model.layers.2.mlp.gate").requires_grad_(True)
    assert lowest_trained(model) == 2
    model.model.layers[1].mlp.requires_grad_(True)
    assert lowest_trained(model) == 1
    model.lm_head.requires_grad_(True)
    assert lowest_trained(model) == 0


@pytest.mark.parametrize("scope", ["baseline", "lora", "experts", "routers"])
def test_scopes_that_train_from_the_bottom_keep_nothing(scope):
    settings, model = {"kind": scope, "rank": 2}, tiny("qwen2moe", 1)
    ours = run(
        model,
        selection=NOTHING,
        scope=settings,
        training=TRAINING | {"steps": 2, "checkpoint_growth": 2, "probe_every": 2},
    )
    assert not any("forward" in vars(block) for block in decoder_layers(model)[1]) and len(ours[0]["steps"]) == 2
