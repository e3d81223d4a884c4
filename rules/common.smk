# What all rules share: names, the grid, and small functions from wildcards to inputs and settings.
import sys

import yaml
from snakemake.utils import validate

sys.path[:0] = [f"{workflow.basedir}/{name}" for name in ("workflow_scripts", "slurm")]
from planning import own_files  # noqa: E402
import site_names  # noqa: E402
from planning import sources  # noqa: E402
from planning import study as plan  # noqa: E402
from planning import needs as paper  # noqa: E402

# Jobs after the download rules never touch the network, and tell their progress in the project's own lines.
for name, value in {
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "TOKENIZERS_PARALLELISM": "false",
    "PYTHONUNBUFFERED": "1",
}.items():
    os.environ.setdefault(name, value)

# With Slurm, what is sent goes through slurm/bin/sbatch: it says why.
os.environ.update(
    PATH=os.pathsep.join([f"{workflow.basedir}/slurm/bin", *os.get_exec_path()])
)

# A batch system's SIGTERM reaches every process of a job. The stages that can save their state do so then; the shell and
# tee around them have to outlive them, or what is left of the job is killed at once.
shell.prefix("set -euo pipefail; trap '' TERM USR1; ")

# --config seeds=[0,1] arrives as texts.
config["seeds"] = [
    int(seed) if str(seed).isdigit() else seed for seed in config.get("seeds", [0])
]
plan.check_schema(
    config, yaml.safe_load(Path(workflow.basedir, "config/schema.yaml").read_text())
)
validate(config, f"{workflow.basedir}/config/schema.yaml")  # fills in the defaults
plan.check(config)
plan.check_targets(config, sys.argv[1:])
PACKING = plan.canonical(
    {key: config["training"][key] for key in ("batch_size", "block_length")}
)
R = f"results/{config['study']}"
# Files of a study on texts of one's own; real models and benchmarks.
# The exact packages of a job, inputs by content: runs with conda (--sdm conda) and without share their results.
LOCKS = {
    "gpu": ["envs/gpu.lock", "envs/cuda.lock"],
    "evaluation": ["envs/evaluation.lock", "envs/cuda.lock"],
    "rendering": ["envs/rendering.lock"],
}
SOURCES = own_files.source_files(config) if "data" in config else []
REAL = sources.read_sources(config["sources"]) if "sources" in config else None
if REAL and workflow.is_main_process:
    lines = sources.report(REAL, *plan.real_needs(config, paper.grid(config)), R)
    print(*lines, sep="\n", file=sys.stderr, end="\n" if lines else "")
CELL = "{model}/{benchmark}/{method}/{scope}/seed-{seed}"
TRIAL = "{model}/{benchmark}/{method}/{scope}/lr-{rate}"
MODEL = f"{R}/models/{{model}}/seed-{{seed}}"
RETRAINED = f"{R}/retrained/{{model}}/{{benchmark}}/seed-{{seed}}"
ENDS = {"tables": ("csv", "md", "tex", "html"), "figures": ("pdf", "svg", "png")}


def pictures(kind, extra=False):
    """Files of all tables or figures: those that `all_tables` and `all_figures` build, or the extras."""
    names = [name for name in config[kind] if (name in config["extras"]) == extra]
    return [f"{R}/{kind}/{name}.{end}" for name in names for end in ENDS[kind]]


TABLES = pictures("tables")
FIGURES = pictures("figures")
EXTRAS = pictures("tables", extra=True) + pictures("figures", extra=True)


wildcard_constraints:
    model="|".join(map(re.escape, config["models"])),
    benchmark="|".join(map(re.escape, config["benchmarks"])),
    method="|".join(map(re.escape, config["methods"])),
    scope="|".join(map(re.escape, config["scopes"])),
    seed=r"\d+",
    rate=r"[0-9.e-]+",


GRES = site_names.site("gres", "")  # a site that refuses sbatch --gpus


def needs(rule):
    """Resources of a rule, for batch systems; each attempt asks for more memory and time than the one before."""

    def ask(key):
        def value(wildcards, attempt):
            return plan.needs(config, rule, wildcards)[key] * attempt

        return value

    def gpus(wildcards):
        return plan.needs(config, rule, wildcards)["gpu"]

    def generic(wildcards):
        return f"{GRES}:{gpus(wildcards)}" if gpus(wildcards) else ""

    kind = {"gres": generic} if GRES else {"gpu": gpus}
    return {"mem_mb": ask("mem_mb"), "runtime": ask("runtime")} | kind


def data(*names):
    return [f"{R}/data/{name}" for name in names]


def texts(wildcards):
    """Forget and retain texts of a cell's benchmark."""
    return data(*plan.text_files(config["benchmarks"][wildcards.benchmark]))


def tests(wildcards):
    """Test files of a benchmark."""
    return data(*plan.test_files(config["benchmarks"][wildcards.benchmark]))


def model_folder(wildcards):
    """Folder of the untouched model that a cell starts from; trials use the tuning seed."""
    seed = getattr(wildcards, "seed", config["tuning"]["seed"])
    return f"{R}/models/{wildcards.model}/seed-{plan.model_seed(config, wildcards.model, seed)}"


def model_files(wildcards):
    """The small file that names the weights by hash stands for them, so that equal weights rebuild nothing.

    That the model knows its world is no input: a new evaluation of an equal model must not unlearn anew. The check has
    a higher priority than unlearning, its failure stops the build, and tables and figures need it; `make` has all models
    checked before it unlearns anything.
    """
    released = "source" in config["models"][wildcards.model]
    return [f"{model_folder(wildcards)}/{'source' if released else 'pretraining'}.json"]


