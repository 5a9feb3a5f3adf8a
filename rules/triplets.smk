# Triplets read out of prose (extraction A), for language models that learn from prose with triplets in place of old context.


# Learned from split train in both cases; that split itself is read by halves, each with what the other half taught.
rule extract_prose:
    input:
        encoder=f"models/{ENCODER}/loci_model.json",
        train=f"data/generated/{PROFILE}/prose.train.parquet",
        text=f"data/generated/{PROFILE}/prose.{{split}}.parquet",
    output:
        triplets=f"data/generated/{PROFILE}/extracted.{{split}}.parquet",
        result=f"{OUT}/extraction/a.{{split}}.json",
    log:
        f"logs/{PROFILE}/extract_prose.{{split}}.log",
    benchmark:
        f"{OUT}/benchmarks/extract_prose.{{split}}.tsv"
    threads: THREADS
    resources:
        mem_mb=1800,
    params:
        code=code_of("extract_prose.py"),
        settings=settings_of("encoder"),
        options=f"--config {CONFIG}",
    wildcard_constraints:
        split="train|heldout",
    message:
        "python code/steps/extract_prose.py {params.options} --train {input.train} --text {input.text}"
        " --out {output.triplets} --result {output.result}"
    shell:
        "python code/steps/extract_prose.py {params.options} --train {input.train} --text {input.text}"
        " --out {output.triplets} --result {output.result} > {log} 2>&1"
