# The ablations of CLIP-ViP. `snakemake --cores all ablate_all` fills every table; `ablate_<study>` one.
if "name" not in config:

    configfile: "experiments/mini.yaml"


include: "workflow/rules/common.smk"


# The tables are named although the report needs them: only a target that is missing is sure to be made.
rule all:
    input:
        tables_made(),
        f"{HOME}/report.html",


rule ablate_all:
    input:
        tables_made(),
        f"{HOME}/report.html",


include: "workflow/rules/cells.smk"
include: "workflow/rules/analysis.smk"
include: "workflow/rules/sweeps.smk"


onstart:
    begin()


onerror:
    tables_of_what_is_there()
    end()


onsuccess:
    end()
    print(times(JOBS))