def weights(wildcards):
    """Weights that a rule writes; a released model's shards are named in its source.json alone."""
    if "source" in config["models"][wildcards.model]:
        return []
    return ancient(f"{model_folder(wildcards)}/model.safetensors")


def selection(wildcards):
    seed = getattr(wildcards, "seed", config["tuning"]["seed"])
    return f"{R}/selections/{wildcards.model}/{wildcards.benchmark}/{wildcards.scope}/seed-{seed}.json"


def affinity(wildcards):
    """Only scopes that pick experts need the attribution."""
    if config["scopes"][wildcards.scope]["kind"] not in ("uoe", "random", "esft"):
        return []
    seed = plan.model_seed(config, wildcards.model, wildcards.seed)
    return f"{R}/attribution/{wildcards.model}/{wildcards.benchmark}/seed-{seed}/affinity.json"


def selection_files(model):
    """Selections brought by the user that Table 3 on the architectures counts too: row -> file."""
    return (
        config["tables"]
        .get("table3_architectures", {})
        .get("selections", {})
        .get(model, {})
    )


def given_selections(wildcards):
    return list(selection_files(wildcards.model).values())


def token_weights(wildcards):
    """Weights of the retain text's tokens, where the method asks for some; their record names them by hash."""
    name = config["methods"][wildcards.method].get("token_weights")
    if name is None:
        return []
    seed = getattr(wildcards, "seed", config["tuning"]["seed"])
    place = (
        f"{R}/token_weights/{name}/{wildcards.model}/{wildcards.benchmark}/seed-{seed}"
    )
    return [f"{place}.json", ancient(f"{place}.safetensors")]


def tokens_option(wildcards, input):
    return f"--token-weights {input.token_weights[1]}" if input.token_weights else ""


def prefix(wildcards):
    """What enters the target layer, for the cells that train no layer below it; as large as the weights, so ancient."""
    w = wildcards
    if not plan.shares_prefix(config, w.model, w.method, w.scope):
        return []
    seed = plan.model_seed(
        config, w.model, getattr(w, "seed", config["tuning"]["seed"])
    )
    return [ancient(f"{R}/prefix/{w.model}/{w.benchmark}/seed-{seed}.safetensors")]


def prefix_option(wildcards, input):
    return f"--prefix {input.prefix}" if input.prefix else ""


def tuned(wildcards):
    scope = plan.tuned_as(config, wildcards.scope)
    method = plan.method_tuned_as(config, wildcards.method)
    return f"{R}/tuning/{wildcards.model}/{method}/{scope}.json"


def tuning_original(wildcards):
    if not trials(wildcards):
        return []
    tuning = config["tuning"]
    seed = plan.model_seed(config, wildcards.model, tuning["seed"])
    return (
        f"{R}/models/{wildcards.model}/seed-{seed}/original/{tuning['benchmark']}.json"
    )


def original(wildcards):
    return f"{model_folder(wildcards)}/original/{wildcards.benchmark}.json"


def starter(wildcards):
    """How unlearning is started: a process, or one for each slice that the model is sharded into."""
    number = plan.processes(config, wildcards.method, wildcards.scope)
    if number == 1:
        return "python workflow_scripts/launch/start.py"
    return f"python workflow_scripts/launch/shard.py {number}"


def shown_original(wildcards):
    """Where only the checkpoints that are shown are tested, the untouched model's scores say which these are."""
    return original(wildcards) if config["evaluation"]["test"] == "shown" else []


def trials(wildcards):
    """Nothing is tried where the grid has a single rate."""
    rates = config["tuning"]["learning_rates"][wildcards.scope]
    if len(rates) == 1:
        return []
    cell = f"{wildcards.model}/{config['tuning']['benchmark']}/{wildcards.method}/{wildcards.scope}"
    return [f"{R}/trials/{cell}/lr-{rate:g}/metrics.json" for rate in rates]


def shown(kind):
    """Exactly the files that a table or figure shows."""

    def inputs(wildcards):
        block = (
            paper.tuning_block(config)
            if wildcards.name == "tuning"
            else config[kind][wildcards.name]
        )
        return [
            f"{R}/{path}"
            for path in paper.needs(
                kind,
                wildcards.name,
                block,
                config["models"],
                config["seeds"],
                paper.retrained(config),
            )
        ]

    return inputs


def known(kind):
    """That each model of a table or figure knows its world: its own check and that of the model it was tuned on."""

    def inputs(wildcards):
        models = paper.settings(kind, wildcards.name, config)["models"]
        return [
            f"{R}/models/{model}/seed-{seed}/knows.json"
            for model in (models if config["must_know"] else ())
            for seed in (*config["seeds"], config["tuning"]["seed"])
        ]

    return inputs


def other_verdicts(wildcards):
    """What other studies found, where they did: the ledger shows the verdicts of every world."""
    found = sorted(Path("results").glob("*/claims.json"))
    return [str(path) for path in found if path.parent.name != config["study"]]


def attacks(prompts):
    """Pattern of the names of the attacks by prompts, or of all others."""
    found = [
        name
        for name, block in config["attacks"].items()
        if (block["kind"] == "gcg") == prompts
    ]
    return "|".join(map(re.escape, found)) or "none"


def forget_tests(wildcards):
    """Files of a benchmark's forget test."""
    return data(*plan.test_files(plan.forget_test_block(config, wildcards.benchmark)))


def suffixes(wildcards):
    """All parts of the suffixes that an attack by prompts asks with."""
    folder = f"{R}/cells/{CELL}/attacks/{wildcards.attack}".format(**wildcards)
    parts = config["attacks"][wildcards.attack]["parts"]
    return [f"{folder}/suffixes-{part}.json" for part in range(parts)]
