# Raw corpora -> manifests -> frames -> captions -> post-pretraining -> fine-tuning -> evaluation (paper sections 3 and 4).
# A rule a stage, and one for each pack of stages that share a process (run.pack); they differ in nothing else.
for rule_name in JOB_RULES:

    rule:
        name:
            rule_name
        input:
            needs,
        output:
            touch(f"{ROOT}/jobs/{rule_name}/{{job}}"),
        log:
            f"{ROOT}/logs/{rule_name}/{{job}}.log",
        priority: priority
        conda:
            ENVIRONMENT
        threads: ASKS[rule_name].threads
        resources:
            mem_mb=ASKS[rule_name].memory_mb,
            runtime=minutes,
            gpu=ASKS[rule_name].gpus,
            cpus_per_gpu=ASKS[rule_name].cpus_per_gpu,
        params:
            command=command,
            title=title,
        message:
            "{params.title}"
        shell:
            "trap '' TERM; clipvip {params.command:q} 2>&1 | tee -a {log:q}"
