"""Is an answer right? Exact by our rule, and the published metrics beside it under their own names.

The rule: greedy text to the first newline or 16 tokens; NFKC, case folded, punctuation and articles dropped, numbers
compared as numbers. A question's answer must equal an accepted variant; a completed statement must start with one at
a word boundary. An unknown is right when the answer says so.
"""

import re
import unicodedata
from collections.abc import Iterable

_THOUSANDS = re.compile(r"(?<=\d)[,\u00a0 ](?=\d{3}(?!\d))")
# A number with an optional decimal part, or a word; an apostrophe or hyphen inside a word belongs to it.
_TOKEN = re.compile(r"\d+(?:\.\d+)?|[^\W\d_]+(?:['’\-][^\W\d_]+)*")
_ARTICLES = {"a", "an", "the"}
_NOT_KNOWN = (
    "not known", "unknown", "not sure", "no idea", "do not know", "don't know", "dont know", "not mentioned", "not stated",
    "not specified", "not given", "no information", "cannot say", "can't say", "none",
)  # fmt: skip


def normalised(text: str) -> tuple[str, ...]:
    """Words and numbers of a text, in order: '$2,200.50 for the Dog' -> ('2200.5', 'for', 'dog')."""
    text = unicodedata.normalize("NFKC", text).casefold().replace("’", "'")
    tokens = _TOKEN.findall(_THOUSANDS.sub("", text))
    return tuple(_number(token) if token[0].isdigit() else token for token in tokens if token not in _ARTICLES)


def _number(token: str) -> str:
    """One spelling per number: '007' -> '7', '3.50' -> '3.5'."""
    whole, _, decimals = token.partition(".")
    decimals = decimals.rstrip("0")
    return str(int(whole)) + (f".{decimals}" if decimals else "")


def exact(prediction: str, accepted: Iterable[str], form: str) -> bool:
    """Whether the prediction is right. form: 'question' (equals a variant) or 'statement' (starts with one)."""
    said = normalised(prediction)
    for variant in accepted:
        wanted = normalised(variant)
        if wanted and (said[: len(wanted)] == wanted if form == "statement" else said == wanted):
            return True
    return False


def says_not_known(prediction: str) -> bool:
    """Whether an answer to a question admits that it is not known: it begins with such a phrase, 'I' left aside."""
    said = normalised(prediction)
    said = said[1:] if said[:1] == ("i",) else said
    return any(said[: len(phrase)] == phrase for phrase in map(normalised, _NOT_KNOWN))


def contains_any(prediction: str, values: Iterable[str]) -> bool:
    """Whether any of the values stands in the prediction as whole words."""
    said = normalised(prediction)
    for value in values:
        wanted = normalised(value)
        if wanted and any(said[at : at + len(wanted)] == wanted for at in range(len(said) - len(wanted) + 1)):
            return True
    return False


def substring(prediction: str, answer: str) -> bool:
    """The published `indirect_any` test: the answer is a lower-cased substring, word boundaries ignored."""
    return answer.casefold() in prediction.casefold()


def first_token(predicted: list[int], wanted: int) -> bool:
    """The published top-1 test: the first generated sub-word token is the first token of the answer."""
    return bool(predicted) and predicted[0] == wanted
