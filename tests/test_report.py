"""The report: one file with every table and figure, opened in a real browser."""

import shutil
import subprocess
from pathlib import Path

import pytest
from stub_project import snakemake


@pytest.fixture(scope="module")
def report(built, tmp_path_factory) -> Path:
    folder = Path(shutil.copytree(built, tmp_path_factory.mktemp("report") / "project", copy_function=shutil.copy2))
    built_claims = snakemake(folder, "--quiet", "all", target="all_claims")
    assert built_claims.returncode == 0, built_claims.stderr
    result = snakemake(folder, "--report", "report.html", target="all_claims")
    assert result.returncode == 0, result.stdout + result.stderr
    return folder / "report.html"


def test_report_opens_in_a_browser_and_names_every_table_and_figure(report, tmp_path):
    browser = shutil.which("chromium")
    assert browser, "chromium is needed (apt-get install chromium; .ci/run does it)"
    flags = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")
    command = [browser, *flags, f"--user-data-dir={tmp_path}", "--virtual-time-budget=20000", "--dump-dom"]
    page = subprocess.run([*command, report.as_uri()], capture_output=True, text=True, timeout=120)
    assert page.returncode == 0, page.stderr
    for word in ("Tables", "Figures", "Claims"):
        assert word in page.stdout


def test_report_loads_nothing_from_elsewhere(report):
    text = report.read_text()
    assert "<script src=" not in text and '<link rel="stylesheet" href="http' not in text
    for name in ("table2.html", "tuning.html", "figure3a.svg", "audit.html", "claims.html"):
        assert name in text
