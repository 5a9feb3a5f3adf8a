# Shared readers, rows for the one that recites, and the layered conditions.

_READERS = ["recite", "answer"]
_ADAPTERS = ["base", "user", *_READERS]
_FIRING = ["base", "answer", "recite"]


rule train_reader:
    input:
        model=MODEL,
        encoder=f"models/{ENCODER}/loci_model.json",
    output:
        result=f"{LAYERED}/reader.{{reader}}.{BASE}.s{{seed}}.json",
        adapter=f"{LAYERED}/reader.{{reader}}.{BASE}.s{{seed}}.safetensors",
    log:
        f"logs/{PROFILE}/train_reader.{{reader}}.s{{seed}}.log",
    benchmark:
        f"{OUT}/benchmarks/train_reader.{{reader}}.s{{seed}}.tsv"
    threads: THREADS
    resources:
        mem_mb=lambda wildcards: peak_mb({"recite": 5700, "answer": 2900}[wildcards.reader]),
    params:
        code=code_of("train_reader.py"),
        settings=settings_of("base", "encoder", "people", "reader", "layered"),
        options=f"--config {CONFIG}",
    wildcard_constraints:
        reader="|".join(_READERS),
    message:
        "python code/steps/train_reader.py {params.options} --reader {wildcards.reader} --seed {wildcards.seed}"
        " --out {output.result} --adapter {output.adapter}"
    shell:
        "python code/steps/train_reader.py {params.options} --reader {wildcards.reader} --seed {wildcards.seed}"
        " --out {output.result} --adapter {output.adapter} > {log} 2>&1"


rule write_recited:
    input:
        model=MODEL,
        users=USERS,
        adapter=f"{LAYERED}/reader.recite.{BASE}.s{{seed}}.safetensors",
    output:
        f"{LAYERED}/write_recited.{BASE}.s{{seed}}.json",
    log:
        f"logs/{PROFILE}/write_recited.s{{seed}}.log",
    benchmark:
        f"{OUT}/benchmarks/write_recited.s{{seed}}.tsv"
    threads: THREADS
    resources:
        mem_mb=peak_mb(2000),
    params:
        code=code_of("write_recited.py"),
        settings=settings_of("base", "people", "engram", "write", "reader"),
        options=f"--config {CONFIG}",
    message:
        "python code/steps/write_recited.py {params.options} --users {input.users} --adapter {input.adapter}"
        " --seed {wildcards.seed} --out {output}"
    shell:
        "python code/steps/write_recited.py {params.options} --users {input.users} --adapter {input.adapter}"
        " --seed {wildcards.seed} --out {output} > {log} 2>&1"


rule tune_users:
    input:
        model=MODEL,
        users=USERS,
    output:
        f"{LAYERED}/tune_users.{BASE}.s{{seed}}.json",
    log:
        f"logs/{PROFILE}/tune_users.s{{seed}}.log",
    benchmark:
        f"{OUT}/benchmarks/tune_users.s{{seed}}.tsv"
    threads: THREADS
    resources:
        mem_mb=peak_mb(3100),
    params:
        code=code_of("tune_users.py"),
        settings=settings_of("base", "people", "user_lora"),
        options=f"--config {CONFIG}",
    message:
        "python code/steps/tune_users.py {params.options} --users {input.users} --seed {wildcards.seed} --out {output}"
    shell:
        "python code/steps/tune_users.py {params.options} --users {input.users} --seed {wildcards.seed} --out {output} > {log} 2>&1"


rule ask_layered:
    input:
        model=MODEL,
        encoder=f"models/{ENCODER}/loci_model.json",
        users=USERS,
        rows=rows_under,
        adapter=adapter_of,
        tuned=tuned_of,
    output:
        result=f"{LAYERED}/ask_layered.{BASE}.{{reader}}.json",
        answers=f"{LAYERED}/answers.{BASE}.{{reader}}.jsonl",
    log:
        f"logs/{PROFILE}/ask_layered.{{reader}}.log",
    benchmark:
        f"{OUT}/benchmarks/ask_layered.{{reader}}.tsv"
    threads: THREADS
    resources:
        mem_mb=peak_mb(6200),
    params:
        code=code_of("ask_layered.py"),
        settings=settings_of("base", "encoder", "people", "engram", "matrix", "reader", "user_lora", "layered"),
        options=f"--config {CONFIG}",
        files=lambda wildcards, input: " ".join(
            f"--{name} {path}" for name in ("rows", "adapter", "tuned") for path in [input.get(name)] if path
        ),
    wildcard_constraints:
        reader="|".join(_ADAPTERS),
    message:
        "python code/steps/ask_layered.py {params.options} --users {input.users} --reader {wildcards.reader} {params.files}"
        " --out {output.result} --answers {output.answers}"
    shell:
        "python code/steps/ask_layered.py {params.options} --users {input.users} --reader {wildcards.reader} {params.files}"
        " --out {output.result} --answers {output.answers} > {log} 2>&1"


