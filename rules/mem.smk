# [mem] vectors: what they hold, what can be answered from them and from trained prefixes, turns that give way to them.

_MEM = f"{OUT}/mem"
# Kinds apart, for a slow text holds up those that it is fitted with. Two vectors, and the published recipe: `make sweeps`.
_CRAMMED = {
    "k1.docs": "--vectors 1 --kinds docs",
    "k1.random": "--vectors 1 --kinds random",
    "k2.docs": "--vectors 2 --kinds docs",
    "published": "--published --kinds docs",
}


rule cram_texts:
    input:
        MODEL,
    output:
        f"{_MEM}/crammed.{{recipe}}.{BASE}.json",
    log:
        f"logs/{PROFILE}/cram_texts.{{recipe}}.log",
    benchmark:
        f"{OUT}/benchmarks/cram_texts.{{recipe}}.tsv"
    threads: 1
    resources:
        mem_mb=peak_mb(3000),
    params:
        code=code_of("cram_texts.py"),
        settings=settings_of("base", "mem"),
        options=f"--config {CONFIG}",
        recipe=lambda wildcards: _CRAMMED[wildcards.recipe],
    wildcard_constraints:
        recipe="|".join(_CRAMMED),
    message:
        "python code/steps/cram_texts.py {params.options} {params.recipe} --out {output}"
    shell:
        "python code/steps/cram_texts.py {params.options} {params.recipe} --out {output} > {log} 2>&1"


rule score_mem:
    input:
        expand(f"{_MEM}/crammed.{{recipe}}.{BASE}.json", recipe=["k1.docs", "k1.random"]),
    output:
        f"{_MEM}/mem.{BASE}.json",
    log:
        f"logs/{PROFILE}/score_mem.log",
    benchmark:
        f"{OUT}/benchmarks/score_mem.tsv"
    threads: 1
    resources:
        mem_mb=500,
    params:
        code=code_of("score_mem.py"),
    message:
        "python code/steps/score_mem.py --crammed {input} --out {output}"
    shell:
        "python code/steps/score_mem.py --crammed {input} --out {output} > {log} 2>&1"


use rule score_mem as score_mem_more with:
    input:
        expand(f"{_MEM}/crammed.{{recipe}}.{BASE}.json", recipe=["k2.docs", "published"]),
    output:
        f"{_MEM}/mem_more.{BASE}.json",
    log:
        f"logs/{PROFILE}/score_mem_more.log",
    benchmark:
        f"{OUT}/benchmarks/score_mem_more.tsv"


rule answer_mem:
    input:
        model=MODEL,
        users=USERS,
    output:
        result=f"{_MEM}/asked.{BASE}.json",
        answers=f"{_MEM}/asked.{BASE}.jsonl",
    log:
        f"logs/{PROFILE}/answer_mem.log",
    benchmark:
        f"{OUT}/benchmarks/answer_mem.tsv"
    threads: 1
    resources:
        mem_mb=peak_mb(4200),
    params:
        code=code_of("answer_mem.py"),
        settings=settings_of("base", "mem", "mem_asked", "matrix"),
        options=f"--config {CONFIG}",
    message:
        "python code/steps/answer_mem.py {params.options} --users {input.users} --out {output.result} --answers {output.answers}"
    shell:
        "python code/steps/answer_mem.py {params.options} --users {input.users} --out {output.result} --answers {output.answers}"
        " > {log} 2>&1"


rule compress_turns:
    input:
        model=MODEL,
        users=USERS,
        conversations=DIALOGUES,
    output:
        result=f"{_MEM}/turns.{BASE}.json",
        answers=f"{_MEM}/turns.{BASE}.jsonl",
    log:
        f"logs/{PROFILE}/compress_turns.log",
    benchmark:
        f"{OUT}/benchmarks/compress_turns.tsv"
    threads: 1
    resources:
        mem_mb=peak_mb(3600),
    params:
        code=code_of("compress_turns.py"),
        settings=settings_of("base", "mem", "mem_asked"),
        options=f"--config {CONFIG}",
    message:
        "python code/steps/compress_turns.py {params.options} --users {input.users} --conversations {input.conversations}"
        " --out {output.result} --answers {output.answers}"
    shell:
        "python code/steps/compress_turns.py {params.options} --users {input.users} --conversations {input.conversations}"
        " --out {output.result} --answers {output.answers} > {log} 2>&1"


rule score_mem_answers:
    input:
        asked=f"{_MEM}/asked.{BASE}.json",
        asked_answers=f"{_MEM}/asked.{BASE}.jsonl",
        turns=f"{_MEM}/turns.{BASE}.json",
        turns_answers=f"{_MEM}/turns.{BASE}.jsonl",
    output:
        f"{_MEM}/answered.{BASE}.json",
    log:
        f"logs/{PROFILE}/score_mem_answers.log",
    benchmark:
        f"{OUT}/benchmarks/score_mem_answers.tsv"
    threads: 1
    resources:
        mem_mb=500,
    params:
        code=code_of("score_mem_answers.py"),
    message:
        "python code/steps/score_mem_answers.py --asked {input.asked} --turns {input.turns} --out {output}"
    shell:
        "python code/steps/score_mem_answers.py --asked {input.asked} --turns {input.turns} --out {output}"
        " > {log} 2>&1"
