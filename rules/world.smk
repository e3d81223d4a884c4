# A study that makes its own data and models: the micro world, or the user's own texts. Each seed has a world of its own.
WORLD = f"{R}/{layout.WORLD}"


rule build_world:
    input:
        OWN_FILES,
        **code("build_world", "gpu", f"micro/{config['data']['generator']}.py"),
    output:
        [f"{WORLD}/{name}" for name in world_files(config)],
    log:
        log_of("build_world", layout.WORLD),
    conda:
        "../envs/gpu.yaml"
    resources:
        **resources_of("build_world"),
    params:
        settings=settings_of("build_world"),
        data=inputs.data_folder,
    shell:
        stage("build_world", "--seed {wildcards.seed} --output {params.data}")


rule build_books:
    input:
        **code("build_books", "gpu"),
        world=[f"{WORLD}/pretraining/{file}.jsonl" for file in ("documents", "facts")],
    output:
        [f"{WORLD}/{name}" for name in BOOK_FILES],
    log:
        f"{R}/logs/build_books/seed-{{seed}}.log",
    conda:
        "../envs/gpu.yaml"
    resources:
        **resources_of("build_world"),
    params:
        settings=settings_of("build_books"),
        data=inputs.data_folder,
    shell:
        stage("build_books", "--seed {wildcards.seed} --data {params.data}")


pretraining = stage(
    "pretrain_micro",
    f"--data {{params.data}} --seed {{wildcards.seed}} --threads {{threads}} --output {R}/{{params.place}}"
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
        data=inputs.data_folder,
        place=place,
    shell:
        pretraining


use rule pretrain_micro as retrain_micro with:  # the same recipe without a benchmark's forget set: exact unlearning
    output:
        multiext(f"{RETRAINED}/", *layout.MODEL_FILES),
    log:
        log_of("retrain_micro", layout.RETRAINED_MODEL),
    priority: 0
