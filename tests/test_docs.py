"""README and docs/: what they show follows the committed files, links lead somewhere, the front page stays short.

Numbers in prose: each number that has a decimal point or a unit stands, digit for digit, in a file of docs/results/,
config/ or envs/. Code, links, generated parts, arXiv numbers and versions of three parts (1.2.3) are left out.
"""

import re
from pathlib import Path

import pytest

import collect

ROOT = Path(__file__).resolve().parents[1]
PAGES = collect.pages()
UNITS = r"(?:%|×|GB|MB|kB|TB|ms|s|h|minutes?|hours?|seconds?|days?|points)\b"
NUMBER = re.compile(rf"(?<![\w.-])(\d[\d,]*\.\d+(?!\.?\d)|\d[\d,]*(?=\s*{UNITS})|\d[\d,]*(?=\s?%))")
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)|<img src=\"([^\"]+)\"")
SHOWN = re.compile(r"<!-- (\S+) -->\n(.*?)<!-- end -->", re.DOTALL)


def prose(text: str) -> str:
    """A page without generated parts, code and links."""
    text = SHOWN.sub("", text)
    text = re.sub(r"^    .*$|`[^`]*`", "", text, flags=re.MULTILINE)
    return re.sub(r"arXiv [\d.]+|\]\([^)]*\)", "", text)


def unknown_numbers(text: str, sources: str) -> list[str]:
    numbers = {match[1] for match in NUMBER.finditer(prose(text))}
    return sorted(n for n in numbers if not re.search(rf"(?<![\d.]){re.escape(n)}(?![\d]|\.\d)", sources))


@pytest.fixture(scope="module")
def sources() -> str:
    folders = ("docs/results", "config", "envs")
    files = [path for folder in folders for path in (ROOT / folder).rglob("*") if path.suffix != ".png"]
    return "\n".join(path.read_text() for path in files if path.is_file() and path.name != "README.md")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_page_shows_the_files_as_they_are(page):
    assert page.read_text() == collect.renewed(page.read_text()), "run: make docs-results"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_and_pictures_are_there(page):
    for match in LINK.finditer(page.read_text()):
        target = (match[1] or match[2]).split("#")[0]
        if target and not target.startswith("http"):
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_numbers_of_prose_stand_in_a_file(page, sources):
    assert unknown_numbers(page.read_text(), sources) == []


def test_a_number_that_stands_nowhere_is_named():
    assert unknown_numbers("It took 17.25 s, then 3 hours, `4.5` and [x](y1.5).", "317.25 and 3") == ["17.25"]


def test_a_page_that_differs_from_its_file_is_seen():
    shown = "<!-- docs/results/run.md -->\nold\n<!-- end -->"
    assert collect.renewed(shown) != shown


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CONTRIBUTING.md"], ids=lambda page: str(page.relative_to(ROOT)))
def test_modules_that_pages_name_are_there(page):
    """All but the example of CONTRIBUTING.md, "Add a table"."""
    for name in re.findall(r"`([\w/.]+\.py)`", SHOWN.sub("", page.read_text())):
        if not name.endswith("tables/kept.py"):
            assert any((ROOT / folder / name).is_file() for folder in (".", "workflow_scripts", "tests")), name


def test_readme_is_short_and_narrow():
    lines = (ROOT / "README.md").read_text().splitlines()
    assert len(lines) <= 110
    assert all(line.count("|") <= 7 for line in lines if line.startswith("|"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_tables_are_narrow(page):
    rows = [line for line in page.read_text().splitlines() if line.startswith("|")]
    assert all(len(re.split(r"(?<!\\)\|", row)) <= 8 for row in rows)


def test_wide_tables_are_split_by_model_and_keep_every_value():
    header = ["Method", "A (X) FA", "A (X) UT", "B (X) FA", "B (X) UT", *(f"C{i}" for i in range(7))]
    rows = [["GA", *map(str, range(11))], ["NPO", "", "", *map(str, range(20, 29))]]
    text = collect.narrow(header, rows)
    assert "*A (X)*" in text and "*B (X)*" in text
    assert "| NPO |" not in text.split("*B (X)*")[0]
    for number in [*range(11), *range(20, 29)]:
        assert f"| {number} |" in text
