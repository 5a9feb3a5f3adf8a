# Models trained from scratch on prose: tokenizer, models, what they are sensitive to.

_PROSE = f"data/generated/{PROFILE}"
_TRAINED = SETTINGS["pretrained"]["models"]
_BPE = f"{_PROSE}/bpe.json"
_LONG = f"{_PROSE}/prose.long.parquet"  # long enough that a training reads it about once: what is read twice is learnt by heart


rule make_long_prose:
    output:
        _LONG,
    log:
        f"logs/{PROFILE}/make_long_prose.log",
    benchmark:
        f"{OUT}/benchmarks/make_long_prose.tsv"
    threads: 1
    resources:
        mem_mb=1000,
    params:
        code=code_of("make_prose.py"),
        options=f"--tokens {SETTINGS['pretrain']['words']}",
    message:
        "python code/steps/make_prose.py {params.options} --split train --out {output}"
    shell:
        "python code/steps/make_prose.py {params.options} --split train --out {output} > {log} 2>&1"


rule train_bpe:
    input:
        _LONG,
    output:
        _BPE,
    log:
        f"logs/{PROFILE}/train_bpe.log",
    benchmark:
        f"{OUT}/benchmarks/train_bpe.tsv"
    threads: 1
    resources:
        mem_mb=700,
    params:
        code=code_of("train_bpe.py"),
        options=f"--vocabulary {SETTINGS['pretrain']['vocabulary']}",
    message:
        "python code/steps/train_bpe.py {params.options} --corpus {input} --out {output}"
    shell:
        "python code/steps/train_bpe.py {params.options} --corpus {input} --out {output} > {log} 2>&1"


rule pretrain:
    input:
        corpus=_LONG,
        held=f"{_PROSE}/prose.heldout.parquet",
        tokenizer=_BPE,
    output:
        result=f"{OUT}/pretrain/{{model}}.s{{seed}}.json",
        weights=f"{OUT}/pretrain/{{model}}.s{{seed}}.safetensors",
    log:
        f"logs/{PROFILE}/pretrain.{{model}}.s{{seed}}.log",
    benchmark:
        f"{OUT}/benchmarks/pretrain.{{model}}.s{{seed}}.tsv"
    threads: THREADS
    resources:
        mem_mb=1500,
    params:
        code=code_of("pretrain.py"),
        settings=settings_of("training", "pretrain"),
        options=f"--config {CONFIG} {TRAINING}",
    wildcard_constraints:
        model="|".join(_TRAINED),
    message:
        "python code/steps/pretrain.py {params.options} --model {wildcards.model} --seed {wildcards.seed} --corpus {input.corpus}"
        " --held-out {input.held} --tokenizer {input.tokenizer} --out {output.result} --weights {output.weights}"
    shell:
        "python code/steps/pretrain.py {params.options} --model {wildcards.model} --seed {wildcards.seed} --corpus {input.corpus}"
        " --held-out {input.held} --tokenizer {input.tokenizer} --out {output.result} --weights {output.weights} > {log} 2>&1"


rule measure_pretrained:
    input:
        corpus=_LONG,
        held=f"{_PROSE}/prose.heldout.parquet",
        tokenizer=_BPE,
        trained=expand(f"{OUT}/pretrain/{{model}}.s{{seed}}.json", model=_TRAINED, seed=SETTINGS["pretrained"]["seeds"]),
    output:
        f"{OUT}/pretrain/pretrained.json",
    log:
        f"logs/{PROFILE}/measure_pretrained.log",
    benchmark:
        f"{OUT}/benchmarks/measure_pretrained.tsv"
    threads: THREADS
    resources:
        mem_mb=1700,
    params:
        code=code_of("measure_pretrained.py"),
        settings=settings_of("pretrain") | {"pretrained": {name: SETTINGS["pretrained"][name] for name in ("probes", "documents")}},
        options=f"--config {CONFIG}",
    message:
        "python code/steps/measure_pretrained.py {params.options} --trained {input.trained} --corpus {input.corpus}"
        " --held-out {input.held} --tokenizer {input.tokenizer} --out {output}"
    shell:
        "python code/steps/measure_pretrained.py {params.options} --trained {input.trained} --corpus {input.corpus}"
        " --held-out {input.held} --tokenizer {input.tokenizer} --out {output} > {log} 2>&1"


