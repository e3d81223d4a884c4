"""A study's config as the Snakefile needs it: cells, the blocks that each job reads, and the code that each job runs.

Standard library only: Snakemake imports this at every start.
"""

import ast
import json
import math
from functools import cache
from pathlib import Path

SCRIPTS = Path(__file__).parents[1]
PRETRAINING_FILES = ("pretraining/documents.jsonl", "pretraining/facts.jsonl", "pretraining/tokenizer/tokenizer.json")

BOOK_FILES = (
    *(f"muse-books/raw/{split}.jsonl" for split in ("forget", "retain1", "retain2", "holdout")),
    *(f"muse-books/privleak/{split}.jsonl" for split in ("forget", "retain", "holdout")),
    *(f"muse-books/knowmem/{split}.jsonl" for split in ("forget_qa", "forget_qa_icl", "retain_qa", "retain_qa_icl")),
    "muse-books/verbmem/forget.jsonl",
    "pretraining-books/documents.jsonl",
    "pretraining-books/tokenizer/tokenizer.json",
)


def canonical(block: object) -> str:
    """JSON with sorted keys: equal settings give equal text, in whatever order they were typed."""
    return json.dumps(block, sort_keys=True)


@cache
def code_of(*scripts: str) -> tuple[str, ...]:
    """The scripts (paths below workflow_scripts/) and every project module that they import, however deep.

    These are the declared inputs of a rule, so that an edit re-runs the jobs that run the edited code and no others.
    Modules named at run time (methods, scopes) are passed in as scripts of their own.
    """
    found, waiting = set(), list(scripts)
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        waiting += _imports(name)
    return tuple(sorted(f"workflow_scripts/{name}" for name in found))


