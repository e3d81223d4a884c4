# One cell: select, unlearn, evaluate, choose; and the trials that tune its learning rate.


rule select_experts:
    input:
        code=plan.code_of("select_experts.py"),
        lock=LOCKS["gpu"],
        affinity=affinity,
    output:
        f"{R}/selections/{{model}}/{{benchmark}}/{{scope}}/seed-{{seed}}.json",
    log:
        f"{R}/logs/select_experts/{{model}}-{{benchmark}}-{{scope}}-{{seed}}.log",
    priority: 7
    conda:
        "../envs/gpu.yaml"
    params:
        scope=lambda w: plan.canonical(plan.selecting_block(config, w.scope)),
        affinity=lambda w, input: (
            f"--affinity {input.affinity}" if input.affinity else ""
        ),
    shell:
        "python workflow_scripts/select_experts.py {params.affinity} --scope '{params.scope}' --seed {wildcards.seed}"
        " --output {output} 2>&1 | tee {log}"


rule weigh_retain_tokens:
    input:
        model_files,
        code=plan.code_of("weigh_retain_tokens.py"),
        lock=LOCKS["gpu"],
        weights=weights,
        texts=texts,
    output:
        record=f"{R}/token_weights/{{name}}/{{model}}/{{benchmark}}/seed-{{seed}}.json",
        weights=f"{R}/token_weights/{{name}}/{{model}}/{{benchmark}}/seed-{{seed}}.safetensors",
    log:
        f"{R}/logs/weigh_retain_tokens/{{name}}-{{model}}-{{benchmark}}-{{seed}}.log",
    priority: 7
    conda:
        "../envs/gpu.yaml"
    threads: config["threads"]
    resources:
        **needs("weigh_retain_tokens"),
    params:
        benchmark=lambda w: plan.canonical(plan.text_block(config, w.benchmark)),
        training=PACKING,
        settings=lambda w: plan.canonical(config["token_weights"][w.name]),
        model=lambda w: model_folder(w),
        data=f"{R}/data",
        precision=config["precision"],
    shell:
        "python workflow_scripts/launch/start.py workflow_scripts/weigh_retain_tokens.py --model {params.model} --data {params.data}"
        " --benchmark '{params.benchmark}' --training '{params.training}' --settings '{params.settings}' --precision {params.precision} --threads {threads}"
        " --output {output.record} 2>&1 | tee {log}"


rule cache_prefix:
    input:
        model_files,
        code=plan.code_of("cache_prefix.py"),
        lock=LOCKS["gpu"],
        weights=weights,
        texts=texts,
        affinity=f"{R}/attribution/{{model}}/{{benchmark}}/seed-{{seed}}/affinity.json",
    output:
        f"{R}/prefix/{{model}}/{{benchmark}}/seed-{{seed}}.safetensors",
    log:
        f"{R}/logs/cache_prefix/{{model}}-{{benchmark}}-{{seed}}.log",
    priority: 7
    conda:
        "../envs/gpu.yaml"
    threads: config["threads"]
    resources:
        **needs("cache_prefix"),
        prefix_gb=config["prefix_gb"],  # no parameter: another value re-runs nothing
    params:
        benchmark=lambda w: plan.canonical(plan.text_block(config, w.benchmark)),
        training=PACKING,
        model=lambda w: model_folder(w),
        data=f"{R}/data",
        precision=config["precision"],
    shell:
        "python workflow_scripts/launch/start.py workflow_scripts/cache_prefix.py --model {params.model} --data {params.data}"
        " --benchmark '{params.benchmark}' --affinity {input.affinity} --training '{params.training}'"
        " --limit-gb {resources.prefix_gb} --precision {params.precision} --threads {threads} --output {output} 2>&1 | tee {log}"