rule write_pretrained:
    input:
        facts=expand(_CORPORA, axis="distinct"),
        corpus=_LONG,
        held=f"{_PROSE}/prose.heldout.parquet",
        tokenizer=_BPE,
        trained=expand(f"{OUT}/pretrain/{{model}}.s{{seed}}.json", model=["dense", "engram"], seed=SETTINGS["pretrained"]["seeds"]),
    output:
        f"{OUT}/pretrain/written.json",
    log:
        f"logs/{PROFILE}/write_pretrained.log",
    benchmark:
        f"{OUT}/benchmarks/write_pretrained.tsv"
    threads: THREADS
    resources:
        mem_mb=2400,
    params:
        code=code_of("write_pretrained.py"),
        settings=settings_of("pretrain", "pretrained"),
        options=f"--config {CONFIG}",
    message:
        "python code/steps/write_pretrained.py {params.options} --trained {input.trained} --facts {input.facts}"
        " --corpus {input.corpus} --held-out {input.held} --tokenizer {input.tokenizer} --out {output}"
    shell:
        "python code/steps/write_pretrained.py {params.options} --trained {input.trained} --facts {input.facts}"
        " --corpus {input.corpus} --held-out {input.held} --tokenizer {input.tokenizer} --out {output} > {log} 2>&1"


use rule write_pretrained as choose_written with:
    output:
        f"{OUT}/sweeps/written.json",
    log:
        f"logs/{PROFILE}/choose_written.log",
    benchmark:
        f"{OUT}/benchmarks/choose_written.tsv"
    params:
        code=code_of("write_pretrained.py"),
        settings=settings_of("pretrain", "pretrained"),
        options=f"--config {CONFIG} --choose",


rule make_grid_prose:
    output:
        f"{_PROSE}/prose.grid.parquet",
    log:
        f"logs/{PROFILE}/make_grid_prose.log",
    benchmark:
        f"{OUT}/benchmarks/make_grid_prose.tsv"
    threads: 1
    resources:
        mem_mb=1000,
    params:
        code=code_of("make_prose.py"),
        options=f"--tokens {CAPACITY['words']}",
    message:
        "python code/steps/make_prose.py {params.options} --split train --out {output}"
    shell:
        "python code/steps/make_prose.py {params.options} --split train --out {output} > {log} 2>&1"


rule sweep_capacity:
    input:
        sweep="config/sweep_capacity.yaml",
        corpus=f"{_PROSE}/prose.grid.parquet",
        held=f"{_PROSE}/prose.heldout.parquet",
        tokenizer=_BPE,
    output:
        f"{OUT}/sweeps/capacity.{{table}}.json",
    log:
        f"logs/{PROFILE}/sweep_capacity.{{table}}.log",
    benchmark:
        f"{OUT}/benchmarks/sweep_capacity.{{table}}.tsv"
    threads: THREADS
    resources:
        mem_mb=3000,
    params:
        code=code_of("sweep_capacity.py"),
        settings=settings_of("training", "pretrain"),
        options=f"--config {CONFIG} {TRAINING}",
    wildcard_constraints:
        table="|".join(CAPACITY["tables"]),
    message:
        "python code/steps/sweep_capacity.py {params.options} --sweep {input.sweep} --table {wildcards.table} --corpus {input.corpus}"
        " --held-out {input.held} --tokenizer {input.tokenizer} --out {output}"
    shell:
        "python code/steps/sweep_capacity.py {params.options} --sweep {input.sweep} --table {wildcards.table} --corpus {input.corpus}"
        " --held-out {input.held} --tokenizer {input.tokenizer} --out {output} > {log} 2>&1"


rule score_capacity:
    input:
        expand(f"{OUT}/sweeps/capacity.{{table}}.json", table=CAPACITY["tables"]),
    output:
        f"{OUT}/sweeps/capacity.json",
    log:
        f"logs/{PROFILE}/score_capacity.log",
    benchmark:
        f"{OUT}/benchmarks/score_capacity.tsv"
    threads: 1
    resources:
        mem_mb=300,
    params:
        code=code_of("score_capacity.py"),
    message:
        "python code/steps/score_capacity.py --columns {input} --out {output}"
    shell:
        "python code/steps/score_capacity.py --columns {input} --out {output} > {log} 2>&1"
