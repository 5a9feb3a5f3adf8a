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


# Where a model comes from: the second base from where the first one comes.
def source_of(name):
    return SETTINGS["encoder" if name == ENCODER else "base"]["source"]


LAYERED = f"{OUT}/layered"
SECOND = SETTINGS["stress"]["second"]["base"]
FIRST = SEEDS[0]  # rows and adapters that are written with one seed only


# What the layered conditions of a reader read: rows, the reader's weights, adapters of the users themselves.
def rows_under(wildcards):
    """What is laid over the prompts of a reader: rows written with it attached, or on the base model."""
    if wildcards.reader == "recite":
        return f"{LAYERED}/write_recited.{BASE}.s{FIRST}.json"
    return f"{OUT}/matrix/write_rows.{BASE}.s{FIRST}.json" if wildcards.reader in ("base", "answer", "user") else []


def adapter_of(wildcards):
    alone = ("base", "user")
    return [] if wildcards.reader in alone else f"{LAYERED}/reader.{wildcards.reader}.{BASE}.s{FIRST}.safetensors"


def tuned_of(wildcards):
    return f"{LAYERED}/tune_users.{BASE}.s{FIRST}.json" if wildcards.reader == "user" else []


# Variants of shared readers, each a result of its own; those that ask another world train nothing.
_SHARED = yaml.safe_load((Path(workflow.basedir) / "config" / "sweep_shared.yaml").read_text(encoding="utf-8"))["variants"]
SHARED_VARIANTS = list(_SHARED)


def frozen_reader_of(variant):
    return f"{LAYERED}/reader.recite.{BASE}.s{FIRST}.safetensors" if "world" in _SHARED[variant] else []


# What grows, and the shared reader of it.
GROWN_STORES = {"rows": "answer", "recited": "recite", "practised": "practise", "index": "recite", "finder": "find", "user": None}
GROWING = SETTINGS["layered_growth"]


def grown_files(ending):
    """Results of every store at every size to which it grows; own adapters, and rows of no reader, stop early."""
    sizes = [at["facts"] for at in GROWING["sizes"]]
    early = ("user", "rows")
    grown = [(store, facts) for store in GROWN_STORES for facts in sizes if store not in early or facts <= GROWING["adapters"]]
    return [f"{OUT}/sweeps/grown.{store}.n{facts}.{BASE}.{ending}" for store, facts in grown]


def grown_users(facts):
    """How many users a store is made for at a size, and what the lines of an index are chosen from."""
    return {"users": [at["users"] for at in GROWING["sizes"] if at["facts"] == int(facts)], "chosen": GROWING["chosen"]}


# The grid of Engram tables from scratch, and how models are trained from scratch in this profile.
CAPACITY = yaml.safe_load((Path(workflow.basedir) / "config" / "sweep_capacity.yaml").read_text(encoding="utf-8"))
TRAINING = " ".join(f"--{name} {value}" for name, value in SETTINGS["training"].items())
# LOCOMO's file and its audit as options of a step; the files are not Loci's to give away, and empty settings name none.
_NAMED = {name: f"--{name} {path}" for name, path in SETTINGS["locomo"].items() if path}
LOCOMO_FILES = " ".join(_NAMED[name] for name in ("file", "audit") if name in _NAMED)
JUDGE_FILES = " ".join(_NAMED.values())
COMPARED = SETTINGS["windowed"]["compared"]  # arms that read exams through a window, and seeds


def zone_reader(wildcards):
    """The answering reader's adapter, where a zone of triplets is read with it attached."""
    return f"{LAYERED}/reader.answer.{BASE}.s{FIRST}.safetensors" if wildcards.reader else []


def adapter_option(inputs):
    """A rule's adapter as an option of its step; nothing where it has none."""
    return f"--adapter {inputs.adapter}" if inputs.adapter else ""


def inside_of(*parts):
    """The settings of `inside` that a step reads."""
    return {name: SETTINGS["inside"][name] for name in ("users", "facts", "seeds", *parts)}


def asked_windowed(kind, arms=(), seeds=COMPARED["seeds"]):
    """Results or raw answers of the compared arms, then of `arms`."""
    return expand(f"{OUT}/windowed/asked.{{arm}}.s{{seed}}.{kind}", arm=[*COMPARED["arms"], *arms], seed=seeds)


# Claims are made of a profile; one that none is made of has no claims to check.
CLAIMS = "paper/claims.yaml"
_CLAIMS = (Path(workflow.basedir) / CLAIMS).read_text(encoding="utf-8")
CLAIMED = PROFILE in {claim["profile"] for claim in yaml.load(_CLAIMS, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))["claims"]}


wildcard_constraints:
    seed=r"\d+",


# Captions of the report hold numbers of this run: they are read when it is made, and before that there are none.
_CAPTION = "../paper/captions/report.rst"
_CAPTIONS = Path(f"{OUT}/captions.json")
config["captions"] = json.loads(_CAPTIONS.read_text(encoding="utf-8")) if _CAPTIONS.is_file() else {}
_TOPICS = {
    "Memories of text": ("matrix", "budget", "growth", "distilled"),
    "Inside the model": ("recall", "layered", "firing", "density", "mem", "live", "inside"),
    "Serving many users": ("serve",),
    "Trained from scratch": ("pretrain", "windowed", "extraction"),
    "LOCOMO": ("locomo", "judges"),
    "Worlds": ("worlds",),
}


# A figure in the report: under its topic, with its caption.
def in_report(path):
    named = Path(path).stem  # or a wildcard
    topic = lambda wildcards: next(name for name, found in _TOPICS.items() if wildcards.get("figure", named) in found)
    labels = {"figure": named}
    return report(path, caption=_CAPTION, category="Figures", subcategory=topic, labels=labels)
