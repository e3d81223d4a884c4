# Attacks on a cell's chosen checkpoint: by changing the model, or by its prompts.


rule attack:
    input:
        model_files,
        code=plan.code_of("attack.py")
        + tuple(name for name in plan.evaluation_code() if name.endswith(".yaml")),
        lock=LOCKS["evaluation"],
        manifest=f"{R}/cells/{CELL}/manifest.json",
        checkpoints=ancient(f"{R}/cells/{CELL}/checkpoints"),
        chosen=f"{R}/cells/{CELL}/chosen.json",
        selection=selection,
        weights=weights,
        texts=texts,
        tests=tests,
    output:
        f"{R}/cells/{CELL}/attacks/{{attack}}.json",
    log:
        f"{R}/logs/attack/{CELL}-{{attack}}.log",
    wildcard_constraints:
        attack=attacks(prompts=False),
    conda:
        "../envs/evaluation.yaml"
    threads: config["threads"]
    resources:
        **needs("attack"),
    params:
        benchmark=lambda w: plan.canonical(
            plan.text_block(config, w.benchmark) | plan.test_block(config, w.benchmark)
        ),
        attack=lambda w: plan.canonical(config["attacks"][w.attack]),
        training=plan.canonical(
            {
                key: config["training"][key]
                for key in ("batch_size", "block_length", "probe_blocks")
            }
        ),
        model=lambda w: model_folder(w),
        data=f"{R}/data",
        cell=lambda w, input: os.path.dirname(input.manifest),
        batch=config["evaluation"]["batch_size"],
        precision=config["precision"],
    shell:
        "python workflow_scripts/launch/start.py workflow_scripts/attack.py --model {params.model} --data {params.data} --benchmark '{params.benchmark}'"
        " --cell {params.cell} --selection {input.selection} --attack '{params.attack}' --training '{params.training}'"
        " --batch-size {params.batch} --precision {params.precision} --threads {threads} --output {output} 2>&1 | tee {log}"


rule search_suffixes:
    input:
        model_files,
        code=plan.code_of("search_suffixes.py"),
        lock=LOCKS["evaluation"],
        manifest=f"{R}/cells/{CELL}/manifest.json",
        checkpoints=ancient(f"{R}/cells/{CELL}/checkpoints"),
        chosen=f"{R}/cells/{CELL}/chosen.json",
        weights=weights,
        tests=forget_tests,
    output:
        f"{R}/cells/{CELL}/attacks/{{attack}}/suffixes-{{part}}.json",
    log:
        f"{R}/logs/search_suffixes/{CELL}-{{attack}}-{{part}}.log",
    wildcard_constraints:
        attack=attacks(prompts=True),
        part=r"\d+",
    conda:
        "../envs/evaluation.yaml"
    threads: config["threads"]
    resources:
        **needs("search_suffixes"),
    params:
        benchmark=lambda w: plan.canonical(plan.forget_test_block(config, w.benchmark)),
        attack=lambda w: plan.canonical(plan.attack_block(config, w.attack, "word")),
        model=lambda w: model_folder(w),
        data=f"{R}/data",
        cell=lambda w, input: os.path.dirname(input.manifest),
        batch=config["evaluation"]["batch_size"],
        precision=config["precision"],
        state=f"{R}/state/attacks/{CELL}/{{attack}}-{{part}}",
    shell:
        "python workflow_scripts/launch/start.py workflow_scripts/search_suffixes.py --model {params.model} --data {params.data} --benchmark '{params.benchmark}'"
        " --cell {params.cell} --attack {params.attack:q} --part {wildcards.part} --state {params.state}"
        " --batch-size {params.batch} --precision {params.precision} --threads {threads} --output {output} 2>&1 | tee {log}"


rule attack_prompts:
    input:
        model_files,
        code=plan.code_of("attack_prompts.py"),
        lock=LOCKS["evaluation"],
        manifest=f"{R}/cells/{CELL}/manifest.json",
        checkpoints=ancient(f"{R}/cells/{CELL}/checkpoints"),
        chosen=f"{R}/cells/{CELL}/chosen.json",
        selection=selection,
        weights=weights,
        tests=forget_tests,
        suffixes=suffixes,
    output:
        f"{R}/cells/{CELL}/attacks/{{attack}}.json",
    log:
        f"{R}/logs/attack_prompts/{CELL}-{{attack}}.log",
    wildcard_constraints:
        attack=attacks(prompts=True),
    conda:
        "../envs/evaluation.yaml"
    threads: config["threads"]
    resources:
        **needs("attack_prompts"),
    params:
        benchmark=lambda w: plan.canonical(plan.forget_test_block(config, w.benchmark)),
        attack=lambda w: plan.canonical(plan.attack_block(config, w.attack, "parts")),
        model=lambda w: model_folder(w),
        data=f"{R}/data",
        cell=lambda w, input: os.path.dirname(input.manifest),
        batch=config["evaluation"]["batch_size"],
        precision=config["precision"],
    shell:
        "python workflow_scripts/launch/start.py workflow_scripts/attack_prompts.py --model {params.model} --data {params.data} --benchmark '{params.benchmark}'"
        " --cell {params.cell} --selection {input.selection} --attack {params.attack:q} --suffixes {input.suffixes}"
        " --batch-size {params.batch} --precision {params.precision} --threads {threads} --output {output} 2>&1 | tee {log}"
