"""Pin every Python package, with hashes: requirements.lock from requirements.in, and from it one lock a kind of job.

`make lock` renews all pins within the bounds of the *.in files; `python envs/lock.py` only adds and drops what these
ask for. Every environment has the same versions. Needs uv (in .venv) and the package index.
"""

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
KINDS = ("workflow", "gpu", "evaluation", "rendering")
CUDA = re.compile(r"(torch$|nvidia|cuda|triton)\b")  # torch, and what its build for NVIDIA cards loads
DEPLOY = """\
# Snakemake runs this, in the project's folder, when it makes the environment of {kind}.yaml. envs/lock.py writes it.
set -e
echo "{digest}  {lock}" | sha256sum --check --quiet
python -m pip install --quiet --no-deps --require-hashes {files}
"""


def compiled(source: Path, *options: str) -> dict[str, str]:
    """Entries of the lock of `source`, by package: the pin with its marker and hashes.

    One version of each package for every Python from 3.11 on: left to itself uv takes another one for later Pythons
    where a package's newest version has given 3.11 up. Ends with one line where no set serves all.
    """
    command = ["uv", "pip", "compile", str(source), *options, "--universal", "--python-version", "3.11"]
    command += ["--fork-strategy", "fewest", "--generate-hashes", "--no-header", "--no-annotate", "--quiet"]
    result = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if result.returncode:
        raise SystemExit(f"{source}: uv found no set of versions (above); no lock was changed")
    entries = [entry for entry in re.split(r"\n(?=\S)", result.stdout.strip()) if "==" in entry.split()[0]]
    names = [entry.split("==")[0] for entry in entries]
    if twice := {name for name in names if names.count(name) > 1}:
        raise SystemExit(f"{source}: {min(twice)} is wanted in two versions; bound it in an *.in file")
    return dict(zip(names, entries, strict=True))


def cpu_build(torch: str) -> str | None:
    """Hash of torch's build without CUDA, where pip is told of a place that has it; of the same version."""
    version = re.match(r"torch==([\w.]+)", torch).group(1)
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed", "--no-deps"]
    report = subprocess.run([*command, "--report", "-", f"torch=={version}+cpu"], capture_output=True, text=True)
    if report.returncode:
        return None
    return json.loads(report.stdout)["install"][0]["download_info"]["archive_info"]["hashes"]["sha256"]


def write_lock(kind: str, entries: dict[str, str]) -> None:
    head = "# Written by envs/lock.py; not to be edited.\n"
    (HERE / f"{kind}.lock").write_text(head + "".join(f"{entries[name]}\n" for name in sorted(entries)))


def main() -> None:
    old = HERE / "requirements.lock"
    kept = old.with_suffix(".old.txt")
    pins = re.findall(r"^[^#\s].*?(?= \\\\?$)", old.read_text(), flags=re.MULTILINE)  # without their hashes
    kept.write_text("".join(f"{pin}\n" for pin in pins))
    try:
        every = compiled(HERE / "requirements.in", *([] if "--upgrade" in sys.argv else ["--constraints", str(kept)]))
        digest = cpu_build(every["torch"])
        if digest is None:
            raise SystemExit("pip knows no place of torch's CPU build (PIP_EXTRA_INDEX_URL); the locks need its hash")
        kept.write_text("".join(f"{entry.split()[0]}\n" for entry in every.values()))
        names = {kind: set(compiled(HERE / f"{kind}.in", "--constraints", str(kept))) for kind in KINDS}
    finally:
        kept.unlink()
    cuda = {name: entry for name, entry in every.items() if CUDA.match(name)}
    write_lock("requirements", {name: entry for name, entry in every.items() if name not in cuda})
    write_lock("cuda", cuda)
    cpu = re.sub(r"(torch==[\w.]+).*", r"\1+cpu", every["torch"], flags=re.DOTALL)
    write_lock("cpu", {"torch": f"{cpu} \\\n    --hash=sha256:{digest}"})
    write_lock("docs", compiled(HERE / "docs.in"))  # of its own: no job of the workflow runs there
    for kind in KINDS:
        write_lock(kind, {name: every[name] for name in names[kind] - set(cuda)})
        if kind != "workflow":  # made by hand with conda, which reads the lock through the yaml file
            lock = f"envs/{kind}.lock"
            files = f"-r {lock}" + (" -r envs/cuda.lock" if "torch" in names[kind] else "")
            digest = hashlib.sha256((HERE / f"{kind}.lock").read_bytes()).hexdigest()
            script = DEPLOY.format(kind=kind, digest=digest, lock=lock, files=files)
            (HERE / f"{kind}.post-deploy.sh").write_text(script)


if __name__ == "__main__":
    main()
