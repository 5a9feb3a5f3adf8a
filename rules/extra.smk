# Not part of the default run: selection on development users, studies that take long, and timings.


rule sweeps:
    input:
        f"{OUT}/sweeps/rows.json",
        f"{OUT}/sweeps/reader.json",
        f"{OUT}/sweeps/lora.json",
        f"{OUT}/sweeps/density.10000.json",
        f"{OUT}/sweeps/capacity.json",
        f"{OUT}/sweeps/locomo.json",
        f"{OUT}/sweeps/written.json",
        f"{OUT}/sweeps/distilled.json",
        f"{OUT}/sweeps/layered_growth.{BASE}.json",
        f"{OUT}/sweeps/tenants.{BASE}.json",
        expand(f"{OUT}/sweeps/stress.{{base}}.json", base=[BASE, SECOND]),
        expand(f"{OUT}/sweeps/shared.{{variant}}.json", variant=SHARED_VARIANTS),
        f"{OUT}/windowed/windowed_more.json",
        f"{OUT}/windowed/windowed_seeds.json",
        f"{OUT}/extraction/locomo.json",
        expand(f"{OUT}/sweeps/lines.{{reader}}.json", reader=["recite", "answer"]),
        expand(f"{OUT}/extraction/exams.{{strategy}}.json", strategy=["a", "b", "c"]),
        f"{OUT}/extraction/side.json",
        f"{OUT}/windowed/zone.{BASE}.json",
        f"{OUT}/live/mqar.json",
        f"{OUT}/mem/mem_more.{BASE}.json",
        f"{OUT}/sweeps/isolate_serve.10000.json",
        f"{OUT}/sweeps/kill_serve.100.json",
        f"{OUT}/sweeps/mentions.{BASE}.json",
        f"{OUT}/sweeps/moved.{BASE}.json",
        f"{OUT}/inside/moved.{BASE}.json",
        f"{OUT}/mem/answered.{BASE}.json",
        f"{OUT}/pretrain/written.json",


rule benchmarks:
    input:
        f"{OUT}/bench/row_write.json",
        f"{OUT}/bench/pretrain.json",
        f"{OUT}/bench/products.json",
        f"{OUT}/bench/side_reader.json",
        f"{OUT}/bench/distilled_recall.json",


rule sweep_rows:
    input:
        model=MODEL,
        users=USERS,
        sweep="config/sweep_rows.yaml",
    output:
        f"{OUT}/sweeps/rows.json",
    log:
        f"logs/{PROFILE}/sweep_rows.log",
    benchmark:
        f"{OUT}/benchmarks/sweep_rows.tsv"
    threads: THREADS
    resources:
        mem_mb=4500,
    params:
        code=code_of("sweep_rows.py"),
        settings=SETTINGS,
        options=f"--config {CONFIG}",
    message:
        "python code/steps/sweep_rows.py {params.options} --sweep {input.sweep} --users {input.users} --out {output}"
    shell:
        "python code/steps/sweep_rows.py {params.options} --sweep {input.sweep} --users {input.users} --out {output} > {log} 2>&1"


rule sweep_reader:
    input:
        model=MODEL,
        encoder=f"models/{ENCODER}/loci_model.json",
        users=USERS,
        conversations=DIALOGUES,
        sweep="config/sweep_reader.yaml",
    output:
        result=f"{OUT}/sweeps/reader.json",
        answers=f"{OUT}/sweeps/reader.jsonl",
    log:
        f"logs/{PROFILE}/sweep_reader.log",
    benchmark:
        f"{OUT}/benchmarks/sweep_reader.tsv"
    threads: THREADS
    resources:
        mem_mb=4500,
    params:
        code=code_of("sweep_reader.py"),
        settings=SETTINGS,
        options=f"--config {CONFIG}",
    message:
        "python code/steps/sweep_reader.py {params.options} --sweep {input.sweep} --users {input.users} --conversations {input.conversations} --out {output.result} --answers {output.answers}"
    shell:
        "python code/steps/sweep_reader.py {params.options} --sweep {input.sweep} --users {input.users} --conversations {input.conversations} --out {output.result} --answers {output.answers} > {log} 2>&1"


