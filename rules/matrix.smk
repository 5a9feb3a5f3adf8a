# Users into memories, questions to memories, scores: one job a step, and a seed where rows are written.

_MATRIX = f"{OUT}/matrix"
_WRITES = ["facts", "dialogue"]  # how memories of text are told: clean sentences, or turns
_GROWTH = f"{OUT}/growth"


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
    threads: THREADS
    resources:
        mem_mb=peak_mb(3500),
    params:
        code=code_of("write_rows.py"),
        settings=settings_of("base", "people", "engram", "write", "closed_form_scale", "matrix"),
    message:
        f"python code/steps/write_rows.py --config {CONFIG} --users {{input.users}} --seed {{wildcards.seed}} --out {{output}}"
    shell:
        f"python code/steps/write_rows.py --config {CONFIG} --users {{input.users}} --seed {{wildcards.seed}} --out {{output}}"
        " > {log} 2>&1"


rule ask_rows:
    input:
        model=MODEL,
        users=USERS,
        rows=expand(f"{_MATRIX}/write_rows.{BASE}.s{{seed}}.json", seed=SEEDS),
    output:
        result=f"{_MATRIX}/ask_rows.{BASE}.json",
        answers=f"{_MATRIX}/answers.{BASE}.rows.jsonl",
    log:
        f"logs/{PROFILE}/ask_rows.{BASE}.log",
    benchmark:
        f"{OUT}/benchmarks/ask_rows.{BASE}.tsv"
    threads: THREADS
    resources:
        mem_mb=peak_mb(5500),
    params:
        code=code_of("ask_rows.py"),
        settings=settings_of("base", "people", "engram", "matrix"),
        options=f"--config {CONFIG}",
    message:
        "python code/steps/ask_rows.py {params.options} --users {input.users} --rows {input.rows}"
        " --out {output.result} --answers {output.answers}"
    shell:
        "python code/steps/ask_rows.py {params.options} --users {input.users} --rows {input.rows}"
        " --out {output.result} --answers {output.answers} > {log} 2>&1"


rule recall_memories:
    input:
        encoder=f"models/{ENCODER}/loci_model.json",
        users=USERS,
        conversations=lambda wildcards: [DIALOGUES] if wildcards.write == "dialogue" else [],
        model=[MODEL] if "managed_llm" in SETTINGS["matrix"]["memories"] else [],
    output:
        result=f"{_MATRIX}/recall.{{write}}.json",
        recalls=f"{_MATRIX}/recalls.{{write}}.jsonl",
    log:
        f"logs/{PROFILE}/recall_memories.{{write}}.log",
    benchmark:
        f"{OUT}/benchmarks/recall_memories.{{write}}.tsv"
    threads: THREADS
    resources:
        mem_mb=peak_mb(2500),
    params:
        code=code_of("recall_memories.py"),
        settings=settings_of("base", "encoder", "people", "matrix"),
        options=lambda wildcards, input: f"--config {CONFIG} --users {input.users}"
        + (f" --conversations {input.conversations}" if wildcards.write == "dialogue" else ""),
    wildcard_constraints:
        write="|".join(_WRITES),
    message:
        "python code/steps/recall_memories.py {params.options} --out {output.result} --recalls {output.recalls}"
    shell:
        "python code/steps/recall_memories.py {params.options} --out {output.result} --recalls {output.recalls} > {log} 2>&1"


