"""What one expert costs: measure steps, evaluations, memory and whole cells against naive runs, beside counted limits.

Writes PREFIX.json, .csv, .md and .png, and PREFIX.readme.md: what docs/performance.md shows of it. Figures of time are
only as good as the machine is quiet; the table says how busy it was.
    OMP_NUM_THREADS=1 python workflow_scripts/bench/measure.py --output-prefix results/bench/one_expert
"""

import argparse
import csv
import logging
import os
import sys
import tempfile
import time
from pathlib import Path

os.environ |= {"HF_HUB_OFFLINE": "1", "TQDM_DISABLE": "1"}
sys.path[0] = str(Path(__file__).resolve().parents[1])

import torch
import transformers

from bench import parts
from bench.arithmetic import arithmetic
from bench.real import real_steps
from bench.report import draw, excerpt, markdown
from jobs.files import write_json, write_text
from moe.libraries import keep_freed_memory


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5, help="rounds of part (a); the longer parts take fewer")
    parser.add_argument("--parts", default="abcdef", help="which parts to measure")
    parser.add_argument("--output-prefix", required=True, type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()  # as every stage does
    transformers.utils.logging.disable_progress_bar()
    logging.disable(logging.WARNING)  # lm-eval's
    few = max(1, args.repeats // 2)
    before, start, rows = os.getloadavg()[0], time.monotonic(), parts.real_limits() + parts.process_starts()
    busiest = before
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        parts.questions.write_questions(folder)
        measures = {
            "a": lambda: parts.training_steps(args.repeats),
            "b": lambda: parts.evaluation(folder, few),
            "c": lambda: parts.memory(folder),
            "d": lambda: parts.whole_cells(folder, few),
            "e": lambda: parts.growth(folder, few),
            "f": arithmetic,
        }
        for letter in args.parts:
            rows += measures[letter]()
            busiest = max(busiest, os.getloadavg()[0])
            print(f"({letter}) done after {time.monotonic() - start:.0f} s, load {os.getloadavg()[0]:.2f}", flush=True)
    if torch.cuda.is_available():
        rows += real_steps()
    machine = {"load_before": before, "load_busiest": busiest, "seconds": time.monotonic() - start, "threads": 1}
    machine |= {"torch": torch.__version__, "transformers": transformers.__version__, "cores": os.cpu_count()}
    write_json(f"{args.output_prefix}.json", {"machine": machine, "rows": rows})
    names = list(dict.fromkeys(key for row in rows for key in row))
    with open(f"{args.output_prefix}.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(rows)
    write_text(f"{args.output_prefix}.md", markdown(rows, machine))
    write_text(f"{args.output_prefix}.readme.md", excerpt(rows, machine))
    draw(rows).savefig(f"{args.output_prefix}.png", dpi=150)


if __name__ == "__main__":
    main()
