# One cell: tune, select, unlearn, evaluate, choose.


rule select_experts:
    input:
        unpack(inputs.select),
    output:
        f"{R}/{layout.SELECTION}",
    log:
        log_of("select_experts", layout.SELECTION),
    priority: 7
    conda:
        "../envs/gpu.yaml"
    params:
        settings=settings_of("select_experts"),
    shell:
        stage(
            "select_experts",
            "--affinity {input.affinity} --seed {wildcards.seed} --output {output}",
        )


rule weigh_retain_tokens:
    input:
        unpack(inputs.reading_all("weigh_retain_tokens")),
    output:
        record=f"{R}/{layout.TOKEN_WEIGHTS_RECORD}",
        weights=f"{R}/{layout.TOKEN_WEIGHTS}",
    log:
        log_of("weigh_retain_tokens", layout.TOKEN_WEIGHTS),
    priority: 7
    conda:
        "../envs/gpu.yaml"
    threads: config["threads"]
    resources:
        **resources_of("weigh_retain_tokens"),
    params:
        **job("weigh_retain_tokens"),
    shell:
        model_stage("weigh_retain_tokens", "--output {output.record}")


rule cache_prefix:
    input:
        unpack(inputs.reading_all("cache_prefix")),
        affinity=f"{R}/{layout.AFFINITY}",
    output:
        f"{R}/{layout.PREFIX}",
    log:
        log_of("cache_prefix", layout.PREFIX),
    priority: 7
    conda:
        "../envs/gpu.yaml"
    threads: config["threads"]
    resources:
        **resources_of("cache_prefix", "prefix_gb"),
    params:
        **job("cache_prefix"),
    shell:
        model_stage(
            "cache_prefix",
            "--affinity {input.affinity} --limit-gb {resources.prefix_gb} --output {output}",
        )


unlearning = model_stage(
    "unlearn",
    "--selection {input.selection} --tuned {input.tuned} --token-weights {input.token_weights} --prefix {input.prefix}"
    f" --seed {{wildcards.seed}} --output {R}/{{params.place}} --state {R}/{layout.STATE}/{{params.place}}"
    " --state-every {resources.state_every} --limit-gb {resources.prefix_gb}",
    launcher="{params.launcher}",
)


rule unlearn:
    input:
        unpack(inputs.unlearn),
    output:
        checkpoints=directory(f"{CELL}/{layout.CHECKPOINTS}"),
        records=expand(f"{CELL}/{{file}}", file=layout.RECORDS, allow_missing=True),
    log:
        log_of("unlearn", layout.CELL),
    conda:
        "../envs/gpu.yaml"
    threads: config["threads"]
    resources:
        **resources_of("unlearn", "state_every", "prefix_gb"),
    params:
        **job("unlearn", launcher=launcher, place=place),
    shell:
        unlearning


evaluation = model_stage(
    "evaluate",
    "--checkpoints {input.checkpoints}/step-*.safetensors --manifest {input.manifest} --original {input.original}"
    " --limit-gb {resources.prefix_gb} --output {output.metrics} --predictions {output.predictions}",
)


rule evaluate:
    input:
        unpack(inputs.evaluate),
    output:
        metrics=f"{CELL}/{layout.METRICS}",
        predictions=f"{CELL}/{layout.PREDICTIONS}",
    log:
        log_of("evaluate", layout.CELL),
    priority: 3
    conda:
        "../envs/evaluation.yaml"
    threads: config["threads"]
    resources:
        **resources_of("evaluate", "prefix_gb"),
    params:
        **job("evaluate"),
    shell:
        evaluation


rule choose_checkpoint:
    input:
        unpack(inputs.choose_checkpoint),
    output:
        f"{CELL}/{layout.CHOSEN}",
    log:
        log_of("choose_checkpoint", layout.CELL),
    priority: 3
    conda:
        "../envs/evaluation.yaml"
    params:
        settings=settings_of("choose_checkpoint"),
    shell:
        stage(
            "choose_checkpoint",
            "--metrics {input.metrics} --original {input.original} --output {output}",
        )


tuning = stage(
    "tune",
    "--model {params.model} --data {params.data} --selection {input.selection} --original {input.original}"
    " --token-weights {input.token_weights} --prefix {input.prefix} --seed {params.seed} --threads {threads}"
    f" --limit-gb {{resources.prefix_gb}} --state {R}/{layout.STATE}/{{params.place}} --output {{output}}",
)


rule tune:
    input:
        unpack(inputs.tune),
    output:
        f"{R}/{layout.TUNING}",
    log:
        log_of("tune", layout.TUNING),
    priority: 2
    localrule: not config["tuning"]["trials"]  # nothing is run
    conda:
        "../envs/evaluation.yaml"
    threads: config["threads"]
    resources:
        **resources_of("tune", "prefix_gb"),
    params:
        **job("tune", seed=config["tuning"]["seed"]),
        place=lambda w, output: os.path.relpath(prefix_of(w, output), R),
    shell:
        tuning


rule export:
    input:
        unpack(inputs.export),
    output:
        directory(f"{R}/{layout.EXPORT}"),
    log:
        log_of("export", layout.CELL),
    conda:
        "../envs/gpu.yaml"
    resources:
        **resources_of("evaluate"),
    params:
        **job("export"),
    shell:
        stage(
            "export",
            "--model {params.model} --cell $(dirname {input.manifest}) --output {output}",
        )