rule unlearn:
    input:
        model_files,
        code=lambda w: plan.unlearning_code(config, w.method, w.scope),
        lock=LOCKS["gpu"],
        weights=weights,
        texts=texts,
        selection=selection,
        tuned=tuned,
        token_weights=token_weights,
        prefix=prefix,
    output:
        checkpoints=directory(f"{R}/cells/{CELL}/checkpoints"),
        trajectory=f"{R}/cells/{CELL}/trajectory.json",
        parameters=f"{R}/cells/{CELL}/parameters.json",
        manifest=f"{R}/cells/{CELL}/manifest.json",
    log:
        f"{R}/logs/unlearn/{CELL}.log",
    benchmark:
        f"{R}/benchmarks/unlearn/{CELL}.tsv"
    conda:
        "../envs/gpu.yaml"
    threads: config["threads"]
    resources:
        **needs("unlearn"),
        state_every=config["state_every"],  # no parameter: another value re-runs nothing
        prefix_gb=config["prefix_gb"],  # no parameter: another value re-runs nothing
    params:
        benchmark=lambda w: plan.canonical(plan.text_block(config, w.benchmark)),
        method=lambda w: plan.canonical(
            plan.method_block(config, w.model, w.method, w.scope)
        ),
        scope=lambda w: plan.canonical(plan.scope_block(config, w.method, w.scope)),
        training=lambda w: plan.canonical(plan.training_block(config, w.scope)),
        rate=lambda w, input: f"--tuned {input.tuned}",
        seed=lambda w: w.seed,
        model=lambda w: model_folder(w),
        data=f"{R}/data",
        tokens=tokens_option,
        prefix=prefix_option,
        folder=lambda w, output: os.path.dirname(output.manifest),
        start=starter,
        state=f"{R}/state/cells/{CELL}",
    shell:
        "{params.start} workflow_scripts/unlearn.py --model {params.model} --data {params.data} --benchmark '{params.benchmark}'"
        " --selection {input.selection} --method '{params.method}' --scope '{params.scope}' --training '{params.training}'"
        " {params.rate} {params.tokens} {params.prefix} --seed {params.seed} --threads {threads} --state {params.state}"
        " --state-every {resources.state_every} --limit-gb {resources.prefix_gb} --output {params.folder} 2>&1 | tee {log}"


use rule unlearn as unlearn_trial with:
    input:
        model_files,
        code=lambda w: plan.unlearning_code(config, w.method, w.scope),
        lock=LOCKS["gpu"],
        weights=weights,
        texts=texts,
        selection=selection,
        token_weights=token_weights,
        prefix=prefix,
    output:
        checkpoints=directory(f"{R}/trials/{TRIAL}/checkpoints"),
        trajectory=f"{R}/trials/{TRIAL}/trajectory.json",
        parameters=f"{R}/trials/{TRIAL}/parameters.json",
        manifest=f"{R}/trials/{TRIAL}/manifest.json",
    log:
        f"{R}/logs/unlearn_trial/{TRIAL}.log",
    benchmark:
        f"{R}/benchmarks/unlearn_trial/{TRIAL}.tsv"
    priority: 1
    params:
        benchmark=lambda w: plan.canonical(plan.text_block(config, w.benchmark)),
        method=lambda w: plan.canonical(
            plan.method_block(config, w.model, w.method, w.scope)
        ),
        scope=lambda w: plan.canonical(plan.scope_block(config, w.method, w.scope)),
        training=lambda w: plan.canonical(plan.training_block(config, w.scope)),
        rate=lambda w: f"--learning-rate {w.rate}",
        seed=config["tuning"]["seed"],
        model=lambda w: model_folder(w),
        data=f"{R}/data",
        tokens=tokens_option,
        prefix=prefix_option,
        folder=lambda w, output: os.path.dirname(output.manifest),
        start=starter,
        state=f"{R}/state/trials/{TRIAL}",


rule evaluate:
    input:
        code=plan.evaluation_code(),
        lock=LOCKS["evaluation"],
        manifest=f"{R}/cells/{CELL}/manifest.json",  # names every checkpoint by hash, so equal checkpoints evaluate nothing
        checkpoints=ancient(f"{R}/cells/{CELL}/checkpoints"),
        weights=weights,
        tests=tests,
        original=shown_original,
    output:
        metrics=f"{R}/cells/{CELL}/metrics.json",
        predictions=f"{R}/cells/{CELL}/predictions.jsonl.gz",
    log:
        f"{R}/logs/evaluate/{CELL}.log",
    benchmark:
        f"{R}/benchmarks/evaluate/{CELL}.tsv"
    priority: 3
    conda:
        "../envs/evaluation.yaml"
    threads: config["threads"]
    resources:
        **needs("evaluate"),
        prefix_gb=config["prefix_gb"],  # no parameter: another value re-runs nothing
    params:
        benchmark=lambda w: plan.canonical(plan.test_block(config, w.benchmark)),
        halves=lambda w, input: (
            f"development --test-shown {input.original} --threshold {config['choice']['forget_accuracy']}"
            if input.original
            else "development test"
        ),
        model=lambda w: model_folder(w),
        data=f"{R}/data",
        batch=config["evaluation"]["batch_size"],
        precision=config["precision"],
    shell:
        "python workflow_scripts/launch/start.py workflow_scripts/evaluate.py --model {params.model} --data {params.data} --benchmark '{params.benchmark}'"
        " --checkpoints {input.checkpoints}/step-*.safetensors --manifest {input.manifest} --halves {params.halves} --batch-size {params.batch} --precision {params.precision}"
        " --limit-gb {resources.prefix_gb} --threads {threads} --output {output.metrics} --predictions {output.predictions} 2>&1 | tee {log}"


