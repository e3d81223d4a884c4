"""Write a study's data: corpora and tests in the file layout of the real datasets, and what pre-training reads.

The generator, a module of micro/, makes them: `facts` invents a world of facts, `own_text` reads a folder of real
files. Writes the generator's files below --output. Equal settings, seed and files give equal bytes.
    python workflow_scripts/build_world.py --seed 0 --output results/micro/data/seed-0 \\
        --settings '{"generator": "facts", "settings": {"passages": 8}}'
"""

from pathlib import Path

from jobs import provenance
from jobs.stage import load, parser


def build(generator: str, settings: dict, seed: int, output: Path) -> None:
    read, written = load("micro", generator).build(settings, seed, output)
    block = {"generator": generator, "seed": seed, "settings": settings}
    provenance.record(output / "data.json", {"settings": block}, read, written)


def main() -> None:
    args = parser(__doc__, "settings", "seed", "output").parse_args()
    build(**args.settings, seed=args.seed, output=args.output)


if __name__ == "__main__":
    main()
