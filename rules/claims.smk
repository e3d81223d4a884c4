# What the papers claim: their printed numbers, and their sentences.


rule audit:
    input:
        **code("audit", "evaluation"),
        published=PUBLISHED,
        architectures="config/architectures.yaml",
    output:
        in_report("audit"),
        ledger_table("audit"),
    log:
        f"{R}/logs/audit.log",
    conda:
        "../envs/evaluation.yaml"
    params:
        caption=ledger.caption("audit"),
        prefix=prefix_of,
    shell:
        "python workflow_scripts/launch/start.py workflow_scripts/audit.py --published config/published"
        " --architectures {input.architectures} --output-prefix {params.prefix} 2>&1 | tee {log}"


judging = stage(
    "check_claims",
    f"--results {R} --others {{input.others}} --commit {COMMIT}"
    " --verdicts {output.verdicts} --output-prefix {params.prefix}",
)


rule check_claims:
    input:
        [f"{R}/{path}" for path in ledger.files(config)],
        **code("check_claims", "evaluation"),
        knowledge=inputs.knowledge_checks(ledger.models(config)),
        others=lambda w: ledger.other_verdicts(config["study"]),
    output:
        in_report("claims"),
        ledger_table("claims"),
        verdicts=f"{R}/{layout.CLAIMS}",
    log:
        f"{R}/logs/check_claims.log",
    conda:
        "../envs/evaluation.yaml"
    params:
        caption=ledger.caption("claims"),
        settings=blocks.canonical(ledger.settings(config)),
        prefix=prefix_of,
    shell:
        judging
