"""What the table stage writes: csv, Markdown, LaTeX, HTML, and one line where something is missing."""

import csv
import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from synthetic_results import REPO, build, load_config
from table_helpers import PAPER_TABLES, PUBLISHED, QWEN, edit, make

import render_table
from evidence import study
from planning import pictures
from rendering import notes
from rendering.writers import to_html, to_latex


@pytest.fixture
def tree(tmp_path):
    config = load_config()
    return build(tmp_path, config), config


def options(root: Path, config: dict, name: str, prefix: Path) -> list[str]:
    settings = json.dumps(pictures.settings("tables", name, config))
    return [
        "--results", str(root), "--settings", settings, "--published", str(PUBLISHED), "--output-prefix", str(prefix),
    ]  # fmt: skip


def render(root: Path, config: dict, name: str, prefix: Path) -> subprocess.CompletedProcess:
    script = [sys.executable, str(REPO / "workflow_scripts" / "render_table.py"), "--commit", "abc1234_&x"]
    return subprocess.run([*script, *options(root, config, name, prefix)], capture_output=True, text=True, check=False)


def render_here(monkeypatch, root: Path, config: dict, name: str, prefix: Path) -> None:
    """As `render`, in this process."""
    monkeypatch.setattr(sys, "argv", ["render_table.py", *options(root, config, name, prefix)])
    render_table.main()


def test_stage_writes_four_files_twice_the_same(tree, tmp_path):
    root, config = tree
    digests = []
    for attempt in ("first", "second"):
        done = render(root, config, "table2", tmp_path / attempt / "table2")
        assert done.returncode == 0, done.stderr
        files = sorted((tmp_path / attempt).glob("*.*"))
        assert [file.name for file in files] == ["table2.csv", "table2.html", "table2.md", "table2.tex"]
        digests.append([hashlib.sha256(file.read_bytes()).hexdigest() for file in files])
    assert digests[0] == digests[1]
    text = (tmp_path / "first" / "table2.md").read_text()
    assert "seeds 0; commit abc1234_&x" in text and notes.WORLDS["micro"] in text and "Keep - Left" in text
    assert "n: WMDP: 104 forget, 190 utility questions; RWKU: 96 forget, 190 utility questions." in text


