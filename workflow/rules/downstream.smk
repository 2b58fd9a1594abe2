# Fine-tuning and evaluation on the downstream sets (paper section 4).
rule variant:
    # Post-pretraining and all that starts from it, in one process (run.pack).
    input:
        needs,
    output:
        touch(f"{ROOT}/jobs/variant/{{job}}"),
    log:
        f"{ROOT}/logs/variant/{{job}}.log",
    conda:
        "../../environment.yml"
    threads: ASKS["variant"].threads
    resources:
        mem_mb=ASKS["variant"].memory_mb,
        runtime=ASKS["variant"].minutes,
        gpu=ASKS["variant"].gpus,
    params:
        specs=specs,
        how=RUN_HOW,
    shell:
        "clipvip run {params.how} {params.specs} 2>&1 | tee {log}"


rule finetune:
    # One fine-tuning (without run.pack).
    input:
        needs,
    output:
        touch(f"{ROOT}/jobs/finetune/{{job}}"),
    log:
        f"{ROOT}/logs/finetune/{{job}}.log",
    conda:
        "../../environment.yml"
    threads: ASKS["finetune"].threads
    resources:
        mem_mb=ASKS["finetune"].memory_mb,
        runtime=ASKS["finetune"].minutes,
        gpu=ASKS["finetune"].gpus,
    params:
        specs=specs,
        how=RUN_HOW,
    shell:
        "clipvip run {params.how} {params.specs} 2>&1 | tee {log}"


rule evaluate:
    # One evaluation (without run.pack).
    input:
        needs,
    output:
        touch(f"{ROOT}/jobs/evaluate/{{job}}"),
    log:
        f"{ROOT}/logs/evaluate/{{job}}.log",
    conda:
        "../../environment.yml"
    threads: ASKS["evaluate"].threads
    resources:
        mem_mb=ASKS["evaluate"].memory_mb,
        runtime=ASKS["evaluate"].minutes,
        gpu=ASKS["evaluate"].gpus,
    params:
        specs=specs,
        how=RUN_HOW,
    shell:
        "clipvip run {params.how} {params.specs} 2>&1 | tee {log}"
