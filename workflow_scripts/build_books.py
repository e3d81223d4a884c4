"""Write the micro world's books: MUSE-Books' files, and what a model that has read them is pre-trained on.

Reads pretraining/documents.jsonl and pretraining/facts.jsonl of the generated facts in --data. Writes below the same
folder muse-books/ (splits and columns as in the real dataset: raw, verbmem, knowmem, privleak) and pretraining-books/
(all documents, the books' among them, and a tokenizer of both). The other files stay as they are, so that models that
read no books do not change. Equal settings and seed give equal bytes.
    python workflow_scripts/build_books.py --seed 0 --data results/micro/data/seed-0 \\
        --settings '{"settings": {"copies": 8}}'
"""

from pathlib import Path

from jobs import provenance
from jobs.stage import parser
from micro import books


def build(settings: dict, seed: int, data: Path) -> None:
    settings = books.SIZES | settings
    read, written = books.build(settings, seed, data)
    provenance.record(data / "books.json", {"settings": {"seed": seed, "settings": settings}}, read, written)


def main() -> None:
    args = parser(__doc__, "settings", "seed", "data").parse_args()
    build(**args.settings, seed=args.seed, data=args.data)


if __name__ == "__main__":
    main()