rule sweep_lora:
    input:
        model=MODEL,
        users=USERS,
        sweep="config/sweep_lora.yaml",
    output:
        f"{OUT}/sweeps/lora.json",
    log:
        f"logs/{PROFILE}/sweep_lora.log",
    benchmark:
        f"{OUT}/benchmarks/sweep_lora.tsv"
    threads: THREADS
    resources:
        mem_mb=4500,
    params:
        code=code_of("sweep_lora.py"),
        settings=SETTINGS,
        options=f"--config {CONFIG}",
    message:
        "python code/steps/sweep_lora.py {params.options} --sweep {input.sweep} --users {input.users} --out {output}"
    shell:
        "python code/steps/sweep_lora.py {params.options} --sweep {input.sweep} --users {input.users} --out {output} > {log} 2>&1"


rule sweep_shared:
    input:
        model=MODEL,
        encoder=f"models/{ENCODER}/loci_model.json",
        sweep="config/sweep_shared.yaml",
        adapter=lambda wildcards: frozen_reader_of(wildcards.variant),
    output:
        result=f"{OUT}/sweeps/shared.{{variant}}.json",
        answers=f"{OUT}/sweeps/shared.{{variant}}.jsonl",
    log:
        f"logs/{PROFILE}/sweep_shared.{{variant}}.log",
    benchmark:
        f"{OUT}/benchmarks/sweep_shared.{{variant}}.tsv"
    threads: THREADS
    resources:
        mem_mb=5500,
    params:
        code=code_of("sweep_shared.py"),
        settings=settings_of("base", "encoder", "people", "engram", "write", "matrix", "reader", "layered"),
        options=f"--config {CONFIG}",
        adapter=lambda wildcards, input: f"--adapter {input.adapter}" if input.get("adapter") else "",
    wildcard_constraints:
        variant="|".join(SHARED_VARIANTS),
    message:
        "python code/steps/sweep_shared.py {params.options} --sweep {input.sweep} --variant {wildcards.variant} {params.adapter}"
        " --out {output.result} --answers {output.answers}"
    shell:
        "python code/steps/sweep_shared.py {params.options} --sweep {input.sweep} --variant {wildcards.variant} {params.adapter}"
        " --out {output.result} --answers {output.answers} > {log} 2>&1"


rule choose_lines:
    input:
        model=MODEL,
        encoder=f"models/{ENCODER}/loci_model.json",
        adapter=f"{LAYERED}/reader.{{reader}}.{BASE}.s{FIRST}.safetensors",
    output:
        f"{OUT}/sweeps/lines.{{reader}}.json",
    log:
        f"logs/{PROFILE}/choose_lines.{{reader}}.log",
    benchmark:
        f"{OUT}/benchmarks/choose_lines.{{reader}}.tsv"
    threads: THREADS
    resources:
        mem_mb=4500,
    params:
        code=code_of("choose_lines.py"),
        settings=settings_of("base", "encoder", "people", "matrix", "reader", "layered"),
        options=f"--config {CONFIG}",
    wildcard_constraints:
        reader="recite|answer",
    message:
        "python code/steps/choose_lines.py {params.options} --reader {wildcards.reader} --adapter {input.adapter} --out {output}"
    shell:
        "python code/steps/choose_lines.py {params.options} --reader {wildcards.reader} --adapter {input.adapter} --out {output} > {log} 2>&1"


