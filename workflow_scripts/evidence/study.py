"""The one reader of a study's results. A file that is missing or lacks a key ends the run with one line that names file
and key."""

from pathlib import Path
from typing import Any

from evidence import published
from jobs.files import read_json
from planning import layout, pictures

CELL = ("model", "benchmark", "method", "scope")
# Quantity -> the test that measures it. FA = forget accuracy (lower is better), UT = utility; both, like their standard
# errors, are fractions between 0 and 1.
TESTS = {"fa": "forget", "ut": "utility"}


def field(content: Any, path: Path, *keys: str) -> Any:
    """`content[keys[0]][keys[1]]...`; ends with one line naming file and key if one of them is missing."""
    for depth, key in enumerate(keys, start=1):
        if not isinstance(content, dict) or key not in content:
            raise SystemExit(f"{path}: key {'.'.join(keys[:depth])!r} is missing")
        content = content[key]
    return content


class Study:
    """root: results/<study>; settings: what the config says of the picture (planning.pictures.settings) or of the
    claims; published: folder of the papers' printed values. A `place` is (model,), (model, benchmark) or a whole cell
    (model, benchmark, method, scope)."""

    def __init__(self, root: Path, settings: dict, published: Path | None = None):
        self.root, self.settings, self.published_folder = root, settings, published
        self.seeds, self.models = settings["seeds"], settings["models"]
        self.block = settings.get("block", {})

    @property
    def choice(self) -> str:
        """Which of chosen.json's checkpoints is shown."""
        return self.block.get("choice", "balance")

    def cells(self) -> list[tuple[str, str, str, str]]:
        """The block's (model, benchmark, method, scope)."""
        return pictures.cells(self.block, self.models)

    def rows(self) -> list[tuple[str, str]]:
        """The block's (method, scope), each once."""
        return list(dict.fromkeys(pictures.pairs(self.block)))

    def places(self) -> list[tuple[str, str]]:
        """The block's (model, benchmark)."""
        return [(model, benchmark) for model in self.block["models"] for benchmark in self.block["benchmarks"]]

    def path(self, pattern: str, place: tuple = (), seed: int = 0, **others: object) -> Path:
        """Where one of planning.layout's files lies."""
        wildcards = dict(zip(CELL, place, strict=False)) | {"seed": seed} | others
        return self.root / layout.path(pictures.pattern(pattern), **wildcards)

    def read(self, pattern: str, place: tuple = (), seed: int = 0, *keys: str, **others: object) -> Any:
        """Content of a JSON file, or the part of it below `keys`."""
        path = self.path(pattern, place, seed, **others)
        return field(read_json(path), path, *keys)

    def of_seeds(self, pattern: str, place: tuple, *keys: str, **others: object) -> list:
        return [self.read(pattern, place, seed, *keys, **others) for seed in self.seeds]

    def chosen(self, cell: tuple, seed: int, choice: str | None = None) -> dict:
        """The checkpoint that tables show."""
        return self.read(layout.CHOSEN, cell, seed, choice or self.choice)

    def original(self, model: str, benchmark: str, seed: int) -> dict:
        """Scores of the untouched model."""
        return self.read(layout.ORIGINAL, (model, benchmark), seed, "checkpoints")[0]

    def retrained(self, model: str, benchmark: str, seed: int) -> dict:
        """Scores of the model that was pre-trained without the forget set."""
        return self.read(layout.RETRAINED, (model, benchmark), seed, "checkpoints")[0]

    def metrics(self, cell: tuple, seed: int) -> list[dict]:
        return self.read(layout.METRICS, cell, seed, "checkpoints")

    def trajectory(self, cell: tuple, seed: int) -> dict:
        """steps, probes, and for an MoE model moe_layers, top_k, experts."""
        path = self.path(layout.TRAJECTORY, cell, seed)
        content = read_json(path)
        for key in ("steps", "probes"):
            if not field(content, path, key):
                raise SystemExit(f"{path}: {key} is empty")
        return content

    def selection(self, model: str, benchmark: str, scope: str, seed: int) -> dict[int, list[int]]:
        """Layer index -> experts that this scope trains."""
        experts = self.read(layout.SELECTION, (model, benchmark, "", scope), seed, "experts")
        return {int(layer): chosen for layer, chosen in experts.items()}

    def affinity(self, model: str, benchmark: str, seed: int) -> dict:
        """top_k, experts and layers[index] -> gate_score, token_share ([experts] each)."""
        path = self.path(layout.AFFINITY, (model, benchmark), seed)
        content = read_json(path)
        for key in ("top_k", "experts", "layers"):
            field(content, path, key)
        for layer in content["layers"]:
            field(content, path, "layers", layer, "gate_score")
            field(content, path, "layers", layer, "token_share")
        return content | {"layers": {int(layer): values for layer, values in content["layers"].items()}}

    def printed(self, name: str, column: str, **keys: str | None) -> str:
        """What the papers print: the text of `column` in the row of published/<name>.csv that has all `keys`, or ""."""
        return published.value(self.published_folder, name, column, **keys)

    def stands_for(self, model: str) -> str:
        """The real model whose printed values stand beside this one's."""
        return self.models[model].get("stands_for") or ""
