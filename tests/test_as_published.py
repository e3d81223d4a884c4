"""The switches from the papers' text to the published code, against independent computations, and their table."""

import pytest
import synthetic_answers
import torch
import yaml
from snakemake.utils import validate
from stub_project import ROOT
from synthetic_results import build
from table_helpers import layered, layered_config, make, value
from tiny_models import random_tokens, tiny
from transformers.models.mixtral.modeling_mixtral import load_balancing_loss_func

from methods import ga, gdiff, npo
from moe.balance import balance_loss
from moe.forward import Batch
from moe.layers import find_moe_layers
from moe.routing import record_routing
from planning import blocks, checks, pictures
from rendering import notes
from unlearning.anchor import anchor_loss


def full_batch(rows: int = 4, length: int = 9) -> Batch:
    return Batch(torch.arange(rows), random_tokens(rows, length, 5), torch.ones(rows, length, dtype=torch.bool))


def gradients(loss: torch.Tensor, model) -> torch.Tensor:
    computed = torch.autograd.grad(loss, list(model.parameters()), allow_unused=True, materialize_grads=True)
    return torch.cat([gradient.flatten() for gradient in computed])


@pytest.fixture
def model():
    built = tiny("qwen2moe", seed=1).double()
    built.set_experts_implementation("eager")  # the grouped kernel knows no float64
    return built


@pytest.mark.parametrize("family", ["qwen2moe", "mixtral", "deepseek"])
def test_balance_loss_is_the_one_of_transformers(family):
    model, batch = tiny(family, seed=2), full_batch()
    with record_routing(model, find_moe_layers(model)) as routing, torch.no_grad():
        model(input_ids=batch.input_ids)
    layers = find_moe_layers(model)
    logits, top_k = tuple(routing.logits.values()), routing.top_k[layers[0].index].shape[-1]
    expected = load_balancing_loss_func(logits, layers[0].num_experts, top_k)
    assert balance_loss(routing, batch.mask.reshape(-1)).item() == pytest.approx(expected.item(), rel=1e-5)


def test_negated_balance_is_what_ascent_on_transformers_own_loss_does(model):
    model.config.router_aux_loss_coef = model.router_aux_loss_coef = 0.05
    batch = full_batch()
    theirs = -model(input_ids=batch.input_ids, labels=batch.input_ids, output_router_logits=True).loss
    ours = ga.forget_loss(model, batch, None, {"negated_balance": 0.05})
    # float64 but for the balance loss, which both compute from fp32 softmaxes
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-6)
    assert torch.allclose(gradients(ours, model), gradients(theirs, model), atol=1e-6)
    assert ours.item() != pytest.approx(ga.forget_loss(model, batch, None, {}).item(), rel=1e-4)


def test_scrambled_retain_batch_pairs_the_first_text_with_labels_of_the_third(model):
    batch = full_batch()
    ours = gdiff.retain_loss(model, batch, None, {"retain_batch": "scrambled"})
    scores = model(input_ids=batch.input_ids[:1]).logits[0, :-1].log_softmax(-1)
    expected = -sum(scores[t, batch.input_ids[2, t + 1]] for t in range(8)) / 8
    assert ours.item() == pytest.approx(expected.item(), rel=1e-6)
    with pytest.raises(SystemExit, match="batch_size: .*at least 3 rows"):
        gdiff.retain_loss(model, full_batch(2), None, {"retain_batch": "scrambled"})


@pytest.mark.parametrize("beta", [0.001, 1.0])
def test_npo_with_the_policy_as_reference_is_gradient_ascent(model, beta):
    settings = {"beta": beta, "per_token": True, "reference": "policy"}
    batch = full_batch()
    ours = npo.forget_loss(model, batch, torch.zeros(4), settings)
    assert ours.item() == pytest.approx(2 / beta * 0.6931471805599453)  # the constant that the published code logs
    assert torch.allclose(gradients(ours, model), gradients(ga.forget_loss(model, batch, None, {}), model), atol=1e-12)


