"""A `conda` that records what is asked of it and makes environments whose python is the one that runs the tests.

It shows what Snakemake asks for, not that conda could do it.
"""

import json
import os
import sys
from pathlib import Path

CONDA = """#!{python}
import sys; sys.path.insert(0, {here!r})
from conda_stand_in import answer
answer({place!r}, sys.argv[1:])
"""
PYTHON = """#!/bin/sh
[ "$1 $2" = "-m pip" ] && {{ shift 2; echo "pip $*" >> {place}/asked; exit 0; }}
echo "python {name} $2" >> {place}/asked
exec {python} "$@"
"""


def install(place: Path) -> dict[str, str]:
    """Put the stand-in into `place`; returns the environment variables under which it is found."""
    (place / "bin").mkdir(parents=True)
    (place / "bin/conda").write_text(
        CONDA.format(python=sys.executable, here=str(Path(__file__).parent), place=str(place))
    )
    (place / "bin/conda").chmod(0o755)
    (place / "bin/activate").write_text('export PATH="$1/bin:$PATH"\n')
    return {"PATH": f"{place}/bin:{os.environ['PATH']}"}


def answer(place: str, asked: list[str]) -> None:
    if asked == ["info", "--json"]:
        print(json.dumps({"conda_prefix": place, "platform": "linux-64", "conda_version": "25.1.0"}))
    elif asked == ["--version"]:
        print("conda 25.1.0")
    elif asked[:2] == ["config", "--get"]:
        print(json.dumps({"get": {"channel_priority": "strict"}}))
    elif asked[:2] == ["env", "create"]:
        value = dict(zip(asked, asked[1:], strict=False))
        name = Path(value["--file"]).read_text().split("those of ")[1].split(".lock")[0]
        with open(f"{place}/asked", "a") as file:
            print("create", name, file=file)
        python = Path(value["--prefix"], "bin/python")
        python.parent.mkdir(parents=True)
        python.write_text(PYTHON.format(place=place, name=name, python=sys.executable))
        python.chmod(0o755)
    elif asked[0] != "clean":
        raise SystemExit(f"not foreseen: conda {' '.join(asked)}")


def said(place: Path) -> list[str]:
    """What was asked so far, one line each."""
    return (place / "asked").read_text().splitlines()
