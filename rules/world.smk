# A study that makes its own data and models: the micro world, or the user's own texts.


rule build_world:
    input:
        OWN_FILES,
        **code("build_world", "gpu", f"micro/{config['data']['generator']}.py"),
    output:
        inputs.data(world_files(config)),
    log:
        f"{R}/logs/build_world.log",
    conda:
        "../envs/gpu.yaml"
    resources:
        **resources_of("build_world"),
    params:
        settings=settings_of("build_world"),
    shell:
        stage("build_world", f"--output {R}/{layout.DATA}")


rule build_books:
    input:
        **code("build_books", "gpu"),
        world=inputs.data(["pretraining/documents.jsonl", "pretraining/facts.jsonl"]),
    output:
        inputs.data(BOOK_FILES),
    log:
        f"{R}/logs/build_books.log",
    conda:
        "../envs/gpu.yaml"
    resources:
        **resources_of("build_world"),
    params:
        settings=settings_of("build_books"),
    shell:
        stage("build_books", f"--data {R}/{layout.DATA}")


pretraining = stage(
    "pretrain_micro",
    f"--data {R}/{layout.DATA} --seed {{wildcards.seed}} --threads {{threads}} --output {R}/{{params.place}}"
    f" --state {R}/{layout.STATE}/{{params.place}} --state-every {{resources.state_every}}",
)


rule pretrain_micro:
    input:
        unpack(inputs.pretrain),
    output:
        multiext(f"{MODEL}/", *layout.MODEL_FILES),
    log:
        log_of("pretrain_micro", layout.MODEL),
    priority: 10
    conda:
        "../envs/gpu.yaml"
    threads: config["threads"]
    resources:
        **resources_of("pretrain_micro", "state_every"),
    params:
        settings=settings_of("pretrain_micro"),
        place=place,
    shell:
        pretraining


use rule pretrain_micro as retrain_micro with:  # the same recipe without a benchmark's forget set: exact unlearning
    output:
        multiext(f"{RETRAINED}/", *layout.MODEL_FILES),
    log:
        log_of("retrain_micro", layout.RETRAINED_MODEL),
    priority: 0
