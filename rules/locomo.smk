# LOCOMO, or a stand-in where its file is not given: recall of cited turns, answers, scores.

_LOCOMO = f"{OUT}/locomo"
_ASKED = SETTINGS["locomo_asked"]
_STANDIN = f"data/generated/{PROFILE}/standin.json"
_RECALLS = f"data/generated/{PROFILE}/locomo.recalls.jsonl"  # holds text of LOCOMO: it is never promoted
_FILE = f"--file {SETTINGS['locomo']['file']}" if SETTINGS["locomo"]["file"] else ""
_SAID = [f"{_LOCOMO}/answers.{BASE}.jsonl", *expand(f"{_LOCOMO}/rows.{{reader}}.{BASE}.jsonl", reader=["base", "recite"])]
_BY = [f"{_LOCOMO}/ask_locomo.{BASE}.json", *expand(f"{_LOCOMO}/rows.{{reader}}.{BASE}.json", reader=["base", "recite"])]
VOTERS = ["strict", "lenient", *(["endpoint"] if SETTINGS["judges"]["endpoint"]["url"] else [])]


rule make_standin:
    output:
        _STANDIN,
    log:
        f"logs/{PROFILE}/make_standin.log",
    benchmark:
        f"{OUT}/benchmarks/make_standin.tsv"
    threads: 1
    resources:
        mem_mb=200,
    params:
        code=code_of("make_standin.py"),
        options=" ".join(f"--{name} {size}" for name, size in _ASKED["standin"].items()),
    message:
        "python code/steps/make_standin.py {params.options} --out {output}"
    shell:
        "python code/steps/make_standin.py {params.options} --out {output} > {log} 2>&1"


rule recall_locomo:
    input:
        encoder=f"models/{ENCODER}/loci_model.json",
        standin=_STANDIN,
    output:
        result=f"{_LOCOMO}/recall.json",
        ranked=f"{_LOCOMO}/ranked.jsonl",
        recalls=_RECALLS,
    log:
        f"logs/{PROFILE}/recall_locomo.log",
    benchmark:
        f"{OUT}/benchmarks/recall_locomo.tsv"
    threads: THREADS
    resources:
        mem_mb=peak_mb(3900),
    params:
        code=code_of("recall_locomo.py"),
        settings=settings_of("encoder", "locomo", "locomo_asked"),
        options=f"--config {CONFIG} {LOCOMO_FILES}".rstrip(),
    message:
        "python code/steps/recall_locomo.py {params.options} --stand-in {input.standin} --out {output.result}"
        " --ranked {output.ranked} --recalls {output.recalls}"
    shell:
        "python code/steps/recall_locomo.py {params.options} --stand-in {input.standin} --out {output.result}"
        " --ranked {output.ranked} --recalls {output.recalls} > {log} 2>&1"


rule ask_locomo:
    input:
        model=MODEL,
        standin=_STANDIN,
        recalled=f"{_LOCOMO}/recall.json",
        recalls=_RECALLS,
    output:
        result=f"{_LOCOMO}/ask_locomo.{BASE}.json",
        answers=f"{_LOCOMO}/answers.{BASE}.jsonl",
    log:
        f"logs/{PROFILE}/ask_locomo.log",
    benchmark:
        f"{OUT}/benchmarks/ask_locomo.tsv"
    threads: THREADS
    resources:
        mem_mb=peak_mb(5800),
    params:
        code=code_of("ask_locomo.py"),
        settings=settings_of("base", "engram", "locomo", "locomo_asked"),
        options=f"--config {CONFIG} {_FILE}".rstrip(),
    message:
        "python code/steps/ask_locomo.py {params.options} --stand-in {input.standin} --recalled {input.recalled}"
        " --recalls {input.recalls} --out {output.result} --answers {output.answers}"
    shell:
        "python code/steps/ask_locomo.py {params.options} --stand-in {input.standin} --recalled {input.recalled}"
        " --recalls {input.recalls} --out {output.result} --answers {output.answers} > {log} 2>&1"


