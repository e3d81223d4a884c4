"""Which files under results/<study>/ a table or figure is made of, so that the Snakefile can ask for exactly those.

Standard library only: Snakemake imports this file each time it starts. A `block` is one entry of the config's
`tables:` or `figures:` (models, benchmarks, methods, scopes and what that picture alone has); `models` is the
config's `models:`.
"""

from fnmatch import fnmatch
from pathlib import Path

TABLES = (
    "quick",
    "table1",
    "table2",
    "table3",
    "table3_architectures",
    "table4",
    "table5",
    "table6",
    "table7",
    "v2_table7",
    "table10",
    "own_text",
    "as_published",
    "trace",
    "uncertainty",
    "ranks",
    "muse",
    "controls",
    "v2_placements",
    "v2_placements_rwku",
    "v2_attribution",
    "v2_rmu",
    "attacks",
    "table8",
    "table9",
    "tuning",
)
FIGURES = ("figure1a", "figure2", "figure3a", "figure3b", "figure4", "figure5", "figure6", "v2_figure4")
ALLOWED = {"tables": TABLES, "figures": FIGURES}

CHOSEN_AND_SELECTION = ("chosen.json", "selection")
# What each picture reads of one cell: a file of the cell's folder, or one that describes its model (see `_path`).
READS = {
    "quick": ("chosen.json",),
    "table1": ("chosen.json",),
    "table2": ("chosen.json",),
    "table3": ("parameters.json",),
    "table4": ("chosen.json",),
    "table5": CHOSEN_AND_SELECTION,
    "v2_table7": CHOSEN_AND_SELECTION,
    "table6": ("chosen.json",),
    "table7": (*CHOSEN_AND_SELECTION, "affinity"),
    "table10": ("chosen.json",),
    "own_text": ("chosen.json", "original"),
    "as_published": ("chosen.json", "trajectory.json", "predictions.jsonl.gz"),
    "trace": ("chosen.json",),
    "uncertainty": ("metrics.json", "predictions.jsonl.gz"),
    "ranks": ("chosen.json", "predictions.jsonl.gz", "original_answers"),
    "muse": ("chosen.json", "original"),
    "controls": ("chosen.json",),
    "attacks": ("chosen.json",),
    "table8": ("attacks",),
    "table9": ("attacks",),
    "v2_placements": ("chosen.json",),
    "v2_placements_rwku": ("chosen.json",),
    "v2_rmu": ("chosen.json",),
    "figure1a": ("chosen.json",),
    "figure3a": ("trajectory.json", "metrics.json"),
    "figure3b": ("trajectory.json", "metrics.json"),
    "figure4": ("trajectory.json", "metrics.json", "original"),
    "figure5": ("trajectory.json", "metrics.json"),
    "figure6": ("trajectory.json", "metrics.json"),
    "v2_figure4": ("attacks",),
}
# What the claims (claim_list.py) rest on: benchmarks, methods, scopes. The ledger reads nothing else of the grid.
CLAIMED = (
    (("wmdp-cyber", "rwku"), ("ga", "gdiff", "npo", "rmu"), ("baseline", "uoe")),
    (("wmdp-cyber", "rwku"), ("ga",), ("lora", "esft")),
    (("wmdp-cyber", "rwku"), ("rmu",), ("random", "random-draw-2", "random-draw-3")),
    (("wmdp-cyber",), ("ga",), ("experts", "routers", "uoe-all-layers")),
    (("wmdp-cyber",), ("ga",), ("uoe-3-experts", "uoe-6-experts", "uoe-3-layers")),
    (("rwku",), ("ga",), ("uoe-alpha-0", "uoe-alpha-100", "uoe-alpha-1000", "uoe-rank-*")),
    (("wmdp-cyber",), ("gdiff-trace", "npo-trace", "rmu-trace"), ("baseline", "uoe")),
    (("muse-books",), ("ga", "gdiff", "npo", "rmu"), ("baseline", "uoe")),
    (("muse-books",), ("gdiff-trace",), ("baseline",)),
)
CHOOSING = ("uoe", "random", "esft")  # scopes that choose experts
OF_EXPERTS = ("disabled", "bypassed")  # attacks on those experts
ATTACKED = ("attacks", "table8", "table9", "v2_figure4")  # pictures of attacks
# Pictures of one model's inside: averaging expert numbers over independently trained models means nothing, so the
# first seed is shown. So it is of examples of replies.
FIRST_SEED_ONLY = ("figure2", "figure6", "table8", "v2_figure4")


