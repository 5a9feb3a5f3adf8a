# Triplets read out of prose (extraction A, B, C), for language models that learn from prose with triplets in place of old context.

_MADE = f"data/generated/{PROFILE}"
_WINDOWED = SETTINGS["windowed"]
_EXAM_BPE = f"{_MADE}/exams.bpe.json"
_READ_BY = {"a": "extracted", "b": "side", "c": "said"}  # files of triplets by strategy
_EXAM_SEEDS = {"train": 0, "heldout": 1}  # held-out exams of seed 0 were read while encoders and the loss were chosen


rule make_exams:
    output:
        f"{_MADE}/exams.{{split}}.parquet",
    log:
        f"logs/{PROFILE}/make_exams.{{split}}.log",
    benchmark:
        f"{OUT}/benchmarks/make_exams.{{split}}.tsv"
    threads: 1
    resources:
        mem_mb=1000,
    params:
        code=code_of("make_prose.py"),
        options=lambda wildcards: f"--exams {_WINDOWED['exams']} --tokens {_WINDOWED['words'][wildcards.split]}"
        f" --seed {_EXAM_SEEDS[wildcards.split]}",
    wildcard_constraints:
        split="train|heldout",
    message:
        "python code/steps/make_prose.py {params.options} --split {wildcards.split} --out {output}"
    shell:
        "python code/steps/make_prose.py {params.options} --split {wildcards.split} --out {output} > {log} 2>&1"


rule train_exam_bpe:
    input:
        f"{_MADE}/exams.train.parquet",
    output:
        _EXAM_BPE,
    log:
        f"logs/{PROFILE}/train_exam_bpe.log",
    benchmark:
        f"{OUT}/benchmarks/train_exam_bpe.tsv"
    threads: 1
    resources:
        mem_mb=1000,
    params:
        code=code_of("train_bpe.py"),
        options=f"--vocabulary {_WINDOWED['vocabulary']}",
    message:
        "python code/steps/train_bpe.py {params.options} --corpus {input} --out {output}"
    shell:
        "python code/steps/train_bpe.py {params.options} --corpus {input} --out {output} > {log} 2>&1"


# Learned from split train of the prose in all cases; that text itself is read by halves, each with what the other half taught.
rule extract_prose:
    input:
        encoder=f"models/{ENCODER}/loci_model.json",
        train=f"data/generated/{PROFILE}/prose.train.parquet",
        text=f"data/generated/{PROFILE}/{{text}}.parquet",
    output:
        triplets=f"data/generated/{PROFILE}/extracted.{{text}}.parquet",
        result=f"{OUT}/extraction/a.{{text}}.json",
    log:
        f"logs/{PROFILE}/extract_prose.{{text}}.log",
    benchmark:
        f"{OUT}/benchmarks/extract_prose.{{text}}.tsv"
    threads: THREADS
    resources:
        mem_mb=1800,
    params:
        code=code_of("extract_prose.py"),
        settings=settings_of("encoder"),
        options=f"--config {CONFIG}",
    wildcard_constraints:
        text="prose.train|prose.heldout|exams.heldout",
    message:
        "python code/steps/extract_prose.py {params.options} --train {input.train} --text {input.text}"
        " --out {output.triplets} --result {output.result}"
    shell:
        "python code/steps/extract_prose.py {params.options} --train {input.train} --text {input.text}"
        " --out {output.triplets} --result {output.result} > {log} 2>&1"


# How much of LOCOMO's answers extracted triplets hold; without the file the result says so. Part of `sweeps`.
rule extract_locomo:
    input:
        encoder=f"models/{ENCODER}/loci_model.json",
        train=f"{_MADE}/prose.train.parquet",
    output:
        result=f"{OUT}/extraction/locomo.json",
    log:
        f"logs/{PROFILE}/extract_locomo.log",
    benchmark:
        f"{OUT}/benchmarks/extract_locomo.tsv"
    threads: THREADS
    resources:
        mem_mb=1800,
    params:
        code=code_of("extract_locomo.py"),
        settings=settings_of("encoder", "locomo"),
        options=f"--config {CONFIG} {LOCOMO_FILES}".rstrip(),
        triplets=f"{_MADE}/extracted.locomo.parquet",
    message:
        "python code/steps/extract_locomo.py {params.options} --if-present --train {input.train} --triplets {params.triplets}"
        " --out {output.result}"
    shell:
        "python code/steps/extract_locomo.py {params.options} --if-present --train {input.train} --triplets {params.triplets}"
        " --out {output.result} > {log} 2>&1"


