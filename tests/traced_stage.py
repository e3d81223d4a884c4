"""Run unlearn.py in a process of its own and write down which of the project's files it loaded or opened.

Imports nothing of the project by itself.
"""

import json
import sys
from pathlib import Path

SCRIPTS = Path(__file__).parents[1] / "workflow_scripts"


def unlearned(argv: list[str], record: Path) -> None:
    opened: set[str] = set()
    sys.addaudithook(lambda event, given: opened.add(str(given[0])) if event == "open" else None)
    sys.path.insert(0, str(SCRIPTS))
    sys.argv = ["unlearn.py", *argv]
    import unlearn

    unlearn.main()
    loaded = {str(getattr(module, "__file__", None)) for module in list(sys.modules.values())}
    names = set()
    for path in map(Path, loaded | opened):
        if path.is_absolute() and path.is_relative_to(SCRIPTS) and path.is_file() and "__pycache__" not in path.parts:
            names.add(f"workflow_scripts/{path.relative_to(SCRIPTS).as_posix()}")
    record.write_text(json.dumps(sorted(name for name in names if not name.endswith("__init__.py"))))
