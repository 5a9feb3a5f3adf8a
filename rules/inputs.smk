# Models and users.


rule fetch_model:
    output:
        "models/{name}/loci_model.json",
    log:
        f"logs/{PROFILE}/fetch_model.{{name}}.log",
    benchmark:
        f"{OUT}/benchmarks/fetch_model.{{name}}.tsv"
    threads: THREADS
    resources:
        mem_mb=3000,
    params:
        source=lambda wildcards: source_of(wildcards.name),
        folder=lambda wildcards, output: Path(output[0]).parent,
    wildcard_constraints:
        name=f"{BASE}|{ENCODER}|{SECOND}",
    message:
        "python code/steps/fetch_model.py --model {wildcards.name} --source {params.source} --out {params.folder}"
    shell:
        # Snakemake clears the declared output; the step takes a folder without it for a half-made one and starts anew.
        "python code/steps/fetch_model.py --model {wildcards.name} --source {params.source} --out {params.folder} > {log} 2>&1"


# Both kinds of people: people.json (personal lives, asked by the matrix) and medical.json.
rule make_people:
    output:
        f"data/generated/{PROFILE}/{{world}}.json",
    log:
        f"logs/{PROFILE}/make_people.{{world}}.log",
    benchmark:
        f"{OUT}/benchmarks/make_people.{{world}}.tsv"
    threads: 1
    resources:
        mem_mb=200,
    params:
        code=code_of("make_people.py"),
        world=lambda wildcards: "personal" if wildcards.world == "people" else wildcards.world,
        options="--count {count} --dev {dev} --train {train} --seed {seed}".format(**SETTINGS["people"]),
    wildcard_constraints:
        world="people|medical",
    message:
        "python code/steps/make_people.py --world {params.world} {params.options} --out {output}"
    shell:
        "python code/steps/make_people.py --world {params.world} {params.options} --out {output} > {log} 2>&1"
