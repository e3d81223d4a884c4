"""Real models and datasets: where they come from, which are missing, and whether files are still those fetched.

A study names a file like config/sources.yaml; a downloaded model folder or data file has a record beside it
(source.json, <file>.source.json). Standard library only, but for yaml where a file is read, which comes with Snakemake:
Snakemake imports this at every start.
"""

import fnmatch
from pathlib import Path

from planning import layout

KEYS = {
    "models": {"repo", "revision", "path", "gated", "licence", "size_gb", "sha256"},
    "datasets": {"repo", "revision", "path", "gated", "licence", "size_gb", "sha256", "files", "columns"},
}
REQUIRED = {"models": ("repo", "revision"), "datasets": ("repo", "revision", "files")}


def read_sources(path: str | Path) -> dict:
    """The sources file, checked: one line on the first entry that lacks a key or has an unknown one."""
    import yaml

    try:
        sources = yaml.safe_load(Path(path).read_text())
    except FileNotFoundError:
        raise SystemExit(f"config, sources: {path}: no such file") from None
    except yaml.YAMLError as error:
        raise SystemExit(f"{path}: not valid YAML ({' '.join(str(error).split())})") from None
    if not isinstance(sources, dict) or set(sources) - set(KEYS):
        raise SystemExit(f"{path}: the keys models and datasets are expected, nothing else")
    for kind, keys in KEYS.items():
        for name, entry in (sources.setdefault(kind, {}) or {}).items():
            for key in entry:
                if key not in keys:
                    raise SystemExit(
                        f"{path}, {kind}: {name}: unknown key {key!r} (allowed: {', '.join(sorted(keys))})"
                    )
            for key in REQUIRED[kind]:
                if key not in entry:
                    raise SystemExit(f"{path}, {kind}: {name}: {key} is missing")
    return sources


def entry_of(sources: dict, kind: str, name: str, where: str) -> dict:
    """One source; ends with one line if there is none of that name."""
    if name not in sources[kind]:
        there = ", ".join(sources[kind]) or "none"
        raise SystemExit(f"{where}: no {kind.removesuffix('s')} {name!r} in the sources file (there: {there})")
    return sources[kind][name]


def architecture(name: str, path: str | Path = "config/architectures.yaml") -> dict:
    """A real model's architecture; ends with one line if the file does not have it."""
    import yaml

    architectures = yaml.safe_load(Path(path).read_text())
    if name not in architectures:
        raise SystemExit(f"{path}: no model {name!r} (there: {', '.join(architectures)})")
    return architectures[name]


def dataset_file(sources: dict, file: str) -> tuple[str, str]:
    """(dataset, name of its file) of a data file that a benchmark names, as rwku/forget_level1.jsonl."""
    dataset, _, name = file.partition("/")
    entry = entry_of(sources, "datasets", dataset, f"config, benchmarks: {file}")
    if name not in entry["files"]:
        raise SystemExit(f"config, benchmarks: {file}: dataset {dataset!r} has no file {name!r} in the sources file")
    return dataset, name


def identity(entry: dict, file: str | None = None) -> dict:
    """What identifies the wanted bytes, not where they lie; when it changes, the source is fetched again."""
    wanted = {key: entry[key] for key in ("repo", "revision", "sha256") if key in entry}
    if file is not None:
        wanted |= {"files": entry["files"][file], "columns": entry.get("columns")}
    return wanted


def report(sources: dict, models: dict[str, str], files: list[str], root: str | Path) -> list[str]:
    """One line for every source that the study needs and that is not under `root` (results/<study>) yet.

    models: the study's name of a model -> its source's; files: data files that benchmarks name.

    Ends with one line if a `path:` of the sources file does not exist.
    """
    lines, broken = [], []
    wanted = [("models", source, [layout.path(layout.SOURCE, model=name, seed=0)]) for name, source in models.items()]
    by_dataset: dict[str, list[str]] = {}
    for file in files:
        by_dataset.setdefault(dataset_file(sources, file)[0], []).append(f"{layout.DATA}/{file}")
    wanted += [("datasets", name, paths) for name, paths in by_dataset.items()]
    for kind, name, paths in wanted:
        entry = entry_of(sources, kind, name, f"config, {kind}")
        missing = [path for path in paths if not Path(root, path).exists()]
        if not missing:
            continue
        path = entry.get("path")
        if path and not Path(path).is_dir():
            broken.append(f"{kind}: {name}: path {path}")
        if not path:
            gated = ", gated: accept its licence on the hub and log in (hf auth login)" if entry.get("gated") else ""
            size = f", {entry['size_gb']:g} GB" if "size_gb" in entry else ""
            where = f"{entry['repo']}@{entry['revision'][:12]}"
            lines.append(f"missing source: {kind.removesuffix('s')} {name}: {where}{size}{gated}")
    if broken:
        raise SystemExit(f"sources file: no such folder: {'; '.join(broken)}")
    if lines:
        lines.append(
            "missing sources are fetched from the hub by the download jobs; a local folder: path in the sources file"
        )
    return list(dict.fromkeys(lines))


def hub_failure(error: Exception, entry: dict, where: str) -> SystemExit:
    """One line for whatever the hub's client raised."""
    reason = " ".join(str(error).split())[:200]
    gated = "accept its licence on the hub and log in (hf auth login), or " if entry.get("gated") else ""
    return SystemExit(
        f"{where}: could not be fetched from the hub ({type(error).__name__}: {reason}); "
        f"{gated}give a local folder as path: in the sources file"
    )


def record_of(entry: dict, commit: str | None, hashes: dict[str, str]) -> dict:
    """What is recorded beside a fetched model or data file."""
    record = {key: entry.get(key) for key in ("repo", "revision", "licence")}
    return record | {"commit": commit, "local": bool(entry.get("path")), "files": hashes}


def matching(names: list[str], pattern: str, where: str) -> list[str]:
    """Names that a pattern stands for, sorted; ends with one line if there is none."""
    matches = sorted(name for name in names if fnmatch.fnmatchcase(name, pattern))
    if not matches:
        raise SystemExit(f"{where}: no file {pattern}")
    return matches


def local_commit(folder: Path, file: str) -> str | None:
    """Commit of a local copy, from a hub cache's folder name or the note of `hf download`; None if unknown."""
    name = folder.resolve().name
    if folder.resolve().parent.name == "snapshots" and _is_commit(name):
        return name
    note = folder / ".cache/huggingface/download" / f"{file}.metadata"
    first = note.read_text().split("\n")[0].strip() if note.is_file() else ""
    return first if _is_commit(first) else None


def check_commit(commit: str | None, revision: str, where: str) -> None:
    """Ends with one line if a local copy is known to be of another commit than the one pinned."""
    if commit and _is_commit(revision) and commit != revision:
        raise SystemExit(f"{where}: holds commit {commit}, the sources file asks for {revision}")


def _is_commit(text: str) -> bool:
    return len(text) == 40 and not set(text) - set("0123456789abcdef")


def check_pinned(hashes: dict[str, str], pinned: dict[str, str] | None, where: str) -> None:
    """Ends with one line naming the first file whose sha256 is not the one in the sources file."""
    for name, digest in sorted(hashes.items()):
        wanted = (pinned or {}).get(name, digest)
        if wanted != digest:
            raise SystemExit(f"{where}: {name}: sha256 {digest[:12]}…, the sources file says {wanted[:12]}…")