rule rows_locomo:
    input:
        model=MODEL,
        encoder=f"models/{ENCODER}/loci_model.json",
        standin=_STANDIN,
        train=f"data/generated/{PROFILE}/prose.train.parquet",
        adapter=lambda wildcards: f"{OUT}/layered/reader.recite.{BASE}.s{FIRST}.safetensors" if wildcards.reader == "recite" else [],
    output:
        result=f"{_LOCOMO}/rows.{{reader}}.{BASE}.json",
        answers=f"{_LOCOMO}/rows.{{reader}}.{BASE}.jsonl",
    log:
        f"logs/{PROFILE}/rows_locomo.{{reader}}.log",
    benchmark:
        f"{OUT}/benchmarks/rows_locomo.{{reader}}.tsv"
    threads: THREADS
    resources:
        mem_mb=peak_mb(4900),
    wildcard_constraints:
        reader="base|recite",
    params:
        code=code_of("rows_locomo.py"),
        settings=settings_of("base", "encoder", "engram", "write", "reader", "layered", "locomo", "locomo_asked"),
        options=lambda wildcards, input: f"--config {CONFIG} {_FILE} {adapter_option(input)}".strip(),
    message:
        "python code/steps/rows_locomo.py {params.options} --reader {wildcards.reader} --stand-in {input.standin} --train {input.train}"
        " --out {output.result} --answers {output.answers}"
    shell:
        "python code/steps/rows_locomo.py {params.options} --reader {wildcards.reader} --stand-in {input.standin} --train {input.train}"
        " --out {output.result} --answers {output.answers} > {log} 2>&1"


rule score_locomo:
    input:
        standin=_STANDIN,
        asked=_BY,
        answers=_SAID,
    output:
        f"{_LOCOMO}/locomo.{BASE}.json",
    log:
        f"logs/{PROFILE}/score_locomo.log",
    benchmark:
        f"{OUT}/benchmarks/score_locomo.tsv"
    threads: 1
    resources:
        mem_mb=500,
    params:
        code=code_of("score_locomo.py"),
        settings=settings_of("base", "locomo", "locomo_asked"),
        options=f"--config {CONFIG} {LOCOMO_FILES}".rstrip(),
    message:
        "python code/steps/score_locomo.py {params.options} --stand-in {input.standin} --asked {input.asked}"
        " --answers {input.answers} --out {output}"
    shell:
        "python code/steps/score_locomo.py {params.options} --stand-in {input.standin} --asked {input.asked}"
        " --answers {input.answers} --out {output} > {log} 2>&1"


rule fit_judge:
    input:
        encoder=f"models/{ENCODER}/loci_model.json",
        standin=_STANDIN,
    output:
        result=f"{_LOCOMO}/judge.json",
        judge=f"data/generated/{PROFILE}/judge.lexical.json",  # fitted on answers of others: it is never promoted
    log:
        f"logs/{PROFILE}/fit_judge.log",
    benchmark:
        f"{OUT}/benchmarks/fit_judge.tsv"
    threads: THREADS
    resources:
        mem_mb=peak_mb(2000),
    params:
        code=code_of("fit_judge.py"),
        settings=settings_of("encoder", "locomo"),
        options=f"--config {CONFIG} {JUDGE_FILES}".rstrip(),
    message:
        "python code/steps/fit_judge.py {params.options} --stand-in {input.standin} --out {output.result} --judge {output.judge}"
    shell:
        "python code/steps/fit_judge.py {params.options} --stand-in {input.standin} --out {output.result} --judge {output.judge}"
        " > {log} 2>&1"


rule judge_locomo:
    input:
        encoder=f"models/{ENCODER}/loci_model.json",
        standin=_STANDIN,
        fitted=f"{_LOCOMO}/judge.json",
        judge=f"data/generated/{PROFILE}/judge.lexical.json",
        asked=_BY,
        answers=_SAID,
        votes=expand(f"{_LOCOMO}/judge.{{judge}}.{BASE}.json", judge=VOTERS),
        voted=expand(f"{_LOCOMO}/verdicts.{{judge}}.{BASE}.jsonl", judge=VOTERS),
    output:
        result=f"{_LOCOMO}/judged.{BASE}.json",
        verdicts=f"{_LOCOMO}/verdicts.{BASE}.jsonl",
    log:
        f"logs/{PROFILE}/judge_locomo.log",
    benchmark:
        f"{OUT}/benchmarks/judge_locomo.tsv"
    threads: THREADS
    resources:
        mem_mb=peak_mb(2000),
    params:
        code=code_of("judge_locomo.py"),
        settings=settings_of("encoder", "locomo"),
        options=f"--config {CONFIG} {LOCOMO_FILES}".rstrip(),
    message:
        "python code/steps/judge_locomo.py {params.options} --stand-in {input.standin} --fitted {input.fitted} --judge {input.judge}"
        " --asked {input.asked} --answers {input.answers} --votes {input.votes} --out {output.result} --verdicts {output.verdicts}"
    shell:
        "python code/steps/judge_locomo.py {params.options} --stand-in {input.standin} --fitted {input.fitted} --judge {input.judge}"
        " --asked {input.asked} --answers {input.answers} --votes {input.votes} --out {output.result} --verdicts {output.verdicts}"
        " > {log} 2>&1"