def test_tuning_table_lists_all_that_was_tried(tree, tmp_path, monkeypatch):
    root, config = tree
    combinations = pictures.tuning_block(config)["combinations"]
    for number, combination in enumerate(combinations[:2]):
        path = root / "tuning" / f"{'/'.join(combination)}.json"
        content = json.loads(path.read_text())
        if number == 0:  # the model never knew what is to be forgotten
            content["tried"] = []
        else:
            content["chosen"] = {name: content["tried"][2][name] for name in content["chosen"]}
        path.write_text(json.dumps(content))
    render_here(monkeypatch, root, config, "tuning", tmp_path / "tuning")
    with (tmp_path / "tuning.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3 * len(combinations) - 2
    assert [row["chosen"] for row in rows[:5]] == ["True", "False", "False", "True", "True"]
    lines = [line for line in (tmp_path / "tuning.md").read_text().splitlines() if line.startswith("| ")][1:]
    assert len(lines) == len(rows) and lines[0].count(" – ") == 3 and lines[3].count("–") == 0
    npo = sum(method == "npo" for _, _, method, _ in combinations)
    assert (
        f"At an edge of what was tried in {npo} of {len(combinations)} searches" in (tmp_path / "tuning.md").read_text()
    )


def test_a_missing_file_is_one_line_that_names_it(tree, tmp_path):
    root, config = tree
    missing = root / "cells" / QWEN / "npo" / "uoe" / "seed-0" / "chosen.json"
    missing.unlink()
    done = render(root, config, "table2", tmp_path / "out" / "table2")
    assert done.returncode == 1 and done.stderr == f"{missing}: no such file\n"
    assert not (tmp_path / "out").exists()


def test_a_missing_key_and_a_stale_file_are_one_line_each(tree):
    root, config = tree
    path = root / "cells" / QWEN / "npo" / "uoe" / "seed-0" / "chosen.json"
    whole = json.loads(path.read_text())
    del whole["balance"]["ut"]["stderr"]
    path.write_text(json.dumps(whole))
    with pytest.raises(SystemExit, match=r"chosen\.json: key 'stderr' is missing"):
        make(root, config, "table2")
    whole["balance"]["ut"]["stderr"] = 0.1
    whole["balance"]["ut_original"]["value"] = 0.5
    path.write_text(json.dumps(whole))
    with pytest.raises(SystemExit, match="out of date"):
        make(root, config, "table2")


def test_one_changed_number_changes_one_cell(tree):
    root, config = tree
    edit(root, f"{QWEN}/gdiff/baseline", fa=0.5)
    edit(root, f"{QWEN}/gdiff/uoe", fa=0.4)
    before = make(root, config, "table2").wide
    edit(root, f"{QWEN}/gdiff/uoe", fa=0.41)
    after = make(root, config, "table2").wide
    changed = (before.texts != after.texts) | (before.styles != after.styles)
    assert [(row, column) for column in changed for row in changed.index if changed.loc[row, column]] == [
        ("GDIFF+UOE", ("Qwen (WMDP)", "FA ↓")),
        ("GDIFF+UOE", ("Qwen (WMDP)", "Distance ↓")),  # computed from it
    ]


@pytest.mark.parametrize("name", PAPER_TABLES)
def test_latex_is_well_formed(tree, name):
    root, config = tree
    table = make(root, config, name)
    wide = table.wide
    latex = to_latex(wide, name, table.title, [*table.notes, "50 % of a_b & c # d $ {x} ~ ^ \\"])
    groups = {column[0] for column in wide.texts.columns} - {""}
    parts = 1 if len(groups) <= 3 else 2
    for rule in (r"\toprule", r"\midrule", r"\bottomrule"):
        assert latex.count(rule) == parts
    opened, closed = (re.findall(rf"\\{word}{{([a-z]+\*?)}}", latex) for word in ("begin", "end"))
    assert opened == ["table*", *["adjustbox", "tabular"] * parts, "minipage"] and sorted(opened) == sorted(closed)
    unescaped = latex.replace(r"\{", "").replace(r"\}", "")
    assert unescaped.count("{") == unescaped.count("}")
    shown = 0
    for tabular in re.findall(r"\\begin{tabular}.*?\\end{tabular}", latex, flags=re.DOTALL):
        columns = len(re.search(r"{(l[r]+)}", tabular)[1])
        shown += columns - 1
        body = tabular[tabular.index(r"\midrule") : tabular.index(r"\bottomrule")].splitlines()[1:]
        rows = [line for line in body if line.endswith(r"\\")]
        assert len(rows) == len(wide.texts) and all(len(re.split(r"(?<!\\)&", row)) == columns for row in rows)
    assert shown == wide.texts.shape[1] - 1  # every column once
    note = latex[latex.index("minipage") :]
    bare = re.sub(r"\\[&%$#_{}]", "", note.replace(r"$\pm$", "").replace(r"$\triangledown$", ""))
    assert not re.search(r"[&%#_~^]", bare) and latex.isascii()


def test_latex_of_many_rows_runs_over_pages(tree):
    root, config = tree
    table = make(root, config, "tuning")
    latex = to_latex(table.wide, "tuning", "All", ["a_b"])
    assert latex.count("longtable}") == 3 and r"a\_b\par" in latex and r"\endfirsthead" in latex
    body = latex[latex.index(r"\endlastfoot") :]
    assert len([line for line in body.splitlines() if line.endswith(r"\\")]) == len(table.frame)


def test_html_is_one_page_with_escaped_text(tree):
    root, config = tree
    table = make(root, config, "table2")
    page = to_html(table.wide, "table2", "a <b> & c", table.notes)
    assert page.startswith("<!DOCTYPE html>") and "a &lt;b&gt; &amp; c" in page and "<b>" not in page
    assert page.count(' first"') == 4 * 21  # pretrained | GA | GDIFF | NPO | RMU
    assert page.count("<td") == 10 * 21 and page.count("<tr") == 2 + 10


def test_every_file_that_a_table_reads_is_named(tree, monkeypatch):
    """The Snakefile asks for exactly what is read: no more, no less."""
    root, config = tree
    for name in PAPER_TABLES:
        read = set()
        real = study.read_json
        monkeypatch.setattr(study, "read_json", lambda path, real=real, read=read: (read.add(str(path)), real(path))[1])
        make(root, config, name)
        monkeypatch.setattr(study, "read_json", real)
        assert {str(root / path) for path in pictures.files("tables", name, config)} == read


def test_wrong_names_are_one_line_each():
    config = load_config()
    with pytest.raises(SystemExit, match="unknown name 'table11'"):
        pictures.files("tables", "table11", config)
    block = config["tables"]["table2"]
    config["tables"]["table2"] = block | {"models": ["micro-gpt"]}
    with pytest.raises(SystemExit, match="unknown model 'micro-gpt'"):
        pictures.files("tables", "table2", config)
    config["tables"]["table2"] = block | {"scopes": []}
    with pytest.raises(SystemExit, match="scopes must name at least one"):
        pictures.files("tables", "table2", config)
