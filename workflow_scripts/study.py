"""A study's config as the Snakefile needs it: cells, the blocks that each job reads, and the code that each job runs.

Standard library only: Snakemake imports this at every start.
"""

import ast
import json
from functools import cache
from pathlib import Path

SCRIPTS = Path(__file__).parent
DATA_FILES = (
    "wmdp-corpora/cyber-forget-corpus.jsonl",
    "wmdp/wmdp-cyber/test.jsonl",
    "mmlu/all/test.jsonl",
    "mmlu/all/validation.jsonl",
    "rwku/train_original_passage.jsonl",
    "rwku/forget_target.jsonl",
    "rwku/forget_level1.jsonl",
    "rwku/forget_level2.jsonl",
    "rwku/neighbor_level1.jsonl",
    "rwku/neighbor_level2.jsonl",
    "wikitext/wikitext-2-raw-v1/test.jsonl",
)
PRETRAINING_FILES = ("pretraining/documents.jsonl", "pretraining/facts.jsonl", "pretraining/tokenizer/tokenizer.json")


def canonical(block: object) -> str:
    """JSON with sorted keys and whole floats as integers: equal settings give equal text, however they were typed."""

    def tidy(value: object) -> object:
        if isinstance(value, dict):
            return {key: tidy(item) for key, item in value.items()}
        if isinstance(value, list):
            return [tidy(item) for item in value]
        return int(value) if isinstance(value, float) and value.is_integer() else value

    return json.dumps(tidy(block), sort_keys=True)


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


def method_block(config: dict, model: str, method: str) -> dict:
    """What unlearn.py reads of a method: its settings and, where it steers activations, the model's hook layer."""
    block = {"name": method} | {key: v for key, v in config["methods"][method].items() if key != "scopes"}
    if method == "rmu":
        block["hook_layer"] = config["models"][model]["rmu_hook_layer"]
    return block


def scope_block(config: dict, method: str, scope: str) -> dict:
    """What trains; a method may say so itself for a scope (RMU's own baseline trains three layers' experts)."""
    block = {key: value for key, value in config["scopes"][scope].items() if key not in ("tuned_as", "training")}
    return config["methods"][method].get("scopes", {}).get(scope, block)


def training_block(config: dict, scope: str) -> dict:
    return config["training"] | config["scopes"][scope].get("training", {})


def tuned_as(config: dict, scope: str) -> str:
    """The scope whose tuned learning rate this one uses: itself, or for a variant the scope that it varies."""
    return config["scopes"][scope].get("tuned_as", scope)


def unlearning_code(config: dict, method: str, scope: str) -> tuple[str, ...]:
    kind = scope_block(config, method, scope)["kind"]
    return code_of("unlearn.py", f"methods/{method}.py", f"scopes/{kind}.py")
