"""What a stage's process loads before its first line of work: nothing that it does not use."""

import ast
import subprocess
import sys

import pytest

from planning.code import SCRIPTS, code_of

HEAVY = ("torch", "transformers", "lm_eval", "datasets", "pandas", "matplotlib", "peft", "rouge_score", "accelerate")


def third_party(name: str) -> set[str]:
    """Heavy libraries that the script and the project modules below it import at their top (read, not run)."""
    libraries = set()
    for path in code_of(name):
        if not path.endswith(".py"):
            continue
        tree = ast.parse((SCRIPTS.parent / path).read_text())
        for node in tree.body:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            libraries |= {full.split(".")[0] for full in names} & set(HEAVY)
    return libraries


def loaded(name: str) -> set[str]:
    """Heavy libraries in a fresh process once `script --help` was asked."""
    probe = (
        "import sys, runpy, contextlib, io\n"
        f"sys.path.insert(0, {str(SCRIPTS)!r}); sys.argv = [{name!r}, '--help']\n"
        "with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):\n"
        f"    runpy.run_path({str(SCRIPTS / name)!r}, run_name='__main__')\n"
        "print(*{module.split('.')[0] for module in sys.modules})"
    )
    result = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    return set(result.stdout.split()) & set(HEAVY)


@pytest.mark.parametrize("name", ["select_experts.py", "choose_checkpoint.py", "check_knows_world.py"])
def test_small_stages_load_no_heavy_library(name):
    """They run by the hundred and do sums on small files: torch alone would cost each of them two seconds."""
    assert third_party(name) == loaded(name) == set()


@pytest.mark.parametrize(("name", "unused"), [
    ("unlearn.py", {"lm_eval", "datasets", "pandas", "matplotlib", "peft", "rouge_score"}),
    ("attribute_experts.py", {"lm_eval", "datasets", "pandas", "matplotlib", "peft", "rouge_score"}),
    ("cache_prefix.py", {"lm_eval", "datasets", "pandas", "matplotlib", "peft", "rouge_score"}),
    ("pretrain_micro.py", {"lm_eval", "datasets", "pandas", "matplotlib", "peft", "rouge_score"}),
    ("render_table.py", {"torch", "transformers", "lm_eval", "datasets", "matplotlib", "peft", "rouge_score"}),
    ("plot_figure.py", {"torch", "transformers", "lm_eval", "datasets", "peft", "rouge_score"}),
])  # fmt: skip
def test_stages_do_not_import_what_they_do_not_use(name, unused):
    assert not third_party(name) & unused
