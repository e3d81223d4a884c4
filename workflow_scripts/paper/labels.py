"""How models, benchmarks, methods and scopes are called in tables and figures."""

METHODS = {"ga": "GA", "gdiff": "GDIFF", "npo": "NPO", "rmu": "RMU"}
METHODS |= {f"{name}-trace": f"{METHODS[name]}+TRACE (reconstruction)" for name in ("gdiff", "npo", "rmu")}
BENCHMARKS = {"wmdp-cyber": "WMDP", "rwku": "RWKU", "own-cloze": "cloze", "own-mmlu": "MMLU"}
SCOPES = {
    "baseline": "baseline",
    "experts-routers": "experts & routers",
    "experts": "experts",
    "routers": "routers",
    "uoe": "UOE",
    "lora": "LoRA",
    "esft": "ESFT",
    "random": "Random",
    "uoe-all-layers": "one expert in every layer",
}
REAL = {
    "qwen1.5-moe-a2.7b-chat": "Qwen",
    "deepseek-v2-lite": "DeepSeek",
    "mixtral-8x7b-instruct-v0.1": "Mixtral",
}


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
    if scope_name == "random":
        return f"{scope(scope_name)}+{method(method_name)}"
    return f"{method(method_name)}+{scope(scope_name)}"
