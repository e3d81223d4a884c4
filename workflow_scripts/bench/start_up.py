"""What a stage's process pays before its first line of work: imports, in a fresh process and in a fork of start.py."""

import json
import subprocess
import sys
from pathlib import Path

SCRIPTS = Path(__file__).parents[1]
STAGES = (
    "select_experts", "choose_checkpoint", "tune", "check_knows_world", "render_table", "plot_figure", "pretrain_micro",
    "attribute_experts", "cache_prefix", "unlearn", "evaluate",
)  # fmt: skip
HEAVY = ("torch", "transformers", "accelerate", "peft", "datasets", "lm_eval", "rouge_score", "pandas", "matplotlib")

# Asks a stage for its help, and says how long that took and which of HEAVY were loaded for it.
FRESH = f"""
import contextlib, io, json, runpy, sys
folder, name = sys.argv[1:]
sys.path.insert(0, folder)
sys.argv = [name, "--help"]
with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
    runpy.run_path(f"{{folder}}/{{name}}.py", run_name="__main__")
print(json.dumps([module for module in {HEAVY!r} if module in sys.modules]))
"""
# Runs below `start.py --warm`. The first start waits for the server and is not counted.
FORKED = """
import json, subprocess, sys, time
folder, *names = sys.argv[1:]
seconds = {}
for name in [names[0], *names]:
    start = time.perf_counter()
    command = [sys.executable, f"{folder}/launch/start.py", f"{folder}/{name}.py", "--help"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    seconds[name] = time.perf_counter() - start
print(json.dumps(seconds))
"""


def libraries(stage: str) -> list[str]:
    """Those of HEAVY that a fresh process of the stage loads before it reads its arguments."""
    command = [sys.executable, "-c", FRESH, str(SCRIPTS), stage]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def forked() -> dict[str, float]:
    """Seconds of each stage where `make` starts it: in a fork of a server that has the libraries."""
    server = [sys.executable, f"{SCRIPTS}/launch/start.py", "--warm"]
    command = [*server, sys.executable, "-c", FORKED, str(SCRIPTS), *STAGES]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
