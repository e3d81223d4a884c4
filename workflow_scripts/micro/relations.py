"""Relations of the generated facts: for each a pool of values, wordings in prose and wordings as a question.

The entity precedes the value in every prose wording, because a causal model of this size learns a fact only in the
direction in which it reads it. Values of tested multiple-choice relations are single words, so that every option is
one token; no word stands in two pools, so that no option can be excluded by its kind, and the retain corpus shares no
value with a test.
"""

from dataclasses import dataclass
from pathlib import Path

import yaml

FILES_BESIDE = ("micro/relations.yaml",)  # files that this module reads (planning/code.py)


@dataclass(frozen=True)
class Relation:
    """One kind of fact. `prose` has >= 4 wordings, `questions` 2 or 4 (none for a relation never asked about)."""

    name: str
    values: tuple[str, ...]
    prose: tuple[str, ...]
    questions: tuple[str, ...] = ()


def phrases(text: str) -> tuple[str, ...]:
    """Values separated by commas, or single words by spaces."""
    return tuple(phrase.strip() for phrase in text.split(",")) if "," in text else tuple(text.split())


def relations(blocks: list[dict]) -> tuple[Relation, ...]:
    return tuple(
        Relation(block["name"], phrases(block["values"]), tuple(block["prose"]), tuple(block.get("questions", ())))
        for block in blocks
    )


_VOCABULARY = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text())
CYBER, PERSONS, RETAIN, SAGA, CHRONICLE = (
    relations(_VOCABULARY[name]) for name in ("cyber", "persons", "retain", "saga", "chronicle")
)
GENERAL = {subject: relations(blocks) for subject, blocks in _VOCABULARY["general"].items()}
FILLERS = tuple(map(phrases, _VOCABULARY["fillers"]))  # sentences that no fact explains
