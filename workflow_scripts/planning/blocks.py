"""The settings of each job: the part of the config that it reads, so that an edit elsewhere re-runs nothing.

`settings(config, rule, wildcards)` returns what a rule passes to its stage as --settings. Standard library only:
Snakemake imports this at every start.
"""

import json
from collections.abc import Callable

from planning.code import constants
from planning.data_files import data_files
from planning.own_files import settings_with_root
from planning.pictures import benchmarks_of
from planning.sources import architecture
from planning.tuning import number_of_trials, tuned_as, tuned_settings


def canonical(block: object) -> str:
    """JSON with sorted keys: equal settings give equal text, in whatever order the keys stand."""
    return json.dumps(block, sort_keys=True)


def settings(config: dict, rule: str, wildcards: object) -> str:
    """Settings of one job, as canonical JSON."""
    return canonical(SETTINGS[rule](config, wildcards))


# Methods and scopes -----------------------------------------------------------------------------------------------


def file_of(config: dict, method: str) -> str:
    """The method whose file and settings this one takes: itself, or for a variant the method that it varies."""
    return config["methods"][method].get("variant_of", method)


def whole_method(config: dict, method: str) -> dict:
    """A method's settings; a variant names only what is different."""
    return config["methods"][file_of(config, method)] | config["methods"][method]


def method_block(config: dict, model: str, method: str, scope: str) -> dict:
    """A method's settings and, where it steers activations, the model's hook layer.

    Steering in absolute units follows the size of a model's activations, so it stands in the model's block.
    """
    left_out = ("scopes", "variant_of", "tuned_as", "token_weights")  # the weights are a file of their own
    block = {"name": file_of(config, method)}
    block |= {key: value for key, value in whole_method(config, method).items() if key not in left_out}
    if isinstance(block.get("steering"), dict):
        if model not in block["steering"]:
            raise SystemExit(f"config, methods: {method}: steering: there is none for model {model}")
        block["steering"] = block["steering"][model]
    wanted = ["rmu_hook_layer"] if block["name"] == "rmu" else []
    wanted += ["rmu_steering"] if block.get("steering_unit") == "absolute" else []
    for key in wanted:
        if key not in config["models"][model]:
            raise SystemExit(f"config, models: {model}: {key} is missing; method {method} needs it")
    if "rmu_hook_layer" in wanted:
        block["hook_layer"] = config["models"][model]["rmu_hook_layer"]
    if "rmu_steering" in wanted:
        steering = config["models"][model]["rmu_steering"]
        block["steering"] = steering["baseline" if tuned_as(config, scope) == "baseline" else "others"]
    return block


def _scope(config: dict, method: str, scope: str) -> dict:
    """A scope's block; a method may say so itself for a scope (RMU's own baseline trains three layers' experts)."""
    return whole_method(config, method).get("scopes", {}).get(scope, config["scopes"][scope])


def scope_block(config: dict, method: str, scope: str) -> dict:
    """What trains."""
    left_out = ("tuned_as", "training", "processes")
    return {key: value for key, value in _scope(config, method, scope).items() if key not in left_out}


def scope_file(kind: str) -> dict:
    """What a scope's file declares: TRAINS, CHOOSES_EXPERTS, SELECTION_SETTINGS, OTHER_LAYERS."""
    return constants(f"scopes/{kind}.py")


def chooses_experts(config: dict, scope: str) -> bool:
    """Whether the scope trains experts that are chosen by their affinity (or against it)."""
    return scope_file(config["scopes"][scope]["kind"])["CHOOSES_EXPERTS"]


def selection_block(config: dict, scope: str) -> dict:
    """What chooses the experts of a scope: alpha and ranks change training, not the choice."""
    block = config["scopes"][scope]
    return {key: block[key] for key in ("kind", *scope_file(block["kind"])["SELECTION_SETTINGS"]) if key in block}


