# Worlds: everything that the bench asks, and how far the questions alone give the answers away. People stand in inputs.smk.

_WORLDS = f"data/generated/{PROFILE}"
_SIZES = SETTINGS["worlds"]
AXES = ("distinct", "shared2", "shared3", "shared4")
_CORPORA = f"{_WORLDS}/corpus.{_SIZES['corpus']}.{{axis}}.json"
GROWTH_CORPORA = expand(_CORPORA, axis=["distinct", "shared2"])  # what a growing memory is filled with
_TOKENIZER = Path(MODEL).parent


rule make_dialogues:
    input:
        f"{_WORLDS}/{{world}}.json",
    output:
        f"{_WORLDS}/dialogues.{{world}}.json",
    log:
        f"logs/{PROFILE}/make_dialogues.{{world}}.log",
    benchmark:
        f"{OUT}/benchmarks/make_dialogues.{{world}}.tsv"
    threads: 1
    resources:
        mem_mb=300,
    params:
        code=code_of("make_dialogues.py"),
        options=f"--seed {SETTINGS['people']['seed']}",
    wildcard_constraints:
        world="people|medical",
    message:
        "python code/steps/make_dialogues.py --users {input} {params.options} --out {output}"
    shell:
        "python code/steps/make_dialogues.py --users {input} {params.options} --out {output} > {log} 2>&1"


rule make_corpus:
    input:
        MODEL,
    output:
        _CORPORA,
    log:
        f"logs/{PROFILE}/make_corpus.{{axis}}.log",
    benchmark:
        f"{OUT}/benchmarks/make_corpus.{{axis}}.tsv"
    threads: 1
    resources:
        mem_mb=500,
    params:
        code=code_of("make_corpus.py"),
        options=f"--kind {_SIZES['corpus']} --tokenizer {_TOKENIZER}",
    message:
        "python code/steps/make_corpus.py {params.options} --axis {wildcards.axis} --out {output}"
    shell:
        "python code/steps/make_corpus.py {params.options} --axis {wildcards.axis} --out {output} > {log} 2>&1"


rule make_chains:
    input:
        MODEL,
    output:
        f"{_WORLDS}/chains.json",
    log:
        f"logs/{PROFILE}/make_chains.log",
    benchmark:
        f"{OUT}/benchmarks/make_chains.tsv"
    threads: 1
    resources:
        mem_mb=500,
    params:
        code=code_of("make_chains.py"),
        options=f"--count {_SIZES['chains']} --tokenizer {_TOKENIZER}",
    message:
        "python code/steps/make_chains.py {params.options} --out {output}"
    shell:
        "python code/steps/make_chains.py {params.options} --out {output} > {log} 2>&1"


rule make_timeline:
    output:
        directory(f"{_WORLDS}/timeline"),
    log:
        f"logs/{PROFILE}/make_timeline.log",
    benchmark:
        f"{OUT}/benchmarks/make_timeline.tsv"
    threads: 1
    resources:
        mem_mb=300,
    params:
        code=code_of("make_timeline.py"),
        options="--people {people} --length {length}".format(**_SIZES["timeline"]),
    message:
        "python code/steps/make_timeline.py {params.options} --out {output}"
    shell:
        "python code/steps/make_timeline.py {params.options} --out {output} > {log} 2>&1"


rule make_prose:
    output:
        f"{_WORLDS}/prose.{{split}}.parquet",
    log:
        f"logs/{PROFILE}/make_prose.{{split}}.log",
    benchmark:
        f"{OUT}/benchmarks/make_prose.{{split}}.tsv"
    threads: 1
    resources:
        mem_mb=1000,
    params:
        code=code_of("make_prose.py"),
        options=f"--tokens {_SIZES['prose_tokens']}",
    wildcard_constraints:
        split="train|heldout",
    message:
        "python code/steps/make_prose.py {params.options} --split {wildcards.split} --out {output}"
    shell:
        "python code/steps/make_prose.py {params.options} --split {wildcards.split} --out {output} > {log} 2>&1"


