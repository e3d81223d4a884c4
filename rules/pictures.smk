# Tables and figures: each asks for exactly the files that it shows.
PICTURE_OPTIONS = f"--results {R} --output-prefix {{params.prefix}}"


rule render_table:
    input:
        unpack(picture_inputs("tables", "render_table")),
        published=sorted(map(str, Path("config/published").glob("*.csv"))),
    output:
        picture_output("tables", ".html"),
    log:
        log_of("render_table", layout.TABLE),
    wildcard_constraints:
        name="|".join(config["tables"]),
    conda:
        "../envs/rendering.yaml"
    params:
        **picture_params("tables"),
    shell:
        stage(
            "render_table",
            f"{PICTURE_OPTIONS} --published config/published --commit {COMMIT}",
        )


rule plot_figure:
    input:
        unpack(picture_inputs("figures", "plot_figure")),
        style="workflow_scripts/figures/figures.mplstyle",
    output:
        picture_output("figures", ".svg"),
    log:
        log_of("plot_figure", layout.FIGURE),
    wildcard_constraints:
        name="|".join(config["figures"]),
    conda:
        "../envs/rendering.yaml"
    params:
        **picture_params("figures"),
    shell:
        stage("plot_figure", PICTURE_OPTIONS)
