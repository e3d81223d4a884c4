"""Write docs/results/ from a study's results, and renew the parts of the pages that show it.

Reads results/<study>/{tables,figures,logs}, results/bench and, where given, the output of `make plan`; without
a study only the pages are renewed. A page shows a file between <!-- docs/results/NAME --> and <!-- end -->.
    python docs/collect.py --study results/micro --plan results/plan.txt
"""

import argparse
import json
import re
import shutil
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "workflow_scripts"))

from launch import cost

ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path("docs/results")
MARKED = re.compile(r"<!-- (docs/results/\S+) -->\n.*?<!-- end -->", re.DOTALL)
GROUP = re.compile(r"(.+? \([^)]+\)) (.+)")  # "Qwen (WMDP) FA ↓ [paper]"
WIDEST = 6  # columns
LONG = ("tuning",)  # hundreds of rows: no page shows it
FIGURES = ("figure1a", "figure3a")
BENCH = {"one_expert.readme.md": "one_expert.md", "one_expert.png": "one_expert.png"}
PLAN = ["what trains", "cells", "GPU memory, GB", "GPUs needed", "disk kept, GB", "GPU hours"]


def rows_of(lines: list[str]) -> list[list[str]]:
    """Cells of a Markdown table: the header, then the rows."""
    rows = [[cell.strip() for cell in line.strip().strip("|").split(" | ")] for line in lines if line.startswith("|")]
    width = len(rows[0])
    return [(row + [""] * width)[:width] for row in rows if not re.fullmatch(r"[|:\- ]+", " ".join(row))]


def markdown(header: list[str], rows: list[list[str]], aligned: str = ":--") -> str:
    lines = [header, [":--", *[aligned] * (len(header) - 1)], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def narrow(header: list[str], rows: list[list[str]]) -> str:
    """The table as tables of at most WIDEST columns: one for each model and benchmark that the header names.

    The first column stands in each of them; a row that holds nothing there is left out.
    """
    groups: dict[str, dict[int, str]] = {}
    for place, name in enumerate(header[1:], start=1):
        match = GROUP.fullmatch(name)
        groups.setdefault(match[1] if match else "", {})[place] = match[2] if match else name
    parts = []
    for group, names in groups.items():
        places = list(names)
        for start in range(0, len(places), WIDEST - 1):
            shown = places[start : start + WIDEST - 1]
            kept = [[row[0], *(row[place] for place in shown)] for row in rows if any(row[place] for place in shown)]
            title = f"*{group}*\n\n" if group else ""
            parts.append(title + markdown([header[0], *(names[place] for place in shown)], kept))
    return "\n".join(parts)


def write(name: str, text: str) -> None:
    (ROOT / RESULTS / name).write_text(text.rstrip() + "\n")


def write_tables(study: Path) -> None:
    """Each table of the study, narrow, with those of its notes that Table 2 does not have, too."""
    first = study / "tables/table2.md"
    common = {line for line in first.read_text().splitlines() if line.startswith("- ")} if first.exists() else set()
    for path in sorted(path for path in (study / "tables").glob("*.md") if path.stem not in LONG):
        lines = path.read_text().splitlines()
        title = next(line for line in lines if line.startswith("**"))
        table = [line for line in lines if line.startswith("|")]
        notes = [line for line in lines if line.startswith("- ") and (path == first or line not in common)]
        if not table:
            continue
        header, *rows = rows_of(table)
        write(path.name, "\n\n".join([title, narrow(header, rows).rstrip(), "\n".join(notes)]))
        if path == first:
            write("first.md", narrow(header, rows).split("\n\n*")[0])


def write_times(study: Path) -> None:
    """What the jobs cost, by rule."""
    write("times.md", cost.markdown(cost.rows(cost.records(study))))


def write_run(study: Path) -> None:
    """What the shown results were made from: commit, seeds, device."""
    records = [json.loads(path.read_text()) for path in sorted((study / "tables/provenance").glob("*.json"))]
    commits = sorted({record["commit"][:7] + (" (dirty)" if record["dirty"] else "") for record in records})
    seeds = sorted({path.name for path in (study / "cells").glob("*/*/*/*/seed-*")})
    lines = [f"- Study: {study.name}", f"- Commit: {', '.join(commits)}", f"- {len(seeds)} seed(s): {', '.join(seeds)}"]
    write("run.md", "\n".join([*lines, f"- Device: {', '.join(sorted({record['device'] for record in records}))}"]))


def write_plan(path: Path) -> None:
    """What `make plan` prints, one table a model, the columns that matter most."""
    lines = path.read_text().splitlines()
    header, *rows = rows_of(lines)
    parts = []
    for model in dict.fromkeys(row[0] for row in rows):
        chosen = [[row[header.index(name)] for name in PLAN] for row in rows if row[0] == model]
        parts.append(f"*{model}*\n\n" + markdown(PLAN, chosen, "--:"))
    words = [f"- {line}" for line in lines if line and not line.startswith("|")]
    write("plan.md", "\n".join([*parts, *words]))


def renewed(text: str) -> str:
    """A page with the files it shows as they are now."""
    return MARKED.sub(lambda part: f"<!-- {part[1]} -->\n{(ROOT / part[1]).read_text()}<!-- end -->", text)


def pages() -> list[Path]:
    return [ROOT / "README.md", ROOT / "config/README.md", *sorted((ROOT / "docs").glob("*.md"))] + sorted(
        (ROOT / "docs/upstream").glob("*.md")
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--study", type=Path, help="results/<study>")
    parser.add_argument("--plan", type=Path, help="what `make plan` printed")
    args = parser.parse_args()
    if args.study:
        write_tables(args.study)
        write_times(args.study)
        write_run(args.study)
        for name in FIGURES:
            shutil.copy(args.study / f"figures/{name}.png", ROOT / RESULTS)
        bench = args.study.parent / "bench"
        for name, shown in BENCH.items():
            if (bench / name).exists():
                shutil.copy(bench / name, ROOT / RESULTS / shown)
    if args.plan:
        write_plan(args.plan)
    for page in pages():
        page.write_text(renewed(page.read_text()))


if __name__ == "__main__":
    main()