def needs(
    kind: str, name: str, block: dict, models: dict, seeds: list[int], retrained: tuple[str, ...] | list[str] = ()
) -> list[str]:
    """Paths relative to results/<study>/ that `name` (of `kind` tables or figures) reads, each once, in reading
    order. retrained: benchmarks whose tables show retrained models beside.

    The table `tuning` reads `block["combinations"]`, a list of [model, method, scope] as `tuning_block` makes it.
    """
    _check(kind, name, block, models)
    if name == "tuning":
        return [f"tuning/{model}/{method}/{scope}.json" for model, method, scope in block["combinations"]]
    if name == "table3_architectures":
        return [f"architectures/{model}.json" for model in block["models"]]
    if name == "figure2":
        pairs = [(model, benchmark) for model in block["models"] for benchmark in block["benchmarks"]]
        return [_path("affinity", model, benchmark, "", "", seeds[0]) for model, benchmark in pairs]
    if name in ATTACKED:
        return [
            attack_path(*cell, seed, attack)
            for cell in cells(block, models)
            for seed in shown_seeds(name, seeds)
            for attack in attacks_on(block, cell[3])
        ]
    if name == "v2_attribution":
        pairs = [(model, benchmark) for model in block["models"] for benchmark in block["benchmarks"]]
        return [attribution_checks_path(*pair, seed) for pair in pairs for seed in seeds]
    paths = [
        _path(what, *cell, seed)
        for cell in cells(block, models)
        for seed in shown_seeds(name, seeds)
        for what in READS[name]
    ]
    if kind == "tables" and "chosen.json" in READS[name] and name != "ranks":
        paths += [
            _path("retrained", model, benchmark, "", "", seed)
            for model in block["models"]
            for benchmark in block["benchmarks"]
            for seed in seeds
            if benchmark in retrained
        ]
    if "token_weights" in block:
        paths += [
            token_weights_path(block["token_weights"], model, benchmark, seed)
            for model in block["models"]
            for benchmark in block["benchmarks"]
            for seed in seeds
        ]
    return list(dict.fromkeys(paths))


def files_read(kind: str, name: str, settings: dict, root: Path) -> list[Path]:
    """What a table or figure reads below `root` (results/<study>), from the `settings` that it was given."""
    given = (settings["block"], settings["models"], settings["seeds"], settings.get("retrained", ()))
    return [root / path for path in needs(kind, name, *given)]


def token_weights_path(name: str, model: str, benchmark: str, seed: int) -> str:
    """Record of the retain text's token weights that the config's `token_weights` calls `name`."""
    return f"token_weights/{name}/{model}/{benchmark}/seed-{seed}.json"


def attacks_on(block: dict, scope: str) -> list[str]:
    """Attacks of a block that a scope can be put to."""
    return [name for name in block["attacks"] if scope in CHOOSING or name not in OF_EXPERTS]


def attack_path(model: str, benchmark: str, method: str, scope: str, seed: int, attack: str) -> str:
    """What attack.py and attack_prompts.py write."""
    return f"cells/{model}/{benchmark}/{method}/{scope}/seed-{seed}/attacks/{attack}.json"


def attribution_checks_path(model: str, benchmark: str, seed: int) -> str:
    """What check_attribution.py writes."""
    return f"attribution/{model}/{benchmark}/seed-{seed}/checks.json"


def retrained(config: dict) -> list[str]:
    """Benchmarks whose forget set can be left out of pre-training: their tables show models retrained without it."""
    return [name for name, block in config["benchmarks"].items() if "forget_documents" in block]


def shown_seeds(name: str, seeds: list[int]) -> list[int]:
    return seeds[:1] if name in FIRST_SEED_ONLY else seeds