rule density_large:
    input:
        model=MODEL,
    output:
        result=f"{OUT}/sweeps/tables.{{size}}.json",
        answers=f"{OUT}/sweeps/tables.{{size}}.jsonl",
    log:
        f"logs/{PROFILE}/density_large.{{size}}.log",
    benchmark:
        f"{OUT}/benchmarks/density_large.{{size}}.tsv"
    threads: THREADS
    resources:
        mem_mb=8000,
    params:
        code=code_of("density.py"),
        settings=settings_of("base", "engram", "write", "matrix", "side_effects", "density"),
        options=f"--config {CONFIG}",
    message:
        "python code/steps/density.py {params.options} --size {wildcards.size} --out {output.result} --answers {output.answers}"
    shell:
        "python code/steps/density.py {params.options} --size {wildcards.size} --out {output.result} --answers {output.answers} > {log} 2>&1"


rule score_density_large:
    input:
        tables=f"{OUT}/sweeps/tables.{{size}}.json",
        answers=f"{OUT}/sweeps/tables.{{size}}.jsonl",
    output:
        f"{OUT}/sweeps/density.{{size}}.json",
    log:
        f"logs/{PROFILE}/score_density_large.{{size}}.log",
    benchmark:
        f"{OUT}/benchmarks/score_density_large.{{size}}.tsv"
    threads: 1
    resources:
        mem_mb=500,
    params:
        code=code_of("score_density.py"),
    message:
        "python code/steps/score_density.py --tables {input.tables} --answers {input.answers} --out {output}"
    shell:
        "python code/steps/score_density.py --tables {input.tables} --answers {input.answers} --out {output} > {log} 2>&1"


# What the reciting reader goes on with: lines of an index in front of the questions, or nothing.
_FURTHER = {"find": "", "practise": "--bare"}


rule train_finder:
    input:
        model=MODEL,
        encoder=f"models/{ENCODER}/loci_model.json",
        start=f"{LAYERED}/reader.recite.{BASE}.s{FIRST}.safetensors",
    output:
        result=f"{LAYERED}/reader.{{further}}.{BASE}.s{FIRST}.json",
        adapter=f"{LAYERED}/reader.{{further}}.{BASE}.s{FIRST}.safetensors",
    log:
        f"logs/{PROFILE}/train_finder.{{further}}.log",
    benchmark:
        f"{OUT}/benchmarks/train_finder.{{further}}.tsv"
    threads: THREADS
    resources:
        mem_mb=peak_mb(5000),
    params:
        code=code_of("train_finder.py"),
        settings=settings_of("base", "encoder", "people", "reader", "finder", "layered"),
        options=lambda wildcards: f"--config {CONFIG} {_FURTHER[wildcards.further]}".rstrip(),
    wildcard_constraints:
        further="|".join(_FURTHER),
    message:
        "python code/steps/train_finder.py {params.options} --start {input.start} --out {output.result} --adapter {output.adapter}"
    shell:
        "python code/steps/train_finder.py {params.options} --start {input.start} --out {output.result} --adapter {output.adapter}"
        " > {log} 2>&1"


rule grow_layered:
    input:
        model=MODEL,
        encoder=f"models/{ENCODER}/loci_model.json",
        users=USERS,
        corpora=GROWTH_CORPORA,
        adapter=lambda wildcards: [
            f"{LAYERED}/reader.{name}.{BASE}.s{FIRST}.safetensors" for name in [GROWN_STORES[wildcards.store]] if name
        ],
    output:
        result=f"{OUT}/sweeps/grown.{{store}}.n{{facts}}.{BASE}.json",
        answers=f"{OUT}/sweeps/grown.{{store}}.n{{facts}}.{BASE}.jsonl",
    log:
        f"logs/{PROFILE}/grow_layered.{{store}}.n{{facts}}.log",
    benchmark:
        f"{OUT}/benchmarks/grow_layered.{{store}}.n{{facts}}.tsv"
    threads: THREADS
    resources:
        mem_mb=lambda wildcards: peak_mb({"recited": 11300, "practised": 11300, "rows": 6900}.get(wildcards.store, 5000)),
    params:
        code=code_of("grow_layered.py"),
        settings=settings_of("base", "encoder", "people", "engram", "write", "matrix", "reader", "user_lora", "layered"),
        grown=lambda wildcards: grown_users(wildcards.facts),
        options=f"--config {CONFIG}",
        adapter=lambda wildcards, input: f"--adapter {input.adapter}" if input.adapter else "",
    wildcard_constraints:
        store="|".join(GROWN_STORES),
        facts=r"\d+",
    message:
        "python code/steps/grow_layered.py {params.options} --users {input.users} --corpora {input.corpora} --store {wildcards.store}"
        " --facts {wildcards.facts} {params.adapter} --out {output.result} --answers {output.answers}"
    shell:
        "python code/steps/grow_layered.py {params.options} --users {input.users} --corpora {input.corpora} --store {wildcards.store}"
        " --facts {wildcards.facts} {params.adapter} --out {output.result} --answers {output.answers} > {log} 2>&1"


