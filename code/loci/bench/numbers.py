"""Small numbers as words and as digits."""

import re

WORDS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_SAID = re.compile(rf"\b({'|'.join((*WORDS, 'once', 'twice'))})\b", re.IGNORECASE)


def digits(text: str) -> str:
    """A text with one to twelve as digits; "twice" is "2 times"."""
    times = {"once": "1 times", "twice": "2 times"}

    def digit(match: re.Match) -> str:
        word = match[0].lower()
        return times.get(word) or str(WORDS.index(word) + 1)

    return _SAID.sub(digit, text)
