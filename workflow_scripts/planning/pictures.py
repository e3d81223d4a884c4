"""The tables and figures: which there are, which files under results/<study>/ each reads, what it takes of the config.

A picture is a file tables/<name>.py or figures/<name>.py. It declares, as module-level literals that are read here
without importing it:
    TITLE, CAPTION          heading; text for the report
    READS                   names of planning.layout's patterns: the files that it reads
    KEYS                    required keys of its config block, if not DEFAULT_KEYS
    FIRST_SEED_ONLY = True  shows the first seed: averages over independently trained models would mean nothing
    ATTACKS_BY_PROMPTS = True  shows attacks of kind gcg, and no others (planning.checks)
A `block` is its entry in the config's `tables:` or `figures:` (`pairs` stands there for methods and scopes), `models`
the config's `models:`.
Standard library only: Snakemake imports this at every start.
"""

from collections.abc import Iterator
from pathlib import Path

from planning import layout
from planning.code import constants, modules

KINDS = ("tables", "figures")
DEFAULT_KEYS = ("models", "benchmarks", "methods", "scopes")
MODEL_KEYS = ("stands_for", "label", "moe")  # what rendering reads of a model
SCOPE_KEYS = ("alpha", "shared")  # … and of a scope
OF_EXPERTS = ("bypass", "disable")  # attacks on the experts that a scope chose


def names(kind: str) -> list[str]:
    """All pictures of a kind."""
    if kind not in KINDS:
        raise SystemExit(f"pictures: kind {kind!r} is none of {', '.join(KINDS)}")
    return modules(kind)


def declared(kind: str, name: str) -> dict:
    """The literals of a picture's file."""
    if name not in names(kind):
        raise SystemExit(f"config, {kind}: unknown name {name!r} (allowed: {', '.join(names(kind))})")
    return constants(f"{kind}/{name}.py")


def caption(kind: str, name: str) -> str:
    """The picture's text in the report."""
    return declared(kind, name)["CAPTION"]


def files(kind: str, name: str, config: dict) -> list[str]:
    """Paths below results/<study>/ that a picture reads, each once."""
    return _paths(kind, name, settings(kind, name, config))


def files_read(kind: str, name: str, settings: dict, root: Path) -> list[Path]:
    """The same below `root` (results/<study>), from the `settings` that the picture was given."""
    return [root / path for path in _paths(kind, name, settings)]


def _paths(kind: str, name: str, settings: dict) -> list[str]:
    reads = declared(kind, name)["READS"]
    return list(
        dict.fromkeys(
            layout.path(pattern(getattr(layout, what)), **place)
            for place in _places(settings)
            for what in reads
            if not what.startswith("RETRAINED") or place["benchmark"] in settings["retrained"]
        )
    )


def pattern(file: str) -> str:
    """A pattern of the layout from results/<study>/ on: files of a cell stand there without its folder."""
    return file if "{" in file else f"{layout.CELL}/{file}"


def _places(settings: dict) -> Iterator[dict]:
    """Values of the layout's wildcards for everything that a picture shows."""
    block = settings["block"]
    if "combinations" in block:
        names = ("model", "benchmark", "method", "scope")
        yield from (dict(zip(names, entry, strict=True)) for entry in block["combinations"])
        return
    shown = cells(block, settings["models"])
    if not _names_cells(block):
        shown = [(model, benchmark, "", "") for model in block["models"] for benchmark in block["benchmarks"]]
    for model, benchmark, method, scope in shown:
        place = {"model": model, "benchmark": benchmark, "method": method, "scope": scope}
        for seed in settings["seeds"]:
            for attack in settings.get("attacks", {}).get(scope, [""]):
                yield place | {"seed": seed, "attack": attack, "name": block.get("token_weights", "")}


def settings(kind: str, name: str, config: dict) -> dict:
    """All that rendering reads of the config, and nothing else: an edit elsewhere must not re-render this picture."""
    picture = declared(kind, name)
    block = tuning_block(config) if "TUNING" in picture["READS"] else config[kind][name]
    _check_block(kind, name, block, config["models"])
    models = block.get("models") or sorted({entry[0] for entry in block["combinations"]})
    scopes = block.get("scopes") or list(dict.fromkeys(scope for _, scope in block.get("pairs", [])))
    benchmarks = block.get("benchmarks", [])
    rendered = {
        "name": name,
        "study": config["study"],
        "world": config.get("world") or config["study"],
        "seeds": config["seeds"][:1] if picture.get("FIRST_SEED_ONLY") else config["seeds"],
        "models": {model: {key: config["models"][model].get(key) for key in MODEL_KEYS} for model in models},
        "scopes": {scope: _part(config["scopes"][scope], SCOPE_KEYS) for scope in scopes},
        "block": block,
    }
    if "PREDICTIONS" in picture["READS"]:
        rendered["tests"] = tests_block(config, benchmarks)
    if any(what.startswith("RETRAINED") for what in picture["READS"]):
        rendered["retrained"] = [benchmark for benchmark in retrained(config) if benchmark in benchmarks]
    if len(set((read := forget_tokens(config, scopes)).values())) > 1:
        rendered["forget_tokens"] = read
    if "attacks" in block:
        rendered["attacks"] = {scope: _attacks_on(config, block, scope) for scope in scopes}
    tests = (config["benchmarks"][benchmark]["forget_test"] for benchmark in benchmarks)
    if recall := sorted({test["score"] for test in tests if test["kind"] == "generation" and "score" in test}):
        rendered["recall"] = recall
    if block.get("choice") == "at_forget_accuracy":
        rendered["forget_accuracy"] = config["choice"]["forget_accuracy"]
    if expected := _part(config.get("expected_to_know", {}), benchmarks):
        rendered["expected_to_know"] = expected
    return rendered


