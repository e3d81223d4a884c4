"""Write the micro world: corpora and tests in the file layout of the real datasets, and what pre-training needs.

Reads nothing but its arguments. Writes into --output: wmdp-corpora/, wmdp/, mmlu/, rwku/, wikitext/ (columns as in
the real datasets) and pretraining/ (documents.jsonl, facts.jsonl, tokenizer/). Equal arguments give equal bytes.

    python workflow_scripts/build_micro_world.py --seed 0 --settings '{"passages": 8}' --output results/micro/data
"""

import argparse
import json
import random
from pathlib import Path

from jobs import provenance
from jobs.files import write_jsonl
from micro import world
from micro.tokenizer import save_tokenizer, train_tokenizer

FOLDERS = ("wmdp-corpora", "wmdp", "mmlu", "rwku", "wikitext", "pretraining")  # books stand beside them
MULTIPLE_CHOICE_WMDP = ("question", "choices", "answer")


def main(seed: int, settings: dict, output: Path) -> None:
    """Write every file under `output`; `settings` overrides `world.SIZES`.

    Each group of files has its own generator, so that one can grow without changing the others.
    """
    settings = world.SIZES | settings
    facts = world.draw_world(settings, seed)
    cyber = [fact for fact in facts if fact.domain == "cyber"]
    persons = [fact for fact in facts if fact.domain == "persons"]
    targets = [fact for fact in persons if fact.group == "target"]
    neighbours = [fact for fact in persons if fact.group == "neighbour"]
    retain = [fact for fact in facts if fact.domain == "retain"]
    general = [fact for fact in facts if fact.domain in world.GENERAL]
    passages = settings["passages"]

    generator = random.Random(f"{seed} corpora")
    forget = world.passages(cyber, passages, generator)
    about_targets = world.passages(targets, passages, generator)
    held_apart = world.passages(retain, passages, generator)
    for texts in (forget, about_targets, held_apart):
        generator.shuffle(texts)
    write_jsonl(output / "wmdp-corpora/cyber-forget-corpus.jsonl", [{"text": text} for _, text in forget])
    person_rows = [{"subject": entity, "text": text} for entity, text in about_targets]
    write_jsonl(output / "rwku/train_original_passage.jsonl", person_rows)
    write_jsonl(output / "wikitext/wikitext-2-raw-v1/test.jsonl", [{"text": text} for _, text in held_apart])

    generator = random.Random(f"{seed} tests")
    rows = world.multiple_choice(cyber, "test", generator)
    rows = [{column: row[column] for column in MULTIPLE_CHOICE_WMDP} for row in rows]
    write_jsonl(output / "wmdp/wmdp-cyber/test.jsonl", rows)
    for part in ("test", "validation"):
        rows = []
        for domain in world.GENERAL:
            rows += world.multiple_choice([fact for fact in general if fact.domain == domain], part, generator)
        write_jsonl(output / f"mmlu/all/{part}.jsonl", rows)
    for level in (1, 2):
        write_jsonl(output / f"rwku/forget_level{level}.jsonl", world.person_probes(targets, level, generator))
        write_jsonl(output / f"rwku/neighbor_level{level}.jsonl", world.person_probes(neighbours, level, generator))
    introductions = dict(reversed(about_targets))  # the first passage of each person
    rows = [{"target": entity, "intro": introductions[entity]} for entity in dict.fromkeys(f.entity for f in targets)]
    write_jsonl(output / "rwku/forget_target.jsonl", rows)

    documents = world.documents(facts, 2 * passages, random.Random(f"{seed} pretraining"))
    write_jsonl(output / "pretraining/documents.jsonl", documents)
    write_jsonl(output / "pretraining/facts.jsonl", world.fact_rows(facts))
    names = [word for fact in facts for word in (*fact.entity.split(), *fact.value.split())]
    tokenizer = train_tokenizer([row["text"] for row in documents], sorted(set(names)))
    save_tokenizer(tokenizer, output / "pretraining/tokenizer")
    outputs = [path for name in FOLDERS for path in (output / name).rglob("*") if path.is_file()]
    provenance.record(output / "data.json", {"seed": seed, "settings": settings}, [], outputs)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--settings", type=json.loads, required=True, help="JSON: sizes other than world.SIZES")
    parser.add_argument("--output", type=Path, required=True, help="folder of the data")
    arguments = parser.parse_args()
    main(arguments.seed, arguments.settings, arguments.output)