rule check_locomo:
    output:
        f"{OUT}/worlds/locomo.json",
    log:
        f"logs/{PROFILE}/check_locomo.log",
    benchmark:
        f"{OUT}/benchmarks/check_locomo.tsv"
    threads: 1
    resources:
        mem_mb=200,
    params:
        code=code_of("check_locomo.py"),
        # The file is not Loci's to give away: without it the result says so, and whatever needs it is left out.
        options=f"{LOCOMO_FILES} --if-present".lstrip(),
    message:
        "python code/steps/check_locomo.py {params.options} --out {output}"
    shell:
        "python code/steps/check_locomo.py {params.options} --out {output} > {log} 2>&1"


rule measure_priors:
    input:
        users=[USERS, f"{_WORLDS}/medical.json"],
    output:
        f"{OUT}/worlds/priors.json",
    log:
        f"logs/{PROFILE}/measure_priors.log",
    benchmark:
        f"{OUT}/benchmarks/measure_priors.tsv"
    threads: 1
    resources:
        mem_mb=peak_mb(2500),
    params:
        code=code_of("measure_priors.py"),
        options=f"--questions {_SIZES['prior_questions']}",
    message:
        "python code/steps/measure_priors.py {params.options} --users {input.users} --out {output}"
    shell:
        "python code/steps/measure_priors.py {params.options} --users {input.users} --out {output} > {log} 2>&1"


rule measure_coverage:
    output:
        f"{OUT}/worlds/coverage.json",
    log:
        f"logs/{PROFILE}/measure_coverage.log",
    benchmark:
        f"{OUT}/benchmarks/measure_coverage.tsv"
    threads: 1
    resources:
        mem_mb=500,
    params:
        code=code_of("measure_coverage.py"),
        options=f"--trials {SETTINGS['coverage']['trials']}",
    message:
        "python code/steps/measure_coverage.py {params.options} --out {output}"
    shell:
        "python code/steps/measure_coverage.py {params.options} --out {output} > {log} 2>&1"


rule describe_worlds:
    input:
        users=[USERS, f"{_WORLDS}/medical.json"],
        dialogues=expand(f"{_WORLDS}/dialogues.{{world}}.json", world=["people", "medical"]),
        corpora=expand(_CORPORA, axis=AXES),
        chains=f"{_WORLDS}/chains.json",
        timeline=f"{_WORLDS}/timeline",
        prose=expand(f"{_WORLDS}/prose.{{split}}.parquet", split=["train", "heldout"]),
    output:
        f"{OUT}/worlds/worlds.json",
    log:
        f"logs/{PROFILE}/describe_worlds.log",
    benchmark:
        f"{OUT}/benchmarks/describe_worlds.tsv"
    threads: 1
    resources:
        mem_mb=1000,
    params:
        code=code_of("describe_worlds.py"),
    message:
        "python code/steps/describe_worlds.py --users {input.users} --dialogues {input.dialogues} --corpora {input.corpora}"
        " --chains {input.chains} --timeline {input.timeline} --prose {input.prose} --out {output}"
    shell:
        "python code/steps/describe_worlds.py --users {input.users} --dialogues {input.dialogues} --corpora {input.corpora}"
        " --chains {input.chains} --timeline {input.timeline} --prose {input.prose} --out {output} > {log} 2>&1"


rule draw_worlds:
    input:
        worlds=f"{OUT}/worlds/worlds.json",
        priors=f"{OUT}/worlds/priors.json",
        locomo=f"{OUT}/worlds/locomo.json",
    output:
        pdf=f"{OUT}/figures/worlds.pdf",
        png=in_report(f"{OUT}/figures/worlds.png"),
    log:
        f"logs/{PROFILE}/draw_worlds.log",
    benchmark:
        f"{OUT}/benchmarks/draw_worlds.tsv"
    threads: 1
    resources:
        mem_mb=500,
    params:
        code=code_of("draw_worlds.py"),
    message:
        "python code/steps/draw_worlds.py --worlds {input.worlds} --priors {input.priors} --locomo {input.locomo}"
        " --out {output.pdf} {output.png}"
    shell:
        "python code/steps/draw_worlds.py --worlds {input.worlds} --priors {input.priors} --locomo {input.locomo}"
        " --out {output.pdf} {output.png} > {log} 2>&1"
