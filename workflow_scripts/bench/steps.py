"""One training step in three ways: on kept hidden states, naively with a gradient mask, and with everything trained."""

import copy
import importlib

import torch
from torch.nn.functional import cross_entropy, logsigmoid
from transformers import Qwen2MoeConfig, Qwen2MoeForCausalLM

from moe.layers import decoder_layers, find_moe_layers
from moe.loading import first_device
from moe.packing import batch_of, batches
from moe.precision import copy_gradients_to_masters, make_masters, write_back
from moe.upper_layers import Reuse, reuse_prefix_
from scopes.uoe import prepare

METHODS = {
    "ga": {},
    "gdiff": {"retain_weight": 1.0},
    "npo": {"beta": 0.1, "per_token": True, "retain_weight": 1.0},
    "rmu": {"steering": 4.0, "retain_weight": 100.0, "seed": 0},
}
SHAPE = {"layers": 12, "experts": 16, "length": 128, "rows": 4}  # what is measured where nothing else is said
RATE, CLIP, EXPERT = 1e-4, 1.0, 3


def config_of(layers: int = SHAPE["layers"], experts: int = SHAPE["experts"]) -> Qwen2MoeConfig:
    """A model in which matrix products, not Python, take the time on one core: 256 wide, 2 experts a token."""
    return Qwen2MoeConfig(
        vocab_size=4096, hidden_size=256, num_hidden_layers=layers, num_attention_heads=4, num_key_value_heads=4,
        num_experts=experts, num_experts_per_tok=2, moe_intermediate_size=128, shared_expert_intermediate_size=256,
        intermediate_size=256, max_position_embeddings=1024, bos_token_id=None, eos_token_id=1, pad_token_id=0,
    )  # fmt: skip


def model_of(config: Qwen2MoeConfig) -> torch.nn.Module:
    torch.manual_seed(0)
    return Qwen2MoeForCausalLM(config).eval()


def texts(count: int, length: int, seed: int) -> torch.Tensor:
    """`[count, length]` random token ids."""
    return torch.randint(2, 4096, (count, length), generator=torch.Generator().manual_seed(seed))


class Step:
    """Forget and retain texts, a model and its optimizer; `run(number)` takes one step. A subclass says how."""

    def __init__(self, model: torch.nn.Module, method: str, layer: int, length: int, rows: int, count: int = 16):
        self.model, self.method, self.layer = model, method, layer
        self.settings = METHODS[method] | {"hook_layer": layer}
        device = first_device(model)
        self.forget, self.retain = texts(count, length, 1).to(device), texts(count, length, 2).to(device)
        self.rows = [torch.arange(first, first + rows) % count for first in range(0, count, rows)]
        model.requires_grad_(False)
        self.prepare()
        self.trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self.masters = make_masters(self.trained)
        self.optimizer = torch.optim.AdamW(self.masters, lr=RATE, weight_decay=0.0)

    def run(self, number: int) -> float:
        rows = self.rows[number % len(self.rows)]
        loss = self.forget_loss(rows)
        loss.backward()
        if self.method != "ga":
            (self.settings["retain_weight"] * self.retain_loss(rows)).backward()
        self.mask()
        copy_gradients_to_masters(self.trained)
        torch.nn.utils.clip_grad_norm_(self.masters, CLIP)
        self.optimizer.step()
        write_back(self.trained)
        self.optimizer.zero_grad(set_to_none=True)
        return loss.item()

    def mask(self) -> None:
        pass


class Reused(Step):
    """What unlearn.py does: one expert as a module of its own, the layers below it run once."""

    def prepare(self) -> None:
        layers, losses = find_moe_layers(self.model), importlib.import_module(f"methods.{self.method}")
        selection = {"experts": {str(self.layer): [EXPERT]}, "routers": [self.layer], "anchor": {}}
        prepare(self.model, layers, selection, {})
        sets, size = [self.forget.cpu(), self.retain.cpu()], len(self.rows[0])
        reuse_prefix_(self.model, self.layer, Reuse(), sets, size).fill()
        self.losses, self.references = losses, []
        for name, blocks in (("forget_reference", self.forget), ("retain_reference", self.retain)):
            function = getattr(losses, name, None)
            self.references.append(function and function(self.model, batches(blocks, size), self.settings))

    def forget_loss(self, rows: torch.Tensor) -> torch.Tensor:
        return self.losses.forget_loss(self.model, batch_of(self.forget, rows), self.references[0], self.settings)

    def retain_loss(self, rows: torch.Tensor) -> torch.Tensor:
        return self.losses.retain_loss(self.model, batch_of(self.retain, rows), self.references[1], self.settings)


class Naive(Step):
    """The whole fused block and the router get gradients, those of other experts are set to zero before clipping. Every
    layer runs at every step. NPO's reference is a table, as ours (a second model would cost a forward more); RMU's is a
    second model, and its losses take hidden states from whole forward passes, as its published code does."""

    def prepare(self) -> None:
        (self.target,) = (layer for layer in find_moe_layers(self.model) if layer.index == self.layer)
        self.frozen = copy.deepcopy(self.model) if self.method == "rmu" else None
        with torch.no_grad():
            if self.method == "npo":
                self.reference = torch.cat([self.nll(part) for part in self.forget.split(len(self.rows[0]))])
            if self.method == "rmu":
                states = torch.cat([self.hidden(self.model, part) for part in self.forget.split(len(self.rows[0]))])
                direction = torch.rand(states.shape[-1], generator=torch.Generator().manual_seed(0)).to(states)
                length = self.settings["steering"] * states.norm(dim=-1).mean()
                self.control = length * direction / direction.norm()
        self.train()

    def train(self) -> None:
        self.model.get_submodule(self.target.experts).requires_grad_(True)
        self.model.get_submodule(self.target.router).requires_grad_(True)

    def mask(self) -> None:
        for parameter in self.model.get_submodule(self.target.experts).parameters():
            kept = parameter.grad[EXPERT].clone()
            parameter.grad.zero_()
            parameter.grad[EXPERT] = kept

    def nll(self, ids: torch.Tensor) -> torch.Tensor:
        """`[B]`, nats a token."""
        scores = self.model(input_ids=ids, use_cache=False).logits[:, :-1]
        return cross_entropy(scores.transpose(1, 2), ids[:, 1:], reduction="none").mean(-1)

    def hidden(self, model: torch.nn.Module, ids: torch.Tensor) -> torch.Tensor:
        """After the hook layer, `[B, T, H]`; every layer and the head run."""
        kept = []
        block = decoder_layers(model)[1][self.layer]
        handle = block.register_forward_hook(lambda module, args, output: kept.append(output))
        model(input_ids=ids, use_cache=False)
        handle.remove()
        return kept[0]

    def forget_loss(self, rows: torch.Tensor) -> torch.Tensor:
        ids = self.forget[rows]
        if self.method == "rmu":
            return (self.hidden(self.model, ids) - self.control).square().mean()
        if self.method == "npo":
            beta = self.settings["beta"]
            return -(2 / beta) * logsigmoid(beta * (self.nll(ids) - self.reference[rows])).mean()
        return -self.nll(ids).mean()

    def retain_loss(self, rows: torch.Tensor) -> torch.Tensor:
        ids = self.retain[rows]
        if self.method == "rmu":
            with torch.no_grad():
                reference = self.hidden(self.frozen, ids)
            return (self.hidden(self.model, ids) - reference).square().mean()
        return self.nll(ids).mean()


class Full(Naive):
    """Everything trains, as in the unmodified methods."""

    def train(self) -> None:
        self.model.requires_grad_(True)

    def mask(self) -> None:
        pass
