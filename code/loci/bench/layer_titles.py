"""What the layered conditions are called in figures, tables and text: apart, so that drawing loads no model library."""

TITLES = {
    "a": "A: no memory",
    "c": "C: rows",
    "g": "G: retrieval, 1 line",
    "h": "H: retrieval, 3 lines",
    "i": "I: all facts",
    "gold0": "needed facts, plain base",
    "b": "B: the user's own LoRA",
    "d": "D: own LoRA and rows",
    "e": "E: answering reader alone",
    "f": "F: answering reader, rows",
    "s": "S: answering reader, another's rows",
    "ja": "J: answering reader, retrieval",
    "golda": "gold: answering reader, needed facts",
    "ke": "K-E: reciting reader alone",
    "ks": "K-S: reciting reader, another's rows",
    "j": "J: reciting reader, retrieval",
    "k": "K: reciting reader, rows",
    "kgold": "K-gold: true recitation given",
    "gold": "gold: reciting reader, needed facts",
}  # in the order of figures: the base model, the users' own adapters, the two readers
