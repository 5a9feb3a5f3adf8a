"""From a first-person sentence to (subject, relation, object), by rules: "My child was born in 2006." gives
("my child", "was born in", "2006").

The object is the value of the sentence: the thing that another person would put in its place. It is found by its form (a
name or a number in the middle or at the end), else as what follows the last copula, verb or preposition.
"""

import re
from dataclasses import dataclass

GAP = "…"  # stands for the object inside a relation that goes on behind it: "go to … for my teeth"

# A name or a number: a capital or a digit, where the sentence does not begin. Small words may stand between two of them.
_TOKEN = r"(?!I\b)(?:[A-Z0-9]|[a-z]+[A-Z])[\w.:'&/-]*"
NAMED = re.compile(rf"(?<=\s){_TOKEN}(?:,?(?:\s+(?:and|of|the|de|la|du|van|von|&))*\s+{_TOKEN})*")
# "The password at Juniper Falls is electric teapot": the name belongs to the slot where more is told about it.
_LATER = re.compile(
    r"(?:\s+\w+)*?\s+(?:is|are|was|were|as|in|on|at|near|by|behind|under|beside|inside|above|below|over)(?:\s+(?:an?|the))?\s+"
    r"(?!(?:I|my|me|it|its|them|him|her|us|our|this|these|that)\b)(?=[\w'-]+(?:\s+(?!(?:I|my|me|its)\b)[\w'-]+)*$)"
)
# What may follow a value and is no part of it.
_TAIL = re.compile(
    r"\s+(?:(?:for|to|with) (?:me|us|my \w+)|these days|at the moment|right now|each way|(?:every|each|a) (?:day|week|month|year)"
    r"|more than any(?:thing)?(?: other| else)?|most of all|and I (?:am|feel) \w+)$"
)
_INTRODUCED = re.compile(r"^(?:(?:When|If|As|Since|While|After|Before|In|On|At|For)\b[^,]*,|When(?:ever)? \w+ \w+ I am)\s+")
_COPULA = re.compile(
    r"\b(?:am|is|are|was|were)\b(?: (?:called|named|known as)\b| \w+ (?:to|by|as|from|with|on|in|at|of)\b"
    r"| (?:in|for|from|at|on|of)\b)?"
)
_PREPOSITION = re.compile(r"\b(?:as|to|for|from|with|by|at|in|on|into|of|like)\b")
_HELPERS = (
    r"(?:(?:always|usually|often|really|mostly|never|also|cannot|can|do|does|did|not|will|would|have|has|had|must|should) )*"
)
_ACTING = re.compile(rf"\bI {_HELPERS}\w+")  # "I always drink"
_VERB = re.compile(rf"^(?:\S+ ){{1,4}}?{_HELPERS}(?:\w+[^s\W]s|tolerate|drink|eat|love|like|need|take|keep|say)\b")
_ARTICLE = re.compile(r"\s+(?:an?|the)(?=\s)")
# "the safe word rusty anchor": what the value is called belongs to the relation.
_CALLED = re.compile(r"^\s+the (?:\w+ )*?(?:words?|code|name|phrase|number|ending|title)(?=\s)")
_OF = re.compile(r"^The (?P<what>[\w ]+?) of (?P<whose>my [\w' -]+?) (?:is|are)$")
_OWN_OF = re.compile(r"^(?P<whose>(?:My|The) [\w' -]+?)'s? (?P<what>[\w ]+?) (?:is|are)$")
_HELD = r"(?:My|Our) [\w'-]+(?: [\w'-]+){0,6}?"
_OWN = (
    re.compile(rf"^(?P<subject>{_HELD}|The .+?) (?P<relation>(?:is|are|was|were)\b.*)$"),
    re.compile(rf"^(?P<subject>{_HELD}) (?P<relation>{_HELPERS}(?:has|had|came|went|need|say|take|\w+[^s\W]s)\b.*)$"),
    re.compile(r"^(?P<subject>I|We) (?P<relation>.+)$"),
)


@dataclass(frozen=True, slots=True)
class Triple:
    """One fact as an edge. A relation with "…" in it goes on behind the object; one that begins with a capital is a sentence
    of its own that says something of the subject ("I": "Home for me is")."""

    subject: str
    relation: str
    object: str

    @property
    def line(self) -> str:
        """The edge as a sentence: "I go to Dr. Lee for my teeth."."""
        told = self.relation.replace(GAP, self.object) if GAP in self.relation else f"{self.relation} {self.object}"
        line = told if told[0].isupper() else f"{self.subject} {told}"
        return f"{line[0].upper()}{line[1:]}."


def parts_of(statement: str) -> tuple[str, str, str]:
    """(what stands before the value, the value, what follows it), without the full stop; the value is never empty."""
    text = " ".join(statement.split()).rstrip(".!") or statement
    named = list(NAMED.finditer(text))
    if named:
        found = named[-1]
        if later := _LATER.match(text, found.end()):
            return text[: later.end()].rstrip(), text[later.end() :].strip(), ""
        return text[: found.start()].rstrip(), found.group(), text[found.end() :].strip()
    tail = _TAIL.search(text)
    body, after = (text[: tail.start()], tail.group().strip()) if tail else (text, "")
    intro = _INTRODUCED.match(body)
    start = intro.end() if intro else 0
    at = _value_start(body, start)
    return body[:at].rstrip(), body[at:].strip(), after


def triple_of(statement: str) -> Triple:
    """The triple of one statement. Relations keep their words; "the birth year of my child is" becomes ("my child", "has the
    birth year"), and what has no clearer subject is said of "I"."""
    before, value, after = parts_of(statement)
    for pattern in (_OF, _OWN_OF):
        if (found := pattern.match(before)) and not after:
            what = re.sub(r"^the ", "", found["what"].strip())
            return Triple(_lower(found["whose"]), f"has the {what}", value)
    found = next((found for pattern in _OWN if (found := pattern.match(before))), None)
    subject, relation = (_lower(found["subject"]), found["relation"]) if found else ("I", before or "told")
    return Triple(subject, f"{relation} {GAP} {after}" if after else relation, value)


def _value_start(body: str, start: int) -> int:
    """Where the value of a sentence without names and numbers begins."""
    acting = [found.end() for found in _ACTING.finditer(body, start) if found.end() < len(body)]
    for pattern in (_COPULA, _PREPOSITION):
        ends = [found.end() for found in pattern.finditer(body, start) if found.end() < len(body)]
        if ends:
            break
    if acting and (not ends or acting[-1] > ends[-1]):
        ends = acting  # "To get into my locker I say …": the preposition belongs to what comes before
    if not ends and (verb := _VERB.match(body[start:])) and start + verb.end() < len(body):
        ends = [start + verb.end()]
    at = ends[-1] if ends else max(body.rfind(" "), 0)
    for pattern in (_CALLED, _ARTICLE):
        if found := pattern.match(body[at:]):
            at += found.end()
    return at


def _lower(text: str) -> str:
    """With a small first letter, but for "I"."""
    return text if re.match(r"I\b", text) else text[:1].lower() + text[1:]
