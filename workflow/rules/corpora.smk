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
    threads: 1
    resources:
        mem_mb=RUN.memory_mb,
        runtime=RUN.minutes,
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
    threads: 1
    resources:
        mem_mb=RUN.memory_mb,
        runtime=RUN.minutes,
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
    threads: 1
    resources:
        mem_mb=RUN.memory_mb,
        runtime=RUN.minutes,
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
    threads: 1
    resources:
        mem_mb=RUN.memory_mb,
        runtime=RUN.minutes,
    params:
        specs=specs,
    shell:
        "clipvip run {params.specs} 2>&1 | tee {log}"
