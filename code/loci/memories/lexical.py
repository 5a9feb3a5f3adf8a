"""BM25 over notes, and over windows of three of them (Robertson and Zaragoza 2009; library bm25s, Lucene's variant)."""

from collections.abc import Sequence
from weakref import WeakKeyDictionary

import bm25s
import numpy as np
import Stemmer

from loci.memories.base import Note, Query, Recall
from loci.memories.text import at_positions
from loci.memories.text_trace import TextMemory, TextTrace, best

K1, B = 1.5, 0.75
# Words that say nothing about a fact. Possessives of the first person are among them: every note of a user has one.
_STOP = [
    "a", "an", "and", "are", "as", "at", "be", "by", "do", "does", "for", "from", "i", "in", "is", "it", "me", "my", "of", "on",
    "or", "that", "the", "this", "to", "was", "what", "which", "who", "with", "you", "your",
]  # fmt: skip
_STEMS = Stemmer.Stemmer("english")


def words_of(texts: Sequence[str]) -> list[list[str]]:
    """Stemmed words of each text, in lower case."""
    found = bm25s.tokenize(list(texts), lower=True, stopwords=_STOP, stemmer=_STEMS, return_ids=False, show_progress=False)
    return [list(words) for words in found]


class Bm25Index:
    """BM25 scores over N documents, kept as the arrays and words that a trace can hold."""

    def __init__(self, arrays: dict[str, np.ndarray], vocabulary: Sequence[str]):
        self._count = int(arrays["bm25.count"][0])
        self._engine = bm25s.BM25(k1=K1, b=B, method="lucene")
        self._engine.scores = {
            "data": arrays["bm25.data"],
            "indices": arrays["bm25.indices"],
            "indptr": arrays["bm25.indptr"],
            "num_docs": self._count,
        }
        self._engine.nonoccurrence_array = None  # only for variants that score missing words
        self._engine.vocab_dict = {word: at for at, word in enumerate(vocabulary)}
        self._known = set(vocabulary)

    @staticmethod
    def build(texts: Sequence[str]) -> tuple[dict[str, np.ndarray], list[str]]:
        """Arrays and vocabulary of an index over the texts."""
        documents = words_of(texts)
        count = np.array([len(documents)])
        if not any(documents):
            none = {"bm25.data": np.zeros(0, np.float32), "bm25.indices": np.zeros(0, np.int32)}
            return none | {"bm25.indptr": np.zeros(1, np.int64), "bm25.count": count}, []
        engine = bm25s.BM25(k1=K1, b=B, method="lucene")
        vocabulary = {word: at for at, word in enumerate(dict.fromkeys(word for words in documents for word in words))}
        ids = [[vocabulary[word] for word in words] for words in documents]
        engine.index((ids, vocabulary), create_empty_token=False, show_progress=False)
        arrays = {f"bm25.{name}": np.asarray(engine.scores[name]) for name in ("data", "indices", "indptr")}
        return arrays | {"bm25.count": count}, list(vocabulary)

    def scores(self, text: str) -> np.ndarray:
        """Scores [N] of all documents; 0 for one that shares no word with the text."""
        words = [word for word in words_of([text])[0] if word in self._known]
        return self._engine.get_scores(words) if words else np.zeros(self._count, np.float32)


class Bm25Memory(TextMemory):
    """The `k` notes with the highest BM25 score. Where no word is shared all notes are equal and the latest are taken."""

    name = "bm25"

    def __init__(self, k: int):
        self._k = k
        self._live: WeakKeyDictionary[TextTrace, Bm25Index] = WeakKeyDictionary()

    def recall(self, trace: TextTrace, query: Query) -> Recall:
        return at_positions(trace, best(self.scores(trace, query), self._k))

    def scores(self, trace: TextTrace, query: Query) -> np.ndarray:
        """Scores [N] of all notes."""
        if trace not in self._live:
            self._live[trace] = Bm25Index(trace.arrays, trace.extra["words"])
        return self._live[trace].scores(query.text)

    def _index(self, notes: tuple[Note, ...]) -> tuple[dict[str, np.ndarray], dict]:
        arrays, words = Bm25Index.build(self._documents(notes))
        return arrays, {"words": words}

    def _documents(self, notes: tuple[Note, ...]) -> list[str]:
        return [note.spoken for note in notes]


class Bm25WindowMemory(Bm25Memory):
    """As bm25, but a note is scored by the words of its neighbours too: of the note before and after it in its session."""

    name = "bm25w"

    def _documents(self, notes: tuple[Note, ...]) -> list[str]:
        documents = []
        for at, note in enumerate(notes):
            around = notes[max(0, at - 1) : at + 2]
            documents.append(" ".join(other.spoken for other in around if other.date == note.date))
        return documents
