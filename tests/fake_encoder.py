"""An encoder without a model: a word's vector is a hash of its spelling, a sentence's the mean of its words'."""

import hashlib
import re

import numpy as np


class FakeEncoder:
    """What memories ask of an Encoder; texts that share words are alike, and nothing else is."""

    def __init__(self, width: int = 32, sha256: str = "fake"):
        self.width, self.sha256 = width, sha256
        self._words: dict[str, np.ndarray] = {}

    def sentences(self, texts):
        """[N, width], float32, length 1."""
        vectors = [_unit(self._token_rows(text).mean(axis=0)) for text in texts]
        return np.stack(vectors) if vectors else np.zeros((0, self.width), np.float32)

    def tokens(self, texts):
        return [self._token_rows(text) for text in texts]

    def words(self, sentences):
        """For each sentence, given as words, [words, 2 width], float16."""
        return [
            np.tile(np.reshape([self._word(word.casefold()) for word in of], (-1, self.width)), 2).astype(np.float16)
            for of in sentences
        ]

    def query(self, text):
        return self.sentences([text])[0], self._token_rows(text)

    def _token_rows(self, text):
        return np.stack([self._word(word) for word in re.findall(r"\w+", text.casefold()) or [text]])

    def _word(self, word):
        if word not in self._words:
            drawn = np.frombuffer(hashlib.shake_256(word.encode()).digest(2 * self.width), "<u2").astype(np.float32)
            self._words[word] = _unit(drawn - 2**15)
        return self._words[word]


def _unit(vector):
    return vector / np.sqrt(vector @ vector)
