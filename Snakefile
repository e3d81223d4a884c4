# Rebuilds the tables and figures of UOE/SEUF (arXiv 2411.18797). Start at README.md.
#   snakemake --cores 2 all_tables all_figures      the micro study, here
from snakemake.utils import min_version

min_version("9.25")


# A profile's or --configfile study stands alone: Snakemake would merge it into this one key by key.
if not workflow.overwrite_configfiles:

    configfile: "config/config.yaml"


include: "rules/common.smk"
include: "rules/models.smk"
include: "rules/cells.smk"
include: "rules/paper.smk"


localrules:
    all,
    all_tables,
    all_figures,


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