use rule evaluate as evaluate_trial with:
    input:
        code=plan.evaluation_code(),
        lock=LOCKS["evaluation"],
        manifest=f"{R}/trials/{TRIAL}/manifest.json",
        checkpoints=ancient(f"{R}/trials/{TRIAL}/checkpoints"),
        weights=weights,
        tests=tests,
    output:
        metrics=f"{R}/trials/{TRIAL}/metrics.json",
        predictions=f"{R}/trials/{TRIAL}/predictions.jsonl.gz",
    log:
        f"{R}/logs/evaluate_trial/{TRIAL}.log",
    benchmark:
        f"{R}/benchmarks/evaluate_trial/{TRIAL}.tsv"
    priority: 3
    params:
        benchmark=lambda w: plan.canonical(plan.test_block(config, w.benchmark)),
        halves="development",
        model=lambda w: model_folder(w),
        data=f"{R}/data",
        batch=config["evaluation"]["batch_size"],
        precision=config["precision"],


rule choose_checkpoint:
    input:
        code=plan.code_of("choose_checkpoint.py"),
        lock=LOCKS["evaluation"],
        metrics=f"{R}/cells/{CELL}/metrics.json",
        original=original,
    output:
        f"{R}/cells/{CELL}/chosen.json",
    log:
        f"{R}/logs/choose_checkpoint/{CELL}.log",
    priority: 3
    conda:
        "../envs/evaluation.yaml"
    params:
        threshold=config["choice"]["forget_accuracy"],
        prune=(
            f"--prune-over {config['checkpoints']['prune_over']}"
            if config["checkpoints"]["prune_over"] < 100
            else ""
        ),
    shell:
        "python workflow_scripts/choose_checkpoint.py --metrics {input.metrics} --original {input.original}"
        " --threshold {params.threshold} {params.prune} --output {output} 2>&1 | tee {log}"


rule tune:
    input:
        code=plan.code_of("tune.py"),
        lock=LOCKS["evaluation"],
        trials=trials,
        original=tuning_original,
    output:
        f"{R}/tuning/{{model}}/{{method}}/{{scope}}.json",
    log:
        f"{R}/logs/tune/{{model}}-{{method}}-{{scope}}.log",
    priority: 2
    conda:
        "../envs/evaluation.yaml"
    params:
        tried=lambda w, input: (
            f"--trials {input.trials} --original {input.original}"
            if input.trials
            else f"--only {config['tuning']['learning_rates'][w.scope][0]:g}"
        ),
    shell:
        "python workflow_scripts/tune.py {params.tried} --output {output} 2>&1 | tee {log}"


rule export:
    input:
        model_files,
        code=plan.code_of("export.py"),
        lock=LOCKS["gpu"],
        weights=weights,
        chosen=f"{R}/cells/{CELL}/chosen.json",
        manifest=f"{R}/cells/{CELL}/manifest.json",
        checkpoints=ancient(f"{R}/cells/{CELL}/checkpoints"),
    output:
        directory(f"{R}/exports/{CELL}"),
    log:
        f"{R}/logs/export/{CELL}.log",
    conda:
        "../envs/gpu.yaml"
    resources:
        **needs("evaluate"),
    params:
        model=lambda w: model_folder(w),
        cell=lambda w, input: os.path.dirname(input.manifest),
        precision=config["precision"],
    shell:
        "python workflow_scripts/export.py --model {params.model} --cell {params.cell} --precision {params.precision}"
        " --output {output} 2>&1 | tee {log}"