def shares_prefix(config: dict, model: str, method: str, scope: str) -> bool:
    """Whether the cell trains the target layer and nothing below it, so that cache_prefix.py's file serves it."""
    block = scope_block(config, method, scope)
    other_layers = scope_file(block["kind"])["OTHER_LAYERS"]
    target_layer_only = other_layers is not None and not block.keys() & set(other_layers)
    every_layer = "negated_balance" in whole_method(config, method)  # methods/ga.py: reads_every_layer
    return config["models"][model]["moe"] and target_layer_only and not every_layer


def processes(config: dict, method: str, scope: str) -> int:
    """Over how many processes the model is sharded while this trains."""
    return _scope(config, method, scope).get("processes", 1)


def training_block(config: dict, scope: str) -> dict:
    """Batch size, steps and the like; a scope may have its own."""
    return config["training"] | config["scopes"][scope].get("training", {}) | {"precision": config["precision"]}


# Benchmarks -------------------------------------------------------------------------------------------------------


def text_block(config: dict, benchmark: str) -> dict:
    """A benchmark's texts, which unlearning and attribution read."""
    block = config["benchmarks"][benchmark]
    others = [key for key in block if key.endswith("_test") or key == "forget_documents"]
    return {"name": benchmark} | {key: value for key, value in block.items() if key not in others}


def test_block(config: dict, benchmark: str) -> dict:
    """A benchmark's tests, which evaluation reads."""
    tests = {key: value for key, value in config["benchmarks"][benchmark].items() if key.endswith("_test")}
    return {"name": benchmark} | {
        key: {name: setting for name, setting in test.items() if setting is not None} for key, test in tests.items()
    }


def forget_test_block(config: dict, benchmark: str) -> dict:
    return {"name": benchmark, "forget_test": config["benchmarks"][benchmark]["forget_test"]}


# Models -----------------------------------------------------------------------------------------------------------


def pretraining_block(config: dict, model: str, forgotten: str | None = None) -> dict:
    """A model's recipe: its own `pretrain` block over the shared `pretraining` one, key by key.

    forgotten: a benchmark whose forget set is left out, as if it had never been read (exact unlearning).
    """

    def merged(base: dict, own: dict) -> dict:
        both = {key: merged(base[key], own[key]) for key in base.keys() & own.keys() if isinstance(base[key], dict)}
        return base | own | both

    recipe = merged(config["pretraining"], config["models"][model]["pretrain"])
    return recipe if forgotten is None else recipe | {"without": config["benchmarks"][forgotten]["forget_documents"]}


def pretrained_models(config: dict) -> list[str]:
    return [name for name, block in config["models"].items() if "pretrain" in block]


def released_models(config: dict) -> list[str]:
    """Models that are downloaded, not pre-trained here."""
    return [name for name, block in config["models"].items() if "source" in block]


def model_seed(config: dict, model: str, seed: int | str) -> int | str:
    """Seed of the untouched model that a run with `seed` starts from; a released model is one, kept under seed 0."""
    return 0 if "source" in config["models"][model] else seed


def real_sources(config: dict, grid: list[tuple[str, str, str, str]]) -> tuple[dict[str, str], list[str]]:
    """Real models (the study's name -> its source's) and data files that the cells of `grid` need."""
    used = dict.fromkeys(cell[0] for cell in grid)
    models = {name: config["models"][name]["source"] for name in used if "source" in config["models"][name]}
    return models, [] if "data" in config else data_files(config, {cell[1] for cell in grid})


def job_resources(config: dict, rule: str, wildcards: object) -> dict:
    """What the first attempt of a job asks of a batch system: GPUs, memory (MB), time (minutes).

    Blocks `jobs: RULE`, then `models: MODEL: jobs: RULE`, then both again for RULE/SCOPE and for RULE/METHOD/SCOPE; the
    later wins, key by key.
    """
    model, method, scope = (getattr(wildcards, name, None) for name in ("model", "method", "scope"))
    asked = {"gpu": 0, "mem_mb": 4000, "runtime": 60}
    for name in (rule, f"{rule}/{scope}", f"{rule}/{method}/{scope}"):
        for jobs in (config["jobs"], config["models"].get(model, {}).get("jobs", {})):
            asked |= jobs.get(name, {})
    return asked


# The settings of each rule ----------------------------------------------------------------------------------------


