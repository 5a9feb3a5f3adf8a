"""Every memory of text by its id. To add one: a module with a class on TextMemory, and a line here."""

from collections.abc import Callable

from loci.errors import UserError
from loci.memories.dense import DenseMemory
from loci.memories.episodic import EpisodicMemory
from loci.memories.hybrid import HybridMemory
from loci.memories.late import LateMemory
from loci.memories.lexical import Bm25Memory, Bm25WindowMemory
from loci.memories.managed import ManagedMemory
from loci.memories.managed_graph import ManagedGraphMemory
from loci.memories.ppr import PprMemory
from loci.memories.text import AllMemory, GoldMemory, NoMemory, RecentMemory
from loci.memories.text_trace import TextMemory
from loci.models.encoder import Encoder

_MADE: dict[str, Callable[[Encoder, int], TextMemory]] = {
    "none": lambda _encoder, _k: NoMemory(),
    "gold": lambda _encoder, _k: GoldMemory(),
    "all": lambda _encoder, _k: AllMemory(),
    "recent": lambda _encoder, k: RecentMemory(k),
    "bm25": lambda _encoder, k: Bm25Memory(k),
    "bm25w": lambda _encoder, k: Bm25WindowMemory(k),
    "dense": DenseMemory,
    "hybrid": HybridMemory,
    "late": LateMemory,
    "managed": ManagedMemory,
    "managed_graph": ManagedGraphMemory,
    "episodic": EpisodicMemory,
    "ppr": PprMemory,
}
TEXT_MEMORIES = tuple(_MADE)


def text_memory(name: str, encoder: Encoder, k: int) -> TextMemory:
    """The memory of that id, which recalls `k` notes (or items, or triples) a question; UserError for an unknown id."""
    if name not in _MADE:
        raise UserError(f"memory {name}", "is not known", f"choose one of {', '.join(_MADE)}")
    return _MADE[name](encoder, k)
