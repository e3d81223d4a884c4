# How jobs are run: their settings, commands, resources and logs. Functions of wildcards that several rules use.


def settings_of(rule):
    """The block of the config that a job reads, as canonical JSON."""
    return lambda wildcards: blocks.settings(config, rule, wildcards)


def job(rule, **others):
    """Params of a stage that reads a model: its settings, the model's folder, the benchmarks' folder, and others."""
    return others | {
        "settings": settings_of(rule),
        "data": inputs.data_folder,
        "model": lambda wildcards, input: os.path.dirname(
            input.get("model") or inputs.model(wildcards)
        ),
    }


def stage(name, options, launcher="python workflow_scripts/launch/start.py"):
    """Shell command of a stage: its settings, its paths, a log that also reaches the terminal, and its cost beside it."""
    return (
        f"MOE_COST={{log}}.cost {launcher} workflow_scripts/{name}.py --settings {{params.settings:q}}"
        f" {options} 2>&1 | tee {{log}}"
    )


def model_stage(name, options, **kwargs):
    """The same of a stage that reads a model and a benchmark's files."""
    read = "--model {params.model} --data {params.data} --threads {threads}"
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


def attacks(*kinds):
    """Pattern of the names of the attacks of some kinds."""
    every = config["attacks"].items()
    names = [re.escape(name) for name, block in every if block["kind"] in kinds]
    return "|".join(names) or "none"


def launcher(wildcards):
    """How unlearning is started: a process, or one for each slice that the model is sharded into."""
    number = blocks.processes(config, wildcards.method, wildcards.scope)
    if number == 1:
        return "python workflow_scripts/launch/start.py"
    return f"python workflow_scripts/launch/shard.py {number}"


def identity(wildcards):
    """Which bytes are wanted, not where they lie: a change of it is fetched again."""
    if hasattr(wildcards, "dataset"):
        entry, file = REAL["datasets"][wildcards.dataset], f"{wildcards.file}.jsonl"
        return blocks.canonical(sources.identity(entry, file))
    name = config["models"][wildcards.model]["source"]
    return blocks.canonical(sources.identity(REAL["models"][name]))


def prefix_of(wildcards, output):
    """Path of an output without its extension."""
    return os.path.splitext(output[0])[0]
