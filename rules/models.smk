# Untouched models: their scores, and how they use their experts.


rule evaluate_original:
    input:
        model_files,
        code=plan.evaluation_code(),
        lock=LOCKS["evaluation"],
        weights=weights,
        tests=tests,
    output:
        metrics=f"{MODEL}/original/{{benchmark}}.json",
        predictions=f"{MODEL}/original/{{benchmark}}.predictions.jsonl.gz",
    log:
        f"{R}/logs/evaluate_original/{{model}}-{{benchmark}}-{{seed}}.log",
    priority: 9
    conda:
        "../envs/evaluation.yaml"
    threads: config["threads"]
    resources:
        **needs("evaluate_original"),
    params:
        benchmark=lambda w: plan.canonical(plan.test_block(config, w.benchmark)),
        folder=lambda w: model_folder(w),
        data=lambda w: f"{R}/data",
        batch=config["evaluation"]["batch_size"],
        precision=config["precision"],
    shell:
        "python workflow_scripts/launch/start.py workflow_scripts/evaluate.py --model {params.folder} --data {params.data} --benchmark '{params.benchmark}'"
        " --halves development test --batch-size {params.batch} --precision {params.precision} --threads {threads}"
        " --output {output.metrics} --predictions {output.predictions} 2>&1 | tee {log}"


use rule evaluate_original as evaluate_retrained with:
    input:
        code=plan.evaluation_code(),
        lock=LOCKS["evaluation"],
        model=f"{RETRAINED}/pretraining.json",
        weights=ancient(f"{RETRAINED}/model.safetensors"),
        tests=tests,
    output:
        metrics=f"{RETRAINED}/scores.json",
        predictions=f"{RETRAINED}/scores.predictions.jsonl.gz",
    log:
        f"{R}/logs/evaluate_retrained/{{model}}-{{benchmark}}-{{seed}}.log",
    priority: 0
    params:
        benchmark=lambda w: plan.canonical(plan.test_block(config, w.benchmark)),
        folder=lambda w, output: os.path.dirname(output.metrics),
        data=f"{R}/data",
        batch=config["evaluation"]["batch_size"],
        precision=config["precision"],


rule check_knows_world:
    input:
        code=plan.code_of("check_knows_world.py"),
        lock=LOCKS["evaluation"],
        original=expand(
            f"{MODEL}/original/{{benchmark}}.json",
            benchmark=list(config["must_know"] or []),
            allow_missing=True,
        ),
    output:
        f"{MODEL}/knows.json",
    log:
        f"{R}/logs/check_knows_world/{{model}}-{{seed}}.log",
    priority: 9
    conda:
        "../envs/evaluation.yaml"
    params:
        minimum=plan.canonical(config["must_know"]),
    shell:
        "python workflow_scripts/launch/start.py workflow_scripts/check_knows_world.py --original {input.original} --minimum '{params.minimum}' --output {output} 2>&1 | tee {log}"


rule attribute_experts:
    input:
        model_files,
        code=plan.code_of("attribute_experts.py"),
        lock=LOCKS["gpu"],
        weights=weights,
        texts=lambda w: data(*plan.forget_files(config["benchmarks"][w.benchmark])),
    output:
        f"{R}/attribution/{{model}}/{{benchmark}}/seed-{{seed}}/affinity.json",
    log:
        f"{R}/logs/attribute_experts/{{model}}-{{benchmark}}-{{seed}}.log",
    priority: 8
    conda:
        "../envs/gpu.yaml"
    threads: config["threads"]
    resources:
        **needs("attribute_experts"),
    params:
        benchmark=lambda w: plan.canonical(plan.text_block(config, w.benchmark)),
        training=plan.canonical(
            {key: config["training"][key] for key in ("batch_size", "block_length")}
        ),
        model=lambda w: model_folder(w),
        precision=config["precision"],
        data=f"{R}/data",
    shell:
        "python workflow_scripts/launch/start.py workflow_scripts/attribute_experts.py --model {params.model} --data {params.data} --benchmark '{params.benchmark}'"
        " --training '{params.training}' --precision {params.precision} --threads {threads} --output {output} 2>&1 | tee {log}"


rule check_attribution:
    input:
        model_files,
        code=plan.code_of("check_attribution.py"),
        lock=LOCKS["evaluation"],
        weights=weights,
        texts=lambda w: data(*plan.forget_files(config["benchmarks"][w.benchmark])),
    output:
        f"{R}/attribution/{{model}}/{{benchmark}}/seed-{{seed}}/checks.json",
    log:
        f"{R}/logs/check_attribution/{{model}}-{{benchmark}}-{{seed}}.log",
    priority: 8
    conda:
        "../envs/evaluation.yaml"
    threads: config["threads"]
    resources:
        **needs("check_attribution"),
    params:
        benchmark=lambda w: plan.canonical(plan.text_block(config, w.benchmark)),
        training=plan.canonical(
            {key: config["training"][key] for key in ("batch_size", "block_length")}
        ),
        model=lambda w: model_folder(w),
        precision=config["precision"],
        share=config["attribution_checks"]["share"],
        data=f"{R}/data",
    shell:
        "python workflow_scripts/launch/start.py workflow_scripts/check_attribution.py --model {params.model} --data {params.data} --benchmark '{params.benchmark}'"
        " --training '{params.training}' --share {params.share} --seed {wildcards.seed} --precision {params.precision} --threads {threads} --output {output} 2>&1 | tee {log}"
