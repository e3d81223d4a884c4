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
        "python workflow_scripts/start.py workflow_scripts/attack.py --model {params.model} --data {params.data} --benchmark '{params.benchmark}'"
        " --cell {params.cell} --selection {input.selection} --attack '{params.attack}' --training '{params.training}'"
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
        tests=lambda w: data(
            *plan.test_files(plan.forget_test_block(config, w.benchmark))
        ),
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
        attack=lambda w: plan.canonical(config["attacks"][w.attack]),
        model=lambda w: model_folder(w),
        data=f"{R}/data",
        cell=lambda w, input: os.path.dirname(input.manifest),
        batch=config["evaluation"]["batch_size"],
        precision=config["precision"],
    shell:
        "python workflow_scripts/start.py workflow_scripts/attack_prompts.py --model {params.model} --data {params.data} --benchmark '{params.benchmark}'"
        " --cell {params.cell} --selection {input.selection} --attack {params.attack:q}"
        " --batch-size {params.batch} --precision {params.precision} --threads {threads} --output {output} 2>&1 | tee {log}"
