# Rebuilds the tables and figures of UOE/SEUF (arXiv 2411.18797). Start at README.md.
#   snakemake --cores 2 all_tables all_figures      the micro study, here
#   snakemake --profile slurm all_tables            the real models, on a Slurm cluster (slurm/profile.yaml)
#   snakemake --profile local all_tables            the real models, on one machine with a GPU (local/profile.yaml)
from snakemake.utils import min_version

min_version("9.25")


# A profile's or --configfile study stands alone: Snakemake would merge it into this one key by key.
if not workflow.overwrite_configfiles:

    configfile: "config/config.yaml"


include: "rules/common.smk"
include: "rules/jobs.smk"
include: "rules/picture_files.smk"


if "data" in config:

    include: "rules/world.smk"


if REAL:

    include: "rules/sources.smk"


include: "rules/models.smk"
include: "rules/cells.smk"
include: "rules/attacks.smk"
include: "rules/pictures.smk"
include: "rules/claims.smk"


localrules:  # a second of work each: on a cluster they run beside Snakemake
    all,
    all_tables,
    all_figures,
    all_extras,
    check_knows_world,
    select_experts,
    choose_checkpoint,
    render_table,
    plot_figure,
    audit,
    check_claims,
    all_claims,


rule all:
    default_target: True
    input:
        TABLES,
        FIGURES,


rule all_tables:
    input:
        TABLES,


rule all_figures:
    input:
        FIGURES,


rule all_extras:
    input:
        EXTRAS,


rule all_claims:
    input:
        rules.audit.output,
        rules.check_claims.output,
