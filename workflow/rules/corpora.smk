# Raw corpora -> manifests -> frame caches.
rule prepare:
    # A corpus from its files to its frames, in one process (run.pack).
    input:
        needs,
    output:
        touch(f"{ROOT}/jobs/prepare/{{job}}"),
    log:
        f"{ROOT}/logs/prepare/{{job}}.log",
    conda:
        "../../environment.yml"
    threads: ASKS["prepare"].threads
    resources:
        mem_mb=ASKS["prepare"].memory_mb,
        runtime=ASKS["prepare"].minutes,
        gpu=ASKS["prepare"].gpus,
    params:
        specs=specs,
    shell:
        "clipvip run {params.specs} 2>&1 | tee {log}"


rule world:
    # A part of the generated world, as files in a public format.
    input:
        needs,
    output:
        touch(f"{ROOT}/jobs/world/{{job}}"),
    log:
        f"{ROOT}/logs/world/{{job}}.log",
    conda:
        "../../environment.yml"
    threads: ASKS["world"].threads
    resources:
        mem_mb=ASKS["world"].memory_mb,
        runtime=ASKS["world"].minutes,
        gpu=ASKS["world"].gpus,
    params:
        specs=specs,
    shell:
        "clipvip run {params.specs} 2>&1 | tee {log}"


rule corpus:
    # A corpus in its public format -> the one manifest, with a receipt of what is missing.
    input:
        needs,
    output:
        touch(f"{ROOT}/jobs/corpus/{{job}}"),
    log:
        f"{ROOT}/logs/corpus/{{job}}.log",
    conda:
        "../../environment.yml"
    threads: ASKS["corpus"].threads
    resources:
        mem_mb=ASKS["corpus"].memory_mb,
        runtime=ASKS["corpus"].minutes,
        gpu=ASKS["corpus"].gpus,
    params:
        specs=specs,
    shell:
        "clipvip run {params.specs} 2>&1 | tee {log}"


rule frames:
    # Every frame of a corpus, decoded once.
    input:
        needs,
    output:
        touch(f"{ROOT}/jobs/frames/{{job}}"),
    log:
        f"{ROOT}/logs/frames/{{job}}.log",
    conda:
        "../../environment.yml"
    threads: ASKS["frames"].threads
    resources:
        mem_mb=ASKS["frames"].memory_mb,
        runtime=ASKS["frames"].minutes,
        gpu=ASKS["frames"].gpus,
    params:
        specs=specs,
    shell:
        "clipvip run {params.specs} 2>&1 | tee {log}"
