# Helpers of all rules: nothing here makes a file.

# Settings that a rule depends on stand in its params, so that changing one re-runs just the rules that read it.
def settings_of(*sections):
    return {name: SETTINGS[name] for name in sections}


# A step's own code and every module it imports; Snakemake sees neither.
def code_of(step):
    return code_hash(Path(workflow.basedir) / "code" / "steps" / step)


wildcard_constraints:
    seed=r"\d+",
