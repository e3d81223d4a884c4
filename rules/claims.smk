# What the papers claim: their printed numbers, and their sentences.
PUBLISHED = sorted(map(str, Path("config/published").glob("*.csv")))


def ledger_table(name):
    """A table's files without the one that the report shows."""
    extensions = [end for end in layout.TABLE_EXTENSIONS if end != "html"]
    return [f"{R}/{layout.path(layout.TABLE, name=name)}.{end}" for end in extensions]


def in_report(name):
    return report(
        f"{R}/{layout.path(layout.TABLE, name=name)}.html",
        category="Claims",
        labels={"table": name},
        caption="caption.rst",
    )


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
        prefix=f"{R}/{layout.path(layout.TABLE, name='audit')}",
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
        prefix=f"{R}/{layout.path(layout.TABLE, name='claims')}",
    shell:
        judging
