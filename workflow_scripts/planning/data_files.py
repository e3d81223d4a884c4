"""Data files that benchmarks, models and the world's scripts name, relative to results/<study>/data/.

Standard library only: Snakemake imports this at every start.
"""

PRETRAINING_FILES = ("pretraining/documents.jsonl", "pretraining/facts.jsonl", "pretraining/tokenizer/tokenizer.json")

BOOK_FILES = (
    *(f"muse-books/raw/{split}.jsonl" for split in ("forget", "retain1", "retain2", "holdout")),
    *(f"muse-books/privleak/{split}.jsonl" for split in ("forget", "retain", "holdout")),
    *(f"muse-books/knowmem/{split}.jsonl" for split in ("forget_qa", "forget_qa_icl", "retain_qa", "retain_qa_icl")),
    "muse-books/verbmem/forget.jsonl",
    "pretraining-books/documents.jsonl",
    "pretraining-books/tokenizer/tokenizer.json",
)


def _files(value: object) -> list[str]:
    """Names of data files anywhere in a config block, in order, each once."""
    if isinstance(value, dict):
        names = [name for item in value.values() for name in _files(item)]
    elif isinstance(value, list):
        names = [name for item in value for name in _files(item)]
    else:
        names = [value] if isinstance(value, str) and value.endswith(".jsonl") else []
    return list(dict.fromkeys(names))


def forget_files(block: dict) -> list[str]:
    """Files of the forget texts and of who is forgotten."""
    return _files(
        {key: value for key, value in block.items() if not key.endswith("_test") and not key.startswith("retain")}
    )


def text_files(block: dict) -> list[str]:
    """Files of forget and retain texts."""
    return _files({key: value for key, value in block.items() if not key.endswith("_test")})


def test_files(block: dict) -> list[str]:
    """Files of all tests."""
    return _files({key: value for key, value in block.items() if key.endswith("_test")})


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
