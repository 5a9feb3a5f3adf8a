# What a write does inside the model.

_INSIDE = f"{OUT}/inside"


rule inspect_rows:
    input:
        model=MODEL,
        users=USERS,
    output:
        f"{_INSIDE}/rows.{BASE}.json",
    log:
        f"logs/{PROFILE}/inspect_rows.log",
    benchmark:
        f"{OUT}/benchmarks/inspect_rows.tsv"
    threads: THREADS
    resources:
        mem_mb=peak_mb(4000),
    params:
        code=code_of("inspect_rows.py"),
        settings=settings_of("base", "engram", "write", "closed_form_scale", "side_effects"),
        inside=inside_of("texts", "adapter"),
        options=f"--config {CONFIG}",
    message:
        "python code/steps/inspect_rows.py {params.options} --users {input.users} --out {output}"
    shell:
        "python code/steps/inspect_rows.py {params.options} --users {input.users} --out {output} > {log} 2>&1"


rule write_depths:
    input:
        model=MODEL,
        users=USERS,
    output:
        f"{_INSIDE}/depths.{BASE}.json",
    log:
        f"logs/{PROFILE}/write_depths.log",
    benchmark:
        f"{OUT}/benchmarks/write_depths.tsv"
    threads: THREADS
    resources:
        mem_mb=peak_mb(3000),
    params:
        code=code_of("write_depths.py"),
        settings=settings_of("base", "engram", "write", "side_effects"),
        inside=inside_of("depths"),
        options=f"--config {CONFIG}",
    message:
        "python code/steps/write_depths.py {params.options} --users {input.users} --out {output}"
    shell:
        "python code/steps/write_depths.py {params.options} --users {input.users} --out {output} > {log} 2>&1"