def test_anchor_switches(model):
    batch = full_batch()
    layers = find_moe_layers(model)[:1]
    anchor = {str(layers[0].index): [1]}

    def loss(scope: dict) -> torch.Tensor:
        with record_routing(model, layers) as routing:
            model(input_ids=batch.input_ids)
        return anchor_loss(routing, anchor, batch.mask, scope)

    experts = layers[0].num_experts
    assert loss({"anchor_mean": True}).item() == pytest.approx(loss({}).item() / experts)
    assert loss({}).requires_grad and not loss({"anchor_gradient": False}).requires_grad
    assert loss({"anchor_gradient": False}).item() == loss({}).item()
    with record_routing(model, layers) as routing:
        model(input_ids=batch.input_ids)
    soft = routing.logits[layers[0].index].float().softmax(-1)
    target = torch.nn.functional.one_hot(torch.tensor(1), experts)
    expected = ((soft - target) ** 2).sum(-1).mean()
    assert loss({"anchor_masked": False}).item() == pytest.approx(expected.item(), rel=1e-6)


def test_the_table_shows_each_switch_beside_what_it_varies(tmp_path):
    config = layered_config()
    root = build(tmp_path, config)
    synthetic_answers.build(root, pictures.files("tables", "as_published", config), config)
    table = make(root, config, "as_published")
    rows = list(dict.fromkeys(table.frame["row"]))
    assert len(rows) == 2 + len(config["tables"]["as_published"]["pairs"])  # pretrained, retrained
    assert "NPO, reference is the policy" in rows and "GA+UOE, anchor without gradient" in rows
    cell = value(table, "GDIFF", "micro-qwen", "wmdp-cyber", "UT")
    assert cell["published"] == "0.2965"
    assert value(table, "GDIFF, retain labels of another text", "micro-qwen", "wmdp-cyber", "UT")["published"] == ""
    text = value(table, "GA+UOE, anchor without gradient", "micro-qwen", "wmdp-cyber", "Difference of UT")["text"]
    assert abs(float(text.split()[0])) < 0.25  # both answer 70 % of 80 questions rightly
    overlap = value(table, "GA", "micro-qwen", "wmdp-cyber", "Overlap")["value"]
    assert 0.2 < overlap < 1.0


def test_the_preset_is_the_papers_study_with_the_codes_settings():
    """config/as_published.yaml over config/paper.yaml: a study of its own, chosen on what it reports."""
    paper, code = layered("paper.yaml"), layered("paper.yaml", "as_published.yaml")
    for config in (paper, code):
        checks.check_schema(config, yaml.safe_load((ROOT / "config/schema.yaml").read_text()))
        validate(config, str(ROOT / "config/schema.yaml"))
        checks.check(config)
    assert code["study"] != paper["study"] and pictures.grid(code) == pictures.grid(paper)
    model = "deepseek-v2-lite"
    assert blocks.method_block(code, model, "ga", "uoe")["negated_balance"] == 1e-3
    assert blocks.method_block(code, model, "gdiff", "baseline")["retain_batch"] == "scrambled"
    npo = blocks.method_block(code, model, "npo", "baseline")
    assert (npo["reference"], npo["retain_weight"]) == ("policy", 0.0)
    for scope in code["scopes"]:
        if code["scopes"][scope]["kind"] in ("uoe", "random"):
            anchor = blocks.scope_block(code, "ga", scope)
            assert not (anchor["anchor_gradient"] or anchor["anchor_masked"]) and anchor["anchor_mean"], scope
            assert blocks.training_block(code, scope)["batch_size"] == 128
    assert code["tuning"]["learning_rates"]["uoe"] == 2e-4
    for name in ("wmdp-cyber", "rwku"):
        assert blocks.test_block(code, name) == blocks.test_block(paper, name)
    for kind, name in (("tables", "table2"), ("tables", "table1"), ("figures", "figure1a")):
        settings = pictures.settings(kind, name, code)
        assert settings["block"]["choice"] == "as_published"
        assert "on the test itself" in notes.rule(settings)
        assert "choice" not in pictures.settings(kind, name, paper)["block"]
