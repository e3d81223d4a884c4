# Files of tables, figures and claims, and what each asks for.
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
        "prefix": prefix_of,
    }


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
