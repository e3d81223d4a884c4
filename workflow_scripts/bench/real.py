"""Steps at the papers' own configurations, where a GPU is at hand: random weights in bf16, tokens/s, memory."""

import gc
import statistics
import time

import torch
from transformers import AutoModelForCausalLM, DeepseekV2Config, PretrainedConfig, Qwen2MoeConfig

from bench.steps import Naive, Reused, Step
from moe.cost import Cost, cost_of, step_memory

# Shapes of the papers' models (their published config.json) and the layer that UOE trained there.
REAL = {
    "Qwen1.5-MoE-A2.7B, layer 4 of 24": (
        Qwen2MoeConfig(
            vocab_size=151936, hidden_size=2048, num_hidden_layers=24, num_attention_heads=16, num_key_value_heads=16,
            num_experts=60, num_experts_per_tok=4, moe_intermediate_size=1408, shared_expert_intermediate_size=5632,
            intermediate_size=5632,
        ), 4,
    ),
    "DeepSeek-V2-Lite, layer 16 of 27": (
        DeepseekV2Config(
            vocab_size=102400, hidden_size=2048, num_hidden_layers=27, num_attention_heads=16, num_key_value_heads=16,
            n_routed_experts=64, num_experts_per_tok=6, moe_intermediate_size=1408, n_shared_experts=2,
            intermediate_size=10944, first_k_dense_replace=1, kv_lora_rank=512, q_lora_rank=None, qk_nope_head_dim=128,
            qk_rope_head_dim=64, v_head_dim=128, head_dim=64,
        ), 16,
    ),
}  # fmt: skip
LENGTH, ROWS = 1024, 4  # config/paper.yaml: block_length, rows_at_once


def synchronized() -> float:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def product_speed(size: int = 8192, repeats: int = 20) -> float:
    """Operations a second of one large bf16 matrix product: what utilisation is a share of, on whatever card."""
    a = torch.randn(size, size, device="cuda", dtype=torch.bfloat16)
    a @ a
    start = synchronized()
    for _ in range(repeats):
        a @ a
    return repeats * 2 * size**3 / (synchronized() - start)


def operations(cost: Cost, kind: type[Step], method: str, layer: int) -> float:
    """A step's counted operations, by token of a text."""
    if method == "rmu":
        return cost.reused_rmu(layer) if kind is Reused else cost.naive_rmu(layer)
    return cost.reused(layer) if kind is Reused else cost.naive(layer)


def step_row(
    what: str, config: PretrainedConfig, layer: int, kind: type[Step], method: str, repeats: int, length: int = LENGTH
) -> dict:
    """Seconds of a step (median), forget tokens a second, counted operations a second, and bytes at the peak. The
    model's layers below the trained one are moved away once they are not needed (`Prefix.release`)."""
    torch.manual_seed(0)
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16).eval()
    step = kind(model, method, layer, length, ROWS)
    step.run(0)
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    times = []
    for number in range(repeats):
        start = synchronized()
        step.run(number)
        times.append(synchronized() - start)
    took, tokens = statistics.median(times), ROWS * length
    cost = cost_of(config, length)
    memory = step_memory(config, cost, layer, tokens, recomputed=False)
    row = {"part": "real", "what": f"{method} step, {what}", "against": "ours" if kind is Reused else "naive"}
    row |= {"seconds": took, "tokens_per_second": tokens / took}
    row["operations_per_second"] = tokens * operations(cost, kind, method, layer) / took
    row["gigabytes"] = torch.cuda.max_memory_allocated() / 1e9 if torch.cuda.is_available() else None
    bound = memory["weights"] + memory["trained"] + 1.2 * memory["activations"]
    return row | {"gigabytes_bound": bound / 1e9}


def real_steps() -> list[dict]:
    """GA and RMU, ours and naive, on both models; RMU's naive step holds the model twice."""
    speed, rows = product_speed(), []
    for what, (config, layer) in REAL.items():
        for method in ("ga", "rmu"):
            for kind in (Naive, Reused):
                rows.append(step_row(what=what, config=config, layer=layer, kind=kind, method=method, repeats=10))
                rows[-1]["utilisation"] = rows[-1]["operations_per_second"] / speed
                gc.collect()
                torch.cuda.empty_cache()
    return rows
