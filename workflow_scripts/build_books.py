"""Write the micro world's books: MUSE-Books' files, and what a model that has read them is pre-trained on.

Reads --data (pretraining/documents.jsonl, pretraining/facts.jsonl of the micro world). Writes below the same folder
muse-books/ (splits and columns as in the real data set: raw, verbmem, knowmem, privleak) and pretraining-books/ (the
world's documents and the books', and a tokenizer of both). The world's own files stay as they are, so that models
which read no books do not change. Equal arguments give equal bytes.

    python workflow_scripts/build_books.py --seed 0 --settings '{"copies": 8}' --data results/micro/data
"""

import argparse
import json
import random
from pathlib import Path

from jobs import provenance
from jobs.files import read_jsonl, write_jsonl
from micro import books
from micro.tokenizer import save_tokenizer, train_tokenizer

EXAMPLES = 5  # questions of the icl splits
FOLDERS = ("muse-books", "pretraining-books")  # written here alone


def main(seed: int, settings: dict, data: Path) -> None:
    settings = books.SIZES | settings
    world = read_jsonl(data / "pretraining/documents.jsonl", ("text", "kind", "answer_start", "domain", "group"))
    known = read_jsonl(data / "pretraining/facts.jsonl", ("entity", "value"))
    taken = {word for fact in known for key in ("entity", "value") for word in fact[key].split()}
    facts = books.draw_books(settings, seed, taken)
    generator = random.Random(f"{seed} chapters")
    texts = {group: books.chapters(own, settings["chapters"], generator) for group, own in facts.items()}
    rows = list(world)
    for group in ("forget", "retain"):
        rows += books.documents(facts[group], texts[group], settings["copies"])
    for own in texts.values():
        generator.shuffle(own)

    half = len(texts["retain"]) // 2
    splits = {"forget": texts["forget"], "retain1": texts["retain"][:half], "retain2": texts["retain"][half:]}
    for name, own in {**splits, "holdout": texts["holdout"]}.items():
        write_jsonl(data / f"muse-books/raw/{name}.jsonl", [{"text": text} for text in own])
    for group, own in texts.items():
        write_jsonl(data / f"muse-books/privleak/{group}.jsonl", [{"text": text} for text in own])
    write_jsonl(data / "muse-books/verbmem/forget.jsonl", [books.verbatim(text) for text in texts["forget"]])
    for group in ("forget", "retain"):
        asked = books.questions(facts[group], "pretraining")
        write_jsonl(data / f"muse-books/knowmem/{group}_qa_icl.jsonl", generator.sample(asked, EXAMPLES))
        held_out = books.questions(facts[group], "test")
        generator.shuffle(held_out)
        write_jsonl(data / f"muse-books/knowmem/{group}_qa.jsonl", held_out)

    write_jsonl(data / "pretraining-books/documents.jsonl", rows)
    names = taken | {word for own in facts.values() for fact in own for word in f"{fact.entity} {fact.value}".split()}
    save_tokenizer(train_tokenizer([row["text"] for row in rows], sorted(names)), data / "pretraining-books/tokenizer")
    read = [data / "pretraining/documents.jsonl", data / "pretraining/facts.jsonl"]
    written = [path for name in FOLDERS for path in (data / name).rglob("*") if path.is_file()]
    provenance.record(data / "books.json", {"seed": seed, "settings": settings}, read, written)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--settings", type=json.loads, required=True, help="JSON: sizes other than books.SIZES")
    parser.add_argument("--data", type=Path, required=True, help="data folder of the micro world; written to as well")
    arguments = parser.parse_args()
    main(arguments.seed, arguments.settings, arguments.data)