rule measure_extraction:
    input:
        text=f"{_MADE}/prose.heldout.parquet",
        extracted=f"{_MADE}/extracted.prose.heldout.parquet",
        tokenizer=f"{_MADE}/bpe.json",
    output:
        f"{OUT}/extraction/extraction.json",
    log:
        f"logs/{PROFILE}/measure_extraction.log",
    benchmark:
        f"{OUT}/benchmarks/measure_extraction.tsv"
    threads: 1
    resources:
        mem_mb=1000,
    params:
        code=code_of("measure_extraction.py"),
    message:
        "python code/steps/measure_extraction.py --compression --text {input.text} --extracted {input.extracted}"
        " --tokenizer {input.tokenizer} --out {output}"
    shell:
        "python code/steps/measure_extraction.py --compression --text {input.text} --extracted {input.extracted}"
        " --tokenizer {input.tokenizer} --out {output} > {log} 2>&1"


# Extraction B: a side model, taught on the long prose, reads what a window has evicted.
rule train_side:
    input:
        f"{_MADE}/prose.long.parquet",
    output:
        result=f"{OUT}/extraction/side.s0.json",
        weights=f"{OUT}/extraction/side.s0.safetensors",
    log:
        f"logs/{PROFILE}/train_side.log",
    benchmark:
        f"{OUT}/benchmarks/train_side.tsv"
    threads: THREADS
    resources:
        mem_mb=2500,
    params:
        code=code_of("train_side.py"),
        settings=settings_of("side"),
        options=f"--config {CONFIG}",
    message:
        "python code/steps/train_side.py {params.options} --corpus {input} --out {output.result} --weights {output.weights}"
    shell:
        "python code/steps/train_side.py {params.options} --corpus {input} --out {output.result} --weights {output.weights}"
        " > {log} 2>&1"


rule extract_side:
    input:
        trained=f"{OUT}/extraction/side.s0.json",
        weights=f"{OUT}/extraction/side.s0.safetensors",
        text=f"{_MADE}/{{text}}.parquet",
    output:
        triplets=f"{_MADE}/side.{{text}}.parquet",
        result=f"{OUT}/extraction/b.{{text}}.json",
    log:
        f"logs/{PROFILE}/extract_side.{{text}}.log",
    benchmark:
        f"{OUT}/benchmarks/extract_side.{{text}}.tsv"
    threads: THREADS
    resources:
        mem_mb=1000,
    params:
        code=code_of("extract_side.py"),
        options=f"--config {CONFIG}",
    wildcard_constraints:
        text="prose.heldout|exams.heldout",
    message:
        "python code/steps/extract_side.py {params.options} --trained {input.trained} --text {input.text}"
        " --out {output.triplets} --result {output.result}"
    shell:
        "python code/steps/extract_side.py {params.options} --trained {input.trained} --text {input.text}"
        " --out {output.triplets} --result {output.result} > {log} 2>&1"


rule measure_side:
    input:
        text=f"{_MADE}/prose.heldout.parquet",
        extracted=f"{_MADE}/side.prose.heldout.parquet",
        tokenizer=f"{_MADE}/bpe.json",
    output:
        f"{OUT}/extraction/side.json",
    log:
        f"logs/{PROFILE}/measure_side.log",
    benchmark:
        f"{OUT}/benchmarks/measure_side.tsv"
    threads: 1
    resources:
        mem_mb=1000,
    params:
        code=code_of("measure_extraction.py"),
    message:
        "python code/steps/measure_extraction.py --strategy b --text {input.text} --extracted {input.extracted}"
        " --tokenizer {input.tokenizer} --out {output}"
    shell:
        "python code/steps/measure_extraction.py --strategy b --text {input.text} --extracted {input.extracted}"
        " --tokenizer {input.tokenizer} --out {output} > {log} 2>&1"


