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
    part=r"\d+",
