# Ledger, figures and tables. The same scripts draw from results/reference without any rule: `make figures`.


rule collect_ledger:
    input:
        f"{OUT}/matrix/matrix.{BASE}.json",
        expand(f"{OUT}/matrix/recall.{{write}}.json", write=["facts", "dialogue"]),
        f"{OUT}/matrix/distilled.json",
        f"{OUT}/mem/mem.{BASE}.json",
        f"{OUT}/inside/rows.{BASE}.json",
        f"{OUT}/inside/depths.{BASE}.json",
        f"{OUT}/inside/pretrained.json",
        f"{OUT}/inside/mentions.{BASE}.json",
        f"{OUT}/growth/growth.json",
        f"{OUT}/growth/answers.{BASE}.json",
        f"{OUT}/density/density.{BASE}.json",
        f"{OUT}/layered/layered.{BASE}.json",
        f"{OUT}/layered/contamination.{BASE}.json",
        f"{OUT}/pretrain/pretrained.json",
        f"{OUT}/windowed/windowed.json",
        f"{OUT}/live/live.json",
        f"{OUT}/windowed/cloze.json",
        f"{OUT}/extraction/extraction.json",
        f"{OUT}/locomo/recall.json",
        f"{OUT}/locomo/locomo.{BASE}.json",
        f"{OUT}/locomo/judge.json",
        f"{OUT}/locomo/judged.{BASE}.json",
        expand(f"{OUT}/locomo/judge.{{judge}}.{BASE}.json", judge=VOTERS),
        f"{OUT}/layered/judged.{BASE}.json",
        SERVED,
        expand(f"{OUT}/worlds/{{name}}.json", name=["worlds", "priors", "coverage", "locomo"]),
    output:
        f"{OUT}/summary.json",
    log:
        f"logs/{PROFILE}/collect_ledger.log",
    benchmark:
        f"{OUT}/benchmarks/collect_ledger.tsv"
    threads: 1
    resources:
        mem_mb=200,
    params:
        code=code_of("collect_ledger.py"),
        options=f"--profile {PROFILE}",
    message:
        "python code/steps/collect_ledger.py {input} {params.options} --out {output}"
    shell:
        "python code/steps/collect_ledger.py {input} {params.options} --out {output} > {log} 2>&1"


rule check_claims:
    input:
        ledger=f"{OUT}/summary.json",
        claims=CLAIMS,
    output:
        result=f"{OUT}/claims.json",
        table=f"{OUT}/tables/claims.tex",
    log:
        f"logs/{PROFILE}/check_claims.log",
    benchmark:
        f"{OUT}/benchmarks/check_claims.tsv"
    threads: 1
    resources:
        mem_mb=200,
    params:
        code=code_of("check_claims.py"),
        options=f"--profile {PROFILE}",
    message:
        "python code/steps/check_claims.py {params.options} --ledger {input.ledger} --claims {input.claims} --out {output.result}"
        " --table {output.table}"
    shell:
        "python code/steps/check_claims.py {params.options} --ledger {input.ledger} --claims {input.claims} --out {output.result}"
        " --table {output.table} > {log} 2>&1"


rule draw_recall:
    input:
        f"{OUT}/summary.json",
    output:
        pdf=f"{OUT}/figures/recall.pdf",
        png=in_report(f"{OUT}/figures/recall.png"),
    log:
        f"logs/{PROFILE}/draw_recall.log",
    benchmark:
        f"{OUT}/benchmarks/draw_recall.tsv"
    threads: 1
    resources:
        mem_mb=500,
    params:
        code=code_of("draw_recall.py"),
        options=f"--base {BASE}",
    message:
        "python code/steps/draw_recall.py --ledger {input} {params.options} --out {output.pdf} {output.png}"
    shell:
        "python code/steps/draw_recall.py --ledger {input} {params.options} --out {output.pdf} {output.png} > {log} 2>&1"


rule draw_memories:
    input:
        f"{OUT}/summary.json",
    output:
        pdf=f"{OUT}/figures/{{figure}}.pdf",
        png=in_report(f"{OUT}/figures/{{figure}}.png"),
    log:
        f"logs/{PROFILE}/draw_{{figure}}.log",
    benchmark:
        f"{OUT}/benchmarks/draw_{{figure}}.tsv"
    threads: 1
    resources:
        mem_mb=500,
    params:
        code=lambda wildcards: code_of(f"draw_{wildcards.figure}.py"),
        options=f"--base {BASE}",
    wildcard_constraints:
        figure="matrix|budget|growth|layered|firing|density|mem|inside",
    message:
        "python code/steps/draw_{wildcards.figure}.py --ledger {input} {params.options} --out {output.pdf} {output.png}"
    shell:
        "python code/steps/draw_{wildcards.figure}.py --ledger {input} {params.options} --out {output.pdf} {output.png} > {log} 2>&1"


