# How many facts one table holds.


rule density:
    input:
        model=MODEL,
    output:
        f"{OUT}/density/density.{BASE}.json",
    log:
        f"logs/{PROFILE}/density.log",
    benchmark:
        f"{OUT}/benchmarks/density.tsv"
    threads: 2
    resources:
        mem_mb=4500,
    params:
        code=code_of("density.py"),
        settings=settings_of("base", "engram", "write", "matrix", "density"),
    message:
        f"python code/steps/density.py --config {CONFIG} --out {{output}}"
    shell:
        f"python code/steps/density.py --config {CONFIG} --out {{output}} > {{log}} 2>&1"
