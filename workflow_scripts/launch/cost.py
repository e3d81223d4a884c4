"""What the jobs of a study cost, by rule: a table from the records that start.py leaves beside their logs.

The records differ from run to run, so the table is printed and is no target of the workflow. A job that ran again
counts once, with its last run; one that was stopped and resumed counts from where it resumed.
    python workflow_scripts/launch/cost.py results/micro
"""

import argparse
import json
from pathlib import Path

HEADER = ("Rule", "Jobs", "Core-minutes", "Share, %", "Longest, s", "Peak memory, MB")


def records(study: Path) -> dict[str, list[dict]]:
    """The costs of the study's jobs, by rule; ends with one line if there are none."""
    logs, found = study / "logs", {}
    for path in sorted(logs.rglob("*.log.cost")):
        rule = path.relative_to(logs).parts[0].removesuffix(".log.cost")  # a rule with one job has no folder
        found.setdefault(rule, []).append(json.loads(path.read_text()))
    if not found:
        raise SystemExit(f"{logs}: no job has left a record of its cost (*.log.cost)")
    return found


def rows(found: dict[str, list[dict]]) -> list[tuple[str, ...]]:
    """One row a rule, the costliest first, and their sum; in the order of HEADER."""
    everything = [cost for costs in found.values() for cost in costs]
    total = sum(cost["cpu_seconds"] for cost in everything) or 1.0

    def row(name: str, costs: list[dict]) -> tuple[str, ...]:
        used = sum(cost["cpu_seconds"] for cost in costs)
        longest, peak = (max(cost[key] for cost in costs) for key in ("seconds", "peak_mb"))
        return (name, str(len(costs)), f"{used / 60:.1f}", f"{100 * used / total:.1f}", f"{longest:.0f}", f"{peak:.0f}")

    by_cost = sorted(found.items(), key=lambda item: -sum(cost["cpu_seconds"] for cost in item[1]))
    return [*(row(*item) for item in by_cost), row("together", everything)]


def markdown(lines: list[tuple[str, ...]]) -> str:
    """A Markdown table below HEADER."""
    rule = (":--", *["--:"] * (len(HEADER) - 1))
    return "".join(f"| {' | '.join(line)} |\n" for line in (HEADER, rule, *lines))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path, help="results/<study>")
    print(markdown(rows(records(parser.parse_args().study))), end="")


if __name__ == "__main__":
    main()
