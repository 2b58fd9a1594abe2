# The starting CLIP and post-pretraining (paper section 3).
rule clip:
    # A CLIP: a folder or hub id, or a small one trained here.
    input:
        needs,
    output:
        touch(f"{ROOT}/jobs/clip/{{job}}"),
    log:
        f"{ROOT}/logs/clip/{{job}}.log",
    priority: 100  # everything waits for it
    conda:
        "../../environment.yml"
    threads: RUN.threads
    resources:
        mem_mb=RUN.memory_mb,
        runtime=RUN.minutes,
        gpu=RUN.gpus,
    params:
        specs=specs,
        how=HOW,
    shell:
        "clipvip run {params.how} {params.specs} 2>&1 | tee {log}"


rule pretrain:
    # Post-pretraining of one variant and seed.
    input:
        needs,
    output:
        touch(f"{ROOT}/jobs/pretrain/{{job}}"),
    log:
        f"{ROOT}/logs/pretrain/{{job}}.log",
    conda:
        "../../environment.yml"
    threads: RUN.threads
    resources:
        mem_mb=RUN.memory_mb,
        runtime=RUN.minutes,
        gpu=RUN.gpus,
    params:
        specs=specs,
        how=HOW,
    shell:
        "clipvip run {params.how} {params.specs} 2>&1 | tee {log}"
