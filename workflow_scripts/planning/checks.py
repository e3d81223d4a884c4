"""What a config and a command line may say, checked before any job is planned: one line on the first thing wrong.

Standard library only, but for jsonschema, which comes with Snakemake: Snakemake imports this at every start.
"""

from planning import layout
from planning.blocks import file_of, training_block, whole_method
from planning.cell_files import checkpoint_steps
from planning.code import modules
from planning.pictures import declared
from planning.tuning import method_tuned_as


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
    cells = f"results/{config['study']}/{layout.CELL.partition('/')[0]}/"
    for word in words:
        if word.startswith(cells):
            parts = word.removeprefix(cells).split("/")
            for name, section in zip(parts, ("models", "benchmarks", "methods", "scopes"), strict=False):
                if name not in config[section]:
                    raise SystemExit(
                        f"{word}: {name!r} is not in the config's {section} (allowed: {', '.join(config[section])})"
                    )


def check(config: dict) -> None:
    """What a schema can't say: names that must exist elsewhere in the config. One line on the first that does not."""
    for part in (_pictures, _attacks, _methods, _scopes, _jobs, _models, _checkpoints, _tuning):
        part(config)


def _exist(config: dict, names: list[str], section: str, where: str) -> None:
    for name in names:
        if name not in config[section]:
            allowed = ", ".join(config[section])
            raise SystemExit(f"config, {where}: {name!r} is not in {section} (allowed: {allowed})")


def _pictures(config: dict) -> None:
    for kind in ("tables", "figures"):
        for name, block in config[kind].items():
            where = f"{kind}: {name}"
            for section in ("models", "benchmarks", "methods", "scopes", "attacks"):
                _exist(config, block.get(section, []), section, f"{where}: {section}")
            for pair in block.get("pairs", []):
                _exist(config, pair[:1], "methods", f"{where}: pairs")
                _exist(config, pair[1:], "scopes", f"{where}: pairs")
            if "token_weights" in block:
                _exist(config, [block["token_weights"]], "token_weights", f"{where}: token_weights")
    for name in config["extras"]:
        if name not in config["tables"] and name not in config["figures"]:
            raise SystemExit(f"config, extras: {name!r} is in neither tables nor figures")


def _attacks(config: dict) -> None:
    """Pictures show attacks by prompts (GCG) or on weights and routing, and say which; a GCG attack needs replies."""
    for kind in ("tables", "figures"):
        for name, block in config[kind].items():
            for attack in block.get("attacks", []):
                by_prompts = declared(kind, name).get("ATTACKS_BY_PROMPTS", False)
                _attack(config, attack, by_prompts, block["benchmarks"], f"config, {kind}: {name}: attacks: {attack}")


def _attack(config: dict, attack: str, by_prompts: bool, benchmarks: list[str], where: str) -> None:
    kind = config["attacks"][attack]["kind"]
    if (kind == "gcg") != by_prompts:
        wanted = "kind gcg alone" if by_prompts else "other kinds than gcg"
        raise SystemExit(f"{where} is of kind {kind}; this picture shows {wanted}")
    for benchmark in benchmarks if by_prompts else ():
        test = config["benchmarks"][benchmark]["forget_test"]["kind"]
        if test != "generation":
            raise SystemExit(
                f"{where} is of kind gcg, which needs replies in free text; {benchmark}'s forget_test is of kind {test}"
                " (allowed: benchmarks whose forget_test is of kind generation)"
            )


def _methods(config: dict) -> None:
    for method, block in config["methods"].items():
        file, where = file_of(config, method), f"methods: {method}"
        _exist(config, [file, method_tuned_as(config, method)], "methods", where)
        if "variant_of" in config["methods"][file]:
            raise SystemExit(f"config, {where}: variant_of: {file!r} is itself a variant")
        if file not in modules("methods"):
            raise SystemExit(f"config, {where}: there is no workflow_scripts/methods/{file}.py")
        if "token_weights" in block:
            _exist(config, [block["token_weights"]], "token_weights", f"{where}: token_weights")
        _exist(config, list(block.get("scopes", {})), "scopes", f"{where}: scopes")
        if isinstance(block.get("steering"), dict):
            _exist(config, list(block["steering"]), "models", f"{where}: steering")


def _scopes(config: dict) -> None:
    for scope, block in config["scopes"].items():
        if block["kind"] not in modules("scopes"):
            raise SystemExit(f"config, scopes: {scope}: kind: there is no workflow_scripts/scopes/{block['kind']}.py")
        tuned, tuning = block.get("tuned_as", scope), config["tuning"]
        if tuned not in tuning["learning_rates"]:
            raise SystemExit(f"config, tuning: learning_rates: there is none for scope {tuned!r}")
        if tuned == scope and tuning["trials"] and block.get("processes", 1) > 1:
            raise SystemExit(f"config, tuning: trials: scope {scope} trains in several processes and can't be tuned: 0")


def _jobs(config: dict) -> None:
    for jobs in (config["jobs"], *(block.get("jobs", {}) for block in config["models"].values())):
        for name in jobs:
            _exist(config, name.split("/")[1:][-1:], "scopes", f"jobs: {name}")
            _exist(config, name.split("/")[1:-1], "methods", f"jobs: {name}")


def _models(config: dict) -> None:
    for model, block in config["models"].items():
        if ("pretrain" in block) == ("source" in block):
            raise SystemExit(f"config, models: {model}: exactly one of pretrain and source is needed")
        for key, section in (("source", "sources"), ("pretrain", "data")):
            if key in block and section not in config:
                raise SystemExit(f"config, models: {model}: has {key}, but the study has no {section}")
    generator = config.get("data", {}).get("generator")
    if generator and generator not in modules("micro"):
        raise SystemExit(f"config, data: generator: there is no workflow_scripts/micro/{generator}.py")


def _checkpoints(config: dict) -> None:
    for scope in config["scopes"]:
        training, keep = training_block(config, scope), config["checkpoints"]["keep"]
        made = len(checkpoint_steps(training))
        if made > keep:
            raise SystemExit(
                f"config, checkpoints: keep: {keep}, but scope {scope} makes {made}; a larger training: "
                "checkpoint_growth makes fewer"
            )


def _tuning(config: dict) -> None:
    tuning = config["tuning"]
    _exist(config, list(tuning["settings"]), "methods", "tuning: settings")
    _exist(config, list(config["must_know"]), "benchmarks", "must_know")
    _exist(config, list(config["expected_to_know"]), "benchmarks", "expected_to_know")
    for method, keys in tuning["settings"].items():
        known = whole_method(config, method)
        for key in keys:
            if not isinstance(known.get(key), (int, float)):
                raise SystemExit(f"config, tuning: settings: {method}: {key!r} is no number of this method's block")
    if tuning["seed"] in config["seeds"]:
        raise SystemExit(
            f"config, tuning: seed: {tuning['seed']} is also in seeds; tuning needs one that is not reported"
        )
