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


rule inspect_pretrained:
    input:
        facts=expand(_CORPORA, axis="distinct"),
        corpus=_LONG,
        held=f"data/generated/{PROFILE}/prose.heldout.parquet",
        tokenizer=f"data/generated/{PROFILE}/bpe.json",
        trained=expand(f"{OUT}/pretrain/engram.s{{seed}}.json", seed=SETTINGS["pretrained"]["seeds"]),
    output:
        f"{_INSIDE}/pretrained.json",
    log:
        f"logs/{PROFILE}/inspect_pretrained.log",
    benchmark:
        f"{OUT}/benchmarks/inspect_pretrained.tsv"
    threads: THREADS
    resources:
        mem_mb=1500,
    params:
        code=code_of("inspect_pretrained.py"),
        settings=settings_of("pretrain", "pretrained"),
        inside=inside_of("texts"),
        options=f"--config {CONFIG}",
    message:
        "python code/steps/inspect_pretrained.py {params.options} --trained {input.trained} --facts {input.facts} --corpus {input.corpus} --held-out {input.held} --tokenizer {input.tokenizer} --out {output}"
    shell:
        "python code/steps/inspect_pretrained.py {params.options} --trained {input.trained} --facts {input.facts} --corpus {input.corpus} --held-out {input.held} --tokenizer {input.tokenizer} --out {output} > {log} 2>&1"


rule distil_mentions:
    input:
        model=MODEL,
        users=USERS,
    output:
        f"{_INSIDE}/mentions.{BASE}.json",
    log:
        f"logs/{PROFILE}/distil_mentions.log",
    benchmark:
        f"{OUT}/benchmarks/distil_mentions.tsv"
    threads: THREADS
    resources:
        mem_mb=peak_mb(4500),
    params:
        code=code_of("distil_mentions.py"),
        settings=settings_of("base", "engram", "matrix", "side_effects"),
        inside=inside_of("mentions"),
        options=f"--config {CONFIG}",
    message:
        "python code/steps/distil_mentions.py {params.options} --users {input.users} --out {output}"
    shell:
        "python code/steps/distil_mentions.py {params.options} --users {input.users} --out {output} > {log} 2>&1"


rule choose_mention_layer:
    input:
        model=MODEL,
        users=USERS,
    output:
        f"{OUT}/sweeps/mentions.{BASE}.json",
    log:
        f"logs/{PROFILE}/choose_mention_layer.log",
    benchmark:
        f"{OUT}/benchmarks/choose_mention_layer.tsv"
    threads: THREADS
    resources:
        mem_mb=peak_mb(4500),
    params:
        code=code_of("distil_mentions.py"),
        settings=settings_of("base", "engram", "matrix", "side_effects"),
        inside=inside_of("mentions"),
        options=f"--config {CONFIG}",
    message:
        "python code/steps/distil_mentions.py {params.options} --choose --users {input.users} --out {output}"
    shell:
        "python code/steps/distil_mentions.py {params.options} --choose --users {input.users} --out {output} > {log} 2>&1"


rule move_rows:
    input:
        model=MODEL,
        users=USERS,
    output:
        f"{_INSIDE}/moved.{BASE}.json",
    log:
        f"logs/{PROFILE}/move_rows.log",
    benchmark:
        f"{OUT}/benchmarks/move_rows.tsv"
    threads: THREADS
    resources:
        mem_mb=peak_mb(6000),
    params:
        code=code_of("move_rows.py"),
        settings=settings_of("base", "people", "engram", "write", "side_effects"),
        inside=inside_of("texts", "adapter", "depths", "moved"),
        options=f"--config {CONFIG}",
    message:
        "python code/steps/move_rows.py {params.options} --users {input.users} --out {output}"
    shell:
        "python code/steps/move_rows.py {params.options} --users {input.users} --out {output} > {log} 2>&1"


use rule move_rows as choose_tuning with:
    output:
        f"{OUT}/sweeps/moved.{BASE}.json",
    log:
        f"logs/{PROFILE}/choose_tuning.log",
    benchmark:
        f"{OUT}/benchmarks/choose_tuning.tsv"
    params:
        code=code_of("move_rows.py"),
        settings=settings_of("base", "people", "engram", "write", "side_effects"),
        inside=inside_of("texts", "adapter", "depths", "moved"),
        options=f"--config {CONFIG} --choose",
