"""Texts for side effects: prose, other people's chat, texts that end like a trigger, and other users' sentences."""

import pydoc_data.topics
import random

from loci.paths import DATA
from loci.results import read_json, sha256_text
from loci.worlds.records import User

CHAT_FILE = DATA / "chat.json"
FRAMES_FILE = DATA / "side_effects.json"
SUFFIX_LENGTHS = (2, 3, 4)  # tokens of a trigger that an unrelated sentence shares


def unrelated_texts(settings: dict) -> dict[str, list[str]]:
    """Texts that are the same for every user: {"prose": [...], "chat": [...]}, as many as the profile asks for."""
    return {"prose": prose(settings["prose"]), "chat": chat(settings["chat"])}


def prose(count: int) -> list[str]:
    """Paragraphs of at least 300 characters from the Python language reference that ships with CPython."""
    paragraphs = [
        " ".join(part.split())
        for topic in sorted(pydoc_data.topics.topics)
        for part in pydoc_data.topics.topics[topic].split("\n\n")
        if len(part) >= 300 and "   " not in part.strip()
    ]
    return random.Random(0).sample(paragraphs, count)


def prose_sha256() -> str:
    """Hash of the whole prose source: it changes with the Python version."""
    return sha256_text("".join(pydoc_data.topics.topics[name] for name in sorted(pydoc_data.topics.topics)))


def chat(count: int) -> list[str]:
    """First-person messages of invented other people."""
    return read_json(CHAT_FILE, "restore it from the repository")["messages"][:count]


def suffix_texts(user: User, length: int, count: int, tokenizer) -> list[str]:
    """Sentences in which the last `length` tokens of a trigger end a clause about somebody else.

    A trigger of fewer tokens than `length` is left out; so are frames that would join it to other words.
    """
    frames = read_json(FRAMES_FILE, "restore it from the repository")
    texts = []
    for at, fact in enumerate(user.facts[:count]):
        ids = tokenizer(" " + fact.trigger, add_special_tokens=False).input_ids
        if len(ids) >= length:
            lead, tail = (frames[part][at % len(frames[part])] for part in ("leads", "tails"))
            texts.append(f"{lead}{tokenizer.decode(ids[-length:])} {tail}")
    return texts


def other_sentences(users: list[User], user: User, count: int) -> list[str]:
    """Stored sentences of the other users, one fact after the other in turn."""
    others = [other for other in users if other.uid != user.uid]
    return [others[at % len(others)].facts[at % len(others[0].facts)].statement for at in range(count)]
