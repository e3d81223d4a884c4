"""Display names of quantities, models, benchmarks, methods and scopes."""

# Quantity -> its name in a csv file, and over a column.
QUANTITIES = {"fa": ("FA", "FA ↓"), "ut": ("UT", "UT ↑"), "distance": ("Distance", "Distance ↓")}
HEADS = dict(QUANTITIES.values())
METHODS = {"ga": "GA", "gdiff": "GDIFF", "npo": "NPO", "rmu": "RMU"}
METHODS |= {f"{name}-trace": f"{METHODS[name]}+TRACE (reconstruction)" for name in ("gdiff", "npo", "rmu")}
METHODS |= {"rmu-v2": "RMU, version 2's settings", "rmu-all": "RMU, all parameters"}
BENCHMARKS = {
    "wmdp-cyber": "WMDP",
    "rwku": "RWKU",
    "muse-books": "MUSE-Books",
    "own-cloze": "cloze",
    "own-mmlu": "MMLU",
}
SCOPES = {"experts-routers": "experts & routers", "uoe": "UOE", "lora": "LoRA", "esft": "ESFT", "random": "Random"}
SCOPES |= {f"uoe-{n}-experts": f"top {n} experts of the layer" for n in (3, 6)}
SCOPES |= {f"uoe-{n}-anywhere": f"top {n} experts of the model" for n in (3, 6)}
SCOPES |= {f"uoe-rank-{rank}": f"UOE, layer of rank {rank}" for rank in (2, 3, 4)}
SCOPES |= {f"uoe-alpha-{alpha}": f"UOE, α = {alpha}" for alpha in (0, 100, 1000)}
SCOPES |= {
    "uoe-all-layers": "one expert in every layer",
    "uoe-all-layers-alpha-0": "one expert in every layer, no anchor",
    "uoe-token-share": "UOE, expert chosen by token share",
    "uoe-frozen-router": "UOE, router frozen",
    "uoe-shared": "UOE and its layer's shared experts",
    "uoe-3-layers": "top expert of each of 3 layers",
    "random-elsewhere": "a random expert of another layer",
}
REAL = {"qwen1.5-moe-a2.7b-chat": "Qwen", "deepseek-v2-lite": "DeepSeek", "mixtral-8x7b-instruct-v0.1": "Mixtral"}


def method(name: str) -> str:
    return METHODS.get(name, name.upper())


def benchmark(name: str) -> str:
    return BENCHMARKS.get(name, name)


def scope(name: str) -> str:
    return SCOPES.get(name, name)


def model(settings: dict, name: str) -> str:
    return settings["models"][name].get("label") or name


def group(settings: dict, model_name: str, benchmark_name: str) -> str:
    """Head of a column group, as in the papers: Qwen (WMDP)."""
    return f"{model(settings, model_name)} ({benchmark(benchmark_name)})"


def method_and_scope(method_name: str, scope_name: str) -> str:
    """GA, GA+UOE, Random+RMU: the papers' row names."""
    if scope_name == "baseline":
        return method(method_name)
    names = [method(method_name), scope(scope_name)]
    return "+".join(reversed(names) if scope_name == "random" else names)