# Passages of exams alone, read by the model itself (c) or, for comparison, by the extractors of the prose (a, b).
rule measure_exam_extraction:
    input:
        text=f"{_MADE}/exams.heldout.parquet",
        extracted=lambda wildcards: f"{_MADE}/{_READ_BY[wildcards.strategy]}.exams.heldout.parquet",
        tokenizer=_EXAM_BPE,
    output:
        f"{OUT}/extraction/exams.{{strategy}}.json",
    log:
        f"logs/{PROFILE}/measure_exam_extraction.{{strategy}}.log",
    benchmark:
        f"{OUT}/benchmarks/measure_exam_extraction.{{strategy}}.tsv"
    threads: 1
    resources:
        mem_mb=1000,
    params:
        code=code_of("measure_extraction.py"),
        options=lambda wildcards: f"--passages --strategy exams.{wildcards.strategy}",
    wildcard_constraints:
        strategy="a|b|c",
    message:
        "python code/steps/measure_extraction.py {params.options} --text {input.text} --extracted {input.extracted}"
        " --tokenizer {input.tokenizer} --out {output}"
    shell:
        "python code/steps/measure_extraction.py {params.options} --text {input.text} --extracted {input.extracted}"
        " --tokenizer {input.tokenizer} --out {output} > {log} 2>&1"


rule extract_self:
    input:
        trained=f"{OUT}/windowed/trained.self.s0.json",
        weights=f"{OUT}/windowed/trained.self.s0.safetensors",
        text=f"{_MADE}/exams.heldout.parquet",
        tokenizer=_EXAM_BPE,
    output:
        triplets=f"{_MADE}/said.exams.heldout.parquet",
        result=f"{OUT}/extraction/c.exams.heldout.json",
    log:
        f"logs/{PROFILE}/extract_self.log",
    benchmark:
        f"{OUT}/benchmarks/extract_self.tsv"
    threads: THREADS
    resources:
        mem_mb=1500,
    params:
        code=code_of("extract_self.py"),
        settings=settings_of("windowed"),
        options=f"--config {CONFIG}",
    message:
        "python code/steps/extract_self.py {params.options} --trained {input.trained} --text {input.text}"
        " --tokenizer {input.tokenizer} --out {output.triplets} --result {output.result}"
    shell:
        "python code/steps/extract_self.py {params.options} --trained {input.trained} --text {input.text}"
        " --tokenizer {input.tokenizer} --out {output.triplets} --result {output.result} > {log} 2>&1"


rule train_windowed:
    input:
        corpus=f"{_MADE}/exams.train.parquet",
        tokenizer=_EXAM_BPE,
    output:
        result=f"{OUT}/windowed/trained.{{arm}}.s{{seed}}.json",
        weights=f"{OUT}/windowed/trained.{{arm}}.s{{seed}}.safetensors",
    log:
        f"logs/{PROFILE}/train_windowed.{{arm}}.s{{seed}}.log",
    benchmark:
        f"{OUT}/benchmarks/train_windowed.{{arm}}.s{{seed}}.tsv"
    threads: THREADS
    resources:
        mem_mb=3500,
    params:
        code=code_of("train_windowed.py"),
        settings=settings_of("training", "windowed"),
        options=f"--config {CONFIG} {TRAINING}",
    wildcard_constraints:
        arm="|".join(_WINDOWED["arms"]),
    message:
        "python code/steps/train_windowed.py {params.options} --arm {wildcards.arm} --seed {wildcards.seed} --corpus {input.corpus}"
        " --tokenizer {input.tokenizer} --out {output.result} --weights {output.weights}"
    shell:
        "python code/steps/train_windowed.py {params.options} --arm {wildcards.arm} --seed {wildcards.seed} --corpus {input.corpus}"
        " --tokenizer {input.tokenizer} --out {output.result} --weights {output.weights} > {log} 2>&1"


rule ask_windowed:
    input:
        trained=f"{OUT}/windowed/trained.{{arm}}.s{{seed}}.json",
        weights=f"{OUT}/windowed/trained.{{arm}}.s{{seed}}.safetensors",
        exams=f"{_MADE}/exams.heldout.parquet",
        extracted=f"{_MADE}/extracted.exams.heldout.parquet",
        tokenizer=_EXAM_BPE,
    output:
        result=f"{OUT}/windowed/asked.{{arm}}.s{{seed}}.json",
        answers=f"{OUT}/windowed/asked.{{arm}}.s{{seed}}.jsonl",
    log:
        f"logs/{PROFILE}/ask_windowed.{{arm}}.s{{seed}}.log",
    benchmark:
        f"{OUT}/benchmarks/ask_windowed.{{arm}}.s{{seed}}.tsv"
    threads: THREADS
    resources:
        mem_mb=1500,
    params:
        code=code_of("ask_windowed.py"),
        settings=settings_of("windowed"),
        options=f"--config {CONFIG}",
    wildcard_constraints:
        arm="|".join(_WINDOWED["arms"]),
    message:
        "python code/steps/ask_windowed.py {params.options} --trained {input.trained} --exams {input.exams}"
        " --extracted {input.extracted} --tokenizer {input.tokenizer} --out {output.result} --answers {output.answers}"
    shell:
        "python code/steps/ask_windowed.py {params.options} --trained {input.trained} --exams {input.exams}"
        " --extracted {input.extracted} --tokenizer {input.tokenizer} --out {output.result} --answers {output.answers} > {log} 2>&1"


