"""The parts of a session: short exchanges in which something is told, changed, forgotten, confused, or nothing at all.

Every part ends with a turn of plain chat that asks nothing, so that parts can follow one another in any order.
"""

import random
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import pairwise

from loci.worlds.dialogue_lines import (
    Deck,
    bare,
    chat_scripts,
    deck_lines,
    framing_scripts,
    generic_lines,
    key_lines,
    others,
    recalls,
)
from loci.worlds.records import Change, Fact

_ASKED = 0.5  # share of facts that the partner asks for; the others are volunteered
_PREFIXED, _ANSWERED, _TAILED = 0.6, 0.6, 0.45  # shares of turns with such a beginning or end
_OWN_LINE = 0.75  # share of leads and tails that are written for the key, where there are any
_AT_ONCE = 0.4  # share of slips that are corrected before the partner speaks
_PARTNERS_OWN = 0.3  # share of distractors that a friend tells


@dataclass(frozen=True, slots=True)
class Draft:
    """A turn without its id: who speaks, and the fields of `Turn`."""

    by_user: bool
    text: str
    role: str = "chat"
    keys: tuple[str, ...] = ()
    statements: tuple[str, ...] = ()


Part = list[Draft]


class Voice:
    """The lines of one conversation: decks that fit the partner and never say one of the user's own values."""

    def __init__(self, partner: str, values: Iterable[str], rng: random.Random):
        self.partner, self.rng = partner, rng
        self._values = tuple(dict.fromkeys(value for value in map(bare, values) if value.strip()))
        self._decks: dict[tuple[str, ...], Deck] = {}

    def allows(self, text: str) -> bool:
        """Whether a text holds none of the user's values, compared word by word."""
        words = bare(text)
        return not any(value in words for value in self._values)

    def line(self, name: str) -> str:
        """The next line of a deck of data/dialogue/lines.json."""
        return self._draw(("line", name), deck_lines(name, self.partner))

    def for_key(self, key: str, part: str) -> str:
        """The next line of a key's "asks", "leads" or "tails"; a generic one now and then, or where there are none."""
        lines = key_lines(key)
        own = getattr(lines, part)
        fixed = part == "asks" or (part == "leads" and lines.needs_lead)
        if own and (fixed or self.chance(_OWN_LINE)):
            return self._draw((part, key), own)
        return self._draw((part,), generic_lines(part))

    def script(self) -> Part:
        """The next exchange of plain chat."""
        return _script(self._draw(("chat",), chat_scripts(self.partner)))

    def framing(self, part: str, occasion: str) -> Part:
        """The next exchange that begins or ends a session."""
        return _script(self._draw((part, occasion), framing_scripts(part, occasion, self.partner)))

    def other(self) -> str:
        """The next person to tell something about: "My cousin"."""
        return self._draw(("others",), others())

    def recall(self) -> tuple[str, str]:
        """The next question that comes back to a fact, and its answer."""
        return self._draw(("recalls",), recalls())

    def chance(self, share: float) -> bool:
        """True with this probability."""
        return self.rng.random() < share

    def _draw(self, name: tuple[str, ...], cards: tuple):
        if name not in self._decks:
            self._decks[name] = Deck(cards, self.rng, self.allows)
        return self._decks[name].draw()


def tell(voice: Voice, facts: list[Fact]) -> Part:
    """One fact, or two that belong together, asked for or volunteered."""
    tail = voice.for_key(facts[-1].key, "tails") if voice.chance(_TAILED) else ""
    return [*_told(voice, facts, "fact", tail), _reaction(voice, "reactions")]


def slip(voice: Voice, fact: Fact, wrong: Fact) -> Part:
    """The wrong fact first, and the right one in the next turn or in the one after the partner's reaction."""
    between = [] if voice.chance(_AT_ONCE) else [_reaction(voice, "reactions")]
    right = _sentence(voice, fact)
    corrected = Draft(True, _joined(voice.line("fixes"), right), "fact", (fact.key,), (right,))
    return [*_told(voice, [wrong], "mention", ""), *between, corrected, _reaction(voice, "fix_reactions")]


def update(voice: Voice, change: Change) -> Part:
    """The new value of a fact that was told in an earlier session."""
    sentence = _sentence(voice, change)
    lead = voice.line("update_leads").format(topic=key_lines(change.key).topic)
    tail = voice.line("update_tails") if voice.chance(_TAILED) else ""
    told = Draft(True, _joined(lead, sentence, tail), "update", (change.key,), (sentence,))
    return [told, _reaction(voice, "update_reactions")]


