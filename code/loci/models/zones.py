"""What can stand in the memory zone in front of the tokens, and how it becomes vectors of the model's width.

    triplets, open     subject, relation and object as their tokens' embeddings, pooled in order: also for names never seen
    triplets, closed   an embedding for each entity and each relation of a vocabulary, as first proposed
    pooled             the mean of every few old tokens (after Compressive Transformers, arXiv 1911.05507)
    summary            one vector a segment of old tokens, found by a question that is learnt (after HMT, arXiv 2405.06067)

Every triplet is one position. It also says whether the fact holds, and how many triplets have come since.
"""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from loci.errors import UserError
from loci.models.gpt import Memory, norm
from loci.models.products import Linear

_PARTS = 3  # subject, relation, object
AGES = 128  # triplets that came since; older ones count as this old
NOTHING = -1  # padding of ids


@dataclass(frozen=True)
class TripletIds:
    """M triplets of B windows. parts: int64 [B, M, 3, L] token ids (open) or [B, M, 3, 1] vocabulary ids (closed), NOTHING where
    there is none. denied: bool [B, M]. age: int64 [B, M], 0 for the latest. A triplet without a first id is absent."""

    parts: torch.Tensor
    denied: torch.Tensor
    age: torch.Tensor

    @property
    def present(self) -> torch.Tensor:
        """bool [B, M]."""
        return self.parts[:, :, 0, 0] != NOTHING


@dataclass(frozen=True)
class OldTokens:
    """What has left the window: int64 [B, E] token ids, NOTHING before their beginning."""

    ids: torch.Tensor


class _Triplets(nn.Module):
    """What both encoders of triplets share: three vectors become one, with what is said about the fact."""

    def __init__(self, width: int):
        super().__init__()
        self.join = Linear(_PARTS * width, width, bias=False)
        self.up = Linear(width, 4 * width, bias=False)
        self.down = Linear(4 * width, width, bias=False)
        self.denied = nn.Parameter(torch.zeros(width))
        self.age = nn.Embedding(AGES, width)
        bound = (3 / width) ** 0.5
        with torch.no_grad():
            self.join.weight.uniform_(-bound, bound)
            self.up.weight.uniform_(-bound, bound)
            self.down.weight.zero_()
            self.age.weight.normal_(0, 0.02)

    def forward(self, given: TripletIds, embedding: nn.Embedding) -> Memory:
        """The memory zone of triplets: [B, M, width]."""
        joined = norm(self.join(self.vectors(given, embedding).flatten(-2)))
        joined = joined + given.denied[..., None] * self.denied + self.age(given.age.clamp(max=AGES - 1))
        joined = joined + self.down(F.relu(self.up(norm(joined))).square())
        return Memory(norm(joined), given.present)


class OpenTriplets(_Triplets):
    """Parts by their tokens: the model's own embeddings, each turned by what is learnt for its place in the part, summed.

    longest: most tokens of a part; what is longer is refused where the ids are made.
    """

    def __init__(self, width: int, longest: int):
        super().__init__(width)
        self.place = nn.Parameter(torch.empty(longest, width))
        with torch.no_grad():
            self.place.normal_(1, 0.5)  # places differ from the start, or the order of a name's tokens would be lost

    def vectors(self, given: TripletIds, embedding: nn.Embedding) -> torch.Tensor:
        """[B, M, 3, width]."""
        there = given.parts != NOTHING  # [B, M, 3, L]
        tokens = norm(embedding(given.parts.clamp(min=0))) * there[..., None]
        return norm((tokens * self.place[: tokens.shape[-2]]).sum(-2))


class ClosedTriplets(_Triplets):
    """Parts by vocabularies of entities and relations, learnt with the model."""

    def __init__(self, width: int, entities: int, relations: int):
        super().__init__(width)
        self.entity = nn.Embedding(entities, width)
        self.relation = nn.Embedding(relations, width)

    def vectors(self, given: TripletIds, _embedding: nn.Embedding) -> torch.Tensor:
        """[B, M, 3, width]."""
        subject, relation, object_ = given.parts[..., 0].clamp(min=0).unbind(-1)
        return norm(torch.stack([self.entity(subject), self.relation(relation), self.entity(object_)], -2))


class Pooled(nn.Module):
    """Old tokens, the embeddings of every `each` of them averaged; what does not fill the first group stays out."""

    def __init__(self, width: int, each: int):
        super().__init__()
        self.each = each
        self.project = Linear(width, width, bias=False)
        with torch.no_grad():
            self.project.weight.copy_(torch.eye(width))

    def forward(self, given: OldTokens, embedding: nn.Embedding) -> Memory:
        """The memory zone: [B, E // each, width]."""
        groups = _groups(given.ids, self.each)  # [B, G, each]
        mean = norm(embedding(groups.clamp(min=0))).mean(-2)
        return Memory(norm(self.project(mean)), (groups != NOTHING).all(-1))


class Summary(nn.Module):
    """One vector for every `each` old tokens: a learnt question attends to them, each with its place in the segment."""

    def __init__(self, width: int, each: int):
        super().__init__()
        self.each = each
        self.question = nn.Parameter(torch.randn(width))
        self.place = nn.Parameter(torch.randn(each, width) * 0.1)
        self.key = Linear(width, width, bias=False)
        self.value = Linear(width, width, bias=False)
        self.up = Linear(width, 4 * width, bias=False)
        self.down = Linear(4 * width, width, bias=False)

    def forward(self, given: OldTokens, embedding: nn.Embedding) -> Memory:
        """The memory zone: [B, E // each, width]."""
        groups = _groups(given.ids, self.each)
        tokens = norm(norm(embedding(groups.clamp(min=0))) + self.place)  # [B, G, each, width]
        weights = (self.key(tokens) @ norm(self.question) / tokens.shape[-1] ** 0.5).softmax(-1)
        found = norm((weights[..., None] * self.value(tokens)).sum(-2))
        return Memory(norm(found + self.down(F.relu(self.up(found)).square())), (groups != NOTHING).all(-1))


def _groups(ids: torch.Tensor, each: int) -> torch.Tensor:
    """The last full groups of `each` ids: [B, E] -> [B, E // each, each]."""
    count = ids.shape[1] // each
    return ids[:, ids.shape[1] - count * each :].unflatten(1, (count, each))


class Vocabulary:
    """Ids of entities and relations, in the order given; UserError for what is not in it."""

    def __init__(self, entities: list[str], relations: list[str]):
        self.entities = {name: at for at, name in enumerate(entities)}
        self.relations = {name: at for at, name in enumerate(relations)}

    def ids(self, subject: str, relation: str, object_: str) -> list[list[int]]:
        """[[subject], [relation], [object]]."""
        for kind, known, name in (
            ("entity", self.entities, subject),
            ("relation", self.relations, relation),
            ("entity", self.entities, object_),
        ):
            if name not in known:
                raise UserError(
                    f"{kind} '{name}'", "is not in the closed vocabulary", "use the open encoder, or a wider vocabulary"
                )
        return [[self.entities[subject]], [self.relations[relation]], [self.entities[object_]]]
