# Captions of the middle frame of every clip (paper section 3.3).
rule captioner:
    # An image captioner: a folder or hub id, or a small one trained here.
    input:
        needs,
    output:
        touch(f"{ROOT}/jobs/captioner/{{job}}"),
    log:
        f"{ROOT}/logs/captioner/{{job}}.log",
    priority: 90  # captions wait for it
    conda:
        "../../environment.yml"
    threads: ASKS["captioner"].threads
    resources:
        mem_mb=ASKS["captioner"].memory_mb,
        runtime=ASKS["captioner"].minutes,
        gpu=ASKS["captioner"].gpus,
    params:
        specs=specs,
        how=RUN_HOW,
    shell:
        "clipvip run {params.how} {params.specs} 2>&1 | tee {log}"


rule caption_shard:
    # One part of a corpus; its captions wait in the work folder of the cell.
    input:
        needs,
    output:
        touch(f"{ROOT}/jobs/caption_shard/{{job}}"),
    log:
        f"{ROOT}/logs/caption_shard/{{job}}.log",
    conda:
        "../../environment.yml"
    threads: ASKS["caption_shard"].threads
    resources:
        mem_mb=ASKS["caption_shard"].memory_mb,
        runtime=ASKS["caption_shard"].minutes,
        gpu=ASKS["caption_shard"].gpus,
    params:
        specs=specs,
        shard=lambda wildcards: JOBS.by_id[wildcards.job].shard,
        device=RUN.device,
    shell:
        "clipvip caption-shard {params.specs} --shard {params.shard[0]} --of {params.shard[1]}"
        " --device {params.device} 2>&1 | tee {log}"


rule captions:
    # The parts together, and their quality where the scenes are known.
    input:
        needs,
    output:
        touch(f"{ROOT}/jobs/captions/{{job}}"),
    log:
        f"{ROOT}/logs/captions/{{job}}.log",
    conda:
        "../../environment.yml"
    threads: ASKS["captions"].threads
    resources:
        mem_mb=ASKS["captions"].memory_mb,
        runtime=ASKS["captions"].minutes,
        gpu=ASKS["captions"].gpus,
    params:
        specs=specs,
        how=RUN_HOW,
    shell:
        "clipvip run {params.how} {params.specs} 2>&1 | tee {log}"