rule trace_firing:
    input:
        model=MODEL,
        encoder=f"models/{ENCODER}/loci_model.json",
        users=USERS,
        rows=rows_under,
        adapter=adapter_of,
        answers=f"{LAYERED}/answers.{BASE}.{{reader}}.jsonl",
    output:
        f"{LAYERED}/firing.{BASE}.{{reader}}.json",
    log:
        f"logs/{PROFILE}/trace_firing.{{reader}}.log",
    benchmark:
        f"{OUT}/benchmarks/trace_firing.{{reader}}.tsv"
    threads: THREADS
    resources:
        mem_mb=peak_mb(1500),
    params:
        code=code_of("trace_firing.py"),
        settings=settings_of("base", "encoder", "people", "engram", "matrix", "reader", "user_lora", "layered"),
        options=f"--config {CONFIG}",
        adapter=lambda wildcards, input: f"--adapter {input.adapter}" if input.get("adapter") else "",
    wildcard_constraints:
        reader="|".join(_FIRING),
    message:
        "python code/steps/trace_firing.py {params.options} --users {input.users} --reader {wildcards.reader} {params.adapter}"
        " --rows {input.rows} --answers {input.answers} --out {output}"
    shell:
        "python code/steps/trace_firing.py {params.options} --users {input.users} --reader {wildcards.reader} {params.adapter}"
        " --rows {input.rows} --answers {input.answers} --out {output} > {log} 2>&1"


rule score_layered:
    input:
        users=USERS,
        answers=expand(f"{LAYERED}/answers.{BASE}.{{reader}}.jsonl", reader=_ADAPTERS),
        firing=expand(f"{LAYERED}/firing.{BASE}.{{reader}}.json", reader=_FIRING),
    output:
        f"{LAYERED}/layered.{BASE}.json",
    log:
        f"logs/{PROFILE}/score_layered.log",
    benchmark:
        f"{OUT}/benchmarks/score_layered.tsv"
    threads: 1
    resources:
        mem_mb=500,
    params:
        code=code_of("score_layered.py"),
        settings=settings_of("base", "people", "matrix", "layered"),
        options=f"--config {CONFIG}",
    message:
        "python code/steps/score_layered.py {params.options} --users {input.users} --answers {input.answers} --firing {input.firing} --out {output}"
    shell:
        "python code/steps/score_layered.py {params.options} --users {input.users} --answers {input.answers} --firing {input.firing} --out {output} > {log} 2>&1"


rule measure_contamination:
    input:
        model=MODEL,
        users=USERS,
        recite=f"{LAYERED}/reader.recite.{BASE}.s{FIRST}.safetensors",
        answer=f"{LAYERED}/reader.answer.{BASE}.s{FIRST}.safetensors",
        rows=f"{OUT}/matrix/write_rows.{BASE}.s{FIRST}.json",
        recited=f"{LAYERED}/write_recited.{BASE}.s{FIRST}.json",
        tuned=f"{LAYERED}/tune_users.{BASE}.s{FIRST}.json",
    output:
        f"{LAYERED}/contamination.{BASE}.json",
    log:
        f"logs/{PROFILE}/measure_contamination.log",
    benchmark:
        f"{OUT}/benchmarks/measure_contamination.tsv"
    threads: THREADS
    resources:
        mem_mb=peak_mb(2500),
    params:
        code=code_of("measure_contamination.py"),
        settings=settings_of("base", "people", "engram", "matrix", "reader", "user_lora", "side_effects"),
        options=f"--config {CONFIG}",
    message:
        "python code/steps/measure_contamination.py {params.options} --users {input.users} --recite {input.recite} --answer {input.answer}"
        " --rows {input.rows} --recited {input.recited} --tuned {input.tuned} --out {output}"
    shell:
        "python code/steps/measure_contamination.py {params.options} --users {input.users} --recite {input.recite} --answer {input.answer}"
        " --rows {input.rows} --recited {input.recited} --tuned {input.tuned} --out {output} > {log} 2>&1"
