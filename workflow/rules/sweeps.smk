# Optuna sweeps: `sweep_<name>` for each file of experiments/sweeps. Never part of ablate_all.
wildcard_constraints:
    sweep=one_of(SWEEPS),
    worker=r"\d+",


rule sweep_study:
    # Optuna's study, and what all trials start from.
    input:
        lambda wildcards: sweep_plan(wildcards).needs,
    output:
        touch(f"{ROOT}/jobs/sweep/{{sweep}}-{{job}}/created"),
    log:
        f"{ROOT}/logs/sweep/{{sweep}}-{{job}}.log",
    conda:
        ENVIRONMENT
    threads: ASKS["sweep_study"].threads
    resources:
        mem_mb=ASKS["sweep_study"].memory_mb,
        runtime=ASKS["sweep_study"].runtime,
        gpu=ASKS["sweep_study"].gpus,
    params:
        plan=lambda wildcards: sweep_plan(wildcards).path,
    message:
        "sweep {wildcards.sweep}: its Optuna study"
    shell:
        "clipvip sweep create {params.plan:q} 2>&1 | tee {log:q}"


rule sweep_worker:
    # One worker: takes points until as many are tried as asked for.
    input:
        f"{ROOT}/jobs/sweep/{{sweep}}-{{job}}/created",
    output:
        touch(f"{ROOT}/jobs/sweep/{{sweep}}-{{job}}/worker-{{worker}}"),
    log:
        f"{ROOT}/logs/sweep/{{sweep}}-{{job}}-{{worker}}.log",
    conda:
        ENVIRONMENT
    threads: ASKS["sweep_worker"].threads
    resources:
        mem_mb=ASKS["sweep_worker"].memory_mb,
        runtime=lambda wildcards: min(
            ASKS["sweep_worker"].minutes * sweep_plan(wildcards).trials,
            ASKS["sweep_worker"].attempt_minutes or math.inf,
        ),
        gpu=ASKS["sweep_worker"].gpus,
        cpus_per_gpu=ASKS["sweep_worker"].cpus_per_gpu,
    params:
        command=launched_work,
    message:
        "sweep {wildcards.sweep}: worker {wildcards.worker}"
    shell:
        "trap '' TERM; clipvip {params.command:q} 2>&1 | tee -a {log:q}"


rule sweep_best:
    # best.yaml, the figures, a note, and the trials as MLflow runs.
    input:
        f"{ROOT}/mlflow.created",
        lambda wildcards: sweep_plan(wildcards).workers,
    output:
        touch(f"{ROOT}/jobs/sweep/{{sweep}}-{{job}}/finished"),
    log:
        f"{ROOT}/logs/sweep/{{sweep}}-{{job}}-best.log",
    conda:
        ENVIRONMENT
    threads: ASKS["sweep_best"].threads
    resources:
        mem_mb=ASKS["sweep_best"].memory_mb,
        runtime=ASKS["sweep_best"].runtime,
        gpu=ASKS["sweep_best"].gpus,
    params:
        plan=lambda wildcards: sweep_plan(wildcards).path,
        uri=URI,
    message:
        "sweep {wildcards.sweep}: best settings, figures, note"
    shell:
        "clipvip sweep finish {params.plan:q} --uri {params.uri:q} 2>&1 | tee {log:q}"


for name in SWEEPS:

    rule:
        name:
            f"sweep_{name}"
        input:
            lambda wildcards, sweep=name: SweepPlan(JOBS, sweep).finished,