rule ask_recalls:
    input:
        model=MODEL,
        users=USERS,
        recalls=f"{_MATRIX}/recalls.{{write}}.jsonl",
    output:
        result=f"{_MATRIX}/ask_recalls.{BASE}.{{write}}.json",
        answers=f"{_MATRIX}/answers.{BASE}.{{write}}.jsonl",
    log:
        f"logs/{PROFILE}/ask_recalls.{BASE}.{{write}}.log",
    benchmark:
        f"{OUT}/benchmarks/ask_recalls.{BASE}.{{write}}.tsv"
    threads: THREADS
    resources:
        mem_mb=peak_mb(5500),
    params:
        code=code_of("ask_recalls.py"),
        settings=settings_of("base", "people", "engram", "matrix"),
        options=f"--config {CONFIG}",
    wildcard_constraints:
        write="|".join([*_WRITES, "growth"]),
    message:
        "python code/steps/ask_recalls.py {params.options} --users {input.users} --recalls {input.recalls}"
        " --out {output.result} --answers {output.answers}"
    shell:
        "python code/steps/ask_recalls.py {params.options} --users {input.users} --recalls {input.recalls}"
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
    threads: THREADS
    resources:
        mem_mb=peak_mb(3500),
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
        recalled=expand(f"{_MATRIX}/recall.{{write}}.json", write=_WRITES),
        answers=expand(f"{_MATRIX}/answers.{BASE}.{{write}}.jsonl", write=["rows", *_WRITES]),
        asked=f"{_MATRIX}/ask_rows.{BASE}.json",
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
        " --recalled {input.recalled} --answers {input.answers} --asked {input.asked} --side-effects {input.side_effects} --out {output}"
    shell:
        "python code/steps/score_matrix.py {params.options} --users {input.users} --rows {input.rows}"
        " --recalled {input.recalled} --answers {input.answers} --asked {input.asked} --side-effects {input.side_effects} --out {output} > {log} 2>&1"


rule grow_memories:
    input:
        encoder=f"models/{ENCODER}/loci_model.json",
        users=USERS,
        corpora=GROWTH_CORPORA,
    output:
        result=f"{_GROWTH}/growth.json",
        recalls=f"{_MATRIX}/recalls.growth.jsonl",
    log:
        f"logs/{PROFILE}/grow_memories.log",
    benchmark:
        f"{OUT}/benchmarks/grow_memories.tsv"
    threads: THREADS
    resources:
        mem_mb=peak_mb(4000),
    params:
        code=code_of("grow_memories.py"),
        settings=settings_of("encoder", "people", "matrix", "growth"),
        options=f"--config {CONFIG}",
    message:
        "python code/steps/grow_memories.py {params.options} --users {input.users} --corpora {input.corpora}"
        " --out {output.result} --recalls {output.recalls}"
    shell:
        "python code/steps/grow_memories.py {params.options} --users {input.users} --corpora {input.corpora}"
        " --out {output.result} --recalls {output.recalls} > {log} 2>&1"


rule score_growth:
    input:
        users=USERS,
        answers=f"{_MATRIX}/answers.{BASE}.growth.jsonl",
    output:
        f"{_GROWTH}/answers.{BASE}.json",
    log:
        f"logs/{PROFILE}/score_growth.log",
    benchmark:
        f"{OUT}/benchmarks/score_growth.tsv"
    threads: 1
    resources:
        mem_mb=500,
    params:
        code=code_of("score_growth.py"),
        settings=settings_of("base", "growth"),
        options=f"--config {CONFIG}",
    message:
        "python code/steps/score_growth.py {params.options} --users {input.users} --answers {input.answers} --out {output}"
    shell:
        "python code/steps/score_growth.py {params.options} --users {input.users} --answers {input.answers} --out {output}"
        " > {log} 2>&1"


rule ablate_distilled:
    output:
        f"{OUT}/matrix/distilled.json",
    log:
        f"logs/{PROFILE}/ablate_distilled.log",
    benchmark:
        f"{OUT}/benchmarks/ablate_distilled.tsv"
    threads: 1
    resources:
        mem_mb=500,
    params:
        code=code_of("ablate_distilled.py"),
        settings=settings_of("distilled"),
        options=f"--config {CONFIG}",
    message:
        "python code/steps/ablate_distilled.py {params.options} --out {output}"
    shell:
        "python code/steps/ablate_distilled.py {params.options} --out {output} > {log} 2>&1"
