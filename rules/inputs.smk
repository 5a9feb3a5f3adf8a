# Models and users.


rule fetch_model:
    output:
        MODEL,
    log:
        f"logs/{PROFILE}/fetch_model.{BASE}.log",
    benchmark:
        f"{OUT}/benchmarks/fetch_model.{BASE}.tsv"
    threads: 2
    resources:
        mem_mb=3000,
    params:
        source=SETTINGS["base"]["source"],
        folder=lambda wildcards, output: Path(output[0]).parent,
    message:
        f"python code/steps/fetch_model.py --model {BASE} --source {{params.source}} --out {{params.folder}}"
    shell:
        # Snakemake clears the declared output; the step takes a folder without it for a half-made one and starts anew.
        f"python code/steps/fetch_model.py --model {BASE} --source {{params.source}} --out {{params.folder}} > {{log}} 2>&1"


rule make_people:
    output:
        USERS,
    log:
        f"logs/{PROFILE}/make_people.log",
    benchmark:
        f"{OUT}/benchmarks/make_people.tsv"
    threads: 1
    resources:
        mem_mb=200,
    params:
        code=code_of("make_people.py"),
        people=SETTINGS["people"],
        options="--count {count} --dev {dev} --seed {seed}".format(**SETTINGS["people"]),
    message:
        "python code/steps/make_people.py {params.options} --out {output}"
    shell:
        "python code/steps/make_people.py {params.options} --out {output} > {log} 2>&1"