rule draw_from_scratch:
    input:
        f"{OUT}/summary.json",
    output:
        pdf=f"{OUT}/figures/{{figure}}.pdf",
        png=in_report(f"{OUT}/figures/{{figure}}.png"),
    log:
        f"logs/{PROFILE}/draw_{{figure}}.log",
    benchmark:
        f"{OUT}/benchmarks/draw_{{figure}}.tsv"
    threads: 1
    resources:
        mem_mb=500,
    params:
        code=lambda wildcards: code_of(f"draw_{wildcards.figure}.py"),
    wildcard_constraints:
        figure="pretrain|windowed|extraction|locomo|judges|distilled|live|serve",
    message:
        "python code/steps/draw_{wildcards.figure}.py --ledger {input} --out {output.pdf} {output.png}"
    shell:
        "python code/steps/draw_{wildcards.figure}.py --ledger {input} --out {output.pdf} {output.png} > {log} 2>&1"


rule make_matrix_table:
    input:
        f"{OUT}/summary.json",
    output:
        report(f"{OUT}/tables/matrix.tex", category="Tables", labels={"table": "matrix, LaTeX"}),
    log:
        f"logs/{PROFILE}/make_matrix_table.log",
    benchmark:
        f"{OUT}/benchmarks/make_matrix_table.tsv"
    threads: 1
    resources:
        mem_mb=200,
    params:
        code=code_of("make_matrix_table.py"),
        options=f"--base {BASE}",
    message:
        "python code/steps/make_matrix_table.py --ledger {input} {params.options} --out {output}"
    shell:
        "python code/steps/make_matrix_table.py --ledger {input} {params.options} --out {output} > {log} 2>&1"


rule make_explorer:
    input:
        ledger=f"{OUT}/summary.json",
        matrix=expand(f"{_MATRIX}/answers.{BASE}.{{write}}.jsonl", write=[*_WRITES, "rows"]),
        recalls=expand(f"{_MATRIX}/recalls.{{write}}.jsonl", write=_WRITES),
        layered=expand(f"{LAYERED}/answers.{BASE}.{{reader}}.jsonl", reader=_ADAPTERS),
        locomo=_SAID,
        verdicts=f"{_LOCOMO}/verdicts.{BASE}.jsonl",
        claims=f"{OUT}/claims.json" if CLAIMED else [],
    output:
        report(f"{OUT}/explorer.html", category="Explorer", labels={"page": "every table, and the answers behind it"}),
    log:
        f"logs/{PROFILE}/make_explorer.log",
    benchmark:
        f"{OUT}/benchmarks/make_explorer.tsv"
    threads: 1
    resources:
        mem_mb=300,
    params:
        code=code_of("make_explorer.py"),
        settings=settings_of("base", "people", "matrix", "layered"),
        options=f"--config {CONFIG} --claims {OUT}/claims.json" if CLAIMED else f"--config {CONFIG}",
    message:
        "python code/steps/make_explorer.py {params.options} --ledger {input.ledger} --matrix {input.matrix}"
        " --recalls {input.recalls} --layered {input.layered} --locomo {input.locomo} --verdicts {input.verdicts} --out {output}"
    shell:
        "python code/steps/make_explorer.py {params.options} --ledger {input.ledger} --matrix {input.matrix}"
        " --recalls {input.recalls} --layered {input.layered} --locomo {input.locomo} --verdicts {input.verdicts} --out {output}"
        " > {log} 2>&1"


rule write_captions:
    input:
        ledger=f"{OUT}/summary.json",
        captions="paper/captions.yaml",
    output:
        f"{OUT}/captions.json",
    log:
        f"logs/{PROFILE}/write_captions.log",
    benchmark:
        f"{OUT}/benchmarks/write_captions.tsv"
    threads: 1
    resources:
        mem_mb=200,
    params:
        code=code_of("write_captions.py"),
        options=f"--base {BASE} --figures {' '.join(FIGURES)}",
    message:
        "python code/steps/write_captions.py --ledger {input.ledger} --captions {input.captions} {params.options} --out {output}"
    shell:
        "python code/steps/write_captions.py --ledger {input.ledger} --captions {input.captions} {params.options} --out {output}"
        " > {log} 2>&1"