def cells(block: dict, models: dict) -> list[tuple[str, str, str, str]]:
    """(model, benchmark, method, scope) of a block, the block's order; a dense model has no experts, hence only the
    scope baseline. A block names its methods and scopes, or single `pairs` of them.
    """
    pairs = block.get("pairs") or [
        (method, scope) for method in block.get("methods", []) for scope in block.get("scopes", [])
    ]
    return [
        (model, benchmark, method, scope)
        for model in block["models"]
        for benchmark in block["benchmarks"]
        for method, scope in pairs
        if models[model]["moe"] or scope == "baseline"
    ]


def grid(config: dict) -> list[tuple[str, str, str, str]]:
    """Every (model, benchmark, method, scope) whose cell some table or figure reads, sorted."""
    blocks = [(name, block) for kind in ALLOWED for name, block in config.get(kind, {}).items()]
    return sorted({cell for name, block in blocks if name in READS for cell in cells(block, config["models"])})


def tuning_block(config: dict) -> dict:
    """Block of the table `tuning`: each [model, method, scope] that the grid's cells were tuned as, once, sorted."""
    tried = {
        (
            model,
            config["methods"][method].get("tuned_as") or method,
            config["scopes"][scope].get("tuned_as") or scope,
        )
        for model, _, method, scope in grid(config)
    }
    return {"combinations": [list(entry) for entry in sorted(tried)]}


def settings(kind: str, name: str, config: dict) -> dict:
    """All that rendering reads of the config, and nothing else: an edit elsewhere must not re-render this picture."""
    block = tuning_block(config) if name == "tuning" else config[kind][name]
    used_models = block.get("models") or sorted({entry[0] for entry in block["combinations"]})
    _check(kind, name, block, config["models"])
    described = ("stands_for", "label", "moe")
    scopes = block.get("scopes") or list(dict.fromkeys(scope for _, scope in block.get("pairs", [])))
    rendered = {
        "study": config["study"],
        "world": config.get("world") or config["study"],
        "seeds": shown_seeds(name, config["seeds"]),
        "models": {model: {key: config["models"][model].get(key) for key in described} for model in used_models},
        "scopes": {scope: config["scopes"][scope] for scope in scopes},
        "block": block,
    }
    if "predictions.jsonl.gz" in READS.get(name, ()):
        rendered["tests"] = tests_block(config, block["benchmarks"])
    if name != "ranks" and kind == "tables" and "chosen.json" in READS.get(name, ()):
        rendered["retrained"] = [benchmark for benchmark in retrained(config) if benchmark in block["benchmarks"]]
    if _validated(config, block.get("benchmarks", [])):
        rendered["validation"] = True
    tests = (config["benchmarks"][name]["forget_test"] for name in block.get("benchmarks", []))
    if recall := sorted({test["score"] for test in tests if test["kind"] == "generation" and "score" in test}):
        rendered["recall"] = recall
    if block.get("choice") == "at_forget_accuracy":
        rendered["forget_accuracy"] = config["choice"]["forget_accuracy"]
    expected = config.get("expected_to_know", {})
    if any(name in expected for name in block.get("benchmarks", [])):
        rendered["expected_to_know"] = {name: expected[name] for name in block["benchmarks"] if name in expected}
    return rendered


def _validated(config: dict, benchmarks: list[str]) -> bool:
    """Whether checkpoints are chosen on a file of their own, as MMLU's validation split."""
    return any(config["benchmarks"][name]["utility_test"].get("development_file") for name in benchmarks)


def tests_block(config: dict, benchmarks: list[str]) -> dict:
    """How each benchmark's forget test is scored, as far as it says so, and which questions its utility test asks."""
    kept, found = ("score", "average"), {}
    for name in benchmarks:
        block = config["benchmarks"][name]
        found[name] = {key: block["forget_test"][key] for key in kept if key in block["forget_test"]}
        asked = block["utility_test"]
        found[name]["utility"] = asked.get("file") or " ".join(asked["files"].values())
    return found


