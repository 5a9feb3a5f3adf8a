# Helpers of all rules: nothing here makes a file.

# Settings that a rule depends on stand in its params, so that changing one re-runs just the rules that read it.
def settings_of(*sections):
    return {name: SETTINGS[name] for name in sections}


# A step's own code, every module it imports and the authored data that these read; Snakemake sees none of it.
def code_of(step):
    script = Path(workflow.basedir) / "code" / "steps" / step
    return f"{code_hash(script)}.{data_hash(script)}"


# MB that a job may hold at its peak (as measured, rounded up); a model made in the run needs a fraction.
def peak_mb(measured):
    return min(measured, 1500) if SETTINGS["base"]["source"] == "made" else measured


wildcard_constraints:
    seed=r"\d+",
