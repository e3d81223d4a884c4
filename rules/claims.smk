# What the papers claim: their printed numbers, and their sentences.


rule audit:
    input:
        code=plan.code_of("audit.py"),
        published=sorted(str(path) for path in Path("config/published").glob("*.csv")),
        architectures="config/architectures.yaml",
    output:
        report(
            f"{R}/tables/audit.html",
            category="Claims",
            labels={"table": "audit"},
            caption="../workflow_scripts/paper/claims.rst",
        ),
        [f"{R}/tables/audit.{end}" for end in ("csv", "md", "tex")],
    log:
        f"{R}/logs/audit.log",
    params:
        prefix=f"{R}/tables/audit",
    shell:
        "python workflow_scripts/start.py workflow_scripts/audit.py --published config/published"
        " --architectures {input.architectures} --output-prefix {params.prefix} 2>&1 | tee {log}"