rule score_grown:
    input:
        users=USERS,
        grown=grown_files("json"),
        answers=grown_files("jsonl"),
    output:
        f"{OUT}/sweeps/layered_growth.{BASE}.json",
    log:
        f"logs/{PROFILE}/score_grown.log",
    benchmark:
        f"{OUT}/benchmarks/score_grown.tsv"
    threads: 1
    resources:
        mem_mb=500,
    params:
        code=code_of("score_grown.py"),
        settings=settings_of("base", "layered", "layered_growth"),
        options=f"--config {CONFIG}",
    message:
        "python code/steps/score_grown.py {params.options} --users {input.users} --grown {input.grown} --answers {input.answers} --out {output}"
    shell:
        "python code/steps/score_grown.py {params.options} --users {input.users} --grown {input.grown} --answers {input.answers} --out {output} > {log} 2>&1"


rule share_table:
    input:
        model=MODEL,
    output:
        result=f"{OUT}/sweeps/tenants.{BASE}.json",
        answers=f"{OUT}/sweeps/tenants.{BASE}.jsonl",
    log:
        f"logs/{PROFILE}/share_table.log",
    benchmark:
        f"{OUT}/benchmarks/share_table.tsv"
    threads: THREADS
    resources:
        mem_mb=4500,
    params:
        code=code_of("share_table.py"),
        settings=settings_of("base", "people", "engram", "write", "matrix", "tenants"),
        options=f"--config {CONFIG}",
    message:
        "python code/steps/share_table.py {params.options} --out {output.result} --answers {output.answers}"
    shell:
        "python code/steps/share_table.py {params.options} --out {output.result} --answers {output.answers} > {log} 2>&1"


rule stress_rows:
    input:
        model="models/{base}/loci_model.json",
        users=USERS,
    output:
        result=f"{OUT}/sweeps/stress.{{base}}.json",
        answers=f"{OUT}/sweeps/stress.{{base}}.jsonl",
    log:
        f"logs/{PROFILE}/stress_rows.{{base}}.log",
    benchmark:
        f"{OUT}/benchmarks/stress_rows.{{base}}.tsv"
    threads: THREADS
    resources:
        mem_mb=6000,
    params:
        code=code_of("stress_rows.py"),
        settings=settings_of("base", "people", "engram", "write", "matrix", "stress"),
        options=f"--config {CONFIG}",
    message:
        "python code/steps/stress_rows.py {params.options} --base {wildcards.base} --users {input.users} --out {output.result}"
        " --answers {output.answers}"
    shell:
        "python code/steps/stress_rows.py {params.options} --base {wildcards.base} --users {input.users} --out {output.result}"
        " --answers {output.answers} > {log} 2>&1"


rule row_write:
    input:
        model=MODEL,
    output:
        f"{OUT}/bench/row_write.json",
    log:
        f"logs/{PROFILE}/row_write.log",
    benchmark:
        f"{OUT}/benchmarks/row_write.tsv"
    threads: workflow.cores  # alone: it measures time
    resources:
        mem_mb=4500,
    params:
        code=code_hash(Path(workflow.basedir) / "benchmarks" / "row_write.py"),
        settings=settings_of("base", "engram", "write", "closed_form_scale", "row_write"),
        options=f"--config {CONFIG}",
    message:
        "python benchmarks/row_write.py {params.options} --out {output}"
    shell:
        "python benchmarks/row_write.py {params.options} --out {output} > {log} 2>&1"


