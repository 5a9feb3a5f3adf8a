"""Captions of figures: authored sentences whose numbers, with n and interval, are entries of a ledger."""

import re
from collections.abc import Callable
from pathlib import Path

import yaml

from loci.bench.ledger import Ledger
from loci.bench.statistics import estimate
from loci.errors import UserError
from loci.results import read_text

_PLACE = re.compile(r"\{([^{}]+)\}")
_TEX = {"%": r"\%", "&": r"\&", "_": r"\_", "#": r"\#", "−": "$-$", "[mem]": "{[mem]}"}


def load_captions(path: Path) -> dict[str, list[str]]:
    """Sentences by figure; UserError for a file of another form."""
    try:
        found = yaml.safe_load(read_text(path, "restore it from the repository"))
    except yaml.YAMLError as fault:
        raise UserError(path, f"is no YAML ({' '.join(str(fault).split())})", "mend it") from None
    if not isinstance(found, dict):
        raise UserError(path, "holds no captions by figure", "write `figure:` and a list of sentences")
    for figure, sentences in found.items():
        if not isinstance(sentences, list) or not all(isinstance(one, str) for one in sentences):
            raise UserError(f"{path}: {figure}", "is no list of sentences", "quote sentences that hold a colon or a brace")
    return found


def caption_of(figure: str, sentences: list[str], ledger: Ledger, base: str, studies: dict[str, dict]) -> str:
    """The caption with its numbers. studies: further entries by key. UserError for a key that neither has."""
    locomo = "locomo" if ledger.parts("locomo.", ".turn.recall_at_10") else "standin"
    judge = "judge" if locomo == "locomo" else "standin_judge"
    written = []
    for sentence in sentences:
        optional, text = sentence.startswith("?"), sentence.removeprefix("?").strip()
        for token, value in (("BASE", base), ("LOCOMO.", f"{locomo}."), ("JUDGE.", f"{judge}.")):
            text = re.sub(rf"(?<=[{{.]){re.escape(token)}", value, text)
        try:
            written.append(_filled(text, lambda key: studies.get(key) or ledger[key], ledger))
        except UserError as fault:
            if not optional:
                raise UserError(f"caption of {figure}: {fault.where}", fault.what, fault.remedy) from None
    return " ".join(written)


def _filled(text: str, entry_of: Callable[[str], dict], ledger: Ledger) -> str:
    """A sentence with every place filled."""
    largest = None

    def fill(match: re.Match) -> str:
        nonlocal largest
        key, _, part = match[1].partition(":")
        if key == "*":
            return match[0]  # filled below, when it is known which number that is
        if "*" in key:
            before, _, after = key.partition("*")
            sizes = [int(one) for one in ledger.parts(before, after) if one.isdigit()]
            if not sizes:
                raise UserError(key, "no such key", "run the rule that measures it, or mend the key")
            largest = max(sizes)
            key = f"{before}{largest}{after}"
        entry = entry_of(key)
        return f"{entry['n']:,}" if part == "n" else number(entry)

    filled = _PLACE.sub(fill, text)
    return filled.replace("{*}", f"{largest:,}" if largest is not None else "")


def number(entry: dict) -> str:
    """A value with its interval and n, two decimals, or three where it is small: 0.82 [0.76, 0.88] (n = 50)."""
    digits = 2 if abs(entry["value"]) >= 0.01 or entry["value"] == 0 else 3
    value, *ends = (f"{round(entry[part], digits) + 0.0:.{digits}f}" for part in ("value", "low", "high") if part in entry)
    told = f"n = {entry['n']:,}"
    return f"{value} [{ends[0]}, {ends[1]}] ({told})" if ends else f"{value} ({told})"


def tex_of(caption: str) -> str:
    """The caption for LaTeX."""
    return re.sub("|".join(map(re.escape, _TEX)), lambda match: _TEX[match[0]], caption)


def study_entries(name: str, record: dict) -> dict[str, dict]:
    """Entries of a study on development users, under READER, LORA or SHARED; {} for any other result."""
    if record["experiment"] == "sweep_reader":
        frozen = [one for one in record["items"] if one["frozen"]]
        return {f"READER.{one['form']}.{measure}": entry for one in frozen for measure, entry in one["measures"].items()}
    if record["experiment"] == "sweep_shared":
        return {f"SHARED.{name.removeprefix('shared.')}.{key}": entry for key, entry in record["metrics"]["scores"].items()}
    if record["experiment"] == "sweep_lora":
        found: dict[str, list] = {}
        for one in record["items"]:
            for kind, share in one["exact"].items():
                found.setdefault(f"LORA.{one['variant']}.{kind}", []).append((one["uid"], kind, share))
        return {key: estimate(records, proportion=False).entry(name) for key, records in found.items()}
    return {}
