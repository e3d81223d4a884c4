# A study that makes its own data and models: the micro world, or texts of one's own.


rule build_world:
    input:
        SOURCES,
        code=plan.code_of(config["data"]["script"]),
        lock=LOCKS["gpu"],
    output:
        data(*plan.world_files(config)),
    log:
        f"{R}/logs/build_world.log",
    conda:
        "../envs/gpu.yaml"
    resources:
        **needs("build_world"),
    params:
        settings=plan.canonical(own_files.settings_with_root(config)),
        seed=config["data"]["seed"],
        script=lambda w: f"workflow_scripts/{config['data']['script']}",
        folder=lambda w: f"{R}/data",
    shell:
        "python workflow_scripts/launch/start.py {params.script} --seed {params.seed} --settings {params.settings:q} --output {params.folder} 2>&1 | tee {log}"


rule build_books:
    input:
        code=plan.code_of("build_books.py"),
        lock=LOCKS["gpu"],
        world=data("pretraining/documents.jsonl", "pretraining/facts.jsonl"),
    output:
        data(*plan.BOOK_FILES),
    log:
        f"{R}/logs/build_books.log",
    conda:
        "../envs/gpu.yaml"
    resources:
        **needs("build_world"),
    params:
        settings=plan.canonical(config.get("books", {}).get("settings")),
        seed=config.get("books", {}).get("seed"),
        folder=lambda w: f"{R}/data",
    shell:
        "python workflow_scripts/launch/start.py workflow_scripts/build_books.py --seed {params.seed}"
        " --settings '{params.settings}' --data {params.folder} 2>&1 | tee {log}"


rule pretrain_micro:
    input:
        code=plan.code_of("pretrain_micro.py"),
        lock=LOCKS["gpu"],
        data=lambda w: data(*plan.corpus_files(config, w.model)),
    output:
        weights=f"{MODEL}/model.safetensors",
        config=f"{MODEL}/config.json",
        tokenizer=f"{MODEL}/tokenizer.json",
        tokenizer_config=f"{MODEL}/tokenizer_config.json",
        record=f"{MODEL}/pretraining.json",
    log:
        f"{R}/logs/pretrain_micro/{{model}}-{{seed}}.log",
    benchmark:
        f"{R}/benchmarks/pretrain_micro/{{model}}-{{seed}}.tsv"
    wildcard_constraints:
        model="|".join(map(re.escape, plan.pretrained_models(config))),
    priority: 10
    conda:
        "../envs/gpu.yaml"
    threads: config["threads"]
    resources:
        **needs("pretrain_micro"),
        state_every=config["state_every"],  # no parameter: another value re-runs nothing
    params:
        settings=lambda w: plan.canonical(plan.pretraining_block(config, w.model)),
        data=lambda w: f"{R}/data",
        folder=lambda w, output: os.path.dirname(output.config),
        state=f"{R}/state/models/{{model}}/seed-{{seed}}",
    shell:
        "python workflow_scripts/launch/start.py workflow_scripts/pretrain_micro.py --data {params.data} --settings '{params.settings}' --seed {wildcards.seed}"
        " --threads {threads} --state {params.state} --state-every {resources.state_every} --output {params.folder} 2>&1 | tee {log}"


use rule pretrain_micro as retrain_micro with:  # the same recipe without a benchmark's forget set: exact unlearning
    output:
        weights=f"{RETRAINED}/model.safetensors",
        config=f"{RETRAINED}/config.json",
        tokenizer=f"{RETRAINED}/tokenizer.json",
        tokenizer_config=f"{RETRAINED}/tokenizer_config.json",
        record=f"{RETRAINED}/pretraining.json",
    log:
        f"{R}/logs/retrain_micro/{{model}}-{{benchmark}}-{{seed}}.log",
    benchmark:
        f"{R}/benchmarks/retrain_micro/{{model}}-{{benchmark}}-{{seed}}.tsv"
    priority: 0
    params:
        settings=lambda w: plan.canonical(
            plan.pretraining_block(config, w.model, w.benchmark)
        ),
        data=lambda w: f"{R}/data",
        folder=lambda w, output: os.path.dirname(output.config),
        state=f"{R}/state/retrained/{{model}}/{{benchmark}}/seed-{{seed}}",
