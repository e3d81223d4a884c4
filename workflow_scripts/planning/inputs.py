"""From the wildcards of a job to the files that it reads, with the code and the lock of packages that it runs with.

Standard library only: Snakemake imports this at every start.
"""

from collections.abc import Callable

from planning import blocks, layout, tuning
from planning.code import code_of
from planning.data_files import corpus_files, forget_files, test_files, text_files

# The exact packages of a job are inputs by content: runs with conda (--sdm conda) and without share their results.
LOCKS = {
    "gpu": ("envs/gpu.lock", "envs/cuda.lock"),
    "evaluation": ("envs/evaluation.lock", "envs/cuda.lock"),
    "rendering": ("envs/rendering.lock",),
}


class Inputs:
    """Input functions of a study's rules: each takes a job's wildcards and returns paths from the working folder.

    large: marks files of the weights' size (Snakemake's `ancient`), which are not compared by content; a small file
    that names each by hash stands beside it.
    """

    def __init__(self, config: dict, large: Callable):
        self.config, self.root, self.large = config, f"results/{config['study']}", large

    # What the rules ask for, one method a rule or group of rules ------------------------------------------------

    def untouched(self, w) -> dict:
        """The model that a job starts from."""
        return {"model": self.model(w), "weights": self.large(self.weights(w))}

    def retrained(self, w) -> dict:
        """The model that was pre-trained without the forget set."""
        folder = self._at(layout.RETRAINED_MODEL, w, seed=w.seed)
        return {"model": f"{folder}/pretraining.json", "weights": self.large([f"{folder}/model.safetensors"])}

    def reading(self, stage: str, lock: str = "gpu") -> Callable:
        """Of a stage that runs the untouched model over forget texts."""
        return lambda w: self.untouched(w) | {"texts": self.forget_texts(w)} | code(stage, lock)

    def reading_all(self, stage: str) -> Callable:
        """Of a stage that runs the untouched model over forget and retain texts."""
        return lambda w: self.untouched(w) | {"texts": self.texts(w)} | code(stage, "gpu")

    def pretrain(self, w) -> dict:
        return {"data": self.data(w, corpus_files(self.config, w.model))} | code("pretrain_micro", "gpu")

    def evaluate_original(self, w) -> dict:
        return self.untouched(w) | {"tests": self.tests(w)} | code("evaluate", "evaluation")

    def evaluate_retrained(self, w) -> dict:
        return self.retrained(w) | {"tests": self.tests(w)} | code("evaluate", "evaluation")

    def check_knows_world(self, w) -> dict:
        asked = blocks.must_know(self.config, w.model)
        paths = [self._at(layout.ORIGINAL, w, benchmark=name, seed=w.seed) for name in asked]
        return {"original": paths} | code("check_knows_world", "evaluation")

    def select(self, w) -> dict:
        kind = self.config["scopes"][w.scope]["kind"]
        return {"affinity": self.affinity(w)} | code("select_experts", "gpu", f"scopes/{kind}.py")

    def unlearn(self, w) -> dict:
        """Of a cell."""
        return self.run(w) | {"tuned": self.tuned(w)} | self.unlearning_code(w, "unlearn", "gpu")

    def run(self, w) -> dict:
        """What a run of unlearning reads: of a cell, or of the trials that tune it."""
        files = {"texts": self.texts(w), "selection": self.selection(w), "prefix": self.large(self.prefix(w))}
        files |= {"token_weights": self.large(self.token_weights(w)), "token_weights_record": self.token_record(w)}
        return self.untouched(w) | files

    def unlearning_code(self, w, stage: str, lock: str) -> dict:
        """A stage with the code of a method and a scope."""
        kind = blocks.scope_block(self.config, w.method, w.scope)["kind"]
        return code(stage, lock, f"methods/{blocks.file_of(self.config, w.method)}.py", f"scopes/{kind}.py")

    def evaluate(self, w) -> dict:
        """The manifest names every checkpoint by hash, so equal checkpoints evaluate nothing."""
        files = self.checkpoints(w) | {"weights": self.large(self.weights(w)), "tests": self.tests(w)}
        return files | {"original": self.original(w)} | code("evaluate", "evaluation")

    def choose_checkpoint(self, w) -> dict:
        metrics = f"{self._at(layout.CELL, w, seed=w.seed)}/{layout.METRICS}"
        return {"metrics": metrics, "original": self.original(w)} | code("choose_checkpoint", "evaluation")

    def tune(self, w) -> dict:
        """A single trial is not run, and reads nothing."""
        if tuning.number_of_trials(self.config, w.method) == 1:
            nothing = dict.fromkeys(("selection", "prefix", "token_weights", "original"), [])
            return nothing | code("tune", "evaluation")
        files = {"tests": self.tests(w), "original": self.original(w)}
        return self.run(w) | files | self.unlearning_code(w, "tune", "evaluation")

    def chosen_model(self, w) -> dict:
        """A cell's chosen checkpoint and the model that it was made from."""
        return self.untouched(w) | self.checkpoints(w) | {"chosen": f"{self._cell(w)}/{layout.CHOSEN}"}

    def export(self, w) -> dict:
        return self.chosen_model(w) | code("export", "gpu")

    def attack(self, w) -> dict:
        files = {"selection": self.selection(w), "texts": self.texts(w), "tests": self.tests(w)}
        return self.chosen_model(w) | files | code("attack", "evaluation")

    def attack_retrained(self, w) -> dict:
        return self.retrained(w) | {"texts": self.texts(w), "tests": self.tests(w)} | code("attack", "evaluation")

    def search_suffixes(self, w) -> dict:
        return self.chosen_model(w) | {"tests": self.forget_tests(w)} | code("search_suffixes", "evaluation")

    def attack_prompts(self, w) -> dict:
        files = {"selection": self.selection(w), "tests": self.forget_tests(w), "suffixes": self.suffixes(w)}
        return self.chosen_model(w) | files | code("attack_prompts", "evaluation")

    # Single files -----------------------------------------------------------------------------------------------

    def _at(self, pattern: str, wildcards: object, **values: object) -> str:
        names = ("model", "benchmark", "method", "scope")
        given = {name: getattr(wildcards, name) for name in names if hasattr(wildcards, name)}
        return f"{self.root}/{layout.path(pattern, **given | values)}"

    def _cell(self, w) -> str:
        return self._at(layout.CELL, w, seed=w.seed)

    def checkpoints(self, w) -> dict:
        folder = self._cell(w)
        checkpoints = self.large([f"{folder}/{layout.CHECKPOINTS}"])
        return {"manifest": f"{folder}/{layout.MANIFEST}", "checkpoints": checkpoints}

    def _seed(self, w: object) -> int | str:
        """Tuning has a seed of its own."""
        return getattr(w, "seed", self.config["tuning"]["seed"])

    def _model_seed(self, w: object) -> int | str:
        return blocks.model_seed(self.config, w.model, self._seed(w))

    def _released(self, w: object) -> bool:
        return "source" in self.config["models"][w.model]

    def data_folder(self, w: object) -> str:
        """Folder of the benchmarks' files: of a generated world each seed has its own."""
        pattern = layout.WORLD if "data" in self.config else layout.DATA
        return f"{self.root}/{layout.path(pattern, seed=self._seed(w))}"

    def data(self, w: object, names: list[str] | tuple[str, ...]) -> list[str]:
        return [f"{self.data_folder(w)}/{name}" for name in names]

    def texts(self, w) -> list[str]:
        """Forget and retain texts of a benchmark."""
        return self.data(w, text_files(self.config["benchmarks"][w.benchmark]))

    def forget_texts(self, w) -> list[str]:
        return self.data(w, forget_files(self.config["benchmarks"][w.benchmark]))

    def tests(self, w) -> list[str]:
        return self.data(w, test_files(self.config["benchmarks"][w.benchmark]))

    def forget_tests(self, w) -> list[str]:
        return self.data(w, test_files(blocks.forget_test_block(self.config, w.benchmark)))

    def model(self, w) -> str:
        """The small file that names the weights of the untouched model by hash: equal weights rebuild nothing.

        That the model passed its knowledge check is no input: to evaluate an equal model again must unlearn nothing.
        The check has a higher priority than unlearning, its failure stops the build, and tables and figures need it;
        `make` has all models checked before it unlearns anything.
        """
        return self._at(layout.SOURCE if self._released(w) else layout.PRETRAINING, w, seed=self._model_seed(w))

    def weights(self, w) -> list[str]:
        """Weights that a rule writes; a released model's shards are named in its source.json alone."""
        folder = self._at(layout.MODEL, w, seed=self._model_seed(w))
        return [] if self._released(w) else [f"{folder}/model.safetensors"]

    def original(self, w) -> str:
        """Scores of the untouched model."""
        return self._at(layout.ORIGINAL, w, seed=self._model_seed(w))

    def affinity(self, w) -> list[str]:
        """Only scopes that choose experts need the attribution."""
        chooses = blocks.chooses_experts(self.config, w.scope)
        return [self._at(layout.AFFINITY, w, seed=self._model_seed(w))] if chooses else []

    def selection(self, w) -> str:
        return self._at(layout.SELECTION, w, seed=self._seed(w))

    def token_weights(self, w, pattern: str = layout.TOKEN_WEIGHTS) -> list[str]:
        """Weights of the retain text's tokens, where the method has any."""
        name = self.config["methods"][w.method].get("token_weights")
        return [self._at(pattern, w, name=name, seed=self._seed(w))] if name else []

    def token_record(self, w) -> list[str]:
        """The record that names them by hash."""
        return self.token_weights(w, layout.TOKEN_WEIGHTS_RECORD)

    def prefix(self, w) -> list[str]:
        """The hidden states that enter the target layer, for the cells that train no layer below it."""
        shared = blocks.shares_prefix(self.config, w.model, w.method, w.scope)
        return [self._at(layout.PREFIX, w, seed=self._model_seed(w))] if shared else []

    def tuned(self, w) -> str:
        scope = tuning.tuned_as(self.config, w.scope)
        method = tuning.method_tuned_as(self.config, w.method)
        return self._at(layout.TUNING, w, method=method, scope=scope)

    def suffixes(self, w) -> list[str]:
        """All parts of the prompt suffixes that an attack asks with."""
        parts = self.config["attacks"][w.attack]["parts"]
        return [self._at(layout.SUFFIXES, w, seed=w.seed, attack=w.attack, part=part) for part in range(parts)]

    def knowledge_checks(self, models: list[str]) -> list[str]:
        """That each model passed its knowledge check, and so did the one that it was tuned on."""
        seeds = (*self.config["seeds"], self.config["tuning"]["seed"])
        asked = [model for model in models if blocks.must_know(self.config, model)]
        return [f"{self.root}/{layout.path(layout.KNOWLEDGE, model=m, seed=seed)}" for m in asked for seed in seeds]

    def selection_files(self, model: str) -> dict[str, str]:
        """Selections that the user brought, whose parameters a table counts, too: row -> file."""
        given = [
            block["selections"].get(model, {}) for block in self.config["tables"].values() if "selections" in block
        ]
        return {row: path for selections in given for row, path in selections.items()}


def code(stage: str, lock: str, *named: str) -> dict:
    """The code of a stage, with modules that it names at run time, and its packages."""
    return {"code": code_of(f"{stage}.py", *named), "lock": LOCKS[lock]}
