"""The observations that come with LOCOMO: sentences about each speaker that a model wrote from every session (GPT-3.5, by its
authors), released in the file beside the dialogue. One source of what can be written; nobody chose them by the questions.
"""

from pathlib import Path

from loci.paths import GENERATED
from loci.results import read_json
from loci.worlds.checks import located, member, require
from loci.worlds.locomo_file import locate


def observations_of(source: str | Path | None, stand_in: Path, cache: Path = GENERATED / "locomo") -> dict[str, list[str]]:
    """Sentences of each conversation, in the order of sessions, each once: of LOCOMO's file where one is given, else of the
    stand-in. UserError for a conversation without any."""
    path = locate(source, cache=cache) if source else stand_in
    found = read_json(path, "run code/steps/make_standin.py, or give the file of LOCOMO")
    return located(str(path), lambda: {one["sample_id"]: _sentences(one) for one in found})


def _sentences(conversation: dict) -> list[str]:
    name, sessions = conversation["sample_id"], member(conversation, "observation", dict)
    ordered = sorted(sessions, key=lambda key: int("".join(filter(str.isdigit, key)) or 0))
    said = [" ".join(one[0].split()) for key in ordered for of in sessions[key].values() for one in of]
    require(bool(said), name, "has no observations", "give the canonical locomo10.json")
    return list(dict.fromkeys(said))