def claims_cells(config: dict) -> list[tuple[str, str, str, str]]:
    """The cells of the grid that some claim rests on."""
    return [
        cell
        for cell in grid(config)
        if any(
            cell[1] in benchmarks and cell[2] in methods and any(fnmatch(cell[3], scope) for scope in scopes)
            for benchmarks, methods, scopes in CLAIMED
        )
    ]


def _checked_attributions(config: dict) -> list[list[str]]:
    """[model, benchmark] whose attribution the study checks (table v2_attribution)."""
    block = config["tables"].get("v2_attribution", {"models": [], "benchmarks": []})
    return [[model, benchmark] for model in block["models"] for benchmark in block["benchmarks"]]


def claims_settings(config: dict) -> dict:
    """All that the ledger of claims reads of the config."""
    described = ("stands_for", "label", "moe")
    return {
        "study": config["study"],
        "world": config.get("world") or config["study"],
        "seeds": config["seeds"],
        "models": {name: {key: model.get(key) for key in described} for name, model in config["models"].items()},
        "tests": tests_block(config, list(config["benchmarks"])),
        "validation": _validated(config, list(config["benchmarks"])),
        "cells": [list(cell) for cell in claims_cells(config)],
        "checked_attributions": _checked_attributions(config),
    }


def claims_needs(config: dict) -> list[str]:
    """Paths relative to results/<study>/ that the ledger of claims reads."""
    cells, seeds = claims_cells(config), config["seeds"]
    of_cells = ("chosen.json", "metrics.json", "predictions.jsonl.gz", "trajectory.json", "parameters.json")
    paths = [_path(what, *cell, seed) for cell in cells for seed in seeds for what in of_cells]
    for model, benchmark in dict.fromkeys(cell[:2] for cell in cells):
        scopes = {cell[3] for cell in cells if cell[:2] == (model, benchmark)}
        for seed in seeds:
            paths += [_path(what, model, benchmark, "", "", seed) for what in ("original", "original_answers")]
            paths += [_path("affinity", model, benchmark, "", "", seed)] if "uoe" in scopes else []
            if "privleak_test" in config["benchmarks"][benchmark]:  # measured against the retrained model
                paths.append(_path("retrained", model, benchmark, "", "", seed))
    for model, benchmark, method, _ in cells:
        name = config["methods"][method].get("token_weights")
        paths += [token_weights_path(name, model, benchmark, seed) for seed in seeds if name]
    paths += [attribution_checks_path(*pair, seed) for pair in _checked_attributions(config) for seed in seeds]
    return list(dict.fromkeys(paths))


def _check(kind: str, name: str, block: dict, models: dict) -> None:
    if kind not in ALLOWED:
        raise SystemExit(f"needs: kind {kind!r} is none of {', '.join(ALLOWED)}")
    if name not in ALLOWED[kind]:
        raise SystemExit(f"config, {kind}: unknown name {name!r} (allowed: {', '.join(ALLOWED[kind])})")
    keys = ["combinations"] if name == "tuning" else ["models", "benchmarks"]
    if name in READS:
        keys += ["pairs"] if "pairs" in block else ["methods", "scopes"]
    keys += {"trace": ["token_weights"]}.get(name, []) + (["attacks"] if name in ATTACKED else [])
    for key in keys:
        if not block.get(key):
            raise SystemExit(f"config, {kind}: {name}: {key} must name at least one")
    for model in block.get("models", []):
        if model not in models:
            raise SystemExit(f"config, {kind}: {name}: unknown model {model!r} (allowed: {', '.join(models)})")


def _path(what: str, model: str, benchmark: str, method: str, scope: str, seed: int) -> str:
    if what == "affinity":
        return f"attribution/{model}/{benchmark}/seed-{seed}/affinity.json"
    if what == "selection":
        return f"selections/{model}/{benchmark}/{scope}/seed-{seed}.json"
    if what == "retrained":
        return f"retrained/{model}/{benchmark}/seed-{seed}/scores.json"
    if what == "original_answers":
        return f"models/{model}/seed-{seed}/original/{benchmark}.predictions.jsonl.gz"
    if what == "original":
        return f"models/{model}/seed-{seed}/original/{benchmark}.json"
    return f"cells/{model}/{benchmark}/{method}/{scope}/seed-{seed}/{what}"