def forget(voice: Voice, key: str) -> Part:
    """The request to forget a fact, without its value."""
    text = voice.line("deletes").format(topic=key_lines(key).topic)
    return [Draft(True, text, "delete", (key,)), _reaction(voice, "delete_reactions")]


def distract(voice: Voice, lent: Fact) -> Part:
    """The same kind of fact about somebody else, told by the user or by a friend; [] where no sentence says it."""
    template = key_lines(lent.key).other or _about_another(lent)
    if not template:
        return []
    person = voice.other()
    sentence = template.format(who=person, whose=f"{person}'s", answer=lent.answer)
    by_user = voice.partner != "friend" or not voice.chance(_PARTNERS_OWN)
    tails = ("distractor_tails", "user_distractor_tails") if by_user else ("distractor_tails",)
    tail = voice.line(voice.rng.choice(tails)) if voice.chance(_TAILED) else ""
    text = _joined(voice.line("distractor_leads"), sentence, tail)
    reaction = Draft(not by_user, voice.line("distractor_reactions" if by_user else "user_reactions"))
    return [Draft(by_user, text, "distractor", (lent.key,), (sentence,)), reaction]


def recall(voice: Voice, key: str) -> Part:
    """The partner comes back to a fact that was told before; nobody says it again."""
    question, answer = voice.recall()
    return [Draft(False, question.format(topic=key_lines(key).your_topic), "mention", (key,)), Draft(True, answer)]


def length(parts: list[Part]) -> int:
    """The number of turns that `chain` makes of these parts."""
    met = sum(before[-1].by_user == after[0].by_user for before, after in pairwise(parts))
    return sum(map(len, parts)) - met


def chain(voice: Voice, parts: list[Part]) -> list[Draft]:
    """The drafts of all parts in order. Where one speaker ends a part and begins the next, the two turns become one."""
    drafts: list[Draft] = []
    for number, part in enumerate(parts):
        first = part[0]
        if drafts and drafts[-1].by_user == first.by_user:
            # Greetings and goodbyes need no bridge, and a question of the partner's brings its own.
            bridged = 1 < number < len(parts) - 1 and first.role != "mention"
            bridge = voice.line("user_shifts" if first.by_user else "partner_shifts") if bridged else ""
            first = replace(first, text=_joined(drafts.pop().text, bridge, first.text))
        drafts += [first, *part[1:]]
    return drafts


def _told(voice: Voice, facts: list[Fact], role: str, tail: str) -> Part:
    """The user's turn with one sentence a fact, behind the partner's question or the user's own lead."""
    key = facts[0].key
    sentences = tuple(_sentence(voice, fact) for fact in facts)
    if voice.chance(_ASKED):
        asked = [Draft(False, _asked(voice, key), "mention", (key,))]
        lead = voice.line("answers") if voice.chance(_ANSWERED) else ""
    else:
        asked, lead = [], voice.for_key(key, "leads")
    return [*asked, Draft(True, _joined(lead, *sentences, tail), role, tuple(fact.key for fact in facts), sentences)]


def _asked(voice: Voice, key: str) -> str:
    question = voice.for_key(key, "asks")
    return voice.line("ask_prefixes") + question[0].lower() + question[1:] if voice.chance(_PREFIXED) else question


def _sentence(voice: Voice, told: Fact | Change) -> str:
    return voice.rng.choice((told.statement, *told.wordings))


def _about_another(lent: Fact) -> str:
    """A template for a key that nobody has written for: "My locker is …" becomes "My cousin's locker is …"."""
    owner, _, body = lent.trigger.partition(" ")
    if owner != "My" or re.search(r"\b(I|me|my|mine|we|us|our)\b", body):
        return ""
    # A brace in the sentence itself is no slot.
    return f"{{whose}} {body.replace('{', '{{').replace('}', '}}')} {{answer}}."


def _reaction(voice: Voice, deck: str) -> Draft:
    return Draft(False, voice.line(deck))


def _script(lines: tuple[str, ...]) -> Part:
    return [Draft(line.startswith("U: "), line[3:]) for line in lines]


def _joined(*texts: str) -> str:
    return " ".join(text for text in texts if text)