rule bench_pretrain:
    output:
        f"{OUT}/bench/pretrain.json",
    log:
        f"logs/{PROFILE}/bench_pretrain.log",
    benchmark:
        f"{OUT}/benchmarks/bench_pretrain.tsv"
    threads: workflow.cores  # alone: it measures time
    resources:
        mem_mb=2000,
    params:
        code=code_hash(Path(workflow.basedir) / "benchmarks" / "train_speed.py"),
        settings=settings_of("training", "pretrain"),
        options=f"--config {CONFIG} {TRAINING}",
    message:
        "python benchmarks/train_speed.py {params.options} --out {output}"
    shell:
        "python benchmarks/train_speed.py {params.options} --out {output} > {log} 2>&1"


rule bench_side_reader:
    output:
        f"{OUT}/bench/side_reader.json",
    log:
        f"logs/{PROFILE}/bench_side_reader.log",
    benchmark:
        f"{OUT}/benchmarks/bench_side_reader.tsv"
    threads: workflow.cores  # alone: it measures time
    resources:
        mem_mb=1000,
    params:
        code=code_hash(Path(workflow.basedir) / "benchmarks" / "side_reader.py"),
        settings=settings_of("side", "windowed"),
        options=f"--config {CONFIG}",
    message:
        "python benchmarks/side_reader.py {params.options} --out {output}"
    shell:
        "python benchmarks/side_reader.py {params.options} --out {output} > {log} 2>&1"


rule bench_products:
    input:
        model=MODEL,
    output:
        f"{OUT}/bench/products.json",
    log:
        f"logs/{PROFILE}/bench_products.log",
    benchmark:
        f"{OUT}/benchmarks/bench_products.tsv"
    threads: workflow.cores  # alone: it measures time
    resources:
        mem_mb=2000,
    params:
        code=code_hash(Path(workflow.basedir) / "benchmarks" / "products.py"),
        settings=settings_of("base", "reader", "layered"),
        options=f"--config {CONFIG}",
    message:
        "python benchmarks/products.py {params.options} --out {output}"
    shell:
        "python benchmarks/products.py {params.options} --out {output} > {log} 2>&1"


rule read_distilled:
    input:
        model=MODEL,
        sweep="config/sweep_distilled.yaml",
    output:
        f"{OUT}/sweeps/distilled.json",
    log:
        f"logs/{PROFILE}/read_distilled.log",
    benchmark:
        f"{OUT}/benchmarks/read_distilled.tsv"
    threads: THREADS
    resources:
        mem_mb=peak_mb(6200),
    params:
        code=code_of("read_distilled.py"),
        settings=settings_of("base", "engram", "matrix", "distilled"),
        options=f"--config {CONFIG}",
    message:
        "python code/steps/read_distilled.py {params.options} --sweep {input.sweep} --out {output}"
    shell:
        "python code/steps/read_distilled.py {params.options} --sweep {input.sweep} --out {output} > {log} 2>&1"


rule bench_distilled:
    output:
        f"{OUT}/bench/distilled_recall.json",
    log:
        f"logs/{PROFILE}/bench_distilled.log",
    benchmark:
        f"{OUT}/benchmarks/bench_distilled.tsv"
    threads: workflow.cores  # alone: it measures time
    resources:
        mem_mb=500,
    params:
        code=code_hash(Path(workflow.basedir) / "benchmarks" / "distilled_recall.py"),
    message:
        "python benchmarks/distilled_recall.py --out {output}"
    shell:
        "python benchmarks/distilled_recall.py --out {output} > {log} 2>&1"
