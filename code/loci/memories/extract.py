"""What a user tells about himself, taken out of notes by rules: statements, changes that are announced, requests to forget.

It stands where Mem0 asks a language model for `facts` (arXiv 2504.19413). A clean sentence is a statement as it is. In a
conversation a statement is a sentence of the owner that says in the first person how things are with him, not what just
happened; what he says about other people is none. Nothing but the text and the name of the speaker is read.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from loci.memories.base import Note
from loci.memories.triples import NAMED as _NAMED

_SENTENCE = re.compile(r"(?<!\bDr\.)(?<!\bMr\.)(?<!\bMs\.)(?<!\bSt\.)(?<!\bMrs\.)(?<=[.!?])\s+(?=[^\Wa-z]|\d)")

# Who counts as somebody else, although the sentence says "my". Spouse, child, sibling, doctor and team are the owner's own.
_OTHERS = (
    r"cousin|aunt|uncle|neighbou?r|(?:room|flat|class|team|school)mate|friend|pal|boss|colleague|co-?worker|hairdresser|teacher"
    r"|trainer|landlord|landlady|acquaintance|niece|nephew|god\w+|\w+-in-law|(?<!^my )partner"
)
_SOMEBODY_ELSE = re.compile(rf"^(?:in \w+, )?(?:my|our) (?:[\w'-]+ )*?(?:{_OTHERS})(?:'s)?\b", re.I)
_FIRST_PERSON = re.compile(r"\b(?:I|me|my|mine|we|our|us)\b", re.I)

# A clause that sets the scene is not judged: "When it is serious, my family says …". It begins the sentence.
_SCENE = re.compile(r"^(?:When|If|In|On|At|For|Each|Every|To)\b[^,]*,\s*")
# Words of small talk. They point at the listener, at something said before, at the moment, or at what may or should be.
_PASSING = re.compile(
    r"\b(?:you|your|yours|it|its|them|they|this|these(?! days)|those|he|she|him|her|his|somebody|someone|nobody|everybody"
    r"|today|tonight|yesterday|tomorrow|again|just|now|finally|still|already|soon|ago|almost|nearly|only|else|once|too|yet|really"
    r"|last (?:night|time|week|year|month)|the other day|a (?:bit|lot|few|break|moment|while)|ages|afraid|glad|sorry|sure|mine"
    r"|want|wish|hope|think|thought|guess|tried|try|might|should|could|shall|going to|had better|idea|going on|counting)\b",
    re.I,
)
_POINTING = re.compile(
    r"\b(?:that|so|everything|anything|something)[.,!]|\bthat is\b|^(?:that|then|so|but|and|or|well|yes|no)\b|^\w+, ", re.I
)
_TWO_CLAUSES = re.compile(r",? (?:but|because|although|though|however)\b|, (?:and|so|which|or) ", re.I)
# "I" with one of these says what lasts; with any other verb it is taken for an event or a mood.
_LASTING = (
    r"live|work|drive|own|have|like|love|prefer|enjoy|adore|hate|dislike|wear|play|speak|study|teach|coach|practi[sc]e|eat|drink"
    r"|pay|earn|get around|make my|run|start|travel|commute|go|sleep|collect|belong|attend|carry|come from|bank|take|turn to"
    r"|sign my|ask for|say|type|support|follow|use|see|cook|swim|ride|volunteer|sing|train|weigh|measure|keep|suffer|respond"
    r"|react|am (?:\w+ly )?(?:a|an|the|from|in|at|allergic|married|engaged|employed|called|named|known|based|insured|treated"
    r"|born|single|divorced)|was born|came into the world|became a|grew up|tied the knot|graduated|moved to|named"
    r"|have signed up for|got married|would paint"
)
_HOW_OFTEN = r"(?:(?:always|usually|often|mostly|also|never|cannot|can't|do not|don't|currently|mainly|regularly) )*"
_OWN_STATE = re.compile(rf"\b(?:I|we) {_HOW_OFTEN}(?:{_LASTING})\b(?!\.)", re.I)
_NO_STATE = re.compile(r"\bI (?:am|was|have been) \w+ing\b|\b(?:I|we) have (?:to|not|a bit|no|heard|been|never|decided)\b", re.I)
# "My dentist is …", "The city I live in is …", "Home for me is …", "My salary comes from …", "Couriers open my box with …"
_HELD = re.compile(
    r"^(?:(?:my|our) [\w' -]+? (?:is|are|was born|were born|has|have|had|does not|\w+[^\Ws]s?)\b"
    r"|(?:the|what|where|everyone|everybody|home|getting|nothing)\b.*\b(?:I|me|my)\b|the [\w' ]+ (?:is|are|ends in) \S+\.?$"
    r"|\w+ \w+ my [\w ]+ (?:with|by|at|to|as)\b|please (?:call|ring|ask)\b)",
    re.I,
)
_MOOD = re.compile(
    r"^my \w+ and I\b|\b(?:are not|is (?:so|very|not)|has a|have a (?:bit|lot|song|few)|have fallen|will|died)\b"
    r"|\b(?:is|are) (?:cold|full|empty|terrible|off|out|over|back|done(?: at last)?)\W*$",
    re.I,
)
_EVENT = re.compile(
    r"\b(?:[a-z]{2,}(?:[^e\W]ed)|went|came home|found|got|bought|made|told|saw|left|took|sat|woke|wrote|gave|read|lost|put"
    r"|heard|ran)\b"
)
_LASTING_PAST = re.compile(
    r"\b(?:born|named|called|employed|married|built|treated|insured|based|signed up|agreed on|came into|typed my)\b"
)

# The owner's own: "my rent", "the model of my phone", "where I live".
_TOPIC = r"(?P<topic>(?:(?:the [\w' -]+? (?:of|on|in|for|at|with) )?(?:my|our)|where I|what I do|when I|which) [^.:;,?!]+?)"
_END = r"(?=[.:;,?!]|$| (?:is|are|does not|do not|did|has|have|yet|anymore|any more|need|needs|no longer|any longer)\b)"
_ABOUT = re.compile(rf"\b(?:about|on|of|for|to) {_TOPIC}{_END}", re.I)
_OUTRIGHT = re.compile(rf"(?:^|\b(?:please|you) )(?:just )?(?:forget|delete|remove|erase) {_TOPIC}{_END}", re.I)
_OLD_VERSION = re.compile(
    r"\b(?:told|tell|said|say|mention\w*|know|knew|stored?|saved?|notes?|not(?:ed|ing)|entry|remember|record\w*|heard|version|latest"
    r"|news|update|changed?|moved on)\b|^About ",
    re.I,
)
_FORGET = re.compile(
    r"\b(?:forget (?:what (?!I just)|all|anything|everything|about|it|that|my|our|the|where|which)|delete|remove|erase|strike"
    r"|drop|wipe|discard|pretend|(?:no longer|not) (?:remember|keep|store|hold on)|nothing to put in its place|leave out)\b",
    re.I,
)
_CHANGE = re.compile(
    r"\b(?:update|updat\w+|replace|chang\w+|news|latest|revise|moved on|out of date|outdated|old version|new one|correct\w*)\b",
    re.I,
)
_SLIP = re.compile(
    r"\b(?:(?:got|typed|had|said) (?:that|it) wrong|(?:is|was) (?:wrong|not right|a slip)|take that back|misspoke|scratch that"
    r"|put that right|meant something else|mixed (?:that|it) up|mistake|what I just said|thinking of something else|correction"
    r"|not paying attention)\b",
    re.I,
)


@dataclass(frozen=True, slots=True)
class Statement:
    """One thing to be decided upon. kind "tell": `text` is a sentence; `topic` names what has changed, '' where no change was
    announced; `corrects`: it puts right what was said directly before. kind "forget": `topic` names what shall go."""

    kind: str
    text: str
    topic: str
    corrects: bool
    key: str
    date: str


def sentences_of(text: str) -> list[str]:
    """The sentences of a turn, each with its full stop."""
    return [sentence for sentence in _SENTENCE.split(text.strip()) if sentence]


def is_own_fact(sentence: str) -> bool:
    """Whether a sentence states something lasting about its speaker."""
    if sentence.endswith("?") or not 3 <= len(sentence.split()) <= 30 or _SOMEBODY_ELSE.search(sentence):
        return False
    clause = _SCENE.sub("", sentence)
    if _PASSING.search(clause) or _POINTING.search(clause) or _TWO_CLAUSES.search(clause) or _NO_STATE.search(clause):
        return False
    if _EVENT.search(clause) and not _LASTING_PAST.search(clause):
        return False
    own = bool(_FIRST_PERSON.search(sentence))
    held = bool(_HELD.search(clause)) and not _MOOD.search(clause)
    # A name or a number is a value, whatever the verb.
    return bool(_OWN_STATE.search(clause)) or (bool(_NAMED.search(clause)) and (own or held)) or (own and held)


def statements_of(note: Note) -> list[Statement]:
    """What one note says, in order: the note itself where it has no speaker, else what its sentences state or ask for."""
    if not note.speaker:
        return [Statement("tell", note.text, "", False, note.key, note.date)]
    found, topic, corrects = [], "", False
    sentences = sentences_of(note.text)
    for at, sentence in enumerate(sentences):
        about = _topic_of(sentence)
        if about and (_FORGET.search(sentence) or any(map(_FORGET.search, sentences[at + 1 : at + 2]))):
            found.append(Statement("forget", "", about, False, note.key, note.date))
        elif _SLIP.search(sentence):
            corrects = True
        elif about and _CHANGE.search(sentence):
            topic = about
        elif is_own_fact(sentence):
            found.append(Statement("tell", sentence, topic, corrects, note.key, note.date))
            topic, corrects = "", False
    return found


def owner_among(notes: Sequence[Note], owner: str) -> str:
    """The speaker whose memory this is: the one called like `owner`, else the one who tells most about himself; among equals
    the first to speak; '' where nobody tells anything. A friend or an assistant asks and reacts, the owner tells."""
    told: dict[str, int] = {}
    for note in notes:
        if note.speaker:
            told[note.speaker] = told.get(note.speaker, 0) + len(statements_of(note))
    most = max(told, key=told.get, default="")
    return next((speaker for speaker in told if speaker.casefold() == owner.casefold()), most if told.get(most) else "")


def _topic_of(sentence: str) -> str:
    """What a sentence about earlier words is about: "Please forget what I told you about my rent." -> "my rent"."""
    found = _OUTRIGHT.search(sentence) or (_OLD_VERSION.search(sentence) and _ABOUT.search(sentence))
    return found["topic"].strip() if found else ""
