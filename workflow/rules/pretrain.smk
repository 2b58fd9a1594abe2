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
    threads: ASKS["clip"].threads
    resources:
        mem_mb=ASKS["clip"].memory_mb,
        runtime=ASKS["clip"].minutes,
        gpu=ASKS["clip"].gpus,
    params:
        specs=specs,
        how=RUN_HOW,
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
    threads: ASKS["pretrain"].threads
    resources:
        mem_mb=ASKS["pretrain"].memory_mb,
        runtime=ASKS["pretrain"].minutes,
        gpu=ASKS["pretrain"].gpus,
    params:
        specs=specs,
        how=RUN_HOW,
    shell:
        "clipvip run {params.how} {params.specs} 2>&1 | tee {log}"
