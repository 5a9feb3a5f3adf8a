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
        f"{OUT}/inside/moved.{BASE}.json",
        f"{OUT}/growth/growth.json",
        f"{OUT}/growth/answers.{BASE}.json",
        f"{OUT}/density/density.{BASE}.json",
        f"{OUT}/layered/layered.{BASE}.json",
        f"{OUT}/layered/contamination.{BASE}.json",
        f"{OUT}/pretrain/pretrained.json",
        f"{OUT}/pretrain/written.json",
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
        expand(f"{OUT}/worlds/{{name}}.json", name=["worlds", "priors", "locomo"]),
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
    message:
        "python code/steps/collect_ledger.py {input} --out {output}"
    shell:
        "python code/steps/collect_ledger.py {input} --out {output} > {log} 2>&1"


rule draw_recall:
    input:
        f"{OUT}/summary.json",
    output:
        pdf=f"{OUT}/figures/recall.pdf",
        png=f"{OUT}/figures/recall.png",
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
        png=f"{OUT}/figures/{{figure}}.png",
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
        figure="matrix|budget|growth|layered|firing|density|mem|inside|elsewhere",
    message:
        "python code/steps/draw_{wildcards.figure}.py --ledger {input} {params.options} --out {output.pdf} {output.png}"
    shell:
        "python code/steps/draw_{wildcards.figure}.py --ledger {input} {params.options} --out {output.pdf} {output.png} > {log} 2>&1"


rule draw_from_scratch:
    input:
        f"{OUT}/summary.json",
    output:
        pdf=f"{OUT}/figures/{{figure}}.pdf",
        png=f"{OUT}/figures/{{figure}}.png",
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
        figure="pretrain|windowed|extraction|locomo|judges|distilled|live",
    message:
        "python code/steps/draw_{wildcards.figure}.py --ledger {input} --out {output.pdf} {output.png}"
    shell:
        "python code/steps/draw_{wildcards.figure}.py --ledger {input} --out {output.pdf} {output.png} > {log} 2>&1"


rule make_matrix_table:
    input:
        f"{OUT}/summary.json",
    output:
        f"{OUT}/tables/matrix.tex",
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
