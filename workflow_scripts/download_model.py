"""Fetch a real model, from the hub or from a local folder in the hub's layout.

Reads the sources file; fills OUTPUT (weights as safetensors, configuration, tokenizer; from a local folder as links)
and writes OUTPUT/source.json last: repository, commit, sha256 of every file. Interrupt it at any
time; run it again to resume. The only stage besides download_dataset.py that uses the network.
    python workflow_scripts/download_model.py --sources config/sources.yaml --model deepseek-v2-lite \\
        --output results/paper/models/deepseek-v2-lite/seed-0
"""

from pathlib import Path

from jobs.files import RECORD, hashes, read_json, write_json
from jobs.stage import parser
from planning.sources import check_commit, check_pinned, entry_of, hub_failure, local_commit, read_sources, record_of

# Model code of a repository is never fetched nor run; .bin, .pth and consolidated copies of the weights are left out.
WANTED = ("*.safetensors", "*.json", "*.jinja", "*.model", "*.txt", "LICENSE*")
UNWANTED = ("consolidated*", "original/*", "*/*")
INDEX = "model.safetensors.index.json"


def from_hub(entry: dict, output: Path, where: str) -> str:
    """Fill `output`; returns the commit."""
    import huggingface_hub

    try:
        commit = huggingface_hub.HfApi().model_info(entry["repo"], revision=entry["revision"]).sha
        huggingface_hub.snapshot_download(
            entry["repo"], revision=commit, local_dir=output, allow_patterns=WANTED, ignore_patterns=UNWANTED
        )
    except Exception as error:  # the hub's client raises many kinds; the user needs one line
        raise hub_failure(error, entry, where) from None
    return commit


def from_folder(entry: dict, output: Path, where: str) -> str | None:
    folder = Path(entry["path"]).resolve()
    if not folder.is_dir():
        raise SystemExit(f"{where}: path {folder}: no such folder")
    output.mkdir(parents=True, exist_ok=True)
    for path in sorted(folder.iterdir()):
        wanted = any(path.match(pattern) for pattern in WANTED) and not path.match("consolidated*")
        if path.is_file() and wanted and path.name != RECORD:
            link = output / path.name
            link.unlink(missing_ok=True)
            link.symlink_to(path)
    commit = local_commit(folder, "config.json")
    check_commit(commit, entry["revision"], f"{where}: path {folder}")
    return commit


def check_whole(output: Path, where: str) -> None:
    """Ends with one line if the configuration, the tokenizer or a shard of the weights is missing."""
    names = {path.name for path in output.iterdir() if path.is_file()}
    if "config.json" not in names:
        raise SystemExit(f"{where}: config.json is missing")
    if not names & {"tokenizer.json", "tokenizer.model", "vocab.json"}:
        raise SystemExit(f"{where}: no tokenizer (tokenizer.json, tokenizer.model or vocab.json)")
    shards = set(read_json(output / INDEX)["weight_map"].values()) if INDEX in names else {"model.safetensors"}
    missing = sorted(shards - names)
    if missing:
        raise SystemExit(f"{where}: {missing[0]} is missing ({len(missing)} of {len(shards)} weight files)")


def main() -> None:
    arguments = parser(__doc__, "sources", "output")
    arguments.add_argument("--model", required=True, help="its name in the sources file")
    args = arguments.parse_args()
    entry = entry_of(read_sources(args.sources), "models", args.model, str(args.sources))
    where = f"{args.sources}, models: {args.model}"
    fetch = from_folder if entry.get("path") else from_hub
    commit = fetch(entry, args.output, where)
    check_whole(args.output, where)
    names = sorted(path.name for path in args.output.iterdir() if path.is_file() and path.name != RECORD)
    digests = hashes(args.output, [name for name in names if not name.startswith(".")])
    check_pinned(digests, entry.get("sha256"), where)
    write_json(args.output / RECORD, record_of(entry, commit, digests))
    print(f"{args.model}: {len(digests)} files, commit {commit or 'unknown'}")


if __name__ == "__main__":
    main()