_MORE = [name for name, arm in _WINDOWED["arms"].items() if name not in COMPARED["arms"] and not arm.get("emits")]
_TRIPLET_ARM = "quarter_window"
_ALL_SEEDS = sorted({*COMPARED["seeds"], *COMPARED["more"]})


rule score_windowed:
    input:
        asked=asked_windowed("json"),
        answers=asked_windowed("jsonl"),
    output:
        f"{OUT}/windowed/windowed.json",
    log:
        f"logs/{PROFILE}/score_windowed.log",
    benchmark:
        f"{OUT}/benchmarks/score_windowed.tsv"
    threads: 1
    resources:
        mem_mb=500,
    params:
        code=code_of("score_windowed.py"),
        options=f"--main {_TRIPLET_ARM}",
    message:
        "python code/steps/score_windowed.py {params.options} --asked {input.asked} --answers {input.answers} --out {output}"
    shell:
        "python code/steps/score_windowed.py {params.options} --asked {input.asked} --answers {input.answers} --out {output} > {log} 2>&1"


# The other arms, contrasted with those of the default workflow: part of `sweeps`.
rule score_windowed_more:
    input:
        asked=asked_windowed("json", _MORE),
        answers=asked_windowed("jsonl", _MORE),
    output:
        f"{OUT}/windowed/windowed_more.json",
    log:
        f"logs/{PROFILE}/score_windowed_more.log",
    benchmark:
        f"{OUT}/benchmarks/score_windowed_more.tsv"
    threads: 1
    resources:
        mem_mb=500,
    params:
        code=code_of("score_windowed.py"),
        options=f"--known {' '.join(COMPARED['arms'])}",
    message:
        "python code/steps/score_windowed.py {params.options} --asked {input.asked} --answers {input.answers} --out {output}"
    shell:
        "python code/steps/score_windowed.py {params.options} --asked {input.asked} --answers {input.answers} --out {output} > {log} 2>&1"


# The arms of the default workflow, trained with further seeds: part of `sweeps`.
rule score_windowed_seeds:
    input:
        asked=asked_windowed("json", seeds=_ALL_SEEDS),
        answers=asked_windowed("jsonl", seeds=_ALL_SEEDS),
    output:
        f"{OUT}/windowed/windowed_seeds.json",
    log:
        f"logs/{PROFILE}/score_windowed_seeds.log",
    benchmark:
        f"{OUT}/benchmarks/score_windowed_seeds.tsv"
    threads: 1
    resources:
        mem_mb=500,
    params:
        code=code_of("score_windowed_seeds.py"),
    message:
        "python code/steps/score_windowed_seeds.py --asked {input.asked} --answers {input.answers} --out {output}"
    shell:
        "python code/steps/score_windowed_seeds.py --asked {input.asked} --answers {input.answers} --out {output} > {log} 2>&1"


rule cloze_windowed:
    input:
        trained=expand(f"{OUT}/windowed/trained.{{arm}}.s{{seed}}.json", arm=COMPARED["arms"], seed=COMPARED["seeds"]),
        weights=expand(f"{OUT}/windowed/trained.{{arm}}.s{{seed}}.safetensors", arm=COMPARED["arms"], seed=COMPARED["seeds"]),
        exams=f"{_MADE}/exams.heldout.parquet",
        extracted=f"{_MADE}/extracted.exams.heldout.parquet",
        tokenizer=_EXAM_BPE,
    output:
        result=f"{OUT}/windowed/cloze.json",
        answers=f"{OUT}/windowed/cloze.jsonl",
    log:
        f"logs/{PROFILE}/cloze_windowed.log",
    benchmark:
        f"{OUT}/benchmarks/cloze_windowed.tsv"
    threads: THREADS
    resources:
        mem_mb=1700,
    params:
        code=code_of("cloze_windowed.py"),
        settings=settings_of("windowed", "cloze"),
        options=f"--config {CONFIG}",
    message:
        "python code/steps/cloze_windowed.py {params.options} --trained {input.trained} --exams {input.exams}"
        " --extracted {input.extracted} --tokenizer {input.tokenizer} --out {output.result} --answers {output.answers}"
    shell:
        "python code/steps/cloze_windowed.py {params.options} --trained {input.trained} --exams {input.exams}"
        " --extracted {input.extracted} --tokenizer {input.tokenizer} --out {output.result} --answers {output.answers} > {log} 2>&1"


