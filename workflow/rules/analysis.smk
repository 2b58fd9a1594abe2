# Tables, notebooks, tracking and the report.
STUDIES = list(JOBS.grid.studies)


rule store:
    # The MLflow store, created once: processes that meet a fresh one would all migrate it.
    output:
        touch(f"{ROOT}/mlflow.created"),
    log:
        f"{ROOT}/logs/store.log",
    conda:
        ENVIRONMENT
    threads: ASKS["store"].threads
    resources:
        mem_mb=ASKS["store"].memory_mb,
        runtime=ASKS["store"].runtime,
        gpu=ASKS["store"].gpus,
    params:
        uri=lambda wildcards: URI,
        artifacts=lambda wildcards: f"{JOBS.root.absolute()}/{ARTIFACTS}",
    message:
        "the MLflow store"
    shell:
        "clipvip track --uri {params.uri:q} --artifacts {params.artifacts:q} 2>&1 | tee {log:q}"


rule table:
    # A study's table, tests and verdicts; named by the cells and the code that they come from. The page shows them at
    # once; the rest of it comes when all is there.
    input:
        lambda wildcards: JOBS.study_markers(JOBS.grid.studies[wildcards.study]),
        plan=f"{HOME}/studies/{{study}}/plan.json",
    output:
        touch(f"{ROOT}/jobs/table/{JOBS.grid.experiment.name}-{{study}}-{{job}}"),
    log:
        f"{ROOT}/logs/table/{{study}}-{{job}}.log",
    priority: 50  # as soon as it can be
    conda:
        ENVIRONMENT
    threads: ASKS["table"].threads
    resources:
        mem_mb=ASKS["table"].memory_mb,
        runtime=ASKS["table"].runtime,
        gpu=ASKS["table"].gpus,
    params:
        folders=[f"{HOME}/studies/{study}" for study in STUDIES],
        page=f"{HOME}/report.html",
    message:
        "table, tests and verdicts · {wildcards.study}"
    shell:
        "(clipvip table {input.plan:q} && clipvip report {params.folders:q} --out {params.page:q})"
        " 2>&1 | tee {log:q}"


rule all_tables:
    # The tables of all studies again, with the training noise of the whole experiment.
    input:
        [JOBS.table_marker(study) for study in JOBS.grid.studies.values()],
    output:
        touch(f"{ROOT}/jobs/tables/{JOBS.grid.experiment.name}-{{job}}"),
    log:
        f"{ROOT}/logs/tables-{{job}}.log",
    conda:
        ENVIRONMENT
    threads: ASKS["all_tables"].threads
    resources:
        mem_mb=ASKS["all_tables"].memory_mb,
        runtime=ASKS["all_tables"].runtime,
        gpu=ASKS["all_tables"].gpus,
    params:
        plans=[f"{HOME}/studies/{study}/plan.json" for study in STUDIES],
    message:
        "the tables of all studies together"
    shell:
        "clipvip table {params.plans:q} 2>&1 | tee {log:q}"


rule notebook:
    # The study's notebook with its outputs, and its figure.
    input:
        table_made,
        notebook=ancient("analysis/{study}.ipynb"),
    output:
        svg=report(
            f"{HOME}/studies/{{study}}/figure.svg",
            category="Figures",
            labels={"study": "{study}"},
        ),
        png=f"{HOME}/studies/{{study}}/figure.png",
        tables=report(
            f"{HOME}/studies/{{study}}/tables.html",
            category="Tables",
            labels={"study": "{study}"},
        ),
        executed=f"{HOME}/notebooks/{{study}}.ipynb",
    log:
        f"{ROOT}/logs/notebook/{{study}}.log",
    wildcard_constraints:
        study=one_of(study for study in STUDIES if has_notebook(study)),
    conda:
        ENVIRONMENT
    threads: ASKS["notebook"].threads
    resources:
        mem_mb=ASKS["notebook"].memory_mb,
        runtime=ASKS["notebook"].runtime,
        gpu=ASKS["notebook"].gpus,
    params:
        folder=lambda wildcards: f"{HOME}/studies/{wildcards.study}",
    message:
        "notebook and figure · {wildcards.study}"
    shell:
        "clipvip notebook {input.notebook:q} {params.folder:q} --out {output.executed:q} 2>&1 | tee {log:q}"


rule general_notebook:
    # The same for a study that has no notebook of its own.
    input:
        table_made,
        notebook=ancient("analysis/study.ipynb"),
    output:
        svg=report(
            f"{HOME}/studies/{{study}}/figure.svg",
            category="Figures",
            labels={"study": "{study}"},
        ),
        png=f"{HOME}/studies/{{study}}/figure.png",
        tables=report(
            f"{HOME}/studies/{{study}}/tables.html",
            category="Tables",
            labels={"study": "{study}"},
        ),
        executed=f"{HOME}/notebooks/{{study}}.ipynb",
    log:
        f"{ROOT}/logs/notebook/{{study}}.log",
    wildcard_constraints:
        study=one_of(study for study in STUDIES if not has_notebook(study)),
    conda:
        ENVIRONMENT
    threads: ASKS["general_notebook"].threads
    resources:
        mem_mb=ASKS["general_notebook"].memory_mb,
        runtime=ASKS["general_notebook"].runtime,
        gpu=ASKS["general_notebook"].gpus,
    params:
        folder=lambda wildcards: f"{HOME}/studies/{wildcards.study}",
    message:
        "notebook and figure · {wildcards.study}"
    shell:
        "clipvip notebook {input.notebook:q} {params.folder:q} --out {output.executed:q} 2>&1 | tee {log:q}"


rule track:
    # The study's cells as MLflow runs.
    input:
        f"{ROOT}/mlflow.created",
        table_made,
        f"{HOME}/studies/{{study}}/figure.png",
        plan=f"{HOME}/studies/{{study}}/plan.json",
    output:
        touch(f"{HOME}/studies/{{study}}/tracked"),
    log:
        f"{ROOT}/logs/track/{{study}}.log",
    conda:
        ENVIRONMENT
    threads: ASKS["track"].threads
    resources:
        mem_mb=ASKS["track"].memory_mb,
        runtime=ASKS["track"].runtime,
        gpu=ASKS["track"].gpus,
    params:
        uri=lambda wildcards: URI,
    message:
        "MLflow runs · {wildcards.study}"
    shell:
        "clipvip track {input.plan:q} --uri {params.uri:q} 2>&1 | tee {log:q}"


rule report:
    # One page that gathers the studies, readable offline.
    input:
        [made for study in STUDIES for made in made_of(study)],
        ancient("clipvip/results/report/page.html.j2"),
    output:
        report(f"{HOME}/report.html", category="Page of all studies"),
    log:
        f"{ROOT}/logs/report.log",
    conda:
        ENVIRONMENT
    threads: ASKS["report"].threads
    resources:
        mem_mb=ASKS["report"].memory_mb,
        runtime=ASKS["report"].runtime,
        gpu=ASKS["report"].gpus,
    params:
        folders=[f"{HOME}/studies/{study}" for study in STUDIES],
    message:
        "the page"
    shell:
        "clipvip report {params.folders:q} --out {output:q} 2>&1 | tee {log:q}"


for study in STUDIES:

    rule:
        name:
            f"ablate_{study}"
        input:
            made_of(study),
