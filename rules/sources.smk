# Real models and datasets, from the hub or a local folder. The only jobs that use the network; a cluster runs them where
# Snakemake itself runs.


wildcard_constraints:
    dataset="|".join(map(re.escape, REAL["datasets"])),


rule download_dataset:
    input:
        code=plan.code_of("download_dataset.py"),
    output:
        data=f"{R}/data/{{dataset}}/{{file}}.jsonl",
        record=f"{R}/data/{{dataset}}/{{file}}.source.json",
    log:
        f"{R}/logs/download_dataset/{{dataset}}/{{file}}.log",
    priority: 11
    retries: 2
    localrule: True
    conda:
        "../envs/gpu.yaml"
    params:
        sources=config["sources"],
        source=lambda w: plan.canonical(
            sources.identity(REAL["datasets"][w.dataset], f"{w.file}.jsonl")
        ),
    shell:
        "HF_HUB_OFFLINE=0 python workflow_scripts/download_dataset.py --sources {params.sources} --dataset {wildcards.dataset}"
        " --file {wildcards.file}.jsonl --output {output.data} 2>&1 | tee {log}"


rule count_parameters:
    input:
        code=plan.code_of("count_parameters.py"),
        lock=LOCKS["gpu"],
        selections=given_selections,
    output:
        f"{R}/architectures/{{model}}.json",
    log:
        f"{R}/logs/count_parameters/{{model}}.log",
    wildcard_constraints:
        model="|".join(map(re.escape, plan.released_models(config))),
    conda:
        "../envs/gpu.yaml"
    params:
        architecture=lambda w: plan.canonical(
            sources.architecture(config["models"][w.model]["source"])
        ),
        name=lambda w: config["models"][w.model]["source"],
        selections=lambda w: " ".join(
            f"{name}={path}" for name, path in selection_files(w.model).items()
        ),
    shell:
        "python workflow_scripts/count_parameters.py --architectures config/architectures.yaml --model {params.name}"
        " --selection {params.selections} --output {output} 2>&1 | tee {log}"


rule download_model:
    input:
        code=plan.code_of("download_model.py"),
    output:
        f"{R}/models/{{model}}/seed-0/source.json",
    log:
        f"{R}/logs/download_model/{{model}}.log",
    wildcard_constraints:
        model="|".join(map(re.escape, plan.released_models(config))),
    priority: 11
    retries: 2
    localrule: True
    conda:
        "../envs/gpu.yaml"
    params:
        sources=config["sources"],
        source=lambda w: plan.canonical(
            sources.identity(REAL["models"][config["models"][w.model]["source"]])
        ),
        name=lambda w: config["models"][w.model]["source"],
        folder=f"{R}/models/{{model}}/seed-0",
    shell:
        "HF_HUB_OFFLINE=0 python workflow_scripts/download_model.py --sources {params.sources} --model {params.name}"
        " --output {params.folder} 2>&1 | tee {log}"


# Prints what is still to be built will need; it makes nothing, so it runs whenever it is asked for.
rule plan:
    input:
        counts=[
            f"{R}/architectures/{model}.json"
            for model in sorted({cell[0] for cell in paper.grid(config)})
        ],
    localrule: True
    conda:
        "../envs/evaluation.yaml"
    params:
        settings=plan.canonical(config),
        results=R,
    shell:
        "python workflow_scripts/plan.py --settings {params.settings:q} --counts {input.counts} --results {params.results}"
