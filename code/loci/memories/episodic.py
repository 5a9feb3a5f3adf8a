"""The memory of whole episodes: every turn is kept as it was said and found by meaning, and comes back among its neighbours.

The long-term episodic memory of MemMachine (Apache-2.0, memmachine-server 0.4): nothing is extracted and no language model
is asked, neither to write nor to read. Its reranker is a setting there; here it is the sentence encoder, which reads whole
clusters of turns.
"""

from collections.abc import Sequence

import numpy as np

from loci.memories.base import Note, Query, Recall
from loci.memories.text import recalled
from loci.memories.text_trace import TextMemory, TextTrace, best
from loci.models.encoder import Encoder

# As published, not tuned.
FETCH_EACH, FETCH_MOST = 5, 200  # turns proposed for each that may be recalled, and at most
BACK, FORWARD = 1, 2  # neighbours of a turn: of E = 3, a third before it and the rest after it


class EpisodicMemory(TextMemory):
    """At most `k` turns, in the order of telling: the turns most like the question, each with its neighbours.

    The nearest turns become nuclei of clusters of up to four turns of one session; clusters are ranked by the cosine of their
    whole text, and the best ones are joined until `k` turns are found. A session ends where the date changes: clean
    sentences, which have none, form one session, and their neighbours are those told before and after. Of a cluster the
    encoder reads its first 256 tokens.
    """

    name = "episodic"

    def __init__(self, encoder: Encoder, k: int):
        self._encoder, self._k = encoder, k
        self.encoder_sha256 = encoder.sha256

    def _index(self, notes: tuple[Note, ...]) -> tuple[dict[str, np.ndarray], dict]:
        # Which cluster a turn is the nucleus of does not depend on the question: its vector is made once, here, and the
        # ranking is the one that reading the proposed clusters at every question would give.
        clusters = ["\n".join(notes[at].spoken for at in cluster_of(notes, nucleus)) for nucleus in range(len(notes))]
        turns = self._encoder.sentences([note.spoken for note in notes])
        return {"turns": turns, "clusters": self._encoder.sentences(clusters)}, {}  # both float32 [N, D]

    def recall(self, trace: TextTrace, query: Query) -> Recall:
        if not trace.notes:
            return Recall(told=True)
        vector = self._encoder.query(query.text)[0]
        nuclei = np.sort(best(trace.arrays["turns"] @ vector, min(FETCH_EACH * self._k, FETCH_MOST)))
        nuclei = nuclei[best(trace.arrays["clusters"][nuclei] @ vector, len(nuclei))]
        positions = union([(nucleus, cluster_of(trace.notes, nucleus)) for nucleus in nuclei.tolist()], self._k)
        return recalled([trace.notes[at] for at in positions], told=True)


def cluster_of(notes: Sequence[Note], nucleus: int) -> range:
    """Positions of a note and its neighbours in its session, in the order of telling."""
    begin, end, date = nucleus, nucleus + 1, notes[nucleus].date
    while begin > max(0, nucleus - BACK) and notes[begin - 1].date == date:
        begin -= 1
    while end < min(len(notes), nucleus + FORWARD + 1) and notes[end].date == date:
        end += 1
    return range(begin, end)


def union(clusters: Sequence[tuple[int, Sequence[int]]], limit: int) -> list[int]:
    """Positions, in the order of telling, of at most `limit` notes out of clusters (nucleus, positions), best cluster first.

    A cluster is taken whole where all of it fits beside what is chosen. Of one that may not fit, the nucleus comes first, then
    what is near it, forward rather than back, until the limit is reached.
    """
    chosen: list[int] = []
    for nucleus, positions in clusters:
        if len(chosen) + len(positions) > limit:
            positions = sorted(positions, key=lambda at: _distance(at - nucleus))
        chosen += [at for at in positions if at not in chosen][: limit - len(chosen)]
        if len(chosen) == limit:
            break
    return sorted(chosen)


def _distance(steps: int) -> float:
    """How far a note is from its nucleus: two steps forward (0.75) are nearer than one back (1)."""
    return (steps - 0.5) / 2 if steps >= 0 else -steps
