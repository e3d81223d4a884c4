"""The texts of a benchmark: what is unlearned and what is retained."""

from pathlib import Path

from files import read_jsonl


def forget_texts(benchmark: dict, data: Path) -> list[str]:
    """Texts of the forget set, in file order; with `targets`, only rows whose subject is one of them."""
    return [row["text"] for row in read_jsonl(data / benchmark["forget"], columns=("text",))]


def retain_texts(benchmark: dict, data: Path) -> list[str]:
    return [row["text"] for row in read_jsonl(data / benchmark["retain"], columns=("text",))]
