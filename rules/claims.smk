# What the papers claim: their printed numbers, and their sentences.


rule audit:
    input:
        code=plan.code_of("audit.py"),
        lock=LOCKS["evaluation"],
        published=sorted(str(path) for path in Path("config/published").glob("*.csv")),
        architectures="config/architectures.yaml",
    output:
        report(
            f"{R}/tables/audit.html",
            category="Claims",
            labels={"table": "audit"},
            caption="../workflow_scripts/claims/claims.rst",
        ),
        [f"{R}/tables/audit.{end}" for end in ("csv", "md", "tex")],
    log:
        f"{R}/logs/audit.log",
    conda:
        "../envs/evaluation.yaml"
    params:
        prefix=lambda w: f"{R}/tables/audit",
    shell:
        "python workflow_scripts/launch/start.py workflow_scripts/audit.py --published config/published"
        " --architectures {input.architectures} --output-prefix {params.prefix} 2>&1 | tee {log}"


rule check_claims:
    input:
        [f"{R}/{path}" for path in paper.claims_needs(config)],
        known=[
            f"{R}/models/{model}/seed-{seed}/knows.json"
            for model in sorted({cell[0] for cell in paper.claims_cells(config)})
            for seed in (*config["seeds"], config["tuning"]["seed"])
            if config["must_know"]
        ],
        code=plan.code_of("check_claims.py"),
        lock=LOCKS["evaluation"],
        others=other_verdicts,
    output:
        report(
            f"{R}/tables/claims.html",
            category="Claims",
            labels={"table": "claims"},
            caption="../workflow_scripts/claims/claims.rst",
        ),
        [f"{R}/tables/claims.{end}" for end in ("csv", "md", "tex")],
        verdicts=f"{R}/claims.json",
    log:
        f"{R}/logs/check_claims.log",
    conda:
        "../envs/evaluation.yaml"
    params:
        settings=plan.canonical(paper.claims_settings(config)),
        results=lambda w: R,
        prefix=lambda w: f"{R}/tables/claims",
    shell:
        "python workflow_scripts/launch/start.py workflow_scripts/check_claims.py --results {params.results} --settings '{params.settings}'"
        ' --others {input.others} --commit "$(git describe --always --dirty 2>/dev/null || echo unknown)"'
        " --verdicts {output.verdicts} --output-prefix {params.prefix} 2>&1 | tee {log}"
