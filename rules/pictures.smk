# Tables and figures: each asks for exactly the files that it shows.
OF_KIND = {
    "tables": (layout.TABLE, layout.TABLE_EXTENSIONS),
    "figures": (layout.FIGURE, layout.FIGURE_EXTENSIONS),
}


def picture_files(kind, names):
    """All files of pictures; names may be a wildcard."""
    pattern, extensions = OF_KIND[kind]
    return expand(f"{R}/{pattern}.{{extension}}", name=names, extension=extensions)


def all_pictures(kind, extra=False):
    """Files of those pictures that all_tables or all_figures builds, or of the extras."""
    return picture_files(
        kind, [name for name in config[kind] if (name in config["extras"]) == extra]
    )


TABLES = all_pictures("tables")
FIGURES = all_pictures("figures")
EXTRAS = all_pictures("tables", extra=True) + all_pictures("figures", extra=True)


def picture_inputs(kind, script):
    """What a picture shows, that its models passed their knowledge checks, and its own code."""

    def of(wildcards):
        name = wildcards.name
        models = pictures.settings(kind, name, config)["models"]
        return {
            "results": [f"{R}/{path}" for path in pictures.files(kind, name, config)],
            "knowledge_checks": inputs.knowledge_checks(models),
        } | code(script, "rendering", f"{kind}/{name}.py")

    return of


def picture_output(kind, shown):
    """Output of a picture: all its files, of which the report shows one."""
    label = kind.removesuffix("s")
    paths = picture_files(kind, "{name}")
    about = {"category": kind.capitalize(), "labels": {label: "{name}"}}
    about["caption"] = "caption.rst"
    return [report(p, **about) if p.endswith(shown) else p for p in paths]


def picture_params(kind):
    """Params of a picture: its settings, its text in the report, and paths."""
    return {
        "settings": lambda w: blocks.canonical(pictures.settings(kind, w.name, config)),
        "caption": lambda w: pictures.caption(kind, w.name),
        "prefix": f"{R}/{OF_KIND[kind][0]}",
    }


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
