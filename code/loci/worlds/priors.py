"""Two attackers that see nothing but a question: what they get right is no memory.

Both learn from other users' questions and answers, one model a family of questions. `Majority` replaces what stands in
slots (days, dishes, names, numbers) by a gap and gives the answer that is most frequent for the wording that is left.
`NGrams` is logistic regression on the words, word pairs and word triples of the question, slots included. Where a family
has more than 150 answers, the regression would take minutes for nothing: almost all weights belong to answers seen a few
times. Multinomial naive Bayes takes its place there, a linear model on the same features that needs one pass.
"""

import re
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import MultinomialNB

from loci.worlds.chances import chance_of
from loci.worlds.plans import World
from loci.worlds.pools import DAYS
from loci.worlds.records import UNANSWERED, User

MARGIN = 0.03  # an attacker may be this much above chance, and its interval must reach down to chance
_LEFT_OUT = (*UNANSWERED, "midconv", "updated", "other")  # no answer to guess, or texts and pools of another kind
_MOST_CLASSES = 150
_ROUNDS = 100
_TOKEN = r"(?u)\w+|[^\w\s]"
_PIECE = re.compile(r"\d+(?::\d+)?|\w+|\W+")  # numbers and times, words, and what stands between


@dataclass(frozen=True, slots=True)
class Probe:
    """A question as an attacker sees it, the right answer, and the chance of a blind guess."""

    family: str
    text: str
    answer: str
    chance: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """How many of `n` answers an attacker got right, and the mean chance of a blind guess."""

    right: int
    n: int
    chance: float


def probes_of(user: User) -> list[Probe]:
    """The questions of a user that have an answer to be guessed; their family is the kind for all but the indirect."""
    world = user.attrs["world"]
    return [
        Probe(question.family or question.kind, question.text, question.answer, chance_of(question, user.split, world))
        for question in user.questions
        if question.kind not in _LEFT_OUT
    ]


class Gaps:
    """What an attacker recognises as the content of a slot: days, numbers, and every name or thing of the pools."""

    def __init__(self, worlds: Iterable[World]):
        self._things = set(DAYS)
        for world in worlds:
            self._things.update(thing for things in world.exposures.values() for thing in things)
            self._things.update(option.raw for plan in world.keys for option in plan.options if isinstance(option.raw, str))
        self._longest = max(len(_PIECE.findall(thing)) for thing in self._things)

    def masked(self, text: str) -> str:
        """The text with a gap in place of each of these; of two that begin alike the longer is taken."""
        pieces, out, at = _PIECE.findall(text), [], 0
        while at < len(pieces):
            ends = range(min(at + self._longest, len(pieces)), at, -1)
            end = next((end for end in ends if "".join(pieces[at:end]) in self._things), at + 1)
            found = end > at + 1 or pieces[at] in self._things or pieces[at][0].isdigit()
            out.append("_" if found else pieces[at])
            at = end
        return "".join(out)


class Majority:
    """The most frequent answer to the same wording, slots masked; for an unknown wording the most frequent of all."""

    name = "majority"

    def __init__(self, probes: list[Probe], gaps: Gaps):
        self._gaps = gaps
        by_wording: dict[str, Counter] = defaultdict(Counter)
        for probe in probes:
            by_wording[gaps.masked(probe.text)][probe.answer] += 1
        self._answer = {wording: _most_common(counts) for wording, counts in by_wording.items()}
        self._otherwise = _most_common(Counter(probe.answer for probe in probes))

    def predict(self, texts: list[str]) -> list[str]:
        return [self._answer.get(self._gaps.masked(text), self._otherwise) for text in texts]


class NGrams:
    """Logistic regression on word n-grams, n = 1 to 3; naive Bayes on the same where a family has very many answers."""

    name = "ngrams"

    def __init__(self, probes: list[Probe], _gaps: Gaps):
        answers = [probe.answer for probe in probes]
        self._only = answers[0] if len(set(answers)) == 1 else None
        if self._only is not None:
            return
        many = len(set(answers)) > _MOST_CLASSES
        self._counts = CountVectorizer(ngram_range=(1, 3), token_pattern=_TOKEN, min_df=1 if many else 2, binary=True)
        features = self._counts.fit_transform(probe.text for probe in probes)
        self._model = MultinomialNB() if many else LogisticRegression(max_iter=_ROUNDS, tol=1e-3)
        with warnings.catch_warnings():
            # Cut short on purpose: the last digits of the weights change no prediction that matters. And names as answers
            # are many different classes, as they should be.
            warnings.simplefilter("ignore", ConvergenceWarning)
            warnings.filterwarnings("ignore", "The number of unique classes", UserWarning)
            self._model.fit(features, answers)

    def predict(self, texts: list[str]) -> list[str]:
        if self._only is not None:
            return [self._only] * len(texts)
        return list(self._model.predict(self._counts.transform(texts)))


ATTACKERS = (Majority, NGrams)


def learn(probes: list[Probe], gaps: Gaps) -> dict[str, list[Majority | NGrams]]:
    """Both attackers for every family, taught by these questions."""
    families: dict[str, list[Probe]] = defaultdict(list)
    for probe in probes:
        families[probe.family].append(probe)
    return {family: [attacker(own, gaps) for attacker in ATTACKERS] for family, own in families.items()}


def attack(attackers: dict[str, list[Majority | NGrams]], scored: list[Probe]) -> dict[str, dict[str, Outcome]]:
    """What each attacker gets right, {family: {attacker: outcome}}; the questions must be of users that it did not learn from."""
    outcomes: dict[str, dict[str, Outcome]] = {}
    for family in dict.fromkeys(probe.family for probe in scored):
        own = [probe for probe in scored if probe.family == family]
        chance = sum(probe.chance for probe in own) / len(own)
        outcomes[family] = {}
        for attacker in attackers[family]:
            said = attacker.predict([probe.text for probe in own])
            right = sum(answer == probe.answer for answer, probe in zip(said, own, strict=True))
            outcomes[family][attacker.name] = Outcome(right, len(own), chance)
    return outcomes


def is_at_chance(value: float, low: float, chance: float) -> bool:
    """The bench's condition: the interval reaches down to chance, and the value is at most MARGIN above it."""
    return low <= chance and value <= chance + MARGIN


def _most_common(counts: Counter) -> str:
    return min(counts, key=lambda answer: (-counts[answer], answer))
