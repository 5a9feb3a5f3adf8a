"""Who is meant: names, short names, pronouns, "the town", I and you, and which year it is, kept while a document is read.

A pronoun means what the sentence before was about, if that fits; within a sentence "his" and "she" may mean the person named
first, "him" does not. "The town" is the last one named. I and you follow from the label of a turn or the heading of a letter. The
year is that of the last paragraph that names one, plus the spans of time ("two years later") since.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from loci.memories.prose_words import Span, Words

PARAGRAPH, LINE = "\n\n", "\n"
_LABEL = re.compile(r"([^\W\d_]\w*): (?=\S)")
_YEAR = re.compile(r"\b(?:1[89]|20)\d\d\b")
_COUNTED = {
    "a": 1,
    "one": 1,
    "twelve": 1,
    "two": 2,
    "three": 3,
    "four": 4,
    "five": 5,
    "six": 6,
    "seven": 7,
    "eight": 8,
    "nine": 9,
}
_LATER = re.compile(rf"\b(?:({'|'.join(_COUNTED)})\b(?: \w+)? (?:year|month)s?|(?:following|next|another) year)\b", re.I)
_PERSONAL = {
    **dict.fromkeys(("she", "her", "hers"), "she"),
    **dict.fromkeys(("he", "him", "his"), "he"),
    **dict.fromkeys(("they", "them", "their"), "they"),
    **dict.fromkeys(("it", "its"), "it"),
}
_OBJECTIVE = frozenset({"him", "them", "it"})
_SPEAKER, _LISTENER = frozenset({"i", "me", "my"}), frozenset({"you", "your"})
_RELATIVE = frozenset({"whom", "that", "which"})
# What may follow "her" where it is no possessive.
_AFTER_OBJECT = re.compile(
    r"[^\w]|(?:a|an|the|to|in|on|at|as|from|for|with|among|away|over|out|by|of|and|more|ill|fit|famous)$", re.I
)
QUESTION, ANSWER = "Question", "Answer"


@dataclass(frozen=True, slots=True)
class Mention:
    """Words `first` to `last` (excluded) mean `entity`. form: name, pronoun, noun ("the town"), me or you.

    others: kinds that a name may be of instead, with the logarithm of how likely they are.
    """

    entity: str
    kind: str
    first: int
    last: int
    form: str
    others: tuple[tuple[str, float], ...] = ()


def parted(lead: str, text: str, first: bool) -> tuple[str, str]:
    """Label and rest of a sentence: who speaks, "Question" or "Answer", where it begins a line so; '' where it does not."""
    found = _LABEL.match(text) if first or lead.startswith(LINE) else None
    return (found[1], text[found.end() :]) if found else ("", text)


class Pronouns:
    """Which of she, he and they goes with a given name, by the pronouns behind it in sentences that name nobody else."""

    def __init__(self):
        self._counts: dict[str, Counter] = defaultdict(Counter)

    def read(self, sentence: Words, given: Iterable[str]) -> None:
        """Count the pronouns of a sentence in which only one person, `given`, is named."""
        names = set(given)
        if len(names) == 1:
            name = names.pop()
            behind = sentence.words[sentence.words.index(name) :] if name in sentence.words else ()
            found = {_PERSONAL.get(word.casefold()) for word in behind if word not in _OBJECTIVE}
            self._counts[name].update(found & {"she", "he", "they"})

    def of(self, given: str) -> str:
        """she, he or they; '' where none was seen."""
        counts = self._counts.get(given)
        return counts.most_common(1)[0][0] if counts else ""


class Discourse:
    """What was said so far in one document.

    nouns: kind by noun with article. small: kinds whose names begin with a small letter. subjects: kinds that facts are about.
    """

    def __init__(self, nouns: Mapping[str, str], small: frozenset[str], subjects: frozenset[str], known: Pronouns):
        self.nouns, self.small, self.subjects, self._known = nouns, small, subjects, known
        self._own = Pronouns()
        self.year: int | None = None
        self.topic: tuple[str, str] | None = None  # entity and kind
        self.label = ""
        self._full: dict[str, str] = {}  # given name -> full name
        self._last: dict[str, str] = {}  # kind -> the last one named
        self._two: list[str] = []  # who talks or writes
        self._speaker = self._listener = ""

    def enter(self, lead: str, text: str, first: bool) -> None:
        """Take note of what stands before a sentence: an empty line, who speaks, a year."""
        label, _ = parted(lead, text, first)
        if first or lead == PARAGRAPH:
            self.topic = None
            if not label:
                self._count_years(text)
        if first or lead.startswith(LINE):
            self.label = label
        if label in (QUESTION, ANSWER):
            self._speaker = self._listener = ""
        elif label:
            self._speaker = self._full.get(label, label)
            self._listener = next((one for one in self._two if one != self._speaker), "")

    def heading(self, people: Sequence[str]) -> None:
        """The first sentence of a paragraph names these people: two of them will talk, or the first writes to the second."""
        self._two = list(dict.fromkeys(people))[:2]
        self._speaker, self._listener = (*self._two, "", "")[:2]

    def people(self, sentence: Words, spans: Sequence[Span]) -> list[str]:
        """Full names of the people named, in order."""
        return [self.name(sentence, span) for span in spans if span.kind == "person"]

    def name(self, sentence: Words, span: Span) -> str:
        """The full name of what a span names."""
        text = sentence.between(span.first, span.last)
        if span.kind == "person":
            given = text.split()[0]
            if " " in text:
                self._full.setdefault(given, text)
            return text if " " in text else self._full.get(text, text)
        if span.kind == "weekday":
            return text.removesuffix("s")
        if span.name:
            return span.name
        return text[0].lower() + text[1:] if span.first == 0 and span.kind in self.small else text

    def mentions(self, sentence: Words, spans: Sequence[Span]) -> list[Mention]:
        """Everything that the sentence names or points at, in order."""
        found: list[Mention] = []
        at = 0
        starts = {span.first: span for span in spans}
        while at < len(sentence.words):
            if span := starts.get(at):
                found.append(Mention(self.name(sentence, span), span.kind, span.first, span.last, "name", span.others))
                at = span.last
                continue
            word = sentence.words[at].casefold()
            mention = None
            if word in _SPEAKER and self._speaker:
                mention = Mention(self._speaker, "person", at, at + 1, "me")
            elif word in _LISTENER and self._listener:
                mention = Mention(self._listener, "person", at, at + 1, "you")
            elif word in _PERSONAL:
                mention = self._pronoun(sentence, at, found)
            elif kind := self.nouns.get(" ".join(sentence.words[at : at + 2]).casefold()):
                entity = self._last.get(kind)
                mention = Mention(entity, kind, at, at + 2, "noun") if entity else None
            if mention:
                found.append(mention)
            at = mention.last if mention else at + 1
        return found

    def note(self, sentence: Words, mentions: Sequence[Mention], topic: tuple[str, str] | None) -> None:
        """Remember what a sentence named and what it was about."""
        named = [mention for mention in mentions if mention.form == "name"]
        self._own.read(sentence, (one.entity.split()[0] for one in named if one.kind == "person"))
        for mention in mentions:
            if mention.form in ("name", "noun"):
                self._last[mention.kind] = mention.entity
        if topic:
            self.topic = topic
            self._last[topic[1]] = topic[0]

    def _count_years(self, text: str) -> None:
        if named := _YEAR.search(text):
            self.year = int(named[0])
        elif self.year is not None and (passed := _LATER.search(text)):
            self.year += _COUNTED[passed[1].casefold()] if passed[1] else 1

    def _fits(self, entity: str, pronoun: str) -> bool:
        given = entity.split()[0]
        return (self._known.of(given) or self._own.of(given) or pronoun) == pronoun

    def _pronoun(self, sentence: Words, at: int, before: Sequence[Mention]) -> Mention | None:
        word = sentence.words[at].casefold()
        which = _PERSONAL[word]
        after = sentence.words[at + 1] if at + 1 < len(sentence.words) else "."
        objective = word in _OBJECTIVE or (word == "her" and bool(_AFTER_OBJECT.match(after)))
        related = at > 0 and sentence.words[at - 1].casefold() in _RELATIVE
        people = which != "it"
        same = [m for m in before if m.form in ("name", "noun") and m.kind in self.subjects and (m.kind == "person") == people]
        same = [m for m in same if not people or self._fits(m.entity, which)]
        if same and not objective and not related:
            return Mention(same[0].entity, same[0].kind, at, at + 1, "pronoun")
        if self.topic and (self.topic[1] == "person") == people and (not people or self._fits(self.topic[0], which)):
            return Mention(*self.topic, at, at + 1, "pronoun")
        if same:
            return Mention(same[0].entity, same[0].kind, at, at + 1, "pronoun")
        if people and "person" in self._last and self._fits(self._last["person"], which):
            return Mention(self._last["person"], "person", at, at + 1, "pronoun")
        if people and self.topic and self.topic[1] == "person":  # what is known of the pronouns of names may be wrong
            return Mention(*self.topic, at, at + 1, "pronoun")
        return None
