"""Forget and retain texts of a benchmark, from JSON-lines files in the layout of the real datasets."""

from pathlib import Path

from jobs.files import read_jsonl

RETAIN_CHARACTERS = 100  # shorter wikitext lines are headings and blank lines; UOE and RMU drop them too


def target_names(targets: dict | list[str], data: Path) -> list[str]:
    """Names of the people to forget: as listed, or the first `first` (or all) of the column `target` of `file`."""
    if isinstance(targets, list):
        return targets
    return [row["target"] for row in read_jsonl(data / targets["file"], ("target",))][: targets.get("first")]


def of_targets(rows: list[dict], targets: dict | list[str] | None, data: Path, file: str) -> list[dict]:
    """Rows whose `subject` is a target, all where no targets are given; ends with one line if none is left."""
    if targets is None:
        return rows
    names = set(target_names(targets, data))
    kept = [row for row in rows if row["subject"] in names]
    if not kept:
        raise SystemExit(
            f"{data / file}: no row whose subject is one of the {len(names)} targets "
            f"({', '.join(sorted(names)[:3])}, …)"
        )
    return kept


def forget_texts(benchmark: dict, data: Path) -> list[str]:
    """Texts to forget, in file order.

    benchmark: a block of the config's `benchmarks` (keys `forget`, `targets`); data: the study's data folder.
    """
    targets = benchmark.get("targets")
    rows = read_jsonl(data / benchmark["forget"], ("text",) if targets is None else ("subject", "text"))
    return [row["text"] for row in of_targets(rows, targets, data, benchmark["forget"])]


def retain_texts(benchmark: dict, data: Path) -> list[str]:
    """Texts of over 100 characters from the file named by `retain`, in file order, stripped."""
    texts = [row["text"].strip() for row in read_jsonl(data / benchmark["retain"], ("text",))]
    kept = [text for text in texts if len(text) > RETAIN_CHARACTERS]
    if not kept:
        raise SystemExit(f"{data / benchmark['retain']}: no text of over {RETAIN_CHARACTERS} characters")
    return kept
