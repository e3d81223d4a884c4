"""What jobs cost, by rule."""

import json
import subprocess
import sys
from pathlib import Path

from launch import cost

COST = Path(cost.__file__)


def leave(study: Path, log: str, seconds: float, cpu_seconds: float, peak_mb: float) -> None:
    path = study / "logs" / f"{log}.log.cost"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"seconds": seconds, "cpu_seconds": cpu_seconds, "peak_mb": peak_mb}))


def test_sums_by_rule(tmp_path):
    leave(tmp_path, "unlearn/model/a", 40.0, 30.0, 900.4)
    leave(tmp_path, "unlearn/model/b", 70.0, 60.0, 800.0)
    leave(tmp_path, "build_world", 5.0, 30.0, 120.0)  # a rule with one job; several threads
    (tmp_path / "logs/unlearn/model/a.log").write_text("words")
    shown = subprocess.run([sys.executable, COST, tmp_path], capture_output=True, text=True, check=True).stdout
    assert [line.strip("| ").split(" | ") for line in shown.splitlines()[2:]] == [
        ["unlearn", "2", "1.5", "75.0", "70", "900"],
        ["build_world", "1", "0.5", "25.0", "5", "120"],
        ["together", "3", "2.0", "100.0", "70", "900"],
    ]


def test_no_record_is_said_in_one_line(tmp_path):
    done = subprocess.run([sys.executable, COST, tmp_path], capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr.count("\n") == 1 and "no job has left a record" in done.stderr
