"""Every memory of text by its id. To add one: a module with a class on TextMemory, and a line here."""

from collections.abc import Callable

from loci.errors import UserError
from loci.memories.dense import DenseMemory
from loci.memories.distilled import DistilledMemory
from loci.memories.episodic import EpisodicMemory
from loci.memories.hybrid import HybridMemory
from loci.memories.late import LateMemory
from loci.memories.lexical import Bm25Memory, Bm25WindowMemory
from loci.memories.llm_decider import Complete, ManagedModelMemory
from loci.memories.llm_distiller import DistilledModelMemory
from loci.memories.managed import ManagedMemory
from loci.memories.managed_graph import ManagedGraphMemory
from loci.memories.ppr import PprMemory
from loci.memories.reset import ResetMemory
from loci.memories.text import AllMemory, GoldMemory, NoMemory, RecentMemory
from loci.memories.text_trace import TextMemory
from loci.models.encoder import Encoder

# In the order of the bench's rows. Imported above by name, because a result's code hash follows imports.
_PLAIN: dict[str, Callable[[int], TextMemory]] = {
    "none": lambda _k: NoMemory(),
    "gold": lambda _k: GoldMemory(),
    "all": lambda _k: AllMemory(),
    "recent": RecentMemory,
    "bm25": Bm25Memory,
    "bm25w": Bm25WindowMemory,
    "distilled": DistilledMemory,
    "reset": lambda _k: ResetMemory(),
}
_ENCODED: dict[str, Callable[[Encoder, int], TextMemory]] = {
    "dense": DenseMemory,
    "hybrid": HybridMemory,
    "late": LateMemory,
    "managed": ManagedMemory,
    "managed_graph": ManagedGraphMemory,
    "episodic": EpisodicMemory,
    "ppr": PprMemory,
}
_ASKING: dict[str, Callable[[Encoder, int, Complete], TextMemory]] = {"managed_llm": ManagedModelMemory}
_WRITTEN: dict[str, Callable[[int, Complete], TextMemory]] = {"distilled_llm": DistilledModelMemory}
NEEDS_MODEL = (*_ASKING, *_WRITTEN)
NEEDS_ENCODER = (*_ENCODED, *_ASKING)
TEXT_MEMORIES = (*_PLAIN, *NEEDS_ENCODER, *_WRITTEN)


def text_memory(name: str, encoder: Encoder | None, k: int, complete: Complete | None = None) -> TextMemory:
    """The memory of that id, which recalls at most `k` lines where it chooses; `encoder` may be None where it is not in
    NEEDS_ENCODER, `complete` where it is not in NEEDS_MODEL. UserError for an unknown id, what is missing, or k below 1."""
    if name not in TEXT_MEMORIES:
        raise UserError(f"memory: {name}", "is not known", f"use one of {', '.join(TEXT_MEMORIES)}")
    if k < 1:
        raise UserError("k", f"is {k}", "recall at least one line")
    if name in _PLAIN:
        return _PLAIN[name](k)
    if name in NEEDS_MODEL and complete is None:
        raise UserError(f"memory: {name}", "needs a language model", "give one as `complete`")
    if name in _WRITTEN:
        return _WRITTEN[name](k, complete)
    if encoder is None:
        raise UserError(f"memory: {name}", "needs an encoder", "load one with Encoder.load")
    if name in _ENCODED:
        return _ENCODED[name](encoder, k)
    return _ASKING[name](encoder, k, complete)