def _packing(config: dict) -> dict:
    return {key: config["training"][key] for key in ("batch_size", "block_length", "bos") if key in config["training"]}


def _reading(config: dict, w) -> dict:
    """Of a stage that runs a model over a benchmark's texts."""
    return {"benchmark": text_block(config, w.benchmark), "precision": config["precision"]} | _packing(config)


def _scoring(config: dict, benchmark: dict) -> dict:
    """Of a stage that asks a model a benchmark's questions."""
    return {
        "benchmark": benchmark,
        "batch_size": config["evaluation"]["batch_size"],
        "precision": config["precision"],
    }


def _evaluate(config: dict, w) -> dict:
    return _scoring(config, test_block(config, w.benchmark))


def _unlearn(config: dict, w) -> dict:
    return {
        "benchmark": text_block(config, w.benchmark),
        "method": method_block(config, w.model, w.method, w.scope),
        "scope": scope_block(config, w.method, w.scope),
        "training": training_block(config, w.scope),
    }


def _tune(config: dict, w) -> dict:
    """A single trial is not run: nothing but its values is read."""
    method = method_block(config, w.model, w.method, w.scope)
    start = {"learning_rate": config["tuning"]["learning_rates"][w.scope]}
    start |= {key: method[key] for key in tuned_settings(config, w.method)[1:]}
    trials = {"start": start, "trials": number_of_trials(config, w.method)}
    if trials["trials"] == 1:
        return trials
    benchmark = text_block(config, w.benchmark) | test_block(config, w.benchmark)
    return _unlearn(config, w) | _scoring(config, benchmark) | trials


def _choose_checkpoint(config: dict, w) -> dict:
    prune_over = config["checkpoints"]["prune_over"]
    threshold = {"threshold": config["choice"]["forget_accuracy"]}
    return threshold | ({"prune_over": prune_over} if prune_over < 100 else {})


def must_know(config: dict, model: str) -> dict:
    """What is asked of a model before it is unlearned: on the benchmarks on which the study shows it, no others."""
    return {name: config["must_know"][name] for name in benchmarks_of(config, model) if name in config["must_know"]}


def _attack(config: dict, w) -> dict:
    benchmark = text_block(config, w.benchmark) | test_block(config, w.benchmark)
    probed = {"probe_blocks": config["training"]["probe_blocks"]}
    return _scoring(config, benchmark) | {
        "attack": config["attacks"][w.attack],
        "training": _packing(config) | probed,
    }


def _prompts(left_out: str) -> Callable[[dict, object], dict]:
    """Of an attack by prompts, without the key of its block that the stage does not read."""

    def block(config: dict, w) -> dict:
        attack = {key: value for key, value in config["attacks"][w.attack].items() if key != left_out}
        return _scoring(config, forget_test_block(config, w.benchmark)) | {"attack": attack}

    return block


SETTINGS: dict[str, Callable[[dict, object], dict]] = {
    "build_world": lambda config, w: {
        "generator": config["data"]["generator"],
        "settings": settings_with_root(config),
    },
    "build_books": lambda config, w: config.get("books", {}),
    "pretrain_micro": lambda config, w: pretraining_block(config, w.model, getattr(w, "benchmark", None)),
    "evaluate_original": _evaluate,
    "check_knows_world": lambda config, w: {"minimum": must_know(config, w.model)},
    "attribute_experts": _reading,
    "check_attribution": lambda config, w: _reading(config, w) | config["attribution_checks"],
    "select_experts": lambda config, w: selection_block(config, w.scope),
    "weigh_retain_tokens": lambda config, w: _reading(config, w) | config["token_weights"][w.name],
    "cache_prefix": _reading,
    "unlearn": _unlearn,
    "evaluate": _evaluate,
    "choose_checkpoint": _choose_checkpoint,
    "tune": _tune,
    "export": lambda config, w: {"precision": config["precision"]},
    "attack": _attack,
    "search_suffixes": _prompts("word"),
    "attack_prompts": _prompts("parts"),
    "count_parameters": lambda config, w: {
        "name": config["models"][w.model]["source"],
        "architecture": architecture(config["models"][w.model]["source"]),
    },
    "plan": lambda config, w: config,
}