def forget_tokens(config: dict, scopes: list[str]) -> dict[str, int]:
    """Tokens of forget text that a run of each scope reads up to its last step."""
    runs = {scope: config["training"] | config["scopes"][scope].get("training", {}) for scope in scopes}
    return {scope: run["steps"] * run["batch_size"] * run["block_length"] for scope, run in runs.items()}


def _part(block: dict, keys: tuple[str, ...] | list[str]) -> dict:
    return {key: block[key] for key in keys if key in block}


def pairs(block: dict) -> list[tuple[str, str]]:
    """(method, scope): a block names its methods and scopes, or single `pairs` of them."""
    every = [(method, scope) for method in block.get("methods", []) for scope in block.get("scopes", [])]
    return [tuple(pair) for pair in block.get("pairs") or every]


def cells(block: dict, models: dict) -> list[tuple[str, str, str, str]]:
    """(model, benchmark, method, scope) of a block, the block's order; a dense model has no experts, hence only the
    scope baseline.
    """
    return [
        (model, benchmark, method, scope)
        for model in block["models"]
        for benchmark in block["benchmarks"]
        for method, scope in pairs(block)
        if models[model]["moe"] or scope == "baseline"
    ]


def _names_cells(block: dict) -> bool:
    return "pairs" in block or "methods" in block


def grid(config: dict) -> list[tuple[str, str, str, str]]:
    """Every (model, benchmark, method, scope) whose cell some table or figure reads, sorted."""
    blocks = [
        block
        for kind in KINDS
        for name, block in config.get(kind, {}).items()
        if any(pattern(getattr(layout, what)).startswith(layout.CELL) for what in declared(kind, name)["READS"])
    ]
    return sorted({cell for block in blocks for cell in cells(block, config["models"])})


def benchmarks_of(config: dict, model: str) -> list[str]:
    """Benchmarks on which some table or figure shows the model."""
    blocks = [block for kind in KINDS for block in config.get(kind, {}).values() if model in block.get("models", ())]
    return sorted({benchmark for block in blocks for benchmark in block.get("benchmarks", ())})


def tuning_block(config: dict) -> dict:
    """Each [model, benchmark, method, scope] that the grid's cells were tuned as, once, sorted."""
    tried = {
        (
            model,
            benchmark,
            config["methods"][method].get("tuned_as") or method,
            config["scopes"][scope].get("tuned_as") or scope,
        )
        for model, benchmark, method, scope in grid(config)
    }
    return {"combinations": [list(entry) for entry in sorted(tried)]}


def retrained(config: dict) -> list[str]:
    """Benchmarks whose forget set can be left out of pre-training: their tables show models retrained without it."""
    return [name for name, block in config["benchmarks"].items() if "forget_documents" in block]


def tests_block(config: dict, benchmarks: list[str]) -> dict:
    """How each benchmark's forget test is scored, as far as it says so, and which questions its utility test asks."""
    blocks = {}
    for name in benchmarks:
        asked = config["benchmarks"][name]["utility_test"]
        scored = _part(config["benchmarks"][name]["forget_test"], ("score", "average"))
        blocks[name] = scored | {"utility": asked.get("file") or " ".join(asked["files"].values())}
    return blocks


def attacked(kind: str, name: str, config: dict) -> list[tuple[str, ...]]:
    """(attack, model, benchmark, method, scope) whose results a picture reads, and (attack, model, benchmark) of
    retrained models."""
    block, reads = config[kind][name], declared(kind, name)["READS"]
    shown = [
        (attack, *cell)
        for cell in (cells(block, config["models"]) if "attacks" in block else ())
        for attack in _attacks_on(config, block, cell[3])
    ]
    of_retrained = [entry[:3] for entry in shown if "RETRAINED_ATTACK" in reads and entry[2] in retrained(config)]
    return (shown if "ATTACK" in reads else []) + of_retrained


def _attacks_on(config: dict, block: dict, scope: str) -> list[str]:
    """Attacks of a block that a scope can be put to: some need experts that the scope chose."""
    kind = config["scopes"][scope]["kind"]
    chooses = constants(f"scopes/{kind}.py")["CHOOSES_EXPERTS"]
    return [name for name in block["attacks"] if chooses or config["attacks"][name]["kind"] not in OF_EXPERTS]


def _check_block(kind: str, name: str, block: dict, models: dict) -> None:
    """One line on the first key that is missing or names an unknown model."""
    keys = set(declared(kind, name).get("KEYS", DEFAULT_KEYS))
    if "pairs" in block:
        keys = keys - {"methods", "scopes"} | {"pairs"}
    for key in sorted(keys):
        if not block.get(key):
            raise SystemExit(f"config, {kind}: {name}: {key} must name at least one")
    for model in block.get("models", []):
        if model not in models:
            raise SystemExit(f"config, {kind}: {name}: unknown model {model!r} (allowed: {', '.join(models)})")