@cache
def _imports(name: str) -> tuple[str, ...]:
    names = set()
    for node in ast.walk(ast.parse((SCRIPTS / name).read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    paths = (f"{dotted.replace('.', '/')}.py" for dotted in names)
    return tuple(sorted(path for path in paths if (SCRIPTS / path).is_file()))


def file_of(config: dict, method: str) -> str:
    """The method whose file and settings this one takes: itself, or for a variant the method that it varies."""
    return config["methods"][method].get("variant_of", method)


def _whole(config: dict, method: str) -> dict:
    """A method's settings; a variant names only what is different."""
    return config["methods"][file_of(config, method)] | config["methods"][method]


def method_block(config: dict, model: str, method: str, scope: str) -> dict:
    """What unlearn.py reads of a method: its settings and, where it steers activations, the model's hook layer.

    Steering in absolute units follows the size of a model's activations, so it stands in the model's block.
    """
    left_out = ("scopes", "variant_of", "tuned_as", "token_weights")  # the weights are a file of their own
    settings = {key: value for key, value in _whole(config, method).items() if key not in left_out}
    block = {"name": file_of(config, method)} | settings
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
    return _whole(config, method).get("scopes", {}).get(scope, config["scopes"][scope])


def scope_block(config: dict, method: str, scope: str) -> dict:
    """What trains."""
    left_out = ("tuned_as", "training", "processes")
    return {key: value for key, value in _scope(config, method, scope).items() if key not in left_out}


def processes(config: dict, method: str, scope: str) -> int:
    """Over how many processes the model is sharded while this trains."""
    return _scope(config, method, scope).get("processes", 1)


def training_block(config: dict, scope: str) -> dict:
    return config["training"] | config["scopes"][scope].get("training", {}) | {"precision": config["precision"]}


def tuned_as(config: dict, scope: str) -> str:
    """The scope whose tuned learning rate this one uses: itself, or for a variant the scope that it varies."""
    return config["scopes"][scope].get("tuned_as", scope)


def method_tuned_as(config: dict, method: str) -> str:
    """The same for methods."""
    return config["methods"][method].get("tuned_as", method)


def evaluation_code() -> tuple[str, ...]:
    """evaluate.py, what it imports, and the lm-eval task files that it reads."""
    tasks = sorted(SCRIPTS.glob("benchmarks/tasks/*.yaml"))
    return (*code_of("evaluate.py"), *(f"workflow_scripts/{path.relative_to(SCRIPTS)}" for path in tasks))


def unlearning_code(config: dict, method: str, scope: str) -> tuple[str, ...]:
    kind = scope_block(config, method, scope)["kind"]
    return code_of("unlearn.py", f"methods/{file_of(config, method)}.py", f"scopes/{kind}.py")


def shares_prefix(config: dict, model: str, method: str, scope: str) -> bool:
    """Whether the cell trains the target layer and nothing below it, so that cache_prefix.py's file serves it."""
    block = scope_block(config, method, scope)
    target_only = block["kind"] in ("uoe", "random") and not {"layers", "rank"} & block.keys()
    every_layer = "negated_balance" in _whole(config, method)  # methods/ga.py: reads_every_layer
    return config["models"][model]["moe"] and target_only and not every_layer


def _files(value: object) -> list[str]:
    """Names of data files anywhere in a config block, in order, each once."""
    if isinstance(value, dict):
        found = [name for item in value.values() for name in _files(item)]
    elif isinstance(value, list):
        found = [name for item in value for name in _files(item)]
    else:
        found = [value] if isinstance(value, str) and value.endswith(".jsonl") else []
    return list(dict.fromkeys(found))


def text_block(config: dict, benchmark: str) -> dict:
    """What unlearning and attribution read of a benchmark: its texts, not its tests."""
    block = config["benchmarks"][benchmark]
    others = [key for key in block if key.endswith("_test") or key == "forget_documents"]
    return {"name": benchmark} | {key: value for key, value in block.items() if key not in others}


def test_block(config: dict, benchmark: str) -> dict:
    """What evaluation reads of a benchmark: its tests, not its texts."""
    tests = {key: value for key, value in config["benchmarks"][benchmark].items() if key.endswith("_test")}
    return {"name": benchmark} | {
        key: {name: setting for name, setting in test.items() if setting is not None} for key, test in tests.items()
    }


def forget_test_block(config: dict, benchmark: str) -> dict:
    """What an attack by prompts reads of a benchmark."""
    return {"name": benchmark, "forget_test": config["benchmarks"][benchmark]["forget_test"]}


def attack_block(config: dict, attack: str, left_out: str) -> dict:
    """An attack without the key that the stage does not read."""
    return {key: value for key, value in config["attacks"][attack].items() if key != left_out}


def forget_files(block: dict) -> list[str]:
    return _files(
        {key: value for key, value in block.items() if not key.endswith("_test") and not key.startswith("retain")}
    )


def text_files(block: dict) -> list[str]:
    return _files({key: value for key, value in block.items() if not key.endswith("_test")})


def data_files(config: dict, benchmarks: set[str] | None = None) -> list[str]:
    """Every file that the benchmarks (all, or those named) read, each once."""
    return _files([block for name, block in config["benchmarks"].items() if benchmarks is None or name in benchmarks])


def world_files(config: dict) -> list[str]:
    """What the study's data script must write: every file that a benchmark names, and what pre-training reads; but for
    the books, which have a script of their own."""
    return [*(name for name in data_files(config) if name not in BOOK_FILES), *PRETRAINING_FILES]


def corpus_files(config: dict, model: str) -> list[str]:
    """What a model's pre-training reads."""
    corpus = config["models"][model]["pretrain"].get("corpus", "pretraining")
    own = [name for name in BOOK_FILES if name.startswith(f"{corpus}/")]
    return own or list(PRETRAINING_FILES)


def test_files(block: dict) -> list[str]:
    return _files({key: value for key, value in block.items() if key.endswith("_test")})


SELECTING = ("kind", "experts", "layers", "rank", "by", "anywhere", "frozen_router", "draw", "elsewhere")
SELECTING += ("threshold", "score")


def selecting_block(config: dict, scope: str) -> dict:
    """What select_experts.py reads of a scope: alpha and ranks change training, not the choice."""
    block = config["scopes"][scope]
    return {key: block[key] for key in SELECTING if key in block}


def pretraining_block(config: dict, model: str, forgotten: str | None = None) -> dict:
    """A model's recipe: its own `pretrain` block over the shared `pretraining` one, key by key.

    forgotten: a benchmark whose forget set is left out, as if it had never been read (exact unlearning).
    """

    def merged(base: dict, own: dict) -> dict:
        both = {key: merged(base[key], own[key]) for key in base.keys() & own.keys() if isinstance(base[key], dict)}
        return base | own | both

    recipe = merged(config["pretraining"], config["models"][model]["pretrain"])
    return recipe if forgotten is None else recipe | {"without": config["benchmarks"][forgotten]["forget_documents"]}


def needs(config: dict, rule: str, wildcards: object) -> dict:
    """What the first attempt of a job asks of a batch system: GPUs, memory (MB), time (minutes).

    Blocks `jobs: RULE`, then `models: MODEL: jobs: RULE`, then both again for RULE/SCOPE and for RULE/METHOD/SCOPE; the
    later wins, key by key.
    """
    model, method, scope = (getattr(wildcards, name, None) for name in ("model", "method", "scope"))
    found = {"gpu": 0, "mem_mb": 4000, "runtime": 60}
    for name in (rule, f"{rule}/{scope}", f"{rule}/{method}/{scope}"):
        for jobs in (config["jobs"], config["models"].get(model, {}).get("jobs", {})):
            found |= jobs.get(name, {})
    return found


def pretrained_models(config: dict) -> list[str]:
    return [name for name, block in config["models"].items() if "pretrain" in block]


def released_models(config: dict) -> list[str]:
    """Models that are downloaded, not pre-trained here."""
    return [name for name, block in config["models"].items() if "source" in block]


def real_needs(config: dict, grid: list[tuple[str, str, str, str]]) -> tuple[dict[str, str], list[str]]:
    """Real models (the study's name -> its source's) and data files that the cells of `grid` need."""
    used = dict.fromkeys(cell[0] for cell in grid)
    models = {name: config["models"][name]["source"] for name in used if "source" in config["models"][name]}
    return models, [] if "data" in config else data_files(config, {cell[1] for cell in grid})


def model_seed(config: dict, model: str, seed: int | str) -> int | str:
    """Seed of the untouched model that a run with `seed` starts from; a released model is one, kept under seed 0."""
    return 0 if "source" in config["models"][model] else seed


def check_schema(config: dict, schema: dict) -> None:
    """One line on the first value that the schema refuses: where it stands, what is wrong."""
    from jsonschema import Draft202012Validator

    for error in sorted(Draft202012Validator(schema).iter_errors(config), key=lambda error: list(map(str, error.path))):
        where = ": ".join(map(str, error.path)) or "top level"
        allowed = error.schema.get("properties") if error.validator == "additionalProperties" else None
        hint = f" (allowed: {', '.join(allowed)})" if allowed else ""
        raise SystemExit(f"config, {where}: {error.message}{hint}")


def check_targets(config: dict, words: list[str]) -> None:
    """One line on a target below cells/ whose model, benchmark, method or scope the config does not have."""
    for word in words:
        parts = word.removeprefix(f"results/{config['study']}/").split("/")
        if word.startswith(f"results/{config['study']}/cells/"):
            for name, section in zip(parts[1:], ("models", "benchmarks", "methods", "scopes"), strict=False):
                if name not in config[section]:
                    raise SystemExit(
                        f"{word}: {name!r} is not in the config's {section} (allowed: {', '.join(config[section])})"
                    )


def check_attacks(config: dict) -> None:
    """One line on a picture that shows attacks of a kind that it can't, or a GCG attack where nothing replies."""
    for section in ("tables", "figures"):
        for name, block in config[section].items():
            for attack in block.get("attacks", []):
                kind, where = config["attacks"][attack]["kind"], f"config, {section}: {name}: attacks: {attack}"
                if (kind == "gcg") != (name != "attacks"):
                    wanted = "other kinds than gcg" if name == "attacks" else "kind gcg alone"
                    raise SystemExit(f"{where} is of kind {kind}; this picture shows {wanted}")
                for benchmark in block["benchmarks"] if kind == "gcg" else ():
                    test = config["benchmarks"][benchmark]["forget_test"]["kind"]
                    if test != "generation":
                        raise SystemExit(
                            f"{where} is of kind gcg, which needs replies in free text; {benchmark}'s forget_test "
                            f"is of kind {test} (allowed: benchmarks whose forget_test is of kind generation)"
                        )


def check(config: dict) -> None:
    """What a schema can't say: names that must exist elsewhere in the config. One line on the first that does not."""

    def known(names: list[str], section: str, where: str) -> None:
        for name in names:
            if name not in config[section]:
                allowed = ", ".join(config[section])
                raise SystemExit(f"config, {where}: {name!r} is not in {section} (allowed: {allowed})")

    for kind in ("tables", "figures"):
        for name, block in config[kind].items():
            for section in ("models", "benchmarks", "methods", "scopes"):
                known(block.get(section, []), section, f"{kind}: {name}: {section}")
            for pair in block.get("pairs", []):
                known(pair[:1], "methods", f"{kind}: {name}: pairs")
                known(pair[1:], "scopes", f"{kind}: {name}: pairs")
            known(block.get("attacks", []), "attacks", f"{kind}: {name}: attacks")
            if "token_weights" in block:
                known([block["token_weights"]], "token_weights", f"{kind}: {name}: token_weights")
    check_attacks(config)
    for name in config["extras"]:
        if name not in config["tables"] and name not in config["figures"]:
            raise SystemExit(f"config, extras: {name!r} is in neither tables nor figures")
    for method, block in config["methods"].items():
        file = file_of(config, method)
        known([file, method_tuned_as(config, method)], "methods", f"methods: {method}")
        if "variant_of" in config["methods"][file]:
            raise SystemExit(f"config, methods: {method}: variant_of: {file!r} is itself a variant")
        if not (SCRIPTS / "methods" / f"{file}.py").is_file():
            raise SystemExit(f"config, methods: {method}: there is no workflow_scripts/methods/{file}.py")
        if "token_weights" in block:
            known([block["token_weights"]], "token_weights", f"methods: {method}: token_weights")
        known(list(block.get("scopes", {})), "scopes", f"methods: {method}: scopes")
        if isinstance(block.get("steering"), dict):
            known(list(block["steering"]), "models", f"methods: {method}: steering")
    for scope, block in config["scopes"].items():
        if not (SCRIPTS / "scopes" / f"{block['kind']}.py").is_file():
            raise SystemExit(f"config, scopes: {scope}: kind: there is no workflow_scripts/scopes/{block['kind']}.py")
        tuned = block.get("tuned_as", scope)
        if tuned not in config["tuning"]["learning_rates"]:
            raise SystemExit(f"config, tuning: learning_rates: no grid for scope {tuned!r}")
    for jobs in (config["jobs"], *(block.get("jobs", {}) for block in config["models"].values())):
        for name in jobs:
            known(name.split("/")[1:][-1:], "scopes", f"jobs: {name}")
            known(name.split("/")[1:-1], "methods", f"jobs: {name}")
    for model, block in config["models"].items():
        if ("pretrain" in block) == ("source" in block):
            raise SystemExit(f"config, models: {model}: exactly one of pretrain and source is needed")
        for key, wanted, where in (("source", "sources", "sources"), ("pretrain", "data", "data")):
            if key in block and wanted not in config:
                raise SystemExit(f"config, models: {model}: has {key}, but the study has no {where}")
    for scope in config["scopes"]:
        training, keep = training_block(config, scope), config["checkpoints"]["keep"]
        made = training["steps"] // training["checkpoint_every"]
        if made > keep:
            raise SystemExit(
                f"config, checkpoints: keep: {keep}, but scope {scope} makes {made}; a training: checkpoint_every of "
                f"{math.ceil(training['steps'] / keep)} makes so few"
            )
    known([config["tuning"]["benchmark"]], "benchmarks", "tuning: benchmark")
    known(list(config["must_know"]), "benchmarks", "must_know")
    known(list(config["expected_to_know"]), "benchmarks", "expected_to_know")
    sizes = {len(rates) for rates in config["tuning"]["learning_rates"].values()}
    if len(sizes) > 1:
        raise SystemExit("config, tuning: learning_rates: every scope needs a grid of the same size")
    if config["tuning"]["seed"] in config["seeds"]:
        raise SystemExit(
            f"config, tuning: seed: {config['tuning']['seed']} is also in seeds; tuning needs one that is not reported"
        )
