"""Where everything of a study lies below results/<study>/: the only place that spells these paths.

Rules use the patterns as they stand, `{...}` being Snakemake's wildcards; scripts fill them in with `path`.
Standard library only: Snakemake imports this at every start.
"""

from planning.cell_files import CHECKPOINTS, CHOSEN, MANIFEST, METRICS, PARAMETERS, PREDICTIONS, RECORDS, TRAJECTORY  # noqa: F401

DATA = "data"  # the benchmarks' files, in the layout of the real datasets
WORLD = f"{DATA}/seed-{{seed}}"  # the same of a study that generates them: each seed has a world of its own

MODEL = "models/{model}/seed-{seed}"  # a model folder as transformers reads it
PRETRAINING = f"{MODEL}/pretraining.json"  # of a model that was pre-trained here: recipe, losses, hash of the weights
SOURCE = f"{MODEL}/source.json"  # of a model that was downloaded: repository, commit, hashes
ORIGINAL = f"{MODEL}/original/{{benchmark}}.json"  # scores of the untouched model
ORIGINAL_PREDICTIONS = f"{MODEL}/original/{{benchmark}}.predictions.jsonl.gz"
KNOWLEDGE = f"{MODEL}/knows.json"  # that the untouched model scores well enough to be unlearned
RETRAINED_MODEL = "retrained/{model}/{benchmark}/seed-{seed}"  # pre-trained without the forget set
RETRAINED = f"{RETRAINED_MODEL}/scores.json"
RETRAINED_PREDICTIONS = f"{RETRAINED_MODEL}/scores.predictions.jsonl.gz"
RETRAINED_ATTACK = f"{RETRAINED_MODEL}/attacks/{{attack}}.json"

AFFINITY = "attribution/{model}/{benchmark}/seed-{seed}/affinity.json"
ATTRIBUTION_CHECKS = "attribution/{model}/{benchmark}/seed-{seed}/checks.json"
SELECTION = "selections/{model}/{benchmark}/{scope}/seed-{seed}.json"
PREFIX = "prefix/{model}/{benchmark}/seed-{seed}.safetensors"  # hidden states that enter the target layer
TOKEN_WEIGHTS = "token_weights/{name}/{model}/{benchmark}/seed-{seed}.safetensors"
TOKEN_WEIGHTS_RECORD = "token_weights/{name}/{model}/{benchmark}/seed-{seed}.json"
ARCHITECTURE = "architectures/{model}.json"  # counts of the real model's parameters

CELL = "cells/{model}/{benchmark}/{method}/{scope}/seed-{seed}"
TUNING = "tuning/{model}/{benchmark}/{method}/{scope}.json"  # on the tuning seed
MODEL_FILES = ("model.safetensors", "config.json", "tokenizer.json", "tokenizer_config.json", "pretraining.json")
ATTACK = f"{CELL}/attacks/{{attack}}.json"
SUFFIXES = f"{CELL}/attacks/{{attack}}/suffixes-{{part}}.json"

TABLE = "tables/{name}"  # with each of TABLE_EXTENSIONS
TABLE_EXTENSIONS = ("csv", "md", "tex", "html")
FIGURE = "figures/{name}"
FIGURE_EXTENSIONS = ("pdf", "svg", "png")
CLAIMS = "claims.json"
STATE = "state"  # working states of jobs that can resume; no rule declares them
EXPORT = f"exports/{CELL.removeprefix('cells/')}"


def path(pattern: str, **values: object) -> str:
    """A pattern filled in: `path(AFFINITY, model="micro-qwen", benchmark="rwku", seed=0)`."""
    return pattern.format(**values)