rule ask_judge:
    input:
        model=MODEL,
        standin=_STANDIN,
        asked=_BY,
        answers=_SAID,
    output:
        result=f"{_LOCOMO}/judge.{{judge}}.{BASE}.json",
        verdicts=f"{_LOCOMO}/verdicts.{{judge}}.{BASE}.jsonl",
    log:
        f"logs/{PROFILE}/ask_judge.{{judge}}.log",
    benchmark:
        f"{OUT}/benchmarks/ask_judge.{{judge}}.tsv"
    threads: THREADS
    resources:
        mem_mb=peak_mb(3000),
    params:
        code=code_of("ask_judge.py"),
        settings=settings_of("base", "locomo", "judges"),
        options=f"--config {CONFIG} {JUDGE_FILES} --cache data/generated/{PROFILE}".replace("  ", " "),
    wildcard_constraints:
        judge="strict|lenient|endpoint",
    message:
        "python code/steps/ask_judge.py {params.options} --judge {wildcards.judge} --stand-in {input.standin} --asked {input.asked}"
        " --said {input.answers} --out {output.result} --verdicts {output.verdicts}"
    shell:
        "python code/steps/ask_judge.py {params.options} --judge {wildcards.judge} --stand-in {input.standin} --asked {input.asked}"
        " --said {input.answers} --out {output.result} --verdicts {output.verdicts} > {log} 2>&1"


rule sweep_locomo:
    input:
        model=MODEL,
        encoder=f"models/{ENCODER}/loci_model.json",
        standin=_STANDIN,
        sweep="config/sweep_locomo.yaml",
    output:
        f"{OUT}/sweeps/locomo.json",
    log:
        f"logs/{PROFILE}/sweep_locomo.log",
    benchmark:
        f"{OUT}/benchmarks/sweep_locomo.tsv"
    threads: THREADS
    resources:
        mem_mb=peak_mb(5500),
    params:
        code=code_of("sweep_locomo.py"),
        settings=settings_of("base", "encoder", "engram", "locomo", "locomo_asked"),
        options=f"--config {CONFIG} {_FILE}".rstrip(),
    message:
        "python code/steps/sweep_locomo.py {params.options} --sweep {input.sweep} --stand-in {input.standin} --out {output}"
    shell:
        "python code/steps/sweep_locomo.py {params.options} --sweep {input.sweep} --stand-in {input.standin} --out {output}"
        " > {log} 2>&1"


rule judge_layered:
    input:
        users=USERS,
        encoder=f"models/{ENCODER}/loci_model.json",
        answers=expand(f"{LAYERED}/answers.{BASE}.{{reader}}.jsonl", reader=_ADAPTERS),
        fitted=f"{_LOCOMO}/judge.json",
        judge=f"data/generated/{PROFILE}/judge.lexical.json",
    output:
        f"{LAYERED}/judged.{BASE}.json",
    log:
        f"logs/{PROFILE}/judge_layered.log",
    benchmark:
        f"{OUT}/benchmarks/judge_layered.tsv"
    threads: THREADS
    resources:
        mem_mb=peak_mb(2500),
    params:
        code=code_of("judge_layered.py"),
        settings=settings_of("base", "encoder", "people", "matrix", "layered"),
        options=f"--config {CONFIG}",
    message:
        "python code/steps/judge_layered.py {params.options} --users {input.users} --answers {input.answers} --fitted {input.fitted}"
        " --judge {input.judge} --out {output}"
    shell:
        "python code/steps/judge_layered.py {params.options} --users {input.users} --answers {input.answers} --fitted {input.fitted}"
        " --judge {input.judge} --out {output} > {log} 2>&1"
