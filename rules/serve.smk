# The server of many users: load, isolation, kills, and what follows for more users than can be registered here.

_SERVE = SETTINGS["serve"]
SERVED = [f"{OUT}/serve/{name}.json" for name in ("load", "isolate", "kill", "simulate")]


rule load_serve:
    input:
        model=MODEL,
    output:
        f"{OUT}/serve/load.json",
    log:
        f"logs/{PROFILE}/load_serve.log",
    benchmark:
        f"{OUT}/benchmarks/load_serve.tsv"
    threads: workflow.cores  # alone: it measures time
    resources:
        mem_mb=peak_mb(6000),
        disk_mb=9000,
    params:
        code=code_of("load_serve.py"),
        settings=settings_of("base", "engram", "write") | {"serve": {**_SERVE, "isolated": None, "killed": None, "simulated": None}},
        options=f"--config {CONFIG}",
    message:
        "python code/steps/load_serve.py {params.options} --out {output}"
    shell:
        "python code/steps/load_serve.py {params.options} --out {output} > {log} 2>&1"


rule isolate_serve:
    input:
        model=MODEL,
    output:
        f"{OUT}/serve/isolate.json",
    log:
        f"logs/{PROFILE}/isolate_serve.log",
    benchmark:
        f"{OUT}/benchmarks/isolate_serve.tsv"
    threads: THREADS
    resources:
        mem_mb=peak_mb(4500),
    params:
        code=code_of("isolate_serve.py"),
        settings=settings_of("base", "engram", "write", "people", "tenants") | {"isolated": _SERVE["isolated"]},
        options=f"--config {CONFIG}",
    message:
        "python code/steps/isolate_serve.py {params.options} --out {output}"
    shell:
        "python code/steps/isolate_serve.py {params.options} --out {output} > {log} 2>&1"


rule kill_serve:
    output:
        f"{OUT}/serve/kill.json",
    log:
        f"logs/{PROFILE}/kill_serve.log",
    benchmark:
        f"{OUT}/benchmarks/kill_serve.tsv"
    threads: THREADS
    resources:
        mem_mb=2500,
    params:
        code=code_of("kill_serve.py"),
        settings=_SERVE["killed"],
        options=f"--config {CONFIG}",
    message:
        "python code/steps/kill_serve.py {params.options} --out {output}"
    shell:
        "python code/steps/kill_serve.py {params.options} --out {output} > {log} 2>&1"


rule simulate_serve:
    input:
        load=f"{OUT}/serve/load.json",
    output:
        f"{OUT}/serve/simulate.json",
    log:
        f"logs/{PROFILE}/simulate_serve.log",
    benchmark:
        f"{OUT}/benchmarks/simulate_serve.tsv"
    threads: 1
    resources:
        mem_mb=500,
    params:
        code=code_of("simulate_serve.py"),
        settings=_SERVE["simulated"],
        options=f"--config {CONFIG}",
    message:
        "python code/steps/simulate_serve.py {params.options} --load {input.load} --out {output}"
    shell:
        "python code/steps/simulate_serve.py {params.options} --load {input.load} --out {output} > {log} 2>&1"


# As many requests and kills as the server is to withstand; in `sweeps`.
rule isolate_serve_more:
    input:
        model=MODEL,
    output:
        f"{OUT}/sweeps/isolate_serve.{{requests}}.json",
    log:
        f"logs/{PROFILE}/isolate_serve_more.{{requests}}.log",
    benchmark:
        f"{OUT}/benchmarks/isolate_serve_more.{{requests}}.tsv"
    threads: THREADS
    resources:
        mem_mb=peak_mb(4500),
    params:
        code=code_of("isolate_serve.py"),
        settings=settings_of("base", "engram", "write", "people", "tenants") | {"isolated": _SERVE["isolated"]},
        options=f"--config {CONFIG}",
    message:
        "python code/steps/isolate_serve.py {params.options} --requests {wildcards.requests} --out {output}"
    shell:
        "python code/steps/isolate_serve.py {params.options} --requests {wildcards.requests} --out {output} > {log} 2>&1"


rule kill_serve_more:
    output:
        f"{OUT}/sweeps/kill_serve.{{kills}}.json",
    log:
        f"logs/{PROFILE}/kill_serve_more.{{kills}}.log",
    benchmark:
        f"{OUT}/benchmarks/kill_serve_more.{{kills}}.tsv"
    threads: THREADS
    resources:
        mem_mb=2500,
    params:
        code=code_of("kill_serve.py"),
        settings=_SERVE["killed"],
        options=f"--config {CONFIG}",
    message:
        "python code/steps/kill_serve.py {params.options} --kills {wildcards.kills} --out {output}"
    shell:
        "python code/steps/kill_serve.py {params.options} --kills {wildcards.kills} --out {output} > {log} 2>&1"
