"""How near the micro study's steps come to what the core can do: their counted operations over their time, against a
plain matrix product on the same core in the same rounds.

The yardstick is a product of two 1024 x 1024 matrices in fp32. Counted are matrix products as they run, experts' and
attention's among them, and of causal attention the half that is needed; neither norms, softmax nor the optimizer.
"""

import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
import yaml
from torch.utils.flop_counter import FlopCounterMode

from bench.questions import tokenizer_of
from jobs.group import Group
from micro.pretraining import Recipe, Trainer, build_model
from moe.upper_layers import Reuse
from planning.blocks import pretraining_block
from unlearning.run import Run
from unlearning.texts import Texts

CONFIG = Path(__file__).parents[2] / "config/config.yaml"
SIDE = 1024  # of the yardstick's matrices
LEARNT = 0.72  # of a micro row's tokens, by the recipe's mix of documents
PRETRAINED = ("micro-qwen", "micro-deepseek", "micro-llama")
UNLEARNED = (("micro-qwen", "baseline"), ("micro-llama", "baseline"), ("micro-qwen", "uoe"))


def _grouped(left: torch.Size, right: torch.Size, *others, **named) -> int:
    """Sorted tokens `[S, in]` times `[E, in, out]`, or, for the weights' gradient, `[out, S]` times `[S, in]`."""
    return 2 * left[0] * left[1] * right[-1]


def _attention(query: torch.Size, *others, **named) -> int:
    """Two products of `[T, D]` and `[D, T]` a head, half of each (causal)."""
    batch, heads, length, width = query
    return 2 * batch * heads * length * length * width


def _attention_backward(outer: torch.Size, *others, **named) -> int:
    """Four such products; the kernel's own recomputation of the scores is not counted."""
    return 2 * _attention(outer)


ATEN = torch.ops.aten
COUNTED = {  # what torch's counter does not know
    ATEN._grouped_mm: _grouped,
    ATEN._scaled_dot_product_flash_attention_for_cpu: _attention,
    ATEN._scaled_dot_product_flash_attention_for_cpu_backward: _attention_backward,
}


def operations(step: Callable[[], object]) -> int:
    """Floating-point operations of one call, forward and backward."""
    with FlopCounterMode(display=False, custom_mapping=COUNTED) as counter:
        step()
    return counter.get_total_flops()


def model_for(config: dict, name: str) -> tuple[Recipe, torch.nn.Module]:
    """A micro model as it begins, with a vocabulary of about the micro world's size."""
    recipe = Recipe(**pretraining_block(config, name))
    return recipe, build_model(recipe, tokenizer_of(), 0)


def pretraining_step(config: dict, name: str) -> Callable[[], object]:
    recipe, model = model_for(config, name)
    trainer, shape = Trainer(model.train(), recipe, 0), (recipe.rows, recipe.row_length)
    ids, weights = torch.randint(2, 2900, shape), (torch.rand(shape) < LEARNT).float()
    return lambda: trainer.step(ids, weights)


def unlearning_step(config: dict, name: str, scope: str) -> Callable[[], object]:
    """GA with all parameters, or with UOE at the middle layer on kept hidden states."""
    training = config["training"] | {"probe_blocks": 1}
    model, number = model_for(config, name)[1], iter(range(10**6))
    texts = Texts(torch.randint(2, 2900, (16, training["block_length"])), None)
    layer = str(model.config.num_hidden_layers // 2)
    chosen = {"experts": {layer: [0]}, "routers": [int(layer)], "anchor": {layer: [0]}}
    selection = chosen if scope == "uoe" else {"experts": {}, "routers": [], "anchor": {}}
    settings = {"method": {"name": "ga", "retain_weight": 0.0}, "scope": config["scopes"][scope], "training": training}
    run = Run(model, texts, settings | {"learning_rate": 1e-5}, selection, 0, Group())
    run.prepare(Reuse())
    return lambda: run.step(next(number))


def row(what: str, step: Callable[[], object], rounds: int, warm: int = 4) -> dict:
    """Operations, median seconds, speed, and the share of the yardstick's speed in the same rounds."""
    left, right = torch.randn(2, SIDE, SIDE)
    for _ in range(warm):  # hidden states that are kept are computed at the first use
        step()
    counted, times, yardstick = operations(step), [], []
    for _ in range(rounds):
        start = time.perf_counter()
        step()
        middle = time.perf_counter()
        torch.mm(left, right)
        times.append(middle - start)
        yardstick.append(time.perf_counter() - middle)
    seconds, product = statistics.median(times), 2 * SIDE**3 / statistics.median(yardstick)
    speeds = {"operations_per_second": counted / seconds, "product_per_second": product}
    return (
        {"part": "f", "what": what, "operations": counted, "seconds": seconds}
        | speeds
        | {"utilisation": counted / seconds / product}
    )


def arithmetic(rounds: int = 30) -> list[dict]:
    """(f) Steps of pre-training and of unlearning in the micro study."""
    config = yaml.safe_load(CONFIG.read_text())
    torch.manual_seed(0)
    rows = [row(f"pre-training, {name}", pretraining_step(config, name), rounds) for name in PRETRAINED]
    steps = [(f"ga x {scope}, {name}", unlearning_step(config, name, scope)) for name, scope in UNLEARNED]
    return rows + [row(what, step, rounds) for what, step in steps]
