"""The side model beside another model: it reads what a window evicts in a thread of its own; triplets come when they are read."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from loci.memories.prose_words import Words
from loci.memories.side_model import Reader, SideModel
from loci.memories.side_words import Segment
from loci.worlds.prose_records import Triplet


class Follower:
    """Reads the segments of one text in the order in which they are evicted. Used as a context, it ends with it.

    words: of the text, of which only what was evicted is looked at.
    """

    def __init__(self, model: SideModel, words: Words):
        self._reader, self._pool = Reader(model, words), ThreadPoolExecutor(1)
        self._waiting: deque[Future] = deque()

    def __enter__(self) -> "Follower":
        return self

    def __exit__(self, *_error) -> None:
        self._pool.shutdown(cancel_futures=True)

    def evict(self, segment: Segment) -> None:
        """Give a segment to be read, and do not wait."""
        self._waiting.append(self._pool.submit(self._reader.read, segment))

    def ready(self) -> list[tuple[int, Triplet]]:
        """(sentence, triplet) of all segments that have been read since the last call; an error of the reader is raised here."""
        return list(self._done(wait=False))

    def rest(self) -> list[tuple[int, Triplet]]:
        """The same, of all segments that are left, however long that takes."""
        return list(self._done(wait=True))

    @property
    def behind(self) -> int:
        """Segments that are not read yet, or whose triplets were not fetched."""
        return len(self._waiting)

    def _done(self, wait: bool) -> Iterator[tuple[int, Triplet]]:
        while self._waiting and (wait or self._waiting[0].done()):
            yield from self._waiting.popleft().result()