# Triplets in a zone in front of the frozen base model, asked what the layered conditions are asked.
rule train_zone:
    input:
        model=MODEL,
        adapter=zone_reader,
    output:
        result=f"{OUT}/windowed/zone.{{reader}}{BASE}.s{FIRST}.json",
        weights=f"{OUT}/windowed/zone.{{reader}}{BASE}.s{FIRST}.safetensors",
    log:
        f"logs/{PROFILE}/train_zone.{{reader}}log",
    benchmark:
        f"{OUT}/benchmarks/train_zone.{{reader}}tsv"
    wildcard_constraints:
        reader=r"(answer\.)?",
    threads: THREADS
    resources:
        mem_mb=5700,
    params:
        code=code_of("train_zone.py"),
        settings=settings_of("base", "people", "zone", "reader"),
        options=lambda wildcards, input: f"--config {CONFIG} --seed {FIRST} {adapter_option(input)}".strip(),
    message:
        "python code/steps/train_zone.py {params.options} --out {output.result} --weights {output.weights}"
    shell:
        "python code/steps/train_zone.py {params.options} --out {output.result} --weights {output.weights} > {log} 2>&1"


rule ask_zone:
    input:
        model=MODEL,
        users=USERS,
        trained=f"{OUT}/windowed/zone.{{reader}}{BASE}.s{FIRST}.json",
        weights=f"{OUT}/windowed/zone.{{reader}}{BASE}.s{FIRST}.safetensors",
        adapter=zone_reader,
    output:
        result=f"{OUT}/windowed/ask_zone.{{reader}}{BASE}.json",
        answers=f"{OUT}/windowed/zone.{{reader}}{BASE}.jsonl",
    log:
        f"logs/{PROFILE}/ask_zone.{{reader}}log",
    benchmark:
        f"{OUT}/benchmarks/ask_zone.{{reader}}tsv"
    wildcard_constraints:
        reader=r"(answer\.)?",
    threads: THREADS
    resources:
        mem_mb=3500,
    params:
        code=code_of("ask_zone.py"),
        settings=settings_of("base", "people", "matrix", "layered", "engram", "reader"),
        options=lambda wildcards, input: f"--config {CONFIG} {adapter_option(input)}".strip(),
    message:
        "python code/steps/ask_zone.py {params.options} --users {input.users} --trained {input.trained}"
        " --out {output.result} --answers {output.answers}"
    shell:
        "python code/steps/ask_zone.py {params.options} --users {input.users} --trained {input.trained}"
        " --out {output.result} --answers {output.answers} > {log} 2>&1"


rule score_zone:
    input:
        users=USERS,
        answers=[f"{OUT}/windowed/zone.{BASE}.jsonl", f"{OUT}/windowed/zone.answer.{BASE}.jsonl"],
        beside=expand(f"{LAYERED}/answers.{BASE}.{{reader}}.jsonl", reader=["base", "answer", "recite"]),
    output:
        f"{OUT}/windowed/zone.{BASE}.json",
    log:
        f"logs/{PROFILE}/score_zone.log",
    benchmark:
        f"{OUT}/benchmarks/score_zone.tsv"
    threads: 1
    resources:
        mem_mb=500,
    params:
        code=code_of("score_zone.py"),
        settings=settings_of("base", "people", "matrix", "layered"),
        options=f"--config {CONFIG}",
    message:
        "python code/steps/score_zone.py {params.options} --users {input.users} --answers {input.answers} --beside {input.beside}"
        " --out {output}"
    shell:
        "python code/steps/score_zone.py {params.options} --users {input.users} --answers {input.answers} --beside {input.beside}"
        " --out {output} > {log} 2>&1"
