# Not part of the default run: selection on development users, and timings.


rule sweeps:
    input:
        f"{OUT}/sweeps/rows.json",
        f"{OUT}/sweeps/reader.json",


rule benchmarks:
    input:
        f"{OUT}/bench/row_write.json",


rule sweep_rows:
    input:
        model=MODEL,
        users=USERS,
        sweep="config/sweep_rows.yaml",
    output:
        f"{OUT}/sweeps/rows.json",
    log:
        f"logs/{PROFILE}/sweep_rows.log",
    benchmark:
        f"{OUT}/benchmarks/sweep_rows.tsv"
    threads: THREADS
    resources:
        mem_mb=4500,
    params:
        code=code_of("sweep_rows.py"),
        settings=SETTINGS,
        options=f"--config {CONFIG}",
    message:
        "python code/steps/sweep_rows.py {params.options} --sweep {input.sweep} --users {input.users} --out {output}"
    shell:
        "python code/steps/sweep_rows.py {params.options} --sweep {input.sweep} --users {input.users} --out {output} > {log} 2>&1"


rule sweep_reader:
    input:
        model=MODEL,
        encoder=f"models/{ENCODER}/loci_model.json",
        users=USERS,
        conversations=DIALOGUES,
        sweep="config/sweep_reader.yaml",
    output:
        f"{OUT}/sweeps/reader.json",
    log:
        f"logs/{PROFILE}/sweep_reader.log",
    benchmark:
        f"{OUT}/benchmarks/sweep_reader.tsv"
    threads: THREADS
    resources:
        mem_mb=4500,
    params:
        code=code_of("sweep_reader.py"),
        settings=SETTINGS,
        options=f"--config {CONFIG}",
    message:
        "python code/steps/sweep_reader.py {params.options} --sweep {input.sweep} --users {input.users} --conversations {input.conversations} --out {output}"
    shell:
        "python code/steps/sweep_reader.py {params.options} --sweep {input.sweep} --users {input.users} --conversations {input.conversations} --out {output} > {log} 2>&1"


rule row_write:
    input:
        model=MODEL,
    output:
        f"{OUT}/bench/row_write.json",
    log:
        f"logs/{PROFILE}/row_write.log",
    benchmark:
        f"{OUT}/benchmarks/row_write.tsv"
    threads: THREADS
    resources:
        mem_mb=4500,
    params:
        code=code_hash(Path(workflow.basedir) / "benchmarks" / "row_write.py"),
        settings=settings_of("base", "engram", "write", "closed_form_scale", "row_write"),
        options=f"--config {CONFIG}",
    message:
        "python benchmarks/row_write.py {params.options} --out {output}"
    shell:
        "python benchmarks/row_write.py {params.options} --out {output} > {log} 2>&1"
