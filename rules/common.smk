# What all rules share: the checked config, names of files, and how a stage is run.
import sys
from collections import namedtuple

import yaml
from snakemake.utils import validate

sys.path[:0] = [f"{workflow.basedir}/{name}" for name in ("workflow_scripts", "slurm")]
import site_names
from planning import blocks, checks, layout, own_files, pictures, sources
from planning import claims as ledger
from planning.code import code_of
from planning.data_files import BOOK_FILES, world_files
from planning.inputs import LOCKS, Inputs, code

# Jobs after the download rules never touch the network, and tell their progress in the project's own lines.
for name, value in {
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "TOKENIZERS_PARALLELISM": "false",
    "PYTHONUNBUFFERED": "1",
}.items():
    os.environ.setdefault(name, value)

# With Slurm, jobs are sent by slurm/bin/sbatch, which says why.
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
checks.check_schema(
    config, yaml.safe_load(Path(workflow.basedir, "config/schema.yaml").read_text())
)
validate(config, f"{workflow.basedir}/config/schema.yaml")  # fills in the defaults
checks.check(config)
checks.check_targets(config, sys.argv[1:])

R = f"results/{config['study']}"
MODEL = f"{R}/{layout.MODEL}"
RETRAINED = f"{R}/{layout.RETRAINED_MODEL}"
CELL = f"{R}/{layout.CELL}"
TRIAL = f"{R}/{layout.TRIAL}"
COMMIT = '"$(git describe --always --dirty 2>/dev/null || echo unknown)"'
inputs = Inputs(config, large=ancient)

# Real models and benchmarks, or the files of a study on the user's own texts.
OWN_FILES = own_files.source_files(config) if "data" in config else []
REAL = sources.read_sources(config["sources"]) if "sources" in config else None
if REAL and workflow.is_main_process:
    wanted = blocks.real_sources(config, pictures.grid(config))
    lines = sources.report(REAL, *wanted, R)
    print(*lines, sep="\n", file=sys.stderr, end="\n" if lines else "")


wildcard_constraints:
    model="|".join(map(re.escape, config["models"])),
    benchmark="|".join(map(re.escape, config["benchmarks"])),
    method="|".join(map(re.escape, config["methods"])),
    scope="|".join(map(re.escape, config["scopes"])),
    seed=r"\d+",
    rate=r"[0-9.e-]+",
    part=r"\d+",


def settings_of(rule):
    """The block of the config that a job reads, as canonical JSON."""
    return lambda wildcards: blocks.settings(config, rule, wildcards)


def job(rule, **others):
    """Params of a stage that reads a model: its settings, the model's folder, and others."""
    return others | {
        "settings": settings_of(rule),
        "model": lambda wildcards, input: os.path.dirname(
            input.get("model") or inputs.model(wildcards)
        ),
    }


def stage(name, options, launcher="python workflow_scripts/launch/start.py"):
    """Shell command of a stage: its settings, its paths, and a log that also reaches the terminal."""
    return (
        f"{launcher} workflow_scripts/{name}.py --settings {{params.settings:q}}"
        f" {options} 2>&1 | tee {{log}}"
    )


def model_stage(name, options, **kwargs):
    """The same of a stage that reads a model and a benchmark's files."""
    read = f"--model {{params.model}} --data {R}/{layout.DATA} --threads {{threads}}"
    return stage(name, f"{read} {options}", **kwargs)


def place(wildcards, output):
    """Folder of a job's outputs below the study's; its working state lies at the same place below state/."""
    return os.path.relpath(os.path.dirname(output[0]), R)


GRES = site_names.site("gres", "")  # a site that refuses sbatch --gpus


def resources_of(rule, *limits):
    """Resources of a rule, for batch systems; each attempt asks for more memory and time than the one before.

    limits: keys of the config that a job is told but that are no parameters: another value re-runs nothing.
    """

    def ask(key):
        return lambda wildcards, attempt: (
            blocks.job_resources(config, rule, wildcards)[key] * attempt
        )

    def gpus(wildcards):
        return blocks.job_resources(config, rule, wildcards)["gpu"]

    def generic(wildcards):
        return f"{GRES}:{gpus(wildcards)}" if gpus(wildcards) else ""

    told = {key: config[key] for key in limits}
    kind = {"gres": generic} if GRES else {"gpu": gpus}
    return {"mem_mb": ask("mem_mb"), "runtime": ask("runtime")} | kind | told


def log_of(rule, pattern):
    """Log of a rule, named as its output without the first folder."""
    return f"{R}/logs/{rule}/{pattern.partition('/')[2]}.log"


def attacks(prompts):
    """Pattern of the names of the attacks by prompts, or of all others."""
    names = [
        name
        for name, block in config["attacks"].items()
        if (block["kind"] == "gcg") == prompts
    ]
    return "|".join(map(re.escape, names)) or "none"
