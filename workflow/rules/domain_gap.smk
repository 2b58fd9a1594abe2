# The language domain gap (paper section 3.1).
rule gap:
    # NMI of every language source against every downstream set.
    input:
        needs,
    output:
        touch(f"{ROOT}/jobs/gap/{{job}}"),
    log:
        f"{ROOT}/logs/gap/{{job}}.log",
    conda:
        "../../environment.yml"
    threads: ASKS["gap"].threads
    resources:
        mem_mb=ASKS["gap"].memory_mb,
        runtime=ASKS["gap"].minutes,
        gpu=ASKS["gap"].gpus,
    params:
        specs=specs,
    shell:
        "clipvip run {params.specs} 2>&1 | tee {log}"
