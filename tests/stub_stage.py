"""Stands in for the costly stages in tests of the plan: writes, in no time, files where a stage would write its own.

The rules, the config, the scripts on disk and Snakemake are the real ones; only what runs behind start.py is replaced.
Contents depend on the arguments, so that other settings give other bytes. STUB_FAILS names a stage that fails,
STUB_SLOW one that takes four seconds and leaves a file slow-<process number>.
"""

import hashlib
import json
import os
import sys
import time
from pathlib import Path

from planning.data_files import PRETRAINING_FILES

DATA_FILES = (
    "wmdp-corpora/cyber-forget-corpus.jsonl",
    "wmdp/wmdp-cyber/test.jsonl",
    "mmlu/all/test.jsonl",
    "mmlu/all/validation.jsonl",
    "rwku/train_original_passage.jsonl",
    "rwku/forget_target.jsonl",
    "rwku/forget_level1.jsonl",
    "rwku/forget_level2.jsonl",
    "rwku/neighbor_level1.jsonl",
    "rwku/neighbor_level2.jsonl",
    "wikitext/wikitext-2-raw-v1/test.jsonl",
)

script, arguments = Path(sys.argv[1]).stem, sys.argv[2:]
value = {name: arguments[arguments.index(name) + 1] for name in arguments if name.startswith("--")}
stamp = json.dumps({"stage": script, "of": hashlib.sha256(" ".join(arguments).encode()).hexdigest()})
if script == os.environ.get("STUB_FAILS"):
    sys.exit(f"{script}: told to fail")
if script == os.environ.get("STUB_SLOW"):
    Path(f"slow-{os.getpid()}").touch()
    time.sleep(4)


def write(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(stamp)


if script in ("render_table", "plot_figure", "audit", "check_claims"):
    ends = ("pdf", "svg", "png") if script == "plot_figure" else ("csv", "md", "tex", "html")
    for end in ends:
        write(Path(f"{value['--output-prefix']}.{end}"))
    if "--verdicts" in value:
        write(Path(value["--verdicts"]))
elif script == "build_world":
    for name in (*DATA_FILES, *PRETRAINING_FILES):
        write(Path(value["--output"], name))
elif script == "pretrain_micro":
    for name in ("model.safetensors", "config.json", "tokenizer.json", "tokenizer_config.json", "pretraining.json"):
        write(Path(value["--output"], name))
elif script == "download_dataset":
    write(Path(value["--output"]))
    write(Path(value["--output"]).with_suffix(".source.json"))
elif script == "download_model":
    write(Path(value["--output"], "source.json"))
elif script == "unlearn":
    for name in ("checkpoints/step-0010.safetensors", "trajectory.json", "parameters.json", "manifest.json"):
        write(Path(value["--output"], name))
else:
    write(Path(value["--output"]))
    if "--predictions" in value:
        write(Path(value["--predictions"]))
