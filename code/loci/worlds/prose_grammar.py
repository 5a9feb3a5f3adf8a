"""The grammar of the prose world: templates that agree in person, number and tense, and pronouns.

{S}, {O}, {P} in a wording are subject, object and previous object; upper case is the usual case of the role (she; Garn, her),
lower case the other one; {S's} is possessive, {O.a} has the indefinite article. {S:live} agrees with S and takes the tense
of the document; X and Z stand for any singular and plural noun, and {S:was} is past in every document.
"""

import re
from dataclasses import dataclass
from functools import cache

from loci.paths import DATA
from loci.results import read_json

PRESENT, PAST = 0, 1
NOMINATIVE, OBJECTIVE, POSSESSIVE, ARTICLE = range(4)
_SLOTS = "SOP"
_PLACEHOLDER = re.compile(r"\{([^}]*)\}")
_VOWELS = frozenset("aeiou")

# The forms by case, then the number of the verb form that goes with it: 0 singular, 1 plural and you, 2 I.
Mention = tuple[str, str, str, str, int]
PRONOUNS: dict[str, Mention] = {
    "she": ("she", "her", "her", "her", 0),
    "he": ("he", "him", "his", "him", 0),
    "they": ("they", "them", "their", "them", 1),
    "it": ("it", "it", "its", "it", 0),
    "I": ("I", "me", "my", "me", 2),
    "you": ("you", "you", "your", "you", 1),
}


@dataclass(frozen=True, slots=True, eq=False)
class Template:
    """A compiled wording. A part is text, (slot, case, repeated) or (slot, verb forms, repeated); slot -1 is no slot.

    `repeated` marks what follows the first mention of its slot and then has a pronoun. `tail` is the wording without the
    subject that it begins with, to be joined to another one; None where it does not begin so.
    """

    source: str
    parts: tuple
    tail: tuple | None
    names_previous: bool  # whether it says what held before
    subject_case: int  # in which the subject is first mentioned
    takes_opening: bool  # whether "In 1990, " can stand before it: not before another adverbial


@cache
def name_mention(name: str) -> Mention:
    """How a text mentions something by its name; the indefinite article is for nouns such as a trade."""
    return name, name, f"{name}'s", f"{'an' if name[0].lower() in _VOWELS else 'a'} {name}", 0


@cache
def noun_mention(noun: str) -> Mention:
    """How a text mentions something by a noun with article: "the town"."""
    return noun, noun, f"{noun}'s", noun, 0


@cache
def compiled(source: str) -> Template:
    """The template of one wording."""
    parts, tail = _parts(source), None
    plain = _PLACEHOLDER.sub("", source)
    if source.startswith("{S} ") and source.count("{S}") == 1 and not any(mark in plain for mark in (",", " and ")):
        # Without the subject itself and the blank behind it; the verb that follows still agrees with it.
        tail = (parts[1].removeprefix(" "), *parts[2:])
    mentions = [(part[0], part[1]) for part in parts if part.__class__ is tuple and part[1].__class__ is int]
    return Template(
        source,
        parts,
        tail,
        names_previous=any(slot == 2 for slot, _ in mentions),
        subject_case=next((case for slot, case in mentions if slot == 0), NOMINATIVE),
        takes_opening=source.startswith(("{", "the ")),
    )


@cache
def verb_forms(verb: str) -> tuple[str, ...]:
    """Present singular, plural, with I; past singular, plural, with I. "was" is past in all of them."""
    if verb in ("be", "was"):
        past = ("was", "were", "was")
        return (*(("is", "are", "am") if verb == "be" else past), *past)
    third = {"have": "has", "do": "does", "go": "goes", "can": "can"}.get(verb) or _third(verb)
    past = _irregular().get(verb) or _regular_past(verb)
    return third, verb, verb, past, past, past


@cache
def _irregular() -> dict[str, str]:
    return read_json(DATA / "prose" / "relations.json", "restore it from the repository")["irregular"] | {
        "do": "did",
        "can": "could",
    }


def _parts(source: str) -> tuple:
    pieces = _PLACEHOLDER.split(source)
    parts: list = [pieces[0]]
    mentions = {slot: 0 for slot in _SLOTS}  # how often each slot has been mentioned so far
    subject = {slot: 0 for slot in _SLOTS}  # which of its mentions a verb agrees with
    for index in range(1, len(pieces), 2):
        place, after = pieces[index], pieces[index + 1]
        slot, verb = place[0].upper(), place[2:] if place[1:2] == ":" else ""
        if slot in "XZ":
            forms = verb_forms(verb)
            parts.append((-1, forms[0::3] if slot == "X" else forms[1::3], False))
        elif verb:
            # "does Ilse live": the verb in front of its subject agrees with that, and not with a mention further back.
            inverted = after == " " and index + 2 < len(pieces) and pieces[index + 2] in (slot, slot.lower())
            which = mentions[slot] if inverted else subject[slot]
            parts.append((_SLOTS.index(slot), verb_forms(verb), which > 0))
        elif slot in _SLOTS:
            case = _case(place)
            if case == NOMINATIVE:
                subject[slot] = mentions[slot]
            parts.append((_SLOTS.index(slot), case, mentions[slot] > 0))
            mentions[slot] += 1
        else:
            parts.append(f"{{{place}}}")  # filled in later: a year, a date
        parts.append(after)
    return tuple(part for part in parts if part != "")


def _case(place: str) -> int:
    if place.endswith("'s"):
        return POSSESSIVE
    if place.endswith(".a"):
        return ARTICLE
    return NOMINATIVE if place in ("S", "o", "p") else OBJECTIVE


def _third(verb: str) -> str:
    if verb[-1] == "y" and verb[-2] not in _VOWELS:
        return f"{verb[:-1]}ies"
    return f"{verb}es" if verb.endswith(("s", "sh", "ch", "x", "z")) else f"{verb}s"


def _regular_past(verb: str) -> str:
    if verb[-1] == "y" and verb[-2] not in _VOWELS:
        return f"{verb[:-1]}ied"
    return f"{verb}d" if verb[-1] == "e" else f"{verb}ed"
