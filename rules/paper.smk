# Tables and figures: each asks for exactly the files that it shows.


rule render_table:
    input:
        shown("tables"),
        known=known("tables"),
        code=plan.code_of("render_table.py"),
        lock=LOCKS["rendering"],
        published=sorted(str(path) for path in Path("config/published").glob("*.csv")),
    output:
        report(
            f"{R}/tables/{{name}}.html",
            category="Tables",
            labels={"table": "{name}"},
            caption="../workflow_scripts/tables/captions.rst",
        ),
        [f"{R}/tables/{{name}}.{end}" for end in ("csv", "md", "tex")],
    log:
        f"{R}/logs/render_table/{{name}}.log",
    wildcard_constraints:
        name="|".join(config["tables"]),
    conda:
        "../envs/rendering.yaml"
    params:
        settings=lambda w: plan.canonical(paper.settings("tables", w.name, config)),
        results=lambda w: R,
        prefix=f"{R}/tables/{{name}}",
    shell:
        "python workflow_scripts/launch/start.py workflow_scripts/render_table.py --table {wildcards.name} --results {params.results} --settings '{params.settings}'"
        ' --published config/published --commit "$(git describe --always --dirty 2>/dev/null || echo unknown)"'
        " --output-prefix {params.prefix} 2>&1 | tee {log}"


rule plot_figure:
    input:
        shown("figures"),
        known=known("figures"),
        code=plan.code_of("plot_figure.py"),
        lock=LOCKS["rendering"],
        style="workflow_scripts/figures/figures.mplstyle",
    output:
        report(
            f"{R}/figures/{{name}}.svg",
            category="Figures",
            labels={"figure": "{name}"},
            caption="../workflow_scripts/tables/captions.rst",
        ),
        [f"{R}/figures/{{name}}.{end}" for end in ("pdf", "png")],
    log:
        f"{R}/logs/plot_figure/{{name}}.log",
    wildcard_constraints:
        name="|".join(config["figures"]),
    conda:
        "../envs/rendering.yaml"
    params:
        settings=lambda w: plan.canonical(paper.settings("figures", w.name, config)),
        results=lambda w: R,
        prefix=f"{R}/figures/{{name}}",
    shell:
        "python workflow_scripts/launch/start.py workflow_scripts/plot_figure.py --figure {wildcards.name} --results {params.results} --settings '{params.settings}'"
        " --output-prefix {params.prefix} 2>&1 | tee {log}"
