# Live memory: a small model is taught to remember in a state of constant size, then asked with and without it.

_LIVE = SETTINGS["live"]


rule pretrain_live:
    output:
        result=f"{OUT}/live/pretrain.{{model}}.s{{seed}}.json",
        weights=f"{OUT}/live/pretrain.{{model}}.s{{seed}}.safetensors",
    log:
        f"logs/{PROFILE}/pretrain_live.{{model}}.s{{seed}}.log",
    benchmark:
        f"{OUT}/benchmarks/pretrain_live.{{model}}.s{{seed}}.tsv"
    threads: THREADS
    resources:
        mem_mb=1500,
    params:
        code=code_of("pretrain_live.py"),
        settings={name: value for name, value in _LIVE.items() if name not in ("seeds", "asked", "mqar")},
        options=f"--config {CONFIG}",
    wildcard_constraints:
        model="delta|attention",
    message:
        "python code/steps/pretrain_live.py {params.options} --model {wildcards.model} --seed {wildcards.seed} --out {output.result}"
        " --weights {output.weights}"
    shell:
        "python code/steps/pretrain_live.py {params.options} --model {wildcards.model} --seed {wildcards.seed} --out {output.result}"
        " --weights {output.weights} > {log} 2>&1"


rule ask_live:
    input:
        trained=f"{OUT}/live/pretrain.delta.s{{seed}}.json",
        twin=f"{OUT}/live/pretrain.attention.s{{seed}}.json",
        weights=expand(f"{OUT}/live/pretrain.{{model}}.s{{{{seed}}}}.safetensors", model=["delta", "attention"]),
    output:
        result=f"{OUT}/live/asked.s{{seed}}.json",
        answers=f"{OUT}/live/asked.s{{seed}}.jsonl",
    log:
        f"logs/{PROFILE}/ask_live.s{{seed}}.log",
    benchmark:
        f"{OUT}/benchmarks/ask_live.s{{seed}}.tsv"
    threads: THREADS
    resources:
        mem_mb=1500,
    params:
        code=code_of("ask_live.py"),
        settings=_LIVE["asked"],
        options=f"--config {CONFIG}",
    message:
        "python code/steps/ask_live.py {params.options} --trained {input.trained} --twin {input.twin} --out {output.result}"
        " --answers {output.answers}"
    shell:
        "python code/steps/ask_live.py {params.options} --trained {input.trained} --twin {input.twin} --out {output.result}"
        " --answers {output.answers} > {log} 2>&1"


rule score_live:
    input:
        asked=expand(f"{OUT}/live/asked.s{{seed}}.json", seed=_LIVE["seeds"]),
        answers=expand(f"{OUT}/live/asked.s{{seed}}.jsonl", seed=_LIVE["seeds"]),
    output:
        f"{OUT}/live/live.json",
    log:
        f"logs/{PROFILE}/score_live.log",
    benchmark:
        f"{OUT}/benchmarks/score_live.tsv"
    threads: 1
    resources:
        mem_mb=500,
    params:
        code=code_of("score_live.py"),
    message:
        "python code/steps/score_live.py --asked {input.asked} --answers {input.answers} --out {output}"
    shell:
        "python code/steps/score_live.py --asked {input.asked} --answers {input.answers} --out {output} > {log} 2>&1"


rule mqar_live:
    output:
        f"{OUT}/live/mqar.json",
    log:
        f"logs/{PROFILE}/mqar_live.log",
    benchmark:
        f"{OUT}/benchmarks/mqar_live.tsv"
    threads: THREADS
    resources:
        mem_mb=1500,
    params:
        code=code_of("mqar_live.py"),
        settings=_LIVE["mqar"],
        options=f"--config {CONFIG}",
    message:
        "python code/steps/mqar_live.py {params.options} --out {output}"
    shell:
        "python code/steps/mqar_live.py {params.options} --out {output} > {log} 2>&1"
