# Real models and datasets, from the hub or a local folder. The only jobs that use the network; a cluster runs them where
# Snakemake itself runs.


wildcard_constraints:
    dataset="|".join(map(re.escape, REAL["datasets"])),


rule download_dataset:
    input:
        code=code_of("download_dataset.py"),
    output:
        data=f"{R}/{layout.DATA}/{{dataset}}/{{file}}.jsonl",
        record=f"{R}/{layout.DATA}/{{dataset}}/{{file}}.source.json",
    log:
        f"{R}/logs/download_dataset/{{dataset}}/{{file}}.log",
    priority: 11
    retries: 2
    localrule: True
    conda:
        "../envs/gpu.yaml"
    params:
        sources=config["sources"],
        identity=identity,
    shell:
        "HF_HUB_OFFLINE=0 python workflow_scripts/download_dataset.py --sources {params.sources} --dataset {wildcards.dataset}"
        " --file {wildcards.file}.jsonl --output {output.data} 2>&1 | tee {log}"


rule download_model:
    input:
        code=code_of("download_model.py"),
    output:
        expand(f"{R}/{layout.SOURCE}", seed=0, allow_missing=True),
    log:
        f"{R}/logs/download_model/{{model}}.log",
    priority: 11
    retries: 2
    localrule: True
    conda:
        "../envs/gpu.yaml"
    params:
        sources=config["sources"],
        identity=identity,
        name=lambda w: config["models"][w.model]["source"],
    shell:
        "HF_HUB_OFFLINE=0 python workflow_scripts/download_model.py --sources {params.sources} --model {params.name}"
        " --output $(dirname {output}) 2>&1 | tee {log}"


rule count_parameters:
    input:
        **code("count_parameters", "gpu"),
        selections=lambda w: list(inputs.selection_files(w.model).values()),
    output:
        f"{R}/{layout.ARCHITECTURE}",
    log:
        log_of("count_parameters", layout.ARCHITECTURE),
    conda:
        "../envs/gpu.yaml"
    params:
        settings=settings_of("count_parameters"),
        selections=lambda w: [
            f"{row}={path}" for row, path in inputs.selection_files(w.model).items()
        ],
    shell:
        stage("count_parameters", "--selections {params.selections} --output {output}")


# Prints what is still to be built will need; it makes nothing, so it runs whenever it is asked for.
rule plan:
    input:
        counts=expand(
            f"{R}/{layout.ARCHITECTURE}",
            model=sorted({cell[0] for cell in pictures.grid(config)}),
        ),
    localrule: True
    conda:
        "../envs/evaluation.yaml"
    params:
        settings=settings_of("plan"),
    shell:
        f"python workflow_scripts/plan.py --settings {{params.settings:q}} --counts {{input.counts}} --results {R}"
