"""Memories searched by words: BM25 over notes ("bm25") and over windows of three notes ("bm25w").

Lucene's BM25 (Kamphuis et al., ECIR 2020) as bm25s computes it (Lù, arXiv 2407.03618): the score of a word in a note is
worked out when the note is written, so a trace holds one sparse matrix of scores [notes, words] and the list of words.
"""

import re
import unicodedata
from collections.abc import Sequence
from itertools import pairwise
from weakref import WeakKeyDictionary

import bm25s
import numpy as np
import Stemmer

from loci.memories.base import Note, Query, Recall
from loci.memories.text import at_positions
from loci.memories.text_trace import TextMemory, TextTrace, best

# Lucene's 33 stop words, the words of questions, and those that every sentence in the first person has. Chosen on development
# users. With "my" kept, BM25 alone stays as good (recall@1 lower, @5 higher), but the hybrid suffers: a note that has no more
# than "my" in common gets half of its rank from that (recall@5 of direct questions 0.94; dropped, 0.99).
_QUESTION_WORDS = ("what", "which", "who", "whom", "whose", "when", "where", "why", "how", "do", "does", "did")
STOP_WORDS = frozenset((*bm25s.stopwords.STOPWORDS_EN, *_QUESTION_WORDS, "i", "me", "my", "mine", "am"))
_WORD = re.compile(r"\w+")
_PARTS = ("data", "indices", "indptr")
_LIVE: WeakKeyDictionary[TextTrace, bm25s.BM25] = WeakKeyDictionary()


def words(text: str) -> list[str]:
    """Stems (Snowball English) of the words of a text, in order, without stop words; "39.5" is two words."""
    found = _WORD.findall(unicodedata.normalize("NFKC", text).casefold())
    # A stemmer is not safe to share between threads, and a new one costs a microsecond.
    return Stemmer.Stemmer("english").stemWords([word for word in found if word not in STOP_WORDS])


def index_words(documents: Sequence[Sequence[str]]) -> tuple[dict[str, np.ndarray], dict]:
    """What a trace keeps of N documents of words: the scores by word, column after column, and the words.

    Arrays: data float32 [Z] and indices int32 [Z] (score and document of each pair that occurs), indptr int32 [V + 1]
    (where the column of a word begins); extra: {"words": V words in the order of their first use}.
    """
    known = {word: at for at, word in enumerate(dict.fromkeys(word for document in documents for word in document))}
    if not known:  # bm25s divides by the mean length
        return {"data": np.zeros(0, np.float32), "indices": np.zeros(0, np.int32), "indptr": np.zeros(1, np.int32)}, {"words": []}
    index = _empty_index()
    ids = [[known[word] for word in document] for document in documents]
    index.index((ids, known), create_empty_token=False, show_progress=False)
    kinds = {"data": np.float32, "indices": np.int32, "indptr": np.int32}
    return {part: np.asarray(index.scores[part], kinds[part]) for part in _PARTS}, {"words": list(known)}


def word_scores(trace: TextTrace, text: str) -> np.ndarray:
    """BM25 of each document of the trace for a text, float32 [N]; words that no document has count for nothing."""
    index = _LIVE.get(trace)
    if index is None:
        index = _LIVE[trace] = _empty_index()
        index.scores = {part: trace.arrays[part] for part in _PARTS} | {"num_docs": len(trace.notes)}
        index.vocab_dict = {word: at for at, word in enumerate(trace.extra["words"])}
    known = index.get_tokens_ids(words(text))
    return index.get_scores_from_ids(known) if known else np.zeros(len(trace.notes), np.float32)


class Bm25Memory(TextMemory):
    """The `k` notes that share most with the question, most relevant first.

    A note without any word of the question scores 0, and of equal notes the latest comes first: a question of unknown
    words only recalls the `k` latest notes, so that every memory fills the same number of lines.
    """

    name = "bm25"

    def __init__(self, k: int):
        self._k = k

    def _index(self, notes: tuple[Note, ...]) -> tuple[dict[str, np.ndarray], dict]:
        return index_words([words(note.spoken) for note in notes])

    def recall(self, trace: TextTrace, query: Query) -> Recall:
        return at_positions(trace, best(word_scores(trace, query.text), self._k))


class Bm25WindowMemory(TextMemory):
    """As Bm25Memory, but a note is scored by its window: the words of the note before it, its own and those of the note after.

    A window ends where the date changes: a session does not reach into another. Clean sentences have no dates and
    count as one session. Recalled are the `k` notes in the middle of the best windows, so that every memory fills the
    same number of lines. Whole windows, best first until there are `k` notes, found less for development users (recall@5 of
    direct questions 0.94 against 0.96 in clean sentences, 0.64 against 0.72 in dialogues).
    """

    name = "bm25w"

    def __init__(self, k: int):
        self._k = k

    def _index(self, notes: tuple[Note, ...]) -> tuple[dict[str, np.ndarray], dict]:
        return index_words(_windows(notes))

    def recall(self, trace: TextTrace, query: Query) -> Recall:
        return at_positions(trace, best(word_scores(trace, query.text), self._k))


def _windows(notes: Sequence[Note]) -> list[list[str]]:
    own = [words(note.spoken) for note in notes]
    windows = [list(document) for document in own]
    for before, after in pairwise(range(len(notes))):
        if notes[before].date == notes[after].date:
            windows[before] += own[after]
            windows[after] += own[before]
    return windows


def _empty_index() -> bm25s.BM25:
    index = bm25s.BM25(k1=1.5, b=0.75, method="lucene")
    index.nonoccurrence_array = None  # set by indexing, and asked for by scoring, which here starts from a trace
    return index
