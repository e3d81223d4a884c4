# Attacks on a cell's chosen checkpoint, or on a retrained model: by changing the model, or by its prompts.


rule attack:
    input:
        unpack(inputs.attack),
    output:
        f"{R}/{layout.ATTACK}",
    log:
        log_of("attack", layout.ATTACK),
    wildcard_constraints:
        attack=attacks("quantize", "relearn", "restore_routers", "bypass", "disable"),
    conda:
        "../envs/evaluation.yaml"
    threads: config["threads"]
    resources:
        **resources_of("attack"),
    params:
        **job("attack"),
    shell:
        model_stage(
            "attack",
            "--cell $(dirname {input.manifest}) --selection {input.selection} --output {output}",
        )


rule attack_retrained:
    input:
        unpack(inputs.attack_retrained),
    output:
        f"{R}/{layout.RETRAINED_ATTACK}",
    log:
        log_of("attack_retrained", layout.RETRAINED_ATTACK),
    wildcard_constraints:
        attack=attacks("relearn"),
    conda:
        "../envs/evaluation.yaml"
    threads: config["threads"]
    resources:
        **resources_of("attack"),
    params:
        **job("attack"),
    shell:
        model_stage("attack", "--output {output}")


search = model_stage(
    "search_suffixes",
    "--cell $(dirname {input.manifest}) --part {wildcards.part} --output {output}"
    f" --state {R}/{layout.STATE}/{{params.place}}-{{wildcards.part}}",
)


rule search_suffixes:
    input:
        unpack(inputs.search_suffixes),
    output:
        f"{R}/{layout.SUFFIXES}",
    log:
        log_of("search_suffixes", layout.SUFFIXES),
    wildcard_constraints:
        attack=attacks("gcg"),
    conda:
        "../envs/evaluation.yaml"
    threads: config["threads"]
    resources:
        **resources_of("search_suffixes"),
    params:
        **job("search_suffixes"),
        place=place,
    shell:
        search


rule attack_prompts:
    input:
        unpack(inputs.attack_prompts),
    output:
        f"{R}/{layout.ATTACK}",
    log:
        log_of("attack_prompts", layout.ATTACK),
    wildcard_constraints:
        attack=attacks("gcg"),
    conda:
        "../envs/evaluation.yaml"
    threads: config["threads"]
    resources:
        **resources_of("attack_prompts"),
    params:
        **job("attack_prompts"),
    shell:
        model_stage(
            "attack_prompts",
            "--cell $(dirname {input.manifest}) --selection {input.selection} --suffixes {input.suffixes} --output {output}",
        )
