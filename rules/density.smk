# How many facts one table holds.


rule density:
    input:
        model=MODEL,
    output:
        f"{OUT}/density/answers.{BASE}.json",
    log:
        f"logs/{PROFILE}/density.log",
    benchmark:
        f"{OUT}/benchmarks/density.tsv"
    threads: THREADS
    resources:
        mem_mb=peak_mb(4500),
    params:
        code=code_of("density.py"),
        settings=settings_of("base", "engram", "write", "matrix", "density"),
    message:
        f"python code/steps/density.py --config {CONFIG} --out {{output}}"
    shell:
        f"python code/steps/density.py --config {CONFIG} --out {{output}} > {{log}} 2>&1"


rule score_density:
    input:
        f"{OUT}/density/answers.{BASE}.json",
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
        "python code/steps/score_density.py --answers {input} --out {output}"
    shell:
        "python code/steps/score_density.py --answers {input} --out {output} > {log} 2>&1"
