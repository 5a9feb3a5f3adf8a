"""What can stand in the memory zone in front of the tokens, and how it becomes vectors of the model's width.

    triplets, open     subject, relation and object as their tokens' embeddings, pooled in order: also for names never seen
    triplets, spelt    the same, but one position for each token of the object and one for its end: what is said can be copied
    triplets, closed   an embedding for each entity and each relation of a vocabulary, as first proposed
    pooled             the mean of every few old tokens (after Compressive Transformers, arXiv 1911.05507)
    summary            one vector a segment of old tokens, found by a question that is learnt (after HMT, arXiv 2405.06067)

Every triplet is one position, unless it is spelt. It also says whether the fact holds, and how many triplets have come since.
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
        return Memory(self.joined(self.vectors(given, embedding), given.denied, given.age), given.present)

    def joined(self, parts: torch.Tensor, denied: torch.Tensor, age: torch.Tensor) -> torch.Tensor:
        """One vector [..., width] of three [..., 3, width], with what is said about them: bool and int64 [...]."""
        joined = norm(self.join(parts.flatten(-2)))
        joined = joined + denied[..., None] * self.denied + self.age(age.clamp(max=AGES - 1))
        return norm(joined + self.down(F.relu(self.up(norm(joined))).square()))


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


class SpeltTriplets(nn.Module):
    """The object a token at a time, each with subject and relation, and with the token before it, to which a reader that has just
    said that one can turn; then a vector for its end. Subject and relation are pooled as in `OpenTriplets`."""

    def __init__(self, width: int, longest: int):
        super().__init__()
        self.about = OpenTriplets(width, longest)
        self.begin = nn.Parameter(torch.randn(width))
        self.end = nn.Parameter(torch.randn(width))

    def forward(self, given: TripletIds, embedding: nn.Embedding) -> Memory:
        """The memory zone: [B, most positions of a window, width], the latest triplet last."""
        objects, longest = given.parts[:, :, 2], given.parts.shape[-1]  # [B, M, L]
        ends = (objects != NOTHING).sum(-1, keepdim=True)  # [B, M, 1]
        place = torch.arange(longest + 1, device=objects.device)
        present = ((place <= ends) & given.present[..., None]).flatten(1)  # [B, M (L + 1)]
        # What is there moves to the end, in its order: a zone is as long as the longest of its batch.
        order = present.byte().argsort(dim=-1, stable=True)[:, present.shape[1] - int(present.sum(-1).max()) :]  # [B, P]
        row, triplet, at = torch.arange(len(order), device=objects.device)[:, None], order // (longest + 1), order % (longest + 1)
        tokens = torch.cat([norm(self.begin).expand(*objects.shape[:2], 1, -1), norm(embedding(objects.clamp(min=0)))], 2)
        before = tokens[row, triplet, at]
        said = torch.where(
            (at < ends[row, triplet, 0])[..., None], tokens[row, triplet, (at + 1).clamp(max=longest)], norm(self.end)
        )
        parts = self.about.vectors(given, embedding)[row, triplet, :2]  # [B, P, 2, width]
        known = self.about.joined(
            torch.cat([parts, before[..., None, :]], -2), given.denied[row, triplet], given.age[row, triplet]
        )
        return Memory(norm(said + known), present.gather(1, order))


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
