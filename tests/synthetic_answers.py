"""Invented per-question answers beside the invented scores of synthetic_results.py."""

import gzip
import json
import random
from pathlib import Path

import synthetic_results

STEPS = (*synthetic_results.CHECKPOINTS, 80)
QUESTIONS = {"forget": 60, "utility": 80}


def rows(right: dict[str, float], steps: tuple[int, ...], generation: bool, draw: random.Random) -> list[dict]:
    """Answers, two to a fact; right: test -> probability of a right answer. Utility is a choice of options."""
    answers = []
    for step in steps:
        for test, count in QUESTIONS.items():
            for row in range(count):
                score = float(draw.random() < right[test])
                half = ("test", "development")[row // 2 % 2]
                answer = {"step": step, "test": test, "row": row, "half": half, "fact": f"fact {row // 2}"}
                if generation and test == "forget":
                    part = "level1" if row < count // 3 else "level2"
                    answers.append(answer | {"part": part, "text": "", "rouge": score, "rouge_score": score})
                else:
                    answers.append(answer | {"chosen": 0, "correct": score})
    return answers


def write(path: Path, right: float | dict[str, float], generation: bool, steps: tuple[int, ...] = STEPS) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    shares = right if isinstance(right, dict) else dict.fromkeys(QUESTIONS, right)
    draw = random.Random("/".join(path.parts[-6:]))
    with gzip.open(path, "wt") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows(shares, steps, generation, draw))


def build(root: Path, paths: list[str], config: dict) -> None:
    """Answers of `paths` (untouched models 97 % right, cells 70 %), and of the other files those that are not there."""
    for path in paths:
        if path.startswith("models/") and path.endswith(".jsonl.gz"):
            write(root / path, 0.97, "rwku" in path, (0,))
        elif path.endswith(".jsonl.gz"):
            write(root / path, 0.7, "rwku" in path)
        elif not (root / path).exists():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(json.dumps(synthetic_results.content(path, config)))
