# Users into memories, questions to memories, scores: one job a step, and a seed where rows are written.

_MATRIX = f"{OUT}/matrix"


rule write_rows:
    input:
        model=MODEL,
        users=USERS,
    output:
        f"{_MATRIX}/write_rows.{BASE}.s{{seed}}.json",
    log:
        f"logs/{PROFILE}/write_rows.{BASE}.s{{seed}}.log",
    benchmark:
        f"{OUT}/benchmarks/write_rows.{BASE}.s{{seed}}.tsv"
    threads: 2
    resources:
        mem_mb=3500,
    params:
        code=code_of("write_rows.py"),
        settings=settings_of("base", "people", "engram", "write", "closed_form_scale", "matrix"),
    message:
        f"python code/steps/write_rows.py --config {CONFIG} --users {{input.users}} --seed {{wildcards.seed}} --out {{output}}"
    shell:
        f"python code/steps/write_rows.py --config {CONFIG} --users {{input.users}} --seed {{wildcards.seed}} --out {{output}}"
        " > {log} 2>&1"


rule ask_memories:
    input:
        model=MODEL,
        users=USERS,
        rows=expand(f"{_MATRIX}/write_rows.{BASE}.s{{seed}}.json", seed=SEEDS),
    output:
        result=f"{_MATRIX}/ask_memories.{BASE}.json",
        answers=f"{_MATRIX}/answers.{BASE}.jsonl",
    log:
        f"logs/{PROFILE}/ask_memories.{BASE}.log",
    benchmark:
        f"{OUT}/benchmarks/ask_memories.{BASE}.tsv"
    threads: 2
    resources:
        mem_mb=4000,
    params:
        code=code_of("ask_memories.py"),
        settings=settings_of("base", "people", "engram", "matrix"),
        options=f"--config {CONFIG}",
    message:
        "python code/steps/ask_memories.py {params.options} --users {input.users} --rows {input.rows}"
        " --out {output.result} --answers {output.answers}"
    shell:
        "python code/steps/ask_memories.py {params.options} --users {input.users} --rows {input.rows}"
        " --out {output.result} --answers {output.answers} > {log} 2>&1"


rule measure_side_effects:
    input:
        model=MODEL,
        users=USERS,
        rows=f"{_MATRIX}/write_rows.{BASE}.s{{seed}}.json",
    output:
        f"{_MATRIX}/side_effects.{BASE}.s{{seed}}.json",
    log:
        f"logs/{PROFILE}/side_effects.{BASE}.s{{seed}}.log",
    benchmark:
        f"{OUT}/benchmarks/side_effects.{BASE}.s{{seed}}.tsv"
    threads: 2
    resources:
        mem_mb=3500,
    params:
        code=code_of("measure_side_effects.py"),
        settings=settings_of("base", "people", "engram", "side_effects"),
        options=f"--config {CONFIG}",
    message:
        "python code/steps/measure_side_effects.py {params.options} --users {input.users} --rows {input.rows}"
        " --seed {wildcards.seed} --out {output}"
    shell:
        "python code/steps/measure_side_effects.py {params.options} --users {input.users} --rows {input.rows}"
        " --seed {wildcards.seed} --out {output} > {log} 2>&1"


rule score_matrix:
    input:
        users=USERS,
        rows=expand(f"{_MATRIX}/write_rows.{BASE}.s{{seed}}.json", seed=SEEDS),
        answers=f"{_MATRIX}/answers.{BASE}.jsonl",
        asked=f"{_MATRIX}/ask_memories.{BASE}.json",
        side_effects=expand(f"{_MATRIX}/side_effects.{BASE}.s{{seed}}.json", seed=SEEDS),
    output:
        f"{_MATRIX}/matrix.{BASE}.json",
    log:
        f"logs/{PROFILE}/score_matrix.log",
    benchmark:
        f"{OUT}/benchmarks/score_matrix.tsv"
    threads: 1
    resources:
        mem_mb=500,
    params:
        code=code_of("score_matrix.py"),
        settings=settings_of("base", "people", "matrix"),
        options=f"--config {CONFIG}",
    message:
        "python code/steps/score_matrix.py {params.options} --users {input.users} --rows {input.rows}"
        " --answers {input.answers} --asked {input.asked} --side-effects {input.side_effects} --out {output}"
    shell:
        "python code/steps/score_matrix.py {params.options} --users {input.users} --rows {input.rows}"
        " --answers {input.answers} --asked {input.asked} --side-effects {input.side_effects} --out {output} > {log} 2>&1"
