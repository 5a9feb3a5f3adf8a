"""Three ways to keep a long conversation in a short prompt with [mem] vectors, and their twin in words.

compress    a tool: it fits vectors to a text, keeps them and gives back a mark, "[mem-id-0123456789ab]", for a scratchpad
injected    what stands between a prompt and the model: each mark gives way to its vectors, the rest to its embeddings
AutoMem     the oldest turns give way to marks as soon as a budget of positions is passed; the order stays
reset       in words: the older turns are distilled by rules, the latest stay, both within the same budget
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from loci.errors import UserError
from loci.memories.distilled_store import Message
from loci.memories.distiller import four_sections, lines_of
from loci.memories.mem_store import MARK, Kept, MemStore
from loci.memories.reset import newest
from loci.models.base import Base
from loci.models.mem_vectors import Front, MemSettings, grow


@dataclass(frozen=True)
class Compressor:
    """front: behind what vectors are fitted. by: tokens by which texts grow. fits: times that vectors were fitted to a text."""

    base: Base
    front: Front
    store: MemStore
    settings: MemSettings
    by: int
    seed: int = 0
    fits: list[str] = field(default_factory=list)

    def compress(self, texts: Sequence[str]) -> list[Kept]:
        """What is kept of each text; a text that is kept already is not fitted again. UserError for one that does not fit."""
        new = [text for text in dict.fromkeys(texts) if self.store.find(self.base.model_sha256, text) is None]
        ids = [self.base.tokenizer(text, add_special_tokens=False).input_ids for text in new]
        for text, tokens in zip(new, ids, strict=True):
            self.front.check(len(tokens), self.settings.vectors, f"text '{text[:40]}'")
        if new:
            start = self.front.draw(len(new), self.settings, self.seed)
            *_, (_, found) = grow(self.front, ids, self.settings, start, self.by)
            for text, one in zip(new, found, strict=True):
                self.store.put(self.base.model_sha256, text, one.vectors.numpy(), bool(one.right.all()))
        self.fits.extend(new)
        return [self.store.find(self.base.model_sha256, text) for text in texts]


def injected(prompt: str, store: MemStore, base: Base) -> torch.Tensor:
    """Inputs [T, d] of a prompt in which marks may stand; UserError for a mark that the store does not have for this model."""
    embedding, parts, at = base.model.get_input_embeddings(), [], 0
    for match in [*MARK.finditer(prompt), None]:
        text = prompt[at : match.start() if match else len(prompt)]
        ids = base.tokenizer(text, add_special_tokens=False).input_ids if text else []
        parts.append(embedding(torch.tensor(ids, dtype=torch.int64)))
        if match:
            parts.append(torch.from_numpy(store.get(match[1], base.model_sha256).vectors))
            at = match.end()
    return torch.cat(parts)


class AutoMem:
    """Turns of a conversation within `budget` positions of a model. `prompt` is to go through `injected`."""

    def __init__(self, compressor: Compressor, budget: int):
        self._compressor, self.budget = compressor, budget
        self.turns: list[str] = []  # lines, marks among them
        self._sizes: list[int] = []  # positions of each, with the end of its line

    def add(self, turn: str) -> None:
        """One more turn. The oldest ones that are still text give way until everything fits; UserError where that is not
        enough."""
        count = self._compressor.settings.vectors
        turns, sizes = [*self.turns, turn], [*self._sizes, self.size(turn)]
        old = []
        for at, text in enumerate(turns):
            if sum(sizes) <= self.budget:
                break
            if not MARK.fullmatch(text):
                old.append(at)
                sizes[at] = count + 1
        if sum(sizes) > self.budget:
            what = f"is {self.budget}, {len(turns)} turns take {sum(sizes)} as vectors"
            raise UserError("budget", what, "raise it, or begin a new conversation")
        for at, kept in zip(old, self._compressor.compress([turns[at] for at in old]), strict=True):
            turns[at] = kept.mark
        self.turns, self._sizes = turns, sizes

    def size(self, turn: str) -> int:
        """Positions of a turn that is text, with the end of its line."""
        return len(self._compressor.base.tokenizer(f"{turn}\n", add_special_tokens=False).input_ids)

    @property
    def positions(self) -> int:
        return sum(self._sizes)

    @property
    def prompt(self) -> str:
        return "\n".join(self.turns)


def reset(turns: Sequence[str], budget: int, tokenizer, share: float = 0.5) -> list[str]:
    """Summarise and reset: as many of the latest turns as fit `1 - share` of so many tokens, before them the older ones distilled
    by rules, as many words as fit the rest. Everything, where it fits."""

    def size(lines: Sequence[str]) -> int:
        return len(tokenizer("".join(f"{line}\n" for line in lines), add_special_tokens=False).input_ids)

    if size(turns) <= budget:
        return list(turns)
    latest = newest(turns, int((1 - share) * budget), size)
    older = [Message(str(at), "", "user", turn, "") for at, turn in enumerate(turns[: len(turns) - len(latest)])]
    lines, words = lines_of(older), budget
    while words and size([*four_sections(lines, words).splitlines(), *latest]) > budget:
        words -= 1
    return [*four_sections(lines, words).splitlines(), *latest]
