"""Invented per-question answers beside the invented scores of synthetic_results.py."""

import gzip
import json
import random
from pathlib import Path

import synthetic_results

QUESTIONS = {"forget": 60, "utility": 80}


def rows(right: float, steps: tuple[int, ...], generation: bool, draw: random.Random) -> list[dict]:
    """Answers of the reported half; `right`: probability that one is right. Utility is always a choice of options."""
    found = []
    for step in steps:
        for test, count in QUESTIONS.items():
            for row in range(count):
                score = float(draw.random() < right)
                answer = {"step": step, "test": test, "row": row, "half": "test"}
                if generation and test == "forget":
                    part = "level1" if row < count // 3 else "level2"
                    found.append(answer | {"part": part, "text": "", "rouge": score, "rouge_score": score})
                else:
                    found.append(answer | {"chosen": 0, "correct": score})
    return found


def write(
    path: Path, right: float, generation: bool, steps: tuple[int, ...] = (*synthetic_results.CHECKPOINTS, 80)
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draw = random.Random(str(path.relative_to(path.parents[6] if "cells" in path.parts else path.parents[4])))
    with gzip.open(path, "wt") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows(right, steps, generation, draw))


def build(root: Path, paths: list[str], config: dict) -> None:
    """Every file of `paths` that is not there yet."""
    for path in paths:
        if path.endswith(".jsonl.gz"):
            untouched = path.startswith("models/")
            write(
                root / path,
                0.97 if untouched else 0.7,
                "rwku" in path,
                (0,) if untouched else (*synthetic_results.CHECKPOINTS, 80),
            )
        elif not (root / path).exists():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(json.dumps(synthetic_results.content(path, config)))
