# Untouched models: their scores, and how they use their experts.


rule evaluate_original:
    input:
        unpack(inputs.evaluate_original),
    output:
        metrics=f"{R}/{layout.ORIGINAL}",
        predictions=f"{R}/{layout.ORIGINAL_PREDICTIONS}",
    log:
        log_of("evaluate_original", layout.ORIGINAL),
    priority: 9
    conda:
        "../envs/evaluation.yaml"
    threads: config["threads"]
    resources:
        **resources_of("evaluate_original"),
    params:
        **job("evaluate_original"),
    shell:
        model_stage(
            "evaluate",
            "--output {output.metrics} --predictions {output.predictions}",
        )


use rule evaluate_original as evaluate_retrained with:
    input:
        unpack(inputs.evaluate_retrained),
    output:
        metrics=f"{R}/{layout.RETRAINED}",
        predictions=f"{R}/{layout.RETRAINED_PREDICTIONS}",
    log:
        log_of("evaluate_retrained", layout.RETRAINED_MODEL),
    priority: 0


rule check_knows_world:
    input:
        unpack(inputs.check_knows_world),
    output:
        f"{R}/{layout.KNOWLEDGE}",
    log:
        log_of("check_knows_world", layout.MODEL),
    priority: 9
    conda:
        "../envs/evaluation.yaml"
    params:
        settings=settings_of("check_knows_world"),
    shell:
        stage("check_knows_world", "--original {input.original} --output {output}")


rule attribute_experts:
    input:
        unpack(inputs.reading("attribute_experts")),
    output:
        f"{R}/{layout.AFFINITY}",
    log:
        log_of("attribute_experts", layout.AFFINITY),
    priority: 8
    conda:
        "../envs/gpu.yaml"
    threads: config["threads"]
    resources:
        **resources_of("attribute_experts"),
    params:
        **job("attribute_experts"),
    shell:
        model_stage("attribute_experts", "--output {output}")


rule check_attribution:
    input:
        unpack(inputs.reading("check_attribution", "evaluation")),
    output:
        f"{R}/{layout.ATTRIBUTION_CHECKS}",
    log:
        log_of("check_attribution", layout.ATTRIBUTION_CHECKS),
    priority: 8
    conda:
        "../envs/evaluation.yaml"
    threads: config["threads"]
    resources:
        **resources_of("check_attribution"),
    params:
        **job("check_attribution"),
    shell:
        model_stage("check_attribution", "--seed {wildcards.seed} --output {output}")
