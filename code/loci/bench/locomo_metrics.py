"""LOCOMO's own metrics, rule by rule, and the measures that belong beside them.

`official` follows the released evaluator (github.com/snap-research/locomo, task_eval/evaluation.py, commit 92286325): tokens are
compared as stems of NLTK's Porter stemmer, which is not the published Porter algorithm. Categories are numbers, see
worlds/locomo.py. A gold answer that the file gives as a number is its digits.

Beside it: the share of gold words that an answer holds, and whether it declines.
"""

import re
import string
from collections import Counter
from functools import cache

from nltk.stem import PorterStemmer

from loci.bench.score import says_not_known
from loci.worlds.locomo import ADVERSARIAL

_ARTICLES = re.compile(r"\b(a|an|the|and)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)
_DECLINED = ("no information available", "not mentioned")


def words(text: str) -> list[str]:
    """Lower case, no commas, then no other ASCII punctuation, then no articles and no "and"."""
    plain = text.replace(",", "").lower().translate(_PUNCTUATION)
    return _ARTICLES.sub(" ", plain).split()


@cache
def _stem(word: str) -> str:
    return PorterStemmer().stem(word)


def stems(text: str) -> list[str]:
    """The stems of `words`."""
    return [_stem(word) for word in words(text)]


def f1(prediction: str, gold: str) -> float:
    """Harmonic mean of the shares of stems that two texts have in common, repeated ones as often as both have them."""
    said, wanted = Counter(stems(prediction)), Counter(stems(gold))
    common = (said & wanted).total()
    return 2 * common / (said.total() + wanted.total()) if common else 0.0


def f1_of_parts(prediction: str, gold: str) -> float:
    """Mean over the comma-separated parts of the gold answer of the best F1 with any part of the prediction."""
    said = [part.strip() for part in prediction.split(",")]
    wanted = [part.strip() for part in gold.split(",")]
    return sum(max(f1(one, part) for one in said) for part in wanted) / len(wanted)


def official(category: int, prediction: str, gold: str) -> float:
    """The released evaluator's score, 0 to 1. Category 1 by parts; 3 against what stands before the first semicolon; 5 is 1 where
    the prediction holds one of two phrases, whatever `gold` is."""
    if category == ADVERSARIAL:
        return float(any(phrase in prediction.lower() for phrase in _DECLINED))
    if category == 1:
        return f1_of_parts(prediction, gold)
    return f1(prediction, gold.split(";")[0].strip() if category == 3 else gold)


def declines(prediction: str) -> bool:
    """Whether an answer holds one of the two official phrases, begins by saying that it does not know, or says nothing."""
    return bool(official(ADVERSARIAL, prediction, "")) or says_not_known(prediction) or not words(prediction)


def gold_recall(prediction: str, gold: str) -> float:
    """Share of the gold answer's stems that the prediction holds."""
    wanted = Counter(stems(gold))
    return (Counter(stems(prediction)) & wanted).total() / wanted.total() if wanted else 0.0
