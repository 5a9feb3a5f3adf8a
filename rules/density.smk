# How many facts one table holds.


rule density:
    input:
        model=MODEL,
    output:
        result=f"{OUT}/density/tables.{BASE}.json",
        answers=f"{OUT}/density/answers.{BASE}.jsonl",
    log:
        f"logs/{PROFILE}/density.log",
    benchmark:
        f"{OUT}/benchmarks/density.tsv"
    threads: THREADS
    resources:
        mem_mb=peak_mb(4500),
    params:
        code=code_of("density.py"),
        settings=settings_of("base", "engram", "write", "matrix", "side_effects", "density"),
    message:
        f"python code/steps/density.py --config {CONFIG} --out {{output.result}} --answers {{output.answers}}"
    shell:
        f"python code/steps/density.py --config {CONFIG} --out {{output.result}} --answers {{output.answers}} > {{log}} 2>&1"


rule score_density:
    input:
        tables=f"{OUT}/density/tables.{BASE}.json",
        answers=f"{OUT}/density/answers.{BASE}.jsonl",
    output:
        f"{OUT}/density/density.{BASE}.json",
    log:
        f"logs/{PROFILE}/score_density.log",
    benchmark:
        f"{OUT}/benchmarks/score_density.tsv"
    threads: 1
    resources:
        mem_mb=200,
    params:
        code=code_of("score_density.py"),
    message:
        "python code/steps/score_density.py --tables {input.tables} --answers {input.answers} --out {output}"
    shell:
        "python code/steps/score_density.py --tables {input.tables} --answers {input.answers} --out {output} > {log} 2>&1"
